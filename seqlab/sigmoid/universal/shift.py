"""The selective shift when attention cannot take a maximum: four steep sigmoid heads.

| paper symbol (Ramapuram et al. 2024, proof of Theorem 3.1) | name                                                 |
| ---------------------------------------------------------- | ---------------------------------------------------- |
| Ψ_σ(X; b, b')                                              | selective_sum(ids, low, high)                        |
| H, the limit of σ(λ ·) as λ → ∞                            | step(), and σ(λ ·) = step().soft(λ)                  |
| σ(λ (x_i - β)(x_k - b')), β = b or b', and without the key | four_heads(u, low, high, write)                      |
| the four on tokens (x, b, b')                              | shift_heads()                                        |

A step of a product is H(st) = (1 + sgn s sgn t) / 2. With s = sgn(x_i - b), s' = sgn(x_i - b'), t = sgn(x_k - b'):

    1{b < x_i < b'} · 1{x_k > b'} = (s - s')(1 + t) / 4 = [H(st) - H(s't) + H(s) - H(s')] / 2

Four heads, the values x_k, output weights ±1/2.
"""

from collections.abc import Collection

import torch
from einops import reduce
from jaxtyping import Num
from torch import Tensor

from seqlab.attention import step
from seqlab.normalizers import Exact, Hardmax, Normalizer, Softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, judge
from seqlab.universal.shift import furthest, random_windows
from seqlab.written import Form, Head, Layer, Program, coordinates

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


def four_heads(u: Form, low: object, high: object, write: Form, removed: Collection[int] = ()) -> list[Head]:
    """Heads that add Ψ_σ of the ids u, times `write`. removed: which of them (0 … 3) are left out.

    Raises ValueError for heads that are not there.
    """
    if not set(removed) <= set(range(4)):
        raise ValueError(f"removed: got {tuple(removed)}, wanted numbers of heads, 0 to 3")
    heads = [
        Head(u - low, u - high, value=u, write=write / 2),
        Head(u - high, u - high, value=u, write=-write / 2),
        Head(u - low, 1, value=u, write=write / 2),
        Head(u - high, 1, value=u, write=-write / 2),
    ]
    return [head for h, head in enumerate(heads) if h not in removed]


def shift_heads(removed: Collection[int] = (), normalizer: Normalizer = step()) -> Program:
    """Ψ_σ by four heads of size one, on tokens (id, low, high)."""
    l, low, high, out = coordinates("l low high out")
    layer = Layer(four_heads(l, low, high, out, removed), label="selective sum")
    return Program([l, low, high], out, layer, normalizer=normalizer, start={out: 0})


def selective_sum(ids: Num[Tensor, "*batch token"], low: float, high: float) -> Num[Tensor, "*batch token"]:
    """Ψ_σ in closed form: the sum of the ids above `high` where low < id < high, 0 elsewhere.

    Raises ValueError unless low < high.
    """
    if not low < high:
        raise ValueError(f"low, high: got {low} and {high}, wanted low < high")
    above = reduce(ids * (ids > high), "... token -> ... 1", "sum")
    return torch.where((ids > low) & (ids < high), above, torch.zeros_like(ids))


def check_shift(
    draws: int = 500,
    seed: int = 0,
    *,
    removed: Collection[int] = (),
    normalizer: Normalizer = step(),
    on_threshold: bool = False,
) -> Verdict:
    """Closed form = four heads in rationals = four real heads in float64, on random ids 1 … 12, up to 6 tokens.

    normalizer:    steps, no tolerance; σ(λ ·) is step().soft(λ), of which the real heads alone are compared
    on_threshold:  thresholds may equal ids (they are odd multiples of 1/2 otherwise)

    The margin is 1/2 (half the distance of two ids) less the largest difference. The witness carries
    (ids, low, high, got, wanted). Raises ValueError for less than one draw, and for heads that are not there.
    """
    rows = random_windows(draws, seed, range(1, 13), 6, on_threshold)
    worst, witness = furthest(shift_heads(removed, normalizer), selective_sum, rows)
    exact = isinstance(normalizer, Exact)
    holds = worst == 0 if exact else worst < 0.5
    statement = SHIFT.under(
        four_heads=not removed,
        sigmoid=not isinstance(normalizer, (Hardmax, Softmax)),
        off_threshold=not on_threshold,
        steep=holds or exact,
    )
    margin = 0.5 - worst if holds or not exact else -worst
    return judge(margin, statement, holds=holds, witness=witness, checked=draws, unit="units of delta")
