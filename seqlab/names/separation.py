"""One attention head of size one as a naming machine, and how far apart its names are at every temperature.

Tokens are numbers; query, key and value are the token itself, so token a in the set S gets the name

    Σ_b b · exp(beta a b) / Σ_b exp(beta a b)          b over S

beta = 0 is the average, a finite beta the Boltzmann operator (Kajitsuka & Sato 2023), beta = ∞ hardmax (Yun et al.
2019).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from mpmath.libmp import to_rational
from torch import Tensor

from seqlab.attention import attention, hardmax, softmax
from seqlab.contextual import contextual_mapping
from seqlab.names.exact import ExactNames
from seqlab.theorem import Verdict

BETAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, math.inf)


def subsets(tokens: Sequence[int | float], size: int) -> Float[Tensor, "set token"]:
    """All subsets of `tokens` with `size` members, as float64 rows."""
    if not 1 <= size <= len(tokens):
        raise ValueError(f"size: got {size}, wanted 1 to {len(tokens)}, the number of tokens")
    return torch.tensor(list(itertools.combinations(tokens, size)), dtype=torch.float64)


def names(x: Float[Tensor, "set token"], beta: float) -> Float[Tensor, "set token"]:
    """The names that the head gives in the arithmetic of `x`."""
    return names_and_weights(x, beta)[0]


def names_and_weights(
    x: Float[Tensor, "set token"], beta: float
) -> tuple[Float[Tensor, "set token"], Float[Tensor, "set query key"]]:
    """The names, and the attention weights behind them."""
    tokens = x.unsqueeze(-1)
    normalizer = hardmax() if math.isinf(beta) else softmax(beta)
    named, weights = attention(tokens, tokens, tokens, normalizer=normalizer, scale=1.0, return_weights=True)
    return named.squeeze(-1), weights


def exact_names(sets: Sequence[Sequence[int]], beta: float, *, digits: int = 200) -> list[list[Fraction]]:
    """The same names with `digits` decimal digits, as Fractions: what float64 would show if it could."""
    tokens = sorted({token for s in sets for token in s})
    bags = [tuple(tokens.index(token) for token in s) for s in sets]
    named = ExactNames(tokens, beta, digits=digits)
    return [[Fraction(*to_rational(named.name((a, bag))._mpf_)) for a in bag] for bag in bags]


def separation(x: Float[Tensor, "set token"], beta: float, *, exact: bool = False) -> Verdict:
    """Is the head a contextual mapping of these sets, and how far apart are its closest two names?"""
    sets = [tuple(int(token) for token in row) for row in x.tolist()]
    return contextual_mapping(exact_names(sets, beta) if exact else names(x, beta), sets, "set")
