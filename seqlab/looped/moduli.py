"""Three moduli of continuity of a function of sequences, by brute force on a grid, each with the pair that attains it.

| paper symbol (Xu & Sato 2024, section 3)                                          | name here            |
| --------------------------------------------------------------------------------- | -------------------- |
| ω_f(δ): ‖f(X) - f(X')‖_p where ‖X - X'‖_2 ≤ δ                                     | `Moduli.sequence`    |
| ω_f^cont(δ): ‖f(X)_n - f(X')_n‖_p where ‖X - X'‖_2 ≤ δ and X_n = X'_n             | `Moduli.contextual`  |
| ω_f^tok(δ): ‖f(X)_n - f(X')_n‖_p where ‖X_n - X'_n‖_2 ≤ δ, all others equal       | `Moduli.token`       |

Contextual: my token stands still and the others move. Token: the others stand still and only I move. A grid can only
find smaller values than the true suprema, and the inequality between the three holds on every grid.
"""

import itertools
from collections import namedtuple
from collections.abc import Callable

import torch
from einops import rearrange, reduce
from torch import Tensor

from seqlab.layers import Tokens

Function = Callable[[Tokens], Tensor]

PAIRS = 30_000_000  # pairs of sequences that a search looks at


# A supremum over the grid, and where it is attained: X, X' ("token dim" as nested lists) and the token n.
Modulus = namedtuple("Modulus", "value x other token", defaults=(None,))
# The three moduli at one radius δ, on one grid. Made by `moduli`.
Moduli = namedtuple("Moduli", "delta sequence contextual token pairs")


def moduli(f: Function, delta: float, *, length: int = 2, dim: int = 1, points: int = 17, p: float = 2) -> Moduli:
    """The three moduli of f at radius δ over the grid of `points` values in [0, 1] for every entry.

    f: "batch token dim" to the same shape
    Raises ValueError where the grid has more than 30 million pairs, where δ is shorter than its mesh, or where f
    returns another shape or NaN.
    """
    entries = length * dim
    if points < 2 or length < 1 or dim < 1 or not p >= 1:
        got = f"points: got {points}, length: got {length}, dim: got {dim}, p: got {p}"
        raise ValueError(f"{got}, wanted at least 2, 1, 1 and 1")
    size = points**entries
    if size**2 > PAIRS:
        most = int(PAIRS ** (1 / (2 * entries)) + 1e-9)
        raise ValueError(
            f"points: {points}^{entries} sequences make {size**2:,} pairs, wanted at most {PAIRS:,}; choose at most "
            f"{most} points for length {length} and dim {dim}"
        )
    if not delta * (points - 1) >= 1 - 1e-9:
        raise ValueError(f"delta: got {delta:g}, wanted at least the mesh 1/{points - 1} of the grid; raise points")
    index = torch.tensor(list(itertools.product(range(points), repeat=entries)))
    index = rearrange(index, "sequence (token dim) -> sequence token dim", token=length)
    x = index.double() / (points - 1)
    y = evaluate(f, x)
    best, rows = {}, max(1, 2_000_000 // (size * entries))
    for start in range(0, size, rows):
        part = slice(start, start + rows)
        for name, values in _changes(index[part], index, y[part], y, delta * (points - 1), p).items():
            if name not in best or values.max() > best[name].value:
                i, j, *n = torch.unravel_index(values.argmax(), values.shape)
                best[name] = Modulus(max(values.max().item(), 0.0), x[start + i].tolist(), x[j].tolist(), *map(int, n))
    return Moduli(delta, **best, pairs=size**2)


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


def _changes(a: Tensor, b: Tensor, fa: Tensor, fb: Tensor, radius: float, p: float) -> dict[str, Tensor]:
    """How far f moves between the sequences a and b, "row column" and "row column token"; -1 if it does not count."""
    changed = torch.linalg.vector_norm(fa[:, None] - fb[None], ord=p, dim=-1)
    own = reduce((a[:, None] - b[None]).double() ** 2, "row column token dim -> row column token", "sum")
    far = reduce(own, "row column token -> row column 1", "sum")
    near = far <= radius**2 * (1 + 1e-9)
    return {
        "sequence": torch.linalg.vector_norm(changed, ord=p, dim=-1).masked_fill(~near[..., 0], -1.0),
        "contextual": changed.masked_fill(~(near & (own == 0)), -1.0),
        "token": changed.masked_fill(~(near & (own == far)), -1.0),
    }
