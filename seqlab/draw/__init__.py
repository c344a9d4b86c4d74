"""Pictures in one style, each with its words."""
