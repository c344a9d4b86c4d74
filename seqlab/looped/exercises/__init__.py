"""The exercises of lab 07."""
