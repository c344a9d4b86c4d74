"""Speed as a ratio against a peer in the same run, never as a bare number. `python -m ci.bench`, `… ci.bench.gpu`"""
