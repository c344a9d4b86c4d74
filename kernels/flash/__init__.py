"""Flash attention in Triton: tiles of keys pass by while a tile of queries waits in fast memory."""
