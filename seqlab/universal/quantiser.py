"""Rounding down without a floor: d + d/δ residual feed-forward layers of width one.

| paper symbol (Yun et al. 2019, proof of Lemma 5)  | name                             |
| ------------------------------------------------- | -------------------------------- |
| δ^-1 (an integer)                                 | levels                           |
| -J, given to every entry outside [0, 1)           | -marker, J = δ^-nd               |
| φ ∈ Φ: at most three linear pieces, one constant  | `Piecewise`                      |
| X + e^(i) φ(e^(i)ᵀ X - kδ)                        | a layer with one unit, `.layers` |
| G_δ^+ = {-J, 0, δ, …, 1 - δ}                      | where the result lies            |
"""

from dataclasses import dataclass
from fractions import Fraction

import torch
from einops import rearrange

from seqlab.layers import Tokens
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.activations import marker_activation, rounding_activation
from seqlab.written import Form, Layer, Program, Unit, coordinates
from seqlab.written.real import Transformer

TOLERANCE = 1e-9  # in units of δ: rounding of float64 where 1/δ is no power of two

STATEMENT = Statement(
    "quantiser",
    "Yun et al. 2019, Lemma 5",
    "d + d/δ feed-forward layers of width 1 send [kδ, (k+1)δ) to kδ, and everything outside [0, 1) to -J.",
    (
        Hypothesis("marked", "one layer per coordinate marks what is out of range"),
        Hypothesis("every_level", "one layer per coordinate and level rounds down"),
    ),
)


@dataclass(frozen=True)
class Quantiser:
    """The quantiser of d coordinates on 1/δ = `levels` levels.

    marked=False leaves the marking layers out, `skip` names levels whose rounding layers are left out: two switches.
    """

    levels: int
    dim: int
    marker: int
    marked: bool = True
    skip: tuple[int, ...] = ()

    def layers(self, x: list[Form]) -> list[Layer]:
        """The marking layers, then for each coordinate the rounding layers from level 0 up."""
        delta, N, made = Fraction(1, self.levels), self.levels, []
        mark, down = marker_activation(self.marker), rounding_activation(delta)
        for each in x * self.marked:
            made.append(Layer(units=Unit(each, each, mark), label=f"{each}: out of [0, 1) becomes -{self.marker}"))
        for each, k in ((each, k) for each in x for k in range(N) if k not in self.skip):
            label = f"{each}: [{k}, {k + 1}) / {N} becomes {k}/{N}"
            made.append(Layer(units=Unit(each - k * delta, each, down), label=label))
        return made

    def program(self) -> Program:
        """The layers alone, as a text."""
        x = [*coordinates([f"x{i}" for i in range(self.dim)])]
        return Program(x, x, self.layers(x))

    def stack(self) -> Transformer:
        """The same as PyTorch layers."""
        return self.program().module().requires_grad_(False)

    def reference(self, x: Tokens) -> Tokens:
        """The definition: floor(x/δ) δ inside [0, 1), -J outside. For comparison only: no layer can do this."""
        inside = (x >= 0) & (x < 1)
        return torch.where(inside, torch.floor(x * self.levels) / self.levels, -float(self.marker))

    def check(self, samples: int = 2000) -> Verdict:
        """Compare with the definition on random inputs in [-1, 2)^d and, where 1/δ is a power of two, on all edges.

        The margin is a rounding tolerance less the largest error, both in units of δ. The witness carries
        (input, output, wanted) of the worst coordinate.
        """
        x = inputs(self.levels, self.dim, samples, -1, 2)
        layers, formula = self.program().count().layers, self.dim + self.dim * self.levels
        got, want = self.stack()(x), self.reference(x)
        error = (got - want).abs() * self.levels
        at = tuple((error == error.max()).nonzero()[0].tolist())
        margin = TOLERANCE - error.max().item()
        shown = (round(float(t[at]), 12) for t in (x, got, want))
        witness = Witness.of("{:.6g} becomes {:.6g}, wanted {:.6g}", *shown)
        statement = STATEMENT.under(marked=self.marked, every_level=not self.skip)
        more = dict(checked=x.numel(), unit="units of delta", notes=(f"{layers} layers, the formula says {formula}",))
        return judge(margin, statement, witness=witness, holds=margin >= 0 and layers == formula, **more)


def quantiser(
    levels: int, dim: int = 1, length: int = 1, *, marked: bool = True, skip: tuple[int, ...] = ()
) -> Quantiser:
    """The quantiser with the paper's marker J = δ^-nd.

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 1, and 0 ≤ each skipped level < levels.
    """
    sizes(levels, dim, length, shortest=1)
    if bad := [k for k in skip if not 0 <= k < levels]:
        raise ValueError(f"skip: got level {bad[0]}, wanted levels 0 to {levels - 1}")
    return Quantiser(levels, dim, levels ** (length * dim), marked, tuple(skip))


def sizes(levels: int, dim: int, length: int, *, shortest: int = 2) -> None:
    """Raise ValueError unless 1/δ ≥ 2, d ≥ 1 and n ≥ shortest."""
    for name, got, least in (("levels", levels, 2), ("dim", dim, 1), ("length", length, shortest)):
        if got < least:
            why = " (levels is 1/delta)" if name == "levels" else ""
            raise ValueError(f"{name}: got {got}, wanted at least {least}{why}")


def inputs(levels: int, dim: int, samples: int, low: int = 0, high: int = 1) -> Tokens:
    """A sequence "1 token dim": random in [low, high)^d, and where 1/δ is a power of two, all edges of cells."""
    draw = torch.Generator().manual_seed(0)
    x = low + (high - low) * torch.rand(samples, dim, generator=draw, dtype=torch.float64)
    if levels & (levels - 1) == 0:  # k/levels is a float64, so an edge is an edge
        edges = torch.arange(low * levels, high * levels + 1, dtype=torch.float64) / levels
        x = torch.cat([x, edges[:, None].expand(-1, dim)])
    return rearrange(x, "token dim -> 1 token dim")
