"""The exercises of lab 01."""
