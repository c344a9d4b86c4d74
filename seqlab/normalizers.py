"""How scores become weights: softmax, hardmax, sigmoid, average, step. Values, each with its real and its exact form.

A normalizer is called with scores "… query key"; `seqlab.attention` mixes values by what it gives. Hardmax, average and
step weigh whole numbers exactly, too, and each knows the normalizer of trained models whose limit it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import reduce
from jaxtyping import Bool, Float
from torch import Tensor

Scores = Float[Tensor, "*batch query key"]
Allowed = Bool[Tensor, "*#batch query key"]


class Normalizer:
    """Turns scores into weights, row by row. Call it: `weights = normalizer(scores, allowed)`.

    `allowed` is boolean, true where the query may look; what is not allowed gets weight 0, and a row with nothing
    allowed gets zeros (never NaN). `Normalizer(name, apply)` makes one of any function; those below are values: equal
    where their numbers are, and fit to be copied and saved.
    """

    def __init__(self, name: str, apply: Callable[[Tensor, Tensor], Tensor]):
        self.name, self.apply = name, apply

    def __call__(self, scores: Scores, allowed: Allowed | None = None) -> Scores:
        if allowed is None:
            allowed = torch.ones((), dtype=torch.bool, device=scores.device).expand(scores.shape)
        return self.apply(scores, allowed.expand(scores.shape))

    def __repr__(self) -> str:
        return self.name

    def kernel(self, n_key: int) -> tuple[str, float, float]:
        """(name, gain, bias) for `kernels.attention`, which takes softmax and sigmoid of `gain · score + bias`."""
        raise ValueError(f"normalizer: the kernels have softmax and sigmoid, got {self}; take its .soft(beta)")

    @property
    def limit(self) -> Exact:
        """The exact rule that this becomes when all scores are multiplied by more and more."""
        raise TypeError(f"{self}: no exact rule is known for it; wanted hardmax(), average() or step()")


class Exact(Normalizer):
    """A normalizer whose weights are fractions: whole numbers `weigh(scores, allowed)` over one divisor a row.

    Only the order (hardmax) or the sign (step) of scores matters, so they may be multiplied by any positive number.
    """

    def weigh(self, scores: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | int]:
        """(weights, divisor) of whole scores "… query key", int64 or Python's integers; the divisor is ≥ 1.

        allowed: boolean, None for everything
        """
        raise NotImplementedError

    def decided_by(self, scores: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        """All differences, each above 0, that the weights hang on: how far a score is from changing them."""
        return scores[:0]

    def ties(self, weights: np.ndarray, divisor: np.ndarray) -> np.ndarray:
        """Which weights come of a tie: several scores are the best, or a score is exactly where the rule changes."""
        return np.zeros(weights.shape, dtype=bool)

    def soft(self, beta: float) -> Normalizer:
        """The normalizer of trained models that becomes this one as `beta` → ∞."""
        raise NotImplementedError

    def softened(self, beta: float, gap: float, moved: float, keys: int) -> float:
        """How far the weights of a row of `soft(beta)` may be from the exact ones, summed over its keys, at most.

        gap: the smallest of `decided_by`;  moved: how far a score may be off
        """
        return 0.0

    @property
    def limit(self) -> Exact:
        return self


@dataclass(frozen=True, repr=False)
class Softmax(Normalizer):
    """`exp(beta * score)`, normalized over the keys."""

    beta: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.beta):
            raise ValueError(f"beta: got {self.beta}, wanted a finite number (the limit beta → ∞ is hardmax())")

    @property
    def name(self) -> str:
        return f"softmax(beta={self.beta:g})"

    def kernel(self, n_key: int) -> tuple[str, float, float]:
        return "softmax", self.beta, 0.0

    @property
    def limit(self) -> Exact:
        return Hardmax() if self.beta > 0 else super().limit if self.beta else Average()

    def apply(self, scores: Tensor, allowed: Tensor) -> Tensor:
        scores = (self.beta * scores).masked_fill(~allowed, -math.inf)
        highest = reduce(scores, "... query key -> ... query 1", "max")
        highest = highest.masked_fill(highest == -math.inf, 0)  # a row with no allowed key
        unnormalized = torch.exp(scores - highest)
        total = reduce(unnormalized, "... query key -> ... query 1", "sum")
        return unnormalized / total.masked_fill(total == 0, 1)


@dataclass(frozen=True, repr=False)
class Hardmax(Exact):
    """All weight on the largest score; keys that tie share it equally."""

    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance: got {self.tolerance}, wanted a number ≥ 0")

    @property
    def name(self) -> str:
        return "hardmax()" if not self.tolerance else f"hardmax(tolerance={self.tolerance:g})"

    def apply(self, scores: Tensor, allowed: Tensor) -> Tensor:
        scores = scores.masked_fill(~allowed, -math.inf)
        highest = reduce(scores, "... query key -> ... query 1", "max")
        winners = (allowed & (scores >= highest - self.tolerance)).to(scores.dtype)
        total = reduce(winners, "... query key -> ... query 1", "sum")
        return winners / total.masked_fill(total == 0, 1)

    def weigh(self, scores: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | int]:
        if self.tolerance:
            raise ValueError(f"{self}: the exact rule knows no tolerance; wanted hardmax()")
        winners = _both(scores == self._best(scores, allowed), allowed)
        total = winners.sum(axis=-1)
        return winners, total if allowed is None else np.maximum(total, 1)

    def decided_by(self, scores: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        behind = self._best(scores, allowed) - scores
        return behind[_both(behind > 0, allowed)]

    def _best(self, scores: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        scores = scores if allowed is None else np.where(allowed, scores, scores.min())
        return scores.max(axis=-1, keepdims=True)

    def ties(self, weights: np.ndarray, divisor: np.ndarray) -> np.ndarray:
        return (weights > 0) & (divisor > 1)

    def soft(self, beta: float) -> Normalizer:
        return Softmax(beta)

    def softened(self, beta: float, gap: float, moved: float, keys: int) -> float:
        # The others share at most (keys - 1) exp(-beta (gap - 2 moved)); those that tie differ by exp(2 beta moved).
        if not 2 * beta * moved < 1 or gap <= 2 * moved:
            return 2.0
        return 2 * (keys - 1) * math.exp(-beta * (gap - 2 * moved)) + math.expm1(2 * beta * moved)


@dataclass(frozen=True, repr=False)
class Sigmoid(Normalizer):
    """`1 / (1 + exp(-(gain * score + bias)))`, each weight on its own."""

    bias: float | None = None
    gain: float = 1.0

    @property
    def name(self) -> str:
        bias = "-log n" if self.bias is None else f"{self.bias:g}"
        return f"sigmoid(bias={bias})" if self.gain == 1 else f"sigmoid(bias={bias}, gain={self.gain:g})"

    def kernel(self, n_key: int) -> tuple[str, float, float]:
        return "sigmoid", self.gain, -math.log(max(n_key, 1)) if self.bias is None else self.bias

    @property
    def limit(self) -> Exact:
        return Step() if self.bias == 0 and self.gain > 0 else super().limit

    def apply(self, scores: Tensor, allowed: Tensor) -> Tensor:
        shift = -math.log(max(scores.shape[-1], 1)) if self.bias is None else self.bias
        return torch.sigmoid(self.gain * scores + shift).masked_fill(~allowed, 0)


@dataclass(frozen=True, repr=False)
class Average(Exact):
    """The same weight on every allowed key."""

    @property
    def name(self) -> str:
        return "average()"

    def apply(self, scores: Tensor, allowed: Tensor) -> Tensor:
        return Softmax(0.0).apply(torch.zeros_like(scores), allowed)

    def weigh(self, scores: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | int]:
        weights = _both(np.ones(scores.shape, dtype=bool), allowed)
        return weights, np.maximum(weights.sum(axis=-1), 1)

    def soft(self, beta: float) -> Normalizer:
        return Softmax(0.0)


@dataclass(frozen=True, repr=False)
class Step(Exact):
    """1 for a positive score, 0 for a negative one, 1/2 at a score of 0: each weight on its own."""

    @property
    def name(self) -> str:
        return "step()"

    def apply(self, scores: Tensor, allowed: Tensor) -> Tensor:
        return ((1 + scores.sign()) / 2).masked_fill(~allowed, 0)

    def weigh(self, scores: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | int]:
        return np.add(_both(scores >= 0, allowed), _both(scores > 0, allowed), dtype=np.int64), 2

    def decided_by(self, scores: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
        return abs(scores[_both(scores != 0, allowed)])

    def ties(self, weights: np.ndarray, divisor: np.ndarray) -> np.ndarray:
        return weights == 1

    def soft(self, beta: float) -> Normalizer:
        return Sigmoid(0.0, beta)

    def softened(self, beta: float, gap: float, moved: float, keys: int) -> float:
        # 1 / (1 + exp(t)) ≤ exp(-t) on either side of 0; at 0 the slope is beta / 4.
        if gap <= moved:
            return float(keys)
        return keys * max(math.exp(-beta * (gap - moved)), min(beta * moved / 4, 1.0))


NORMALIZERS = {kind.__name__: kind for kind in (Softmax, Hardmax, Sigmoid, Average, Step)}


def softmax(beta: float = 1.0) -> Softmax:
    """`exp(beta * score)`, normalized over the keys. `beta` is the inverse temperature: 0 averages, ∞ is hardmax."""
    return Softmax(beta)


def hardmax(tolerance: float = 0.0) -> Hardmax:
    """All weight on the largest score; keys that tie share it equally (Yun et al. 2019, section 4).

    Scores within `tolerance` of the largest count as tied: 0 is the definition, and what integers need.
    """
    if isinstance(tolerance, Tensor):
        raise TypeError(
            "tolerance: got a tensor, wanted a number; hardmax() is the rule, hardmax()(scores) its weights"
        )
    return Hardmax(tolerance)


def sigmoid(bias: float | None = None, gain: float = 1.0) -> Sigmoid:
    """`1 / (1 + exp(-(gain * score + bias)))`, each weight on its own: no row sum (Ramapuram et al. 2024, section 2).

    `bias=None` is the paper's `-log n`, n the number of keys, which makes the weights of a fresh layer sum to about 1.
    """
    return Sigmoid(bias, gain)


def average() -> Average:
    """The same weight on every allowed key: what softmax does at `beta = 0`. A negative control."""
    return Average()


def step() -> Step:
    """1 for a positive score, 1/2 at 0, 0 for a negative one: what `sigmoid(0, gain)` becomes as `gain` → ∞."""
    return Step()


def _both(where: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    return where if allowed is None else where & allowed
