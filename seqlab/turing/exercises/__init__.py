"""The exercises of lab 09."""
