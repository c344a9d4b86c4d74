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

import torch
from einops import rearrange, reduce
from torch import Tensor

from seqlab.layers import Tokens
from seqlab.theorem import Statement, Verdict, Witness, judge
from seqlab.universal.values import Function, evaluate

SMALLER = Statement(
    "moduli",
    "follows from the definitions of Xu & Sato 2024, section 3",
    "The contextual and the token modulus are at most the modulus of the sequence.",
)

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


def check_moduli(found: Moduli) -> Verdict:
    """ω_cont ≤ ω and ω_tok ≤ ω. The margin is the smaller difference (0 where one attains the whole)."""
    whole, larger = found.sequence.value, max(found.contextual, found.token, key=lambda modulus: modulus.value)
    margin = whole - larger.value
    text = f"token {larger.token} moves by {larger.value:.4g}, the whole sequence by at most {whole:.4g}"
    why, holds = Witness(text, (larger.x, larger.other)), margin >= -1e-12 * max(1.0, whole)
    return judge(margin, SMALLER, witness=why, holds=holds, checked=found.pairs)


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
