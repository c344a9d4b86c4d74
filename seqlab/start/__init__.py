"""Lab 00: attention at work in a model that somebody else trained."""
