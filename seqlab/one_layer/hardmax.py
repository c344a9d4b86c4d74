"""One layer of hardmax is no contextual mapping, whatever its weights and however many heads (Theorem 1).

Put tokens on a line, x_t = b + t w. For any query the score is affine in t, so a head with hardmax returns the value of
the largest t, or of the smallest, or (slope 0) the average. Two sets with the same extremes and the same mean give the
tokens that they share the same ids: {0, 1, 4, 5} and {0, 2, 3, 5}.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import Normalizer, attention, hardmax
from seqlab.names.separation import names
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

FIRST, SECOND = (0, 1, 4, 5), (0, 2, 3, 5)

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


def counterexamples(
    top: int, *, sizes: Sequence[int] | None = None
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All pairs of sets of integers from 0 to `top`, both with 0 and `top`, that hardmax confuses.

    sizes: which sizes of sets, such as (4,); all unless given. Pairs come with the smallest sets first.
    """
    sizes = range(2, top + 2) if sizes is None else sizes
    inner = [s for size in sorted(sizes) if size >= 2 for s in itertools.combinations(range(1, top), size - 2)]
    for pair in itertools.combinations([(0, *s, top) for s in inner], 2):
        if summary(pair[0]) == summary(pair[1]):
            yield pair


def find(
    top: int = 6, *, sizes: Sequence[int] | None = (4,), skip: Sequence[tuple] = ((FIRST, SECOND),)
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first pair of `counterexamples` that is not in `skip`. Raises ValueError where there is none."""
    for pair in counterexamples(top, sizes=sizes):
        if pair not in skip:
            return pair
    raise ValueError(f"top, sizes: no two sets up to {top} of sizes {sizes or 'any'} confuse hardmax; raise top")


def line(
    points: Sequence[int], base: Sequence[int] = (0,), direction: Sequence[int] = (1,)
) -> Float[Tensor, "token dim"]:
    """x_t = base + t · direction for every t. Integers keep scores that tie exactly tied."""
    return torch.tensor([[b + t * w for b, w in zip(base, direction)] for t in points], dtype=torch.float64)


def heads(
    dim: int, direction: Sequence[int], *, samples: int = 2000, size: int = 2, ties: float = 0.2, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Random W_Q, W_K "head size dim" and W_O W_V "head dim dim", Gaussian; a share `ties` sees equal scores
    everywhere.

    Those have W_K with integer entries perpendicular to the line (for d = 1: zero), so that ties are exact.
    """
    draw = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, samples, size, dim, generator=draw, dtype=torch.float64)
    value = torch.randn(samples, dim, dim, generator=draw, dtype=torch.float64)
    tied = int(ties * samples)
    key[:tied] = 0
    if dim > 1:
        factor = torch.randint(-9, 10, (tied, size), generator=draw).double()
        key[:tied, :, 0], key[:tied, :, 1] = factor * direction[1], -factor * direction[0]
        query[:tied] = torch.randint(-9, 10, (tied, size, dim), generator=draw).double()
    return query, key, value


def outputs(
    x: Float[Tensor, "token dim"], weights: tuple[Tensor, Tensor, Tensor], normalizer: Normalizer = hardmax()
) -> Float[Tensor, "head token dim"]:
    """What every head returns for every token."""
    query, key, value = weights
    q, k = (einsum(w, x, "head size dim, token dim -> head token size") for w in (query, key))
    mixed = attention(q, k, repeat(x, "token dim -> head token dim", head=len(q)), normalizer=normalizer, scale=1.0)
    return einsum(value, mixed, "head out dim, head token dim -> head token out")


def differences(
    first: Sequence[int] = FIRST,
    second: Sequence[int] = SECOND,
    *,
    base: Sequence[int] = (0,),
    direction: Sequence[int] = (1,),
    normalizer: Normalizer = hardmax(),
    samples: int = 2000,
    heads_per_layer: int = 1,
    ties: float = 0.2,
    seed: int = 0,
) -> Float[Tensor, "layer shared"]:
    """For every random layer and every shared token: how far apart the two ids are (the tokens being equal, this is
    heads only).
    """
    if len(base) != len(direction) or not any(direction):
        raise ValueError(f"direction: got {direction} for base {base}, wanted as many numbers, not all zero")
    if samples < 1 or heads_per_layer < 1 or samples % heads_per_layer:
        raise ValueError(f"heads_per_layer: got {heads_per_layer}, wanted a divisor of the {samples} samples")
    if set(first) == set(second):
        raise ValueError(f"first, second: {first} and {second} are the same set, so there is nothing to tell apart")
    if len(base) > 1 and any(x != int(x) for x in (*first, *second, *base, *direction)):
        raise ValueError("first, second, base, direction: wanted whole numbers; others round, and ties would break")
    shared = [t for t in first if t in second]
    if not shared:
        raise ValueError(f"first, second: {first} and {second} share no token, so nothing can be compared")
    weights = heads(len(base), direction, samples=samples, ties=ties, seed=seed)
    if heads_per_layer > 1:  # heads with ties are mixed with others
        mixed = torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
        weights = tuple(w[mixed] for w in weights)
    sides = []
    for points in (first, second):
        out = outputs(line(points, base, direction), weights, normalizer)
        out = rearrange(out, "(layer head) token dim -> layer head token dim", head=heads_per_layer).sum(dim=1)
        sides.append(out[:, [list(points).index(t) for t in shared]])
    return (sides[0] - sides[1]).norm(dim=-1)


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
    normalizer: Normalizer = hardmax(),
    tolerance: float = 1e-12,
    **options: object,
) -> Verdict:
    """Theorem 1 on random layers: no head tells the two sets apart. softmax(β) as the normalizer breaks it.

    options: of `differences`. The margin is the tolerance less the largest difference; the witness carries
    (first, second, shared token, layer, difference).
    """
    found = differences(first, second, normalizer=normalizer, **options)
    worst = found.max().item()
    layer, at = divmod(int(found.argmax()), found.shape[1])
    token = [t for t in first if t in second][at]
    text = f"layer {layer} gives token {token} ids {worst:.4g} apart in {set(first)} and {set(second)}"
    (*ends, mean), (*other_ends, other_mean) = summary(first), summary(second)
    return judge(
        tolerance - worst,
        THEOREM_1.under(
            hardmax=normalizer.name.startswith("hardmax"), extremes=ends == other_ends, mean=mean == other_mean
        ),
        witness=Witness(text, (tuple(first), tuple(second), token, layer, worst)),
        checked=found.numel(),
    )
