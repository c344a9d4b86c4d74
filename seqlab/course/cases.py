"""What cases and messages of exercises are made of: tensors, the same at every call, and numbers as one writes them."""

import torch


def double(*rows):
    """Numbers, or rows of numbers, as a float64 tensor."""
    return torch.tensor(rows, dtype=torch.float64)


def normal(*shape, seed=0):
    """Normally distributed numbers; equal seeds give equal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(random, *shape):
    """Normally distributed numbers in float64, which `random` decides."""
    return normal(*shape, seed=random.getrandbits(32)).double()


def coins(random, *shape, share=0.5):
    """Booleans, of which about `share` are true; `random` decides them."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(random.getrandbits(32))) < share


def plain(values):
    """Numbers with no digit too many: 1, 0.5, 3e+10."""
    return ", ".join(f"{value:g}" for value in values)
