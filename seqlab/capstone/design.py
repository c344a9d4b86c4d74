"""A design: one point on every axis, and a sentence where the point makes no sense.

| axis       | what there is                                                                        |
| ---------- | ------------------------------------------------------------------------------------ |
| normalizer | `NORMALIZERS`; a sigmoid's bias is -log of the keys that a token sees                |
| pattern    | `PATTERNS` of blocks: tokens for the theorems, four tokens each on the genome        |
| positions  | none; learned (added to the tokens, as the papers' E); rope; alibi                   |
| form       | a stack of `depth` layers; a loop, one layer `depth` times; the same with a clock    |
| width      | numbers of a token, shared by `heads`                                                |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isqrt, log

from seqlab import patterns as P
from seqlab.normalizers import Normalizer, average, hardmax, sigmoid, softmax
from seqlab.patterns import Pattern

PATTERNS: dict[str, Callable[[int], Pattern]] = {  # how many blocks there are → who sees whom among them
    "full": lambda n: P.full(),
    "window": lambda n: P.window(1),
    "strided": lambda n: P.strided(max(2, isqrt(n))),
    "fixed": lambda n: P.fixed(max(2, isqrt(n))),
    "star": lambda n: P.star(0),
    "random": lambda n: P.random(min(5, n // 2)),
    "big bird": lambda n: P.window(1) | P.relays([0]) | P.random(min(2, n // 8)),
    "causal": lambda n: P.full().causal(),
    "alone": lambda n: P.own(),
}
NORMALIZERS: dict[str, Callable[[float], Normalizer]] = {  # keys that a token sees → the normalizer
    "softmax": lambda keys: softmax(),
    "sigmoid": lambda keys: sigmoid(-log(keys)),
    "hardmax": lambda keys: hardmax(),
    "average": lambda keys: average(),
}
CHOICES = {
    "normalizer": (*NORMALIZERS,),
    "pattern": (*PATTERNS,),
    "positions": ("none", "learned", "rope", "alibi"),
    "form": ("stack", "loop", "loop with clock"),
    "depth": (1, 2, 3, 4, 6, 8),
    "width": (16, 24, 32, 48, 64, 96),
    "heads": (1, 2, 3, 4, 6, 8),
}
MOST = {"depth": 8, "width": 96, "heads": 16}  # what trains within a minute or two on two cores


@dataclass(frozen=True)
class Design:
    """A transformer, as far as the papers' axes say it. Raises ValueError, with the reason, for what makes no sense."""

    normalizer: str = "softmax"
    pattern: str = "full"
    positions: str = "learned"
    form: str = "stack"
    depth: int = 2
    width: int = 32
    heads: int = 4

    def __post_init__(self) -> None:
        for name in ("normalizer", "pattern", "positions", "form"):
            if (got := getattr(self, name)) not in CHOICES[name]:
                raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(CHOICES[name])}")
        for name, most in MOST.items():
            if type(got := getattr(self, name)) is not int or not 1 <= got <= most:
                raise ValueError(
                    f"{name}: got {got!r}, wanted a whole number from 1 to {most}: more trains too long here"
                )
        if why := next((why for wrong, why in self._refusals() if wrong), None):
            raise ValueError(why)

    def _refusals(self) -> list[tuple[bool, str]]:
        """What would make no sense, with the sentence that says so."""
        each, loop, moved = self.width // self.heads, self.form != "stack", self.positions in ("rope", "alibi")
        set_of_a_loop = f"a loop applies one layer with one set of connections, {self.pattern} has {self.sets} in turn"
        blind = f"{self.positions} changes scores, and an average looks at none; wanted none or learned"
        return [
            (
                self.width % self.heads > 0,
                f"heads: {self.heads} do not divide a width of {self.width}, which they share",
            ),
            (
                self.positions == "rope" and each % 2 > 0,
                f"positions: rope turns pairs of numbers, a head here has {each}",
            ),
            (loop and self.depth == 1, f"form: a {self.form} that turns once is a stack of one layer; take more turns"),
            (loop and self.sets > 1, f"form: {set_of_a_loop}"),
            (self.depth < self.sets, f"depth: {self.pattern} has {self.sets} sets in turn, and one would have no turn"),
            (moved and self.normalizer == "average", f"positions: {blind}"),
        ]

    @property
    def sets(self) -> int:
        """p: how many sets of connections the layers use in turn."""
        return PATTERNS[self.pattern](4).p

    @property
    def layers(self) -> int:
        """Layers that have weights of their own."""
        return self.depth if self.form == "stack" else 1

    def who(self, n: int, block: int = 1) -> Pattern:
        """The pattern for n tokens in blocks of `block`: every token of a block sees every token of a seen block."""
        units = PATTERNS[self.pattern](-(-n // block))
        sets = (units.layer(k) for k in range(units.p))
        return P.per_layer(*(P.laid_out(partial(_tables, one, block), name=self.pattern) for one in sets))

    def weigh(self, keys: float) -> Normalizer:
        """The normalizer of a token that sees so many keys."""
        return NORMALIZERS[self.normalizer](keys)


def _tables(units: Pattern, block: int, n: int) -> tuple:
    layout = units.at(-(-n // block)).layout(1)
    return block, layout.offsets.numpy(), layout.indices.numpy()


PAPERS = {  # as near to each paper as the axes allow, at one width
    "Yun 2019": Design("softmax", "full", "learned"),
    "Yun 2020": Design("softmax", "strided", "learned"),
    "Zaheer 2020": Design("softmax", "big bird", "learned"),
    "Kajitsuka 2023": Design("softmax", "full", "none", depth=1, heads=1),
    "Ramapuram 2024": Design("sigmoid", "full", "learned"),
    "Xu 2024": Design("softmax", "full", "none", "loop with clock", depth=4),
}
CONTROLS = {  # each has one thing less
    "alone": Design("softmax", "alone", "learned"),
    "window": Design("softmax", "window", "learned"),
    "hardmax": Design("hardmax", "full", "learned"),
    "average": Design("average", "full", "learned"),
}
