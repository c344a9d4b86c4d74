"""How much a head's output can move: the Jacobian's largest singular value, and the bound for sigmoid attention.

| paper symbol (Ramapuram et al. 2024, Theorem 3.2)     | name                                            |
| ----------------------------------------------------- | ----------------------------------------------- |
| X = (x_1, …, x_n), n tokens                           | x, "token dim"                                  |
| W_q, W_k, W_v (they act on columns: W_q x_i)          | Head.w_q, .w_k, .w_v, "head dim"                |
| A = {⟨W_q x_i, W_k x_j⟩}, scale and b absorbed        | head.scores(x)                                  |
| ‖J‖_2                                                 | jacobian_norm(head, x)                          |
| σ_∞ = n sup_A σ, σ'_∞ = n sup_A σ'                    | the two suprema in `bound(head, x)`             |

    ‖J‖_2 ≤ ‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²)

The three parts of the sum are the three ways in which x moves the output: as a value, as a query, as a key. The bound
is sharp: equal tokens along an eigenvector of W_qᵀ W_k reach it (`sharp_case`).
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.train.fit import uncompiled

Kind = Literal["sigmoid", "softmax"]
Tokens = Float[Tensor, "token dim"]

STATEMENT = Statement(
    "regularity of sigmoid attention",
    "Ramapuram et al. 2024, Theorem 3.2",
    "The largest singular value of the Jacobian is at most ‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²).",
    (
        Hypothesis("scores", "the second term counts how the scores move"),
        Hypothesis("mean", "σ_∞ and σ'_∞ are suprema over all scores, not means"),
        Hypothesis("query", "a token moves its scores twice, as query and as key"),
        Hypothesis("values", "‖W_v‖ multiplies everything"),
        Hypothesis("softmax", "the head uses sigmoid"),
    ),
)
SWITCHES = {
    "scores": "the second term left out",
    "mean": "means for suprema",
    "query": "the score counted as moved once, not twice",
    "values": "‖W_v‖ left out",
    "softmax": "softmax in the head",
}


@dataclass(frozen=True)
class Head:
    """One head without output matrix: `normalizer(scale · ⟨W_q x_i, W_k x_j⟩ + bias) W_v x_j`.

    bias counts for sigmoid only.
    """

    w_q: Float[Tensor, "head dim"]
    w_k: Float[Tensor, "head dim"]
    w_v: Float[Tensor, "value dim"]
    bias: float = 0.0
    scale: float = 1.0
    kind: Kind = "sigmoid"

    def __call__(self, x: Tokens) -> tuple[Float[Tensor, "token value"], Float[Tensor, "query key"]]:
        """The output and the weights."""
        normalizer = sigmoid(self.bias) if self.kind == "sigmoid" else softmax()
        q, k, v = (x @ w.T for w in (self.w_q, self.w_k, self.w_v))
        return attention(q, k, v, normalizer=normalizer, scale=self.scale, return_weights=True)

    def scores(self, x: Tokens) -> Float[Tensor, "query key"]:
        """What sigmoid is applied to, scale and bias included."""
        return self.scale * (x @ self.w_q.T) @ (x @ self.w_k.T).T + self.bias


def jacobian(head: Head, x: Tokens) -> Float[Tensor, "out in"]:
    """dY/dX as one matrix, (tokens · value) × (tokens · dim): what x moves as a value, as a key and as a query.

    With S_ij = scale · x_iᵀ A x_j and A = W_qᵀ W_k a move of the scores moves the output by Σ_j P_ij (1 - P_ij) v_j
    dS_ij under sigmoid and by Σ_j P_ij (v_j - y_i) dS_ij under softmax.
    """
    out, weights = head(x)
    values, product, own = x @ head.w_v.T, head.scale * head.w_q.T @ head.w_k, torch.eye(len(x), dtype=x.dtype)
    slopes, centre = (weights, out) if head.kind == "softmax" else (weights * (1 - weights), torch.zeros_like(out))
    apart = values - rearrange(centre, "query value -> query 1 value")
    moved = einsum(slopes, apart, "query key, query key value -> query value key")
    as_value = einsum(weights, head.w_v, "query key, value dim -> query value key dim")
    as_key = einsum(moved, x @ product, "query value key, query dim -> query value key dim")
    as_query = einsum(moved, x @ product.T, own, "query value key, key dim, query token -> query value token dim")
    return rearrange(as_value + as_key + as_query, "query value token dim -> (query value) (token dim)")


def jacobian_norm(head: Head, x: Tokens) -> Float[Tensor, ""]:
    """The largest singular value of dY/dX, from the eigenvalues of the smaller of J Jᵀ and Jᵀ J."""
    wide = jacobian(head, x)
    tall = wide.T if wide.shape[0] < wide.shape[1] else wide
    return torch.linalg.eigvalsh(tall.T @ tall)[-1].sqrt()


def bound(head: Head, x: Tokens, broken: Collection[str] = ()) -> Float[Tensor, ""]:
    """Theorem 3.2's right-hand side. Each of `broken` (of SWITCHES) gets one step of its proof wrong.

    Raises ValueError for a softmax head: the theorem does not speak of it.
    """
    if head.kind != "sigmoid":
        raise ValueError(f"head: got kind {head.kind!r}; the bound holds for sigmoid attention")
    norm, most = lambda w: torch.linalg.matrix_norm(w, 2), torch.mean if "mean" in broken else torch.max
    weights = head.scores(x).sigmoid()
    values = 1.0 if "values" in broken else norm(head.w_v)
    twice = 0 if "scores" in broken else 1 if "query" in broken else 2
    moved = most(weights * (1 - weights)) * abs(head.scale) * norm(head.w_q.T @ head.w_k)
    return values * len(x) * (most(weights) + twice * moved * x.square().sum(-1).mean())


def check(tests: Iterable[tuple[Head, Tensor]], **broken: bool) -> Verdict:
    """The bound on every test, such as `own_tests()`. broken: switches of SWITCHES, each a step of the proof.

    softmax puts softmax in the head and compares with sigmoid's bound. The margin is 1 less the largest ratio
    ‖J‖ / bound (to 1e-9, the rounding of an equality). The witness carries (head, x, norm, bound). Raises ValueError
    without tests, or for another switch.
    """
    statement = STATEMENT.under(**{name: not on for name, on in broken.items()})
    wrong = [name for name, on in broken.items() if on]
    found = []
    for head, x in tests:
        used = replace(head, kind="softmax") if "softmax" in wrong else head
        norm, limit = jacobian_norm(used, x).item(), bound(head, x, wrong).item()
        found.append((_ratio(norm, limit), head, x, norm, limit))
    if not found:
        raise ValueError("tests: got none, wanted at least one (head, x): nothing would be checked")
    ratio, head, x, norm, limit = max(found, key=lambda each: each[0])
    text = f"n = {len(x)}, d = {x.shape[1]}: the Jacobian's norm is {norm:.4g}, the bound says {limit:.4g}"
    holds = ratio <= 1 + 1e-9
    return judge(
        max(1 - ratio, 0.0) if holds else 1 - ratio,
        statement,
        holds=holds,
        witness=Witness(text, (head, x, norm, limit)),
        checked=len(found),
        unit="of the bound",
        notes=[f"largest ratio {ratio:.6f}"] if holds else [],
    )


def _ratio(norm: float, limit: float) -> float:
    """norm / limit; 0 / 0 is 0, for a head that returns zeros. What is not a number counts as above the bound."""
    if norm == 0 <= limit:
        return 0.0
    return norm / limit if limit > 0 and not math.isnan(norm) else math.inf


def sharp_case(n: int, dim: int, *, slope: float = 1.0, bias: float = 0.0) -> tuple[Head, Tokens]:
    """Where the bound is an equality: n tokens e_1, W_qᵀ W_k = slope · I ≥ 0, W_v = I. ‖J‖ = n (σ + 2 slope σ').

    Below a slope of 0 the two terms work against each other, and the bound is not reached.
    """
    eye = torch.eye(dim, dtype=torch.float64)
    return Head(slope * eye, eye, eye, bias), eye[:1].repeat(n, 1)


def cases(count: int = 500, seed: int = 0, *, large: int = 0) -> Iterable[tuple[Head, Tensor]]:
    """Random heads and tokens: `count` small ones (n ≤ 8, d ≤ 4), then `large` ones (n 16 … 64, d 8 … 32).

    Token lengths, weight sizes and biases vary; every other bias is -log n, with scale 1/√d. Each
    fourth sequence has nearly equal tokens, where the bound is closest.
    """
    draw = torch.Generator().manual_seed(seed)
    uniform = lambda low, high: low + (high - low) * torch.rand((), generator=draw).item()
    whole = lambda low, high: int(torch.randint(low, high + 1, (), generator=draw))
    make = lambda *shape: torch.randn(*shape, generator=draw, dtype=torch.float64)
    for at in range(count + large):
        ranges = ((1, 8), (1, 4), (1, 4)) if at < count else ((16, 64), (8, 32), (8, 32))
        n, dim, size = (whole(*limits) for limits in ranges)
        x = 10 ** uniform(-1, 0.5) / math.sqrt(dim) * make(n, dim)
        if at % 4 == 3:
            x = x[:1] + 0.1 * x
        weights = [10 ** uniform(-0.5, 0.25) / math.sqrt(dim) * make(size, dim) for _ in range(3)]
        yield Head(*weights, *((-math.log(n), 1 / math.sqrt(size)) if at % 2 else (uniform(-4, 2),))), x


def own_tests(draws: int = 500) -> list[tuple[Head, Tensor]]:
    """`draws` of `cases()`, eight sharp cases, and one of the family that is hard for softmax."""
    sharp = (sharp_case(n, 2, slope=s, bias=b) for n in (1, 4) for s in (0.5, 2.0) for b in (0.0, -3.0))
    return [*cases(draws), *sharp, hard_for_softmax(32, "sigmoid")]


def hard_for_softmax(n: int, kind: Kind = "softmax") -> tuple[Head, Tokens]:
    """W_qᵀ W_k = -I, n - 2 tokens at R e_2, two at ±R e_1, R = 4, b = -log n for sigmoid.

    The n - 2 look at the two alone, half and half, and each moves its look by ±R² / 2 when a key turns: softmax's norm
    is √(n - 2) R² / 2 at least. Under sigmoid those weights are 1 / (n + 1), and n - 2 of them together weigh R² / √n;
    what is left is about R²: the two see the n - 2 at a score of 0, as queries. It does not grow with n.
    """
    eye = torch.eye(2, dtype=torch.float64)
    x = 4 * torch.cat([eye[1:].repeat(n - 2, 1), eye[:1], -eye[:1]])
    return Head(-eye, eye, eye, -math.log(n), 1.0, kind), x


def on_sphere(
    radius: float, n: int = 8, dim: int = 2, *, bias: float = 0.0, draws: int = 50, seed: int = 0
) -> dict[str, float]:
    """The largest ‖J‖ of sigmoid and of softmax over `draws` sets of n random points on a sphere, identity weights."""
    draw, eye = torch.Generator().manual_seed(seed), torch.eye(dim, dtype=torch.float64)
    points = torch.randn(draws, n, dim, generator=draw, dtype=torch.float64)
    points = radius * points / points.norm(dim=-1, keepdim=True)
    heads = {kind: Head(eye, eye, eye, bias, kind=kind) for kind in ("sigmoid", "softmax")}
    return {kind: max(jacobian_norm(head, x).item() for x in points) for kind, head in heads.items()}


def push_up(head: Head, x: Tokens, *, steps: int = 150) -> list[float]:
    """The ratio ‖J‖ / bound after every step of gradient ascent (Adam) over the tokens and all three matrices.

    Scores are kept within ±30, so that float64 has gradients.
    """
    free = [part.clone().requires_grad_() for part in (x, head.w_q, head.w_k, head.w_v)]
    optimizer, ratios = uncompiled(torch.optim.Adam)(free, lr=0.03), []
    for _ in range(steps):
        moved = replace(head, w_q=free[1], w_k=free[2], w_v=free[3])
        ratio = jacobian_norm(moved, free[0]) / bound(moved, free[0])
        ratios.append(ratio.item())
        optimizer.zero_grad()
        (-ratio.log() + (moved.scores(free[0]).abs() - 30).clamp(min=0).square().mean()).backward()
        optimizer.step()
    return ratios
