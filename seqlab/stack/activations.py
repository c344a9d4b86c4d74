"""The activations of the proof, and the same from four ReLUs.

| paper symbol (Yun et al. 2019, section 4)          | name                          |
| -------------------------------------------------- | ----------------------------- |
| φ ∈ Φ: at most three linear pieces, one constant   | Piecewise                     |
| c_1, c_2; a_i t + b_i                              | breaks; pieces (slope, value) |
| ε of the four-hinge replacement (Lemma 9)          | epsilon of `.hinges(epsilon)` |
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Line = tuple[float, float]  # slope, value at zero


@dataclass(frozen=True)
class Piecewise:
    """φ(t): `pieces[0]` below breaks[0], `pieces[1]` from there to below breaks[1], `pieces[2]` from there on.

    Raises ValueError where the breaks are out of order or no piece is constant (then φ is not in the paper's Φ).
    """

    breaks: tuple[float, float]
    pieces: tuple[Line, Line, Line]

    def __post_init__(self) -> None:
        if not self.breaks[0] < self.breaks[1]:
            raise ValueError(f"breaks: got {self.breaks}, wanted the first below the second")
        if all(slope for slope, _ in self.pieces):
            raise ValueError(f"pieces: got slopes {[a for a, _ in self.pieces]}, wanted one piece of slope 0")

    def __call__(self, t: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        low, middle, high = (a * t + b if a else torch.full_like(t, b) for a, b in self.pieces)
        return torch.where(t < self.breaks[0], low, torch.where(t < self.breaks[1], middle, high))

    def hinges(self, epsilon: float) -> tuple[float, list[tuple[int, float, float]]]:
        """Four ReLUs that agree with φ except on a ramp of width ε before each break.

            φ_ε(t) = b + Σ_k w_k ReLU(±(t - c_k)),   c = c_1 - ε, c_1, c_2 - ε, c_2,   w_k = change of slope at c_k

        b is a constant piece, of value 0 if there is one, as φ_ε is free of rounding there; hinges to its right open
        to the right (+), those to its left to the left (-). Returns b and the four (sign, c_k, w_k). With b the first
        piece this is the formula of the paper's Lemma 9.

        Raises ValueError unless 0 < ε < the distance of the breaks.
        """
        (c1, c2), ((a1, b1), (a2, b2), (a3, b3)) = self.breaks, self.pieces
        if not 0 < epsilon < c2 - c1:
            raise ValueError(f"epsilon: got {epsilon}, wanted 0 < epsilon < {c2 - c1:g}, the distance of the breaks")
        first_ramp = (a2 * c1 + b2 - a1 * (c1 - epsilon) - b1) / epsilon
        second_ramp = (a3 * c2 + b3 - a2 * (c2 - epsilon) - b2) / epsilon
        slopes = (a1, first_ramp, a2, second_ramp, a3)
        constant = min(range(3), key=lambda i: (self.pieces[i][0] != 0, self.pieces[i][1] != 0))
        kinks = (c1 - epsilon, c1, c2 - epsilon, c2)
        signs = [-1] * (2 * constant) + [1] * (4 - 2 * constant)
        return self.pieces[constant][1], [
            (sign, kink, slopes[k + 1] - slopes[k]) for k, (sign, kink) in enumerate(zip(signs, kinks))
        ]

    def relu(self, epsilon: float) -> _FourReLUs:
        """φ_ε as a function of t."""
        return _FourReLUs(*self.hinges(epsilon))


@dataclass(frozen=True)
class _FourReLUs:
    constant: float
    parts: list[tuple[int, float, float]]

    def __call__(self, t: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return self.constant + sum(weight * torch.relu(sign * (t - kink)) for sign, kink, weight in self.parts)


def rounding_activation(delta: float) -> Piecewise:
    """-t on [0, δ), else 0: added to t it sends [0, δ) to 0."""
    return Piecewise((0.0, delta), ((0, 0.0), (-1, 0.0), (0, 0.0)))


def marker_activation(marker: float) -> Piecewise:
    """-t - J outside [0, 1), else 0: added to t it sends everything out of range to -J."""
    return Piecewise((0.0, 1.0), ((-1, -marker), (0, 0.0), (-1, -marker)))


def window_activation(low: float, high: float, *, inside: float = 1.0, outside: float = 0.0) -> Piecewise:
    """One constant on [low, high), another outside."""
    return Piecewise((low, high), ((0, outside), (0, inside), (0, outside)))


def negative_part() -> Piecewise:
    """-t below 0, else 0: added to t it sends everything negative to 0."""
    return Piecewise((0.0, 1.0), ((-1, 0.0), (0, 0.0), (0, 0.0)))
