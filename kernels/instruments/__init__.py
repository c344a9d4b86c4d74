"""Instruments that look inside a kernel without a GPU: what it compiles to, what it moves, how fast it could run."""
