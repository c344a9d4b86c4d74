"""Lab 08: attention in tiles, and what becomes of it on a GPU."""
