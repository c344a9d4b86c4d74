"""Theorem 3.2: the bound, on many tests, and with each step of its proof done wrong."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from seqlab.sigmoid.regularity.heads import Head, Tokens, jacobian_norm
from seqlab.sigmoid.regularity.trials import own_tests
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Mistake = Literal["forget the scores", "mean for sup", "query alone", "forget the values"]

STATEMENT = Statement(
    "regularity of sigmoid attention",
    "Ramapuram et al. 2024, Theorem 3.2",
    "The largest singular value of the Jacobian is at most ‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²).",
    (
        Hypothesis("scores", "the second term counts how the scores move"),
        Hypothesis("sup", "σ_∞ and σ'_∞ are suprema over all scores, not means"),
        Hypothesis("both", "a token moves its scores twice, as query and as key"),
        Hypothesis("values", "‖W_v‖ multiplies everything"),
        Hypothesis("sigmoid", "the head uses sigmoid"),
    ),
)
MISTAKES: dict[Mistake, str] = {
    "forget the scores": "scores",
    "mean for sup": "sup",
    "query alone": "both",
    "forget the values": "values",
}


@dataclass(frozen=True)
class Bound:
    """Theorem 3.2's right-hand side and its parts."""

    value: float
    sigma_sup: float
    slope_sup: float
    values: float
    products: float
    mean_square: float


def bound(head: Head, x: Tokens, *, mistakes: Collection[Mistake] = ()) -> Bound:
    """The bound for this head and these tokens. `mistakes` (of MISTAKES) get one step of its proof wrong each.

    Raises ValueError for a softmax head: the theorem does not speak of it.
    """
    if unknown := set(mistakes) - set(MISTAKES):
        raise ValueError(f"mistakes: got {sorted(unknown)}, wanted some of {', '.join(MISTAKES)}")
    if head.kind != "sigmoid":
        raise ValueError(f"head: got kind {head.kind!r}; the bound holds for sigmoid attention")
    n = len(x)
    weights = torch.sigmoid(head.scores(x))
    slopes = weights * (1 - weights)
    most = torch.mean if "mean for sup" in mistakes else torch.max
    sigma_sup, slope_sup = n * most(weights).item(), n * most(slopes).item()
    values = 1.0 if "forget the values" in mistakes else torch.linalg.matrix_norm(head.w_v, 2).item()
    products = head.scale * torch.linalg.matrix_norm(head.w_q.T @ head.w_k, 2).item()
    mean_square = x.square().sum(dim=-1).mean().item()
    factor = 0 if "forget the scores" in mistakes else 1 if "query alone" in mistakes else 2
    value = values * (sigma_sup + factor * slope_sup * abs(products) * mean_square)
    return Bound(value, sigma_sup, slope_sup, values, abs(products), mean_square)


def check_bound(
    tests: Iterable[tuple[Head, Tensor]] | None = None,
    *,
    mistakes: Collection[Mistake] = (),
    kind: Literal["sigmoid", "softmax"] = "sigmoid",
) -> Verdict:
    """The bound on every test: `own_tests()` unless given.

    mistakes, kind: break the bound, or put softmax in the head and compare with sigmoid's bound
    The margin is 1 less the largest ratio ‖J‖ / bound (to 1e-9, the rounding of an equality). The witness carries
    (head, x, norm, bound). Raises ValueError without tests.
    """
    worst, witness, checked = 0.0, None, 0
    for head, x in own_tests() if tests is None else tests:
        norm, limit = jacobian_norm(replace(head, kind=kind), x), bound(head, x, mistakes=mistakes)
        checked += 1
        if (ratio := _ratio(norm.value, limit.value)) > worst:
            what = f"n = {len(x)}, d = {x.shape[1]}"
            text = f"{what}: the Jacobian's norm is {norm.value:.4g}, the bound says {limit.value:.4g}"
            worst, witness = ratio, Witness(text, (head, x, norm, limit))
    if not checked:
        raise ValueError("tests: got none, wanted at least one (head, x): nothing would be checked")
    broken = {MISTAKES[mistake]: False for mistake in mistakes}
    options = dict(statement=STATEMENT.under(**broken, sigmoid=kind == "sigmoid"), checked=checked, unit="of the bound")
    if worst <= 1 + 1e-9:
        return Verdict(True, max(1 - worst, 0.0), notes=(f"largest ratio {worst:.6f}",), **options)
    return Verdict(False, 1 - worst, witness, **options)


def _ratio(norm: float, limit: float) -> float:
    """norm / limit; 0 / 0 is 0, for a head that returns zeros. What is not a number counts as above the bound."""
    if norm == 0 <= limit:
        return 0.0
    ratio = norm / limit if limit else math.inf
    return math.inf if math.isnan(ratio) else ratio


SWITCHES = {
    "scores": "the second term left out",
    "mean": "means for suprema",
    "query": "the score counted as moved once, not twice",
    "values": "‖W_v‖ left out",
    "softmax": "softmax in the head",
}


def check(
    *,
    scores: bool = False,
    mean: bool = False,
    query: bool = False,
    values: bool = False,
    softmax: bool = False,
    draws: int = 500,
) -> Verdict:
    """`check_bound` on its own tests, `draws` of them random, with a switch for each step of the proof."""
    wrong = zip(MISTAKES, (scores, mean, query, values))
    mistakes = [name for name, on in wrong if on]
    return check_bound(own_tests(draws), mistakes=mistakes, kind="softmax" if softmax else "sigmoid")
