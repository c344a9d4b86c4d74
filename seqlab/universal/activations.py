"""The activations of the proof, and the same from four ReLUs.

| paper symbol (Yun et al. 2019, section 4)          | name                          |
| -------------------------------------------------- | ----------------------------- |
| φ ∈ Φ: at most three linear pieces, one constant   | `Piecewise`                   |
| ε of the four-ReLU replacement (Lemma 9)           | epsilon of `hinges`           |
| g with ReLUs in place of every φ                   | with_relu(program, epsilon)   |
"""

from dataclasses import replace
from fractions import Fraction

from seqlab.exact import Number
from seqlab.written import Layer, Piecewise, Program, Sweep, Unit, relu
from seqlab.written.forms import flat


def rounding_activation(delta: Number | float) -> Piecewise:
    """-t on [0, δ), else 0: added to t it sends [0, δ) to 0."""
    return Piecewise((0, Fraction(delta)), ((0, 0), (-1, 0), (0, 0)))


def marker_activation(marker: Number) -> Piecewise:
    """-t - J outside [0, 1), else 0: added to t it sends everything out of range to -J."""
    return Piecewise((0, 1), ((-1, -marker), (0, 0), (-1, -marker)))


def window_activation(low: Number, high: Number, *, inside: Number = 1, outside: Number = 0) -> Piecewise:
    """One constant on [low, high), another outside."""
    return Piecewise((low, high), ((0, outside), (0, inside), (0, outside)))


def hinges(phi: Piecewise, epsilon: Number | float) -> list[tuple[int, Number, Number]]:
    """ReLUs that agree with φ except on a ramp of width ε before each break: (sign, c, w) of each.

        φ_ε(t) = Σ_c w_c ReLU(±(t - c)),   c = c_1 - ε, c_1, c_2 - ε, c_2,   w_c = change of slope at c

    Those to the right of the piece that is 0 open to the right (+), those to its left to the left (-). With the first
    piece 0 this is the formula of the paper's Lemma 9.

    Raises ValueError where no piece is 0, and unless 0 < ε < the distance of the breaks.
    """
    if (0, 0) not in phi.pieces:
        raise ValueError(f"phi: got pieces {phi.pieces}, wanted one that is 0")
    if not 0 < epsilon < min([b - a for a, b in zip(phi.breaks, phi.breaks[1:])], default=epsilon + 1):
        raise ValueError(f"epsilon: got {epsilon}, wanted 0 < epsilon < the distance of the breaks {phi.breaks}")
    zero, epsilon, found = phi.pieces.index((0, 0)), Fraction(epsilon), []
    for k, (c, (a, b), (slope, value)) in enumerate(zip(phi.breaks, phi.pieces, phi.pieces[1:])):
        ramp, sign = (slope * c + value - a * (c - epsilon) - b) / epsilon, 1 if k >= zero else -1
        found += [(sign, c - epsilon, ramp - a), (sign, c, slope - ramp)]
    return [hinge for hinge in found if hinge[2]]


def with_relu(program: Program, epsilon: Number | float) -> Program:
    """The same text with ReLUs in place of every φ (Lemma 9)."""

    def units(unit: Unit) -> list[Unit]:
        if unit.activation == relu:
            return [unit]
        found = hinges(unit.activation, epsilon)
        return [Unit(sign * (unit.read - c), weight * unit.write) for sign, c, weight in found]

    def edit(part: Layer | Sweep) -> Layer | Sweep:
        if isinstance(part, Sweep):
            return replace(part, layer=lambda level: [*map(edit, flat(part.layer(level)))])
        return replace(part, units=[*map(units, part.units)])

    return replace(program, layers=[*map(edit, program.layers)])
