"""The selective shift when attention cannot take a maximum: four steep sigmoid heads.

| paper symbol (Ramapuram et al. 2024, proof of Theorem 3.1) | name                                             |
| ---------------------------------------------------------- | ------------------------------------------------ |
| Ψ_σ(X; b, b')                                              | selective_sum(ids, low, high)                    |
| H, the limit of σ(λ ·) as λ → ∞                            | heaviside()                                      |
| σ(λ (x_i - β)(x_k - b')), β = b or b', and without the key | HEADS, SteepHeads(code, …), scale = λ            |
| the same in exact rationals                                | exact_heads(ids, low, high)                      |

A step of a product is H(st) = (1 + sgn s sgn t) / 2. With s = sgn(x_i - b), s' = sgn(x_i - b'), t = sgn(x_k - b'):

    1{b < x_i < b'} · 1{x_k > b'} = (s - s')(1 + t) / 4 = [H(st) - H(s't) + H(s) - H(s')] / 2

Four heads, the values x_k, output weights ±1/2.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Num, Shaped
from torch import Tensor, nn

from seqlab.attention import Normalizer, sigmoid, softmax
from seqlab.layers import SelfAttention
from seqlab.stack.blocks import Row
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Kind = Literal["sigmoid", "softmax"]
Ids = Shaped[np.ndarray, "*batch token"]
Head = tuple[Literal["low", "high"], bool, int]

HEADS: tuple[Head, ...] = (  # threshold of the query, whether the key counts, sign of the output
    ("low", True, 1),
    ("high", True, -1),
    ("low", False, 1),
    ("high", False, -1),
)

SHIFT = Statement(
    "selective shift of four steep heads",
    "Ramapuram et al. 2024, proof of Theorem 3.1",
    "Four sigmoid heads of size 1, scaled without bound, add the sum of all ids above high where low < id < high, and 0"
    " elsewhere.",
    (
        Hypothesis("four_heads", "all four heads are there"),
        Hypothesis("steep", "the scale is large: the sigmoid acts as a step"),
        Hypothesis("sigmoid", "each weight depends on its own score alone"),
        Hypothesis("off_threshold", "no id equals a threshold"),
    ),
)


def heaviside() -> Normalizer:
    """`1` for a positive score, `0` for a negative one, `1/2` at 0: what σ(λ score) becomes as λ → ∞."""
    return Normalizer("heaviside()", lambda scores, allowed: ((1 + scores.sign()) / 2).masked_fill(~allowed, 0))


def selective_sum(ids: Num[Tensor, "*batch token"], low: float, high: float) -> Num[Tensor, "*batch token"]:
    """Ψ_σ in closed form: the sum of the ids above `high` where low < id < high, 0 elsewhere.

    Raises ValueError unless low < high.
    """
    if not low < high:
        raise ValueError(f"low, high: got {low} and {high}, wanted low < high")
    above = reduce(ids * (ids > high), "... token -> ... 1", "sum")
    return torch.where((ids > low) & (ids < high), above, torch.zeros_like(ids))


def exact_heads(
    ids: Ids | Sequence,
    low: Fraction | float,
    high: Fraction | float,
    *,
    removed: Sequence[int] = (),
    kind: Kind = "sigmoid",
) -> Ids:
    """Ψ_σ by the heads as they stand, exact: scores, steps (0 counts 1/2), the mix of the values, ±1/2.

    ids:      integers (int64 while they fit) or Fractions, "… token"; the result has Fractions where it is no integer
    removed:  heads of `HEADS` to leave out;  kind: "softmax" takes the limit of softmax(λ ·) in every head
    """
    known_heads(removed)
    ids = np.asarray(ids)
    thresholds = [size for t in (low, high) for size in Fraction(t).as_integer_ratio()]
    ids = room(ids, max(8 * ids.shape[-1], *(2 * abs(size) for size in thresholds)))
    each = [sign * head for (_, _, sign), head in zip(HEADS, head_outputs(ids, low, high, kind=kind))]
    left = [head for h, head in enumerate(each) if h not in removed]
    return _divide(sum(left[1:], left[0]) if left else 0 * ids, 4)


def head_outputs(ids: Ids, low: Fraction | float, high: Fraction | float, *, kind: Kind = "sigmoid") -> list[Ids]:
    """Twice what each of the four heads mixes, without its sign: `Σ_k 2H(score) x_k`, exact."""
    if kind not in ("sigmoid", "softmax"):
        raise ValueError(f"kind: got {kind!r}, wanted 'sigmoid' or 'softmax'")
    outputs = []
    for threshold, with_key, _ in HEADS:
        query = _less(ids, low if threshold == "low" else high)[..., :, None]
        key = _less(ids, high)[..., None, :] if with_key else np.ones_like(ids)[..., None, :]
        outputs.append(step_mix(query, key, ids, kind))
    return outputs


def step_mix(query: Shaped[np.ndarray, "*b query 1"], key: Shaped[np.ndarray, "*b 1 key"], ids: Ids, kind: Kind) -> Ids:
    """Twice the mix of ids under steep weights of the scores `query · key`, exact. Only signs count under sigmoid."""
    if kind == "sigmoid":
        return ((1 + _sign(query) * _sign(key)) * ids[..., None, :]).sum(axis=-1)
    scores = query.astype(object) * key.astype(object)
    winners = (scores == scores.max(axis=-1, keepdims=True)).astype(int).astype(object)
    return 2 * _divide((winners * ids[..., None, :]).sum(axis=-1), winners.sum(axis=-1))


class SteepHeads(SelfAttention):
    """Heads of size one that read `code · x` and write to the first coordinate: any of the four, or the global sum.

    heads: per head (what the query subtracts, what the key subtracts or None for a key of 1, the output weight)
    scale: λ in front of the scores; it is the `scale` of an ordinary attention layer, bias and all the rest are linear
    maps
    """

    def __init__(
        self,
        code: Row,
        heads: Sequence[tuple[float, float | None, float]],
        *,
        scale: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        query, key, gains = zip(*heads)
        dim, count = len(code), len(heads)
        with torch.device("meta"):  # no weights are drawn
            super().__init__(dim, count, 1, normalizer=normalizer or sigmoid(0.0), scale=scale)
        blind = torch.tensor([k is None for k in key])
        read, write = code.expand(count, dim), torch.zeros(dim, count, dtype=code.dtype)
        write[0] = torch.tensor(gains, dtype=code.dtype)
        shift = torch.tensor([1.0 if k is None else -k for k in key], dtype=code.dtype)
        self.query = _linear(read, -torch.tensor(query, dtype=code.dtype))
        self.key = _linear(read.masked_fill(blind[:, None], 0), shift)
        self.value, self.out = _linear(read), _linear(write)


def four_heads(
    code: Row,
    low: float,
    high: float,
    gain: float = 1.0,
    *,
    removed: Sequence[int] = (),
    scale: float = 1.0,
    normalizer: Normalizer | None = None,
) -> SteepHeads:
    """`gain · Ψ_σ` as real attention heads: `normalizer` is sigmoid(0) unless given (heaviside() for the limit)."""
    at = {"low": low, "high": high}
    heads = [(at[name], high if with_key else None, sign * gain / 2) for name, with_key, sign in HEADS]
    return SteepHeads(
        code, [head for h, head in enumerate(heads) if h not in removed], scale=scale, normalizer=normalizer
    )


def check_shift(
    draws: int = 500,
    seed: int = 0,
    *,
    removed: Sequence[int] = (),
    scale: float | None = None,
    kind: Kind = "sigmoid",
    on_threshold: bool = False,
) -> Verdict:
    """Closed form = four heads in rationals = four real heads in float64, on random ids 1 … 12, up to 6 tokens.

    scale:         None is the limit, steps and no tolerance; with a λ the real heads are steep sigmoids, compared alone
    on_threshold:  thresholds may equal ids (they are odd multiples of 1/2 otherwise)

    The margin is 1/2 (half the distance of two ids) less the largest difference. The witness carries
    (ids, low, high, got, wanted). Raises ValueError for less than one draw, and for heads that are not there.
    """
    known_heads(removed)
    if draws < 1:
        raise ValueError(f"draws: got {draws}, wanted at least 1: nothing would be checked")
    draw = random.Random(seed)
    one = torch.ones(1, dtype=torch.float64)
    steep = {"sigmoid": heaviside() if scale is None else sigmoid(0.0), "softmax": softmax()}[kind]
    worst, witness = Fraction(0), None
    for _ in range(draws):
        ids = [draw.randint(1, 12) for _ in range(draw.randint(1, 6))]
        thresholds = range(1, 26) if on_threshold else range(1, 26, 2)
        low, high = (Fraction(t, 2) for t in sorted(draw.sample(thresholds, 2)))
        want = selective_sum(torch.tensor(ids), float(low), float(high)).tolist()
        got = [exact_heads(ids, low, high, removed=removed, kind=kind).tolist()] if scale is None else []
        if len(set(removed)) == len(HEADS):
            got.append([0.0] * len(ids))
        elif kind == "sigmoid" or scale is not None:
            options = dict(removed=removed, scale=1.0 if scale is None else scale, normalizer=steep)
            x = rearrange(torch.tensor(ids, dtype=torch.float64), "token -> 1 token 1")
            with torch.no_grad():
                got.append(four_heads(one, float(low), float(high), **options)(x).flatten().tolist())
        for values in got:
            error = max(abs(Fraction(a) - b) for a, b in zip(values, want))
            if error > worst:
                shown = tuple(float(value) for value in values)
                text = f"ids {ids}, window ({float(low)}, {float(high)}): got {shown}, wanted {tuple(want)}"
                worst, witness = error, Witness(text, (tuple(ids), float(low), float(high), shown, tuple(want)))
    exact = scale is None
    holds = worst == 0 if exact else worst < Fraction(1, 2)
    statement = SHIFT.under(
        four_heads=not removed, sigmoid=kind == "sigmoid", off_threshold=not on_threshold, steep=holds or exact
    )
    margin = Fraction(1, 2) - worst if holds or not exact else -worst
    return Verdict(holds, float(margin), None if holds else witness, statement, draws, "units of delta")


def known_heads(removed: Sequence[int]) -> None:
    """Raise ValueError for heads that are not there."""
    if not set(removed) <= set(range(len(HEADS))):
        raise ValueError(f"removed: got {tuple(removed)}, wanted numbers of heads, 0 to {len(HEADS) - 1}")


def room(ids: Ids, factor: int) -> Ids:
    """int64 as long as `factor` times the largest id fits, Python's integers beyond."""
    if ids.dtype.kind not in "iu":
        return ids
    largest = max(1, -int(ids.min(initial=0)), int(ids.max(initial=0)))
    return ids.astype(object) if largest * factor >= 2**61 else ids


def _sign(x: np.ndarray) -> np.ndarray:
    return (x > 0).astype(np.int64) - (x < 0).astype(np.int64)


def _less(ids: Ids, threshold: Fraction | float) -> Ids:
    """`denominator · (ids - threshold)`: an integer where the ids are, with the same sign."""
    threshold = Fraction(threshold)
    return threshold.denominator * ids - threshold.numerator


def _divide(total: Ids, by: int | Ids) -> Ids:
    """total / by: integers where all of it divides, Fractions in an object array beyond."""
    if np.all(total % by == 0):
        return total // by
    return np.frompyfunc(Fraction, 2, 1)(total.astype(object), by)


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made
