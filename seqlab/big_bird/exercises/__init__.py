"""The exercises of lab 04."""
