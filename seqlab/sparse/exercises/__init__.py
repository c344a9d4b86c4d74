"""The exercises of lab 03."""
