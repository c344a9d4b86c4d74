"""Training at the papers' sizes, on as many processes as there are: `torchrun -m seqlab.train.scale CONFIG`."""
