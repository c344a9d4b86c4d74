"""One layer of hardmax is no contextual mapping, whatever its weights and however many heads (Theorem 1).

Put tokens on a line, x_t = b + t w. For any query the score is affine in t, so a head with hardmax returns the value of
the largest t, or of the smallest, or (slope 0) the average. Two sets with the same extremes and the same mean give the
tokens that they share the same ids: {0, 1, 4, 5} and {0, 2, 3, 5}.
"""

from collections.abc import Sequence
from fractions import Fraction

import torch
from einops import einsum, reduce, repeat
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention, hardmax
from seqlab.names.separation import names
from seqlab.normalizers import Normalizer
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

FIRST, SECOND = (0, 1, 4, 5), (0, 2, 3, 5)
HEADS = 2000

THEOREM_1 = Statement(
    "Theorem 1",
    "Kajitsuka & Sato 2023, Theorem 1; the example is derived",
    "On sets with the same extremes and the same mean, one layer of hardmax heads gives shared tokens the same ids.",
    (
        Hypothesis("hardmax", "all heads use hardmax, ties sharing the weight"),
        Hypothesis("extremes", "both sets have the same largest and the same smallest element"),
        Hypothesis("mean", "both sets have the same mean"),
    ),
)


def summary(points: Sequence) -> tuple:
    """All that any number of hardmax heads on a line can tell a token of its sequence: (smallest, largest, mean),
    exactly.
    """
    return min(points), max(points), sum(map(Fraction, points)) / len(points)


def line(
    points: Sequence[int], base: Sequence[int] = (0,), direction: Sequence[int] = (1,)
) -> Float[Tensor, "token dim"]:
    """x_t = base + t · direction for every t. Integers keep scores that tie exactly tied."""
    return torch.tensor([[b + t * w for b, w in zip(base, direction)] for t in points], dtype=torch.float64)


def heads(direction: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """2,000 random W_Q, W_K "head size dim" of size 2 and W_O W_V "head dim dim", Gaussian; a fifth, spread over all,
    sees equal scores everywhere.

    Those have W_K with integer entries perpendicular to the line (for d = 1: zero), so that ties are exact.
    """
    dim, draw = len(direction), torch.Generator().manual_seed(0)
    query, key = torch.randn(2, HEADS, 2, dim, generator=draw, dtype=torch.float64)
    value = torch.randn(HEADS, dim, dim, generator=draw, dtype=torch.float64)
    across = torch.tensor([direction[1], -direction[0], *[0] * (dim - 2)] if dim > 1 else [0])
    factor = torch.randint(-9, 10, (HEADS // 5, 2, 1), generator=draw)
    key[::5] = (factor * across).double()
    query[::5] = torch.randint(-9, 10, (HEADS // 5, 2, dim), generator=draw).double()
    return query, key, value


def softmax_difference(first: Sequence[int] = FIRST, second: Sequence[int] = SECOND, *, beta: float = 0.5) -> float:
    """The smallest distance of the ids that one softmax head (query = key = value = token) gives a shared token.

    The tokens are 1 + t: a token 0 would see the average only.
    """
    one, other = (dict(zip(points, names(line(points, (1,)).T, beta)[0].tolist())) for points in (first, second))
    return min(abs(one[t] - other[t]) for t in first if t in other)


def check_theorem_1(
    first: Sequence[int] = FIRST,
    second: Sequence[int] = SECOND,
    *,
    base: Sequence[int] = (0,),
    direction: Sequence[int] = (1,),
    normalizer: Normalizer = hardmax(),
    heads_per_layer: int = 1,
) -> Verdict:
    """Theorem 1 on layers of 2,000 random heads: none tells the two sets apart. softmax(β) as the normalizer breaks it.

    The tokens are base + t · direction, whole numbers, so that ties are exact. The margin is 1e-12 less the largest
    difference of the ids of a shared token (the tokens being equal, this is heads only); the witness carries (first,
    second, shared token, layer, difference).
    """
    shared = [t for t in first if t in second]
    if not shared or set(first) == set(second):
        raise ValueError(f"first, second: got {first} and {second}, wanted two sets that differ and share a token")
    if any(x != int(x) for x in (*first, *second, *base, *direction)):
        raise ValueError("first, second, base, direction: wanted whole numbers; others round, and ties would break")
    query, key, value = heads(direction)
    sides = []
    for points in (first, second):
        x = line(points, base, direction)
        q, k = (einsum(w, x, "head size dim, token dim -> head token size") for w in (query, key))
        mixed = attention(q, k, repeat(x, "token dim -> head token dim", head=HEADS), normalizer=normalizer, scale=1.0)
        out = einsum(value, mixed, "head out dim, head token dim -> head token out")
        layers = reduce(out, "(layer head) token dim -> layer token dim", "sum", head=heads_per_layer)
        sides.append(layers[:, [points.index(t) for t in shared]])
    found = (sides[0] - sides[1]).norm(dim=-1)
    worst, (layer, at) = found.max().item(), divmod(int(found.argmax()), len(shared))
    text = f"layer {layer} gives token {shared[at]} ids {worst:.4g} apart in {set(first)} and {set(second)}"
    (*ends, mean), (*other_ends, other_mean) = summary(first), summary(second)
    return judge(
        1e-12 - worst,
        THEOREM_1.under(
            hardmax=normalizer.name.startswith("hardmax"), extremes=ends == other_ends, mean=mean == other_mean
        ),
        witness=Witness(text, (tuple(first), tuple(second), shared[at], layer, worst)),
        checked=found.numel(),
    )
