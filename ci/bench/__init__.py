"""Speed as a ratio against a peer in the same run, never as a bare number: `python -m ci.bench` and `python -m ci.bench.gpu`."""
