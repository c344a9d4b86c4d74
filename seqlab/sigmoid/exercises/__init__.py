"""The exercises of lab 06."""
