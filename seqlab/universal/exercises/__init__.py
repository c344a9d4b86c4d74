"""The exercises of lab 02."""
