"""What the construction costs: from (n, d, ε, Lipschitz constant) to δ, layers, parameters, bits, and where it stops.

| paper symbol (Yun et al. 2019)                          | name                        |
| ------------------------------------------------------- | --------------------------- |
| ε, split into thirds                                    | epsilon                     |
| δ small enough for d_p(f, f̄) ≤ ε/3 (Lemma 8)            | levels = ⌈3 L / (2 ε)⌉      |
| quantise, contextual mapping, value mapping             | `.quantise`, `.attention`, `.values` |
| δ^-2(n+1)d-1: what ids reach                            | `.largest_name`, `.bits`    |
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from seqlab.universal.quantiser import sizes

SIGNIFICAND = {"float32": 24, "float64": 53}  # bits: integers up to 2^bits are exact
LAPTOP_LAYERS = 50_000  # measured on one core: 0.7 ms and 16 kB a layer to build, 35 s and 0.8 GB in all


@dataclass(frozen=True)
class Budget:
    """The size of the network for 1/δ = levels. All numbers are exact integers; most are astronomically large."""

    levels: int
    dim: int
    length: int
    positions: bool = False

    @property
    def quantise(self) -> int:
        """d + d/δ feed-forward layers."""
        return self.dim + self.dim * self.levels

    @property
    def attention(self) -> int:
        """δ^-d + 1 attention layers, n δ^-d + 1 with positions."""
        return self.levels**self.dim * (self.length if self.positions else 1) + 1

    @property
    def values(self) -> int:
        """1 + d layers that reject, and one per name: n δ^-nd, or n · (δ^-d choose n) without positions."""
        columns = self.levels**self.dim
        sequences = columns**self.length if self.positions else math.comb(columns, self.length)
        return 1 + self.dim + self.length * sequences

    @property
    def layers(self) -> int:
        """All residual layers."""
        return self.quantise + self.attention + self.values

    @property
    def parameters(self) -> int:
        """Weights and biases, φ and hardmax: 3w + 1 a unit, 4w + 1 a head; w = d, with positions d + 1, and n more."""
        width, code = self.dim + self.positions, self.length * self.positions
        return (self.quantise + self.values) * (3 * width + 1) + (2 * self.attention - 1) * (4 * width + 1) + code

    @property
    def largest_name(self) -> int:
        """A bound on good names in units of δ: (spread + 1) l̃_n with the largest l̃_n."""
        columns, n = self.levels**self.dim, self.length
        spread = (n if self.positions else 1) * self.levels * columns ** (n + 1)
        if not self.positions:
            return (spread + 1) * (columns**n * (columns - 1) - (columns - 1) ** 2)
        moved = self.levels * (columns - 1) // (self.levels - 1)
        return (spread + 1) * columns**n * ((n - 1) * moved + columns - 1)

    @property
    def bits(self) -> int:
        """Binary digits of the largest name: a float holds every name up to its significand."""
        return self.largest_name.bit_length()

    def fits(self, dtype: str) -> bool:
        """Whether "float32" (24 bits) or "float64" (53 bits) has a number for every name.

        Enough where 1/δ is a power of two. Elsewhere δ itself is rounded, and a case within two bits of the limit can
        fail: 1/δ = 6, d = 1, n = 3 has names of 23 bits and dies in float32.
        """
        if dtype not in SIGNIFICAND:
            raise ValueError(f"dtype: got {dtype!r}, wanted one of {', '.join(SIGNIFICAND)}")
        return self.bits <= SIGNIFICAND[dtype]

    @property
    def laptop(self) -> bool:
        """Whether the network can be built and run here: at most 50,000 layers."""
        return self.layers <= LAPTOP_LAYERS

    def __str__(self) -> str:
        counted = ("layers", "quantise", "attention", "values", "parameters", "largest_name")
        shown = [f"delta 1/{self.levels:,}"]
        shown += [f"{name.replace('_', ' ')} {spoken(getattr(self, name))}" for name in counted]
        where = [name for name in SIGNIFICAND if self.fits(name)] + (["laptop"] if self.laptop else [])
        return " · ".join([*shown, f"{self.bits:,} bits", f"fits {', '.join(where) or 'nowhere'}"])


def budget(dim: int, length: int, epsilon: float, lipschitz: float, *, positions: bool = False) -> Budget:
    """The budget for d_p(f, f̄) ≤ ε/3, where ‖f(X) - f(Y)‖_p ≤ lipschitz · max |X - Y|.

    A point is at most δ/2 from the centre of its cell, so δ = 2ε / (3 lipschitz) or less will do (derived; the paper
    only says that some δ does). Without positions repeated tokens cost more: see `duplicate_volume`.

    Raises ValueError unless epsilon > 0, lipschitz > 0, dim ≥ 1, length ≥ 2.
    """
    for name, got in (("epsilon", epsilon), ("lipschitz", lipschitz)):
        if not 0 < got < math.inf:
            raise ValueError(f"{name}: got {got}, wanted a positive finite number")
    levels = max(2, math.ceil(3 * lipschitz / (2 * epsilon) - 1e-9))
    sizes(levels, dim, length)
    return Budget(levels, dim, length, positions)


def finest(dim: int, length: int, holds: Callable[[Budget], bool], *, positions: bool = False) -> int:
    """The largest 1/δ for which `holds(Budget)` (0 if not even 1/δ = 2): `finest(1, 3, lambda b: b.fits("float32"))`.

    `holds` must be false from some size on, at 2^32 at the latest.
    """
    sizes(2, dim, length)
    first = bisect_left(range(2, 2**32), True, key=lambda n: not holds(Budget(n, dim, length, positions)))
    return first + 1 if first else 0


def spoken(number: int) -> str:
    """A whole number in digits, or as a power of ten where it is astronomically large."""
    return f"{number:,}" if number < 10**12 else f"about 10^{math.log10(number):,.1f}"
