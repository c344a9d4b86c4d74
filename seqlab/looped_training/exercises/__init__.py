"""The exercises of lab 11."""
