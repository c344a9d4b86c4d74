"""Attention kernels that the labs dispatch to. Empty for now: the labs published so far run on the oracle alone."""
