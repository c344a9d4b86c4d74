"""Where the names die: one head's names in exact arithmetic and in four floating-point types, from average to hardmax.

| paper symbol (Kajitsuka & Sato 2023, section 4)   | here                                                |
| ------------------------------------------------- | --------------------------------------------------- |
| scale κ = |uᵀu'| of a rank-one head, v = 1, d = 1 | `kappa`: 0 is the average, ∞ hardmax                |
| context id of token a in the set S                | `Named.names`, as in `seqlab.names`                 |
| separation δ, usually far below 10^-308           | `Named.log10_gap`, a logarithm: it never underflows |

The head is the one of lab 01. Exact: `seqlab.names.exact`. Floating point: `seqlab.names.separation.names` run in that
type by PyTorch. Tokens are rounded first, then every product, exponential, sum, quotient and name; only inside the sum
Σ weight·token may PyTorch keep more digits.
"""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, combinations, pairwise
from typing import NamedTuple

import torch

from seqlab.names.exact import ExactNames, log10
from seqlab.names.separation import names, subsets

DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
PRECISIONS = ("exact", *DTYPES)
KAPPAS = (0.0, *(float(f"{10 ** (k / 30):.3g}") for k in range(-60, 40)), math.inf)
MOST_TOKENS, MOST_MEMBERS = 7, 4


class Named(NamedTuple):
    """The names of all (token, set) pairs in one precision. Names of different tokens are different: the residual keeps
    the tokens, the head adds the names.

    names:      float64 for drawing: exact names are rounded, so judge by `shared`
    shared:     per name, how many sets give it to its token; 1 is a name of its own, 0 is no name (overflow)
    distinct:   how many (token, name) pairs there are
    log10_gap:  log10 of the smallest gap between two names of a token; -∞ where two sets give a token one name
    """

    precision: str
    names: tuple[float, ...]
    shared: tuple[int, ...]
    distinct: int
    log10_gap: float

    @property
    def alive(self) -> bool:
        """Every pair has a name of its own."""
        return self.log10_gap > -math.inf


def parse(text: str, size: int) -> tuple[Fraction, ...]:
    """Tokens from what a learner typed, "1, 2, 3.5", in increasing order.

    ValueError, in words for the learner, where it is something else, or its names cannot be drawn in time.
    """
    words = text.replace(",", " ").replace(";", " ").split()
    if not all(re.fullmatch(r"[+-]?\d(\.\d{1,2})?", word) for word in words):
        raise ValueError(
            f"{text!r} is not a list of numbers below 10 with at most two decimals; write for example 1, 2, 3.5"
        )
    tokens = tuple(sorted(map(Fraction, words)))
    if twice := [float(a) for a, b in pairwise(tokens) if a == b]:
        raise ValueError(f"tokens: {twice[0]:g} appears twice; the theorem wants different tokens")
    if not 3 <= len(tokens) <= MOST_TOKENS:
        raise ValueError(f"tokens: got {len(tokens)}, wanted 3 to {MOST_TOKENS}")
    most = min(MOST_MEMBERS, len(tokens) - 1)
    if not 2 <= size <= most:
        raise ValueError(f"size: got {size}, wanted 2 to {most} of these {len(tokens)} tokens in a set")
    return tokens


def places(tokens: Sequence, size: int) -> list[tuple]:
    """All (token, set) pairs, in the order of `Named.names`."""
    return [(token, chosen) for chosen in combinations(tokens, size) for token in chosen]


@lru_cache(maxsize=4096)
def named(tokens: tuple[int | float | Fraction, ...], size: int, kappa: float, precision: str = "exact") -> Named:
    """The names of every token in every set of `size` of the `tokens`, in one of `PRECISIONS`."""
    contexts = places(range(len(tokens)), size)
    groups = [[at for at, (one, _) in enumerate(contexts) if one == token] for token in range(len(tokens))]
    if precision == "exact":
        exact, index = ExactNames(tokens, kappa), {context: at for at, context in enumerate(contexts)}
        found = [float(exact.name(context)) for context in contexts]
        ladders = [exact.ladder([contexts[at] for at in group]) for group in groups]
        ranked = [([index[context] for context in order], steps) for order, steps in ladders]
    else:
        x = subsets([float(token) for token in tokens], size).to(DTYPES[precision])
        found = names(x, kappa).flatten().double().tolist()
        orders = [sorted((at for at in group if math.isfinite(found[at])), key=found.__getitem__) for group in groups]
        ranked = [(order, [found[b] - found[a] for a, b in pairwise(order)]) for order in orders]
    shared, distinct = [0] * len(found), 0
    for order, steps in ranked:
        which = [*accumulate(map(bool, steps), initial=0)][: len(order)]  # of the token's different names
        distinct += len(set(which))
        for at, name in zip(order, which):
            shared[at] = which.count(name)
    gap = log10(min(step for _, steps in ranked for step in steps)) if distinct == len(found) else -math.inf
    return Named(precision, tuple(found), tuple(shared), distinct, gap)


@lru_cache(maxsize=64)
def last_alive(tokens: tuple[int | float | Fraction, ...], size: int, precision: str = "exact") -> float | None:
    """The death point: the largest finite κ of `KAPPAS` at which all names differ; None where they never do."""
    return max((k for k in KAPPAS if math.isfinite(k) and named(tokens, size, k, precision).alive), default=None)
