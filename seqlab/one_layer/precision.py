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

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import torch

from seqlab.names.exact import ExactNames, log10
from seqlab.names.separation import names, subsets

DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
PRECISIONS = ("exact", *DTYPES)
KAPPAS = (0.0, *(float(f"{10 ** (k / 30):.3g}") for k in range(-60, 40)), math.inf)
LARGEST, MOST_TOKENS, PLACES = 9, 7, 2  # of a token's value, of a token set, of decimals


@dataclass(frozen=True)
class Named:
    """The names of all (token, set) pairs in one precision.

    names:      float64 for drawing: exact names are rounded, so judge by `shared`
    shared:     per name, how many pairs carry it; 1 is a name of its own, 0 is no name (overflow)
    log10_gap:  log10 of the smallest gap between two names; -∞ where two pairs share a name
    """

    precision: str
    kappa: float
    names: tuple[float, ...] = field(repr=False)
    shared: tuple[int, ...] = field(repr=False)
    log10_gap: float

    @property
    def distinct(self) -> int:
        """How many different names there are."""
        return round(sum(1 / count for count in self.shared if count))

    @property
    def alive(self) -> bool:
        """Every pair has a name of its own."""
        return set(self.shared) == {1}


def parse(text: str, size: int) -> tuple[Fraction, ...]:
    """Tokens from what a learner typed: "1, 2, 3.5". ValueError with what is wrong, in words for the learner."""
    words = text.replace(",", " ").replace(";", " ").split()
    try:
        if any("e" in word.lower() for word in words):  # 1e999999999 is a number, and Fraction would write it out
            raise ValueError
        tokens = [Fraction(word) for word in words]
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a list of numbers; write for example 1, 2, 3.5") from None
    return distinct_tokens(tokens, size)


def distinct_tokens(tokens: Sequence[int | float | Fraction], size: int) -> tuple[Fraction, ...]:
    """The tokens as sorted Fractions. ValueError where the head's names are not defined or cannot be drawn in time."""
    exact = tuple(sorted(Fraction(token).limit_denominator(10**6) for token in tokens))
    if len(set(exact)) < len(exact):
        twice = next(a for a, b in itertools.pairwise(exact) if a == b)
        raise ValueError(f"tokens: {float(twice):g} appears twice; the theorem wants different tokens")
    if not 3 <= len(exact) <= MOST_TOKENS:
        raise ValueError(f"tokens: got {len(exact)}, wanted 3 to {MOST_TOKENS}")
    if bad := [float(a) for a in exact if abs(a) > LARGEST or (a * 10**PLACES).denominator != 1]:
        raise ValueError(f"tokens: got {bad[0]:g}, wanted at most {LARGEST} in size and {PLACES} decimals")
    if not 2 <= size <= min(4, len(exact) - 1):
        raise ValueError(
            f"size: got {size}, wanted 2 to {min(4, len(exact) - 1)} of these {len(exact)} tokens in a set"
        )
    return exact


def places(tokens: Sequence[Fraction], size: int) -> list[tuple[Fraction, tuple[Fraction, ...]]]:
    """All (token, set) pairs, in the order of `Named.names`."""
    return [(token, chosen) for chosen in itertools.combinations(tokens, size) for token in chosen]


@lru_cache(maxsize=4096)
def named(tokens: tuple[int | float | Fraction, ...], size: int, kappa: float, precision: str = "exact") -> Named:
    """The names of every token in every set of `size` of the `tokens`, in one of `PRECISIONS`.

    Raises ValueError for a negative kappa, an unknown precision, or tokens that `distinct_tokens` refuses.
    """
    tokens = distinct_tokens(tokens, size)
    if precision not in PRECISIONS:
        raise ValueError(f"precision: got {precision!r}, wanted one of {', '.join(PRECISIONS)}")
    if not kappa >= 0:
        raise ValueError(f"kappa: got {kappa}, wanted 0 (average) to ∞ (hardmax)")
    if precision == "exact":
        exact, bags = ExactNames(tokens, kappa), itertools.combinations(range(len(tokens)), size)
        index = {context: at for at, context in enumerate((c, bag) for bag in bags for c in bag)}
        ladder, steps = exact.ladder(index)
        rounded, order = [float(exact.name(context)) for context in index], [index[context] for context in ladder]
    else:
        x = subsets([float(token) for token in tokens], size).to(DTYPES[precision])
        rounded = names(x, kappa).flatten().double().tolist()
        order = sorted((at for at, name in enumerate(rounded) if math.isfinite(name)), key=rounded.__getitem__)
        steps = [rounded[b] - rounded[a] for a, b in itertools.pairwise(order)]
    runs: list[list[int]] = []  # places of equal names
    for at, step in zip(order, [1, *steps]):
        if step:
            runs.append([at])
        else:
            runs[-1].append(at)
    shared = {at: len(run) for run in runs for at in run}
    gap = log10(min(steps)) if len(runs) == len(rounded) else -math.inf
    return Named(precision, kappa, tuple(rounded), tuple(shared.get(at, 0) for at in range(len(rounded))), gap)


def curve(
    tokens: tuple[int | float | Fraction, ...], size: int, precision: str = "exact", kappas: Sequence[float] = KAPPAS
) -> list[float]:
    """log10 of the smallest gap at each kappa."""
    return [named(tokens, size, kappa, precision).log10_gap for kappa in kappas]


def last_alive(
    tokens: tuple[int | float | Fraction, ...], size: int, precision: str = "exact", kappas: Sequence[float] = KAPPAS
) -> float | None:
    """The death point: the largest finite kappa at which all names differ; None where they never do."""
    alive = [k for k in kappas if math.isfinite(k) and named(tokens, size, k, precision).alive]
    return max(alive, default=None)
