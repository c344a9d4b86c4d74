"""One training loop, its loss as it falls, shipped measurements, checkpoints."""
