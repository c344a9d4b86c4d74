"""Three moduli of continuity of a function of sequences, by brute force on a grid, each with the pair that attains it.

| paper symbol (Xu & Sato 2024, section 3)                                          | name here            |
| --------------------------------------------------------------------------------- | -------------------- |
| ω_f(δ): ‖f(X) - f(X')‖_p where ‖X - X'‖_2 ≤ δ                                     | `Moduli.sequence`    |
| ω_f^cont(δ): ‖f(X)_n - f(X')_n‖_p where ‖X - X'‖_2 ≤ δ and X_n = X'_n             | `Moduli.contextual`  |
| ω_f^tok(δ): ‖f(X)_n - f(X')_n‖_p where ‖X_n - X'_n‖_2 ≤ δ, all others equal       | `Moduli.token`       |

Contextual: my token stands still and the others move. Token: the others stand still and only I move. A grid can only
find smaller values than the true suprema, and the inequality between the three holds on every grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from torch import Tensor

from seqlab.layers import Tokens
from seqlab.theorem import Statement, Verdict, Witness

Function = Callable[[Tokens], Tensor]

PAIRS = 30_000_000  # pairs of sequences that a search looks at

SMALLER = Statement(
    "moduli",
    "follows from the definitions of Xu & Sato 2024, section 3",
    "The contextual and the token modulus are at most the modulus of the sequence.",
)


@dataclass(frozen=True)
class Modulus:
    """A supremum over the grid, and where it is attained: X, X' ("token dim" as nested lists) and the token n."""

    value: float
    x: list
    other: list
    token: int | None = None

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Moduli:
    """The three moduli at one radius δ, on one grid. Made by `moduli`."""

    delta: float
    sequence: Modulus
    contextual: Modulus
    token: Modulus
    pairs: int

    def check(self) -> Verdict:
        """ω_cont ≤ ω and ω_tok ≤ ω. The margin is the smaller difference (0 where one attains the whole)."""
        larger = max((self.contextual, self.token), key=float)
        margin = self.sequence.value - larger.value
        rounding = 1e-12 * max(1.0, self.sequence.value)
        text = (
            f"token {larger.token} moves by {larger.value:.4g}, the whole sequence by at most {self.sequence.value:.4g}"
        )
        witness = None if margin >= -rounding else Witness(text, (larger.x, larger.other))
        return Verdict(margin >= -rounding, margin, witness, SMALLER, self.pairs)


def moduli(f: Function, delta: float, *, length: int = 2, dim: int = 1, points: int = 17, p: float = 2) -> Moduli:
    """The three moduli of f at radius δ over the grid of `points` values in [0, 1] for every entry.

    f: "batch token dim" to the same shape
    Raises ValueError where the grid has more than 30 million pairs, where δ is shorter than its mesh, or where f returns
    another shape or NaN.
    """
    entries = length * dim
    if points < 2 or length < 1 or dim < 1:
        raise ValueError(f"points, length, dim: got {(points, length, dim)}, wanted at least (2, 1, 1)")
    if not 1 <= p <= float("inf"):
        raise ValueError(f"p: got {p}, wanted 1 ≤ p ≤ ∞")
    size = points**entries
    if size**2 > PAIRS:
        most = int(PAIRS ** (1 / (2 * entries)) + 1e-9)
        raise ValueError(
            f"points: {points}^{entries} sequences make {size**2:,} pairs, wanted at most {PAIRS:,}; choose at most {most} "
            f"points for length {length} and dim {dim}"
        )
    if not delta * (points - 1) >= 1 - 1e-9:
        raise ValueError(f"delta: got {delta:g}, wanted at least the mesh 1/{points - 1} of the grid; raise points")
    index = torch.tensor(list(itertools.product(range(points), repeat=entries)))
    index = rearrange(index, "sequence (token dim) -> sequence token dim", token=length)
    x = index.double() / (points - 1)
    y = evaluate(f, x)
    best = {name: (-1.0, 0, 0, None) for name in ("sequence", "contextual", "token")}
    rows = max(1, 2_000_000 // (size * entries))
    for start in range(0, size, rows):
        _search(index[start : start + rows], index, y[start : start + rows], y, start, delta * (points - 1), p, best)
    found = {name: Modulus(max(v, 0.0), x[i].tolist(), x[j].tolist(), n) for name, (v, i, j, n) in best.items()}
    return Moduli(delta, **found, pairs=size**2)


def evaluate(f: Function, x: Tokens) -> Tensor:
    """f(x) in float64. Raises ValueError where f returns no tensor, another shape, or numbers that are not finite."""
    y = f(x)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"f: returned {got} for inputs {tuple(x.shape)}, wanted a tensor of the same shape")
    if not y.isfinite().all():
        raise ValueError("f: returned NaN or an infinity somewhere on the grid; wanted a continuous function on [0, 1]")
    return y.detach().double()


def reads_context(x: Tokens) -> Tensor:
    """A large contextual and a small token modulus: each token hardly looks at itself, and sharply at the others."""
    others = x.sum(1, keepdim=True) - x
    return x / 10 + torch.tanh(8 * (others - 0.5 * (x.shape[1] - 1)))


def reads_token(x: Tokens) -> Tensor:
    """A large token and a small contextual modulus: each token looks sharply at itself, and hardly at the others."""
    others = x.sum(1, keepdim=True) - x
    return torch.tanh(8 * (x - 0.5)) + others / 10


def _search(a, b, fa, fb, start: int, radius: float, p: float, best: dict) -> None:
    moved = (a[:, None] - b[None]).double()
    changed = torch.linalg.vector_norm(fa[:, None] - fb[None], ord=p, dim=-1)
    own = reduce(moved**2, "row column token dim -> row column token", "sum")
    far = reduce(own, "row column token -> row column", "sum")
    near = far <= radius**2 * (1 + 1e-9)
    whole = torch.linalg.vector_norm(changed, ord=p, dim=-1)
    near_tokens = rearrange(near, "row column -> row column 1")
    _keep("sequence", whole.masked_fill(~near, -1.0)[..., None], start, best, whole=True)
    _keep("contextual", changed.masked_fill(~(near_tokens & (own == 0)), -1.0), start, best)
    alone = own == rearrange(far, "row column -> row column 1")
    _keep("token", changed.masked_fill(~(near_tokens & alone), -1.0), start, best)


def _keep(name: str, values: Tensor, start: int, best: dict, *, whole: bool = False) -> None:
    top = values.max().item()
    if top > best[name][0]:
        i, j, n = (int(k) for k in torch.unravel_index(values.argmax(), values.shape))
        best[name] = (top, start + i, j, None if whole else n)
