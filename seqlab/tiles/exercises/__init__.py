"""The exercises of lab 08."""
