"""Permutation equivariance as a program: reorder the tokens, and the outputs come along in the same order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

STATEMENT = Statement(
    "permutation equivariance",
    "Yun et al. 2019, Claim 1",
    "A transformer block without positions commutes with every reordering of its tokens (rows): g(PX) = P g(X).",
    (
        Hypothesis("no_positions", "no positional code is added to the tokens"),
        Hypothesis("no_mask", "no mask depends on the order (such as the causal one)"),
    ),
)


def check(
    g: Callable[[Float[Tensor, "token dim"]], Float[Tensor, "token dim"]],
    x: Float[Tensor, "token dim"],
    *,
    tolerance: float = 1e-9,
    statement: Statement = STATEMENT,
    trials: int = 1000,
) -> Verdict:
    """Compare g(x[order]) with g(x)[order] for every order (up to 6 tokens) or for `trials` random ones.

    The margin is `tolerance` less the largest difference: rounding differs with the order of a sum, so use float64.
    The witness carries (order, token, difference).
    """
    if len(x) < 2:
        raise ValueError(f"x: got {len(x)} token, wanted at least two to reorder")
    y = g(x)
    worst, at = 0.0, None
    orders = list(_orders(len(x), trials))
    for order in orders:
        gap = (g(x[order]) - y[order]).abs().amax(dim=-1)
        if gap.max().item() > worst:
            worst, at = gap.max().item(), (tuple(order.tolist()), int(gap.argmax()), gap.max().item())
    if worst <= tolerance:
        return Verdict(True, tolerance - worst, None, statement, len(orders))
    order, token, gap = at
    return Verdict(
        False,
        tolerance - worst,
        Witness(f"in the order {order}, output {token} differs by {gap:.3g}", at),
        statement,
        len(orders),
    )


def _orders(n: int, trials: int) -> Iterable[Tensor]:
    if math.factorial(n) <= 720:
        return (torch.tensor(order) for order in itertools.permutations(range(n)))
    draw = torch.Generator().manual_seed(0)
    return (torch.randperm(n, generator=draw) for _ in range(trials))
