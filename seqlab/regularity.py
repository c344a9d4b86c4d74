"""How much a head's output can move: the Jacobian's largest singular value, and the bound for sigmoid attention.

| paper symbol (Ramapuram et al. 2024, Theorem 3.2)     | name                                            |
| ----------------------------------------------------- | ----------------------------------------------- |
| X = (x_1, …, x_n), n tokens                           | x, "token dim"                                  |
| W_q, W_k, W_v (they act on columns: W_q x_i)          | Head.w_q, .w_k, .w_v, "head dim"                |
| A = {⟨W_q x_i, W_k x_j⟩}, scale and b absorbed        | head.scores(x)                                  |
| ‖J‖_2                                                 | jacobian_norm(head, x): exact, or by iteration  |
| σ_∞ = n sup_A σ, σ'_∞ = n sup_A σ'                    | sigma_sup, slope_sup of `bound(head, x)`        |

    ‖J‖_2 ≤ ‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²)

The three parts of the sum are the three ways in which x moves the output: as a value, as a query, as a key. The bound is
sharp: equal tokens along an eigenvector of W_qᵀ W_k reach it (`sharp_case`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Tokens = Float[Tensor, "token dim"]
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
EXACT = 512  # rows and columns of the largest Jacobian that is written out


@dataclass(frozen=True)
class Head:
    """One head without output matrix: `normalizer(scale · ⟨W_q x_i, W_k x_j⟩ + bias) W_v x_j`. bias counts for sigmoid only."""

    w_q: Float[Tensor, "head dim"]
    w_k: Float[Tensor, "head dim"]
    w_v: Float[Tensor, "value dim"]
    bias: float = 0.0
    scale: float = 1.0
    kind: Literal["sigmoid", "softmax"] = "sigmoid"

    def __post_init__(self) -> None:
        if self.kind not in ("sigmoid", "softmax"):
            raise ValueError(f"kind: got {self.kind!r}, wanted 'sigmoid' or 'softmax'")
        if self.w_q.shape != self.w_k.shape or self.w_q.shape[1] != self.w_v.shape[1]:
            got = ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in ("w_q", "w_k", "w_v"))
            raise ValueError(f"weights: got {got}; wanted w_q and w_k alike, and one dim for all three")

    def __call__(self, x: Tokens) -> Float[Tensor, "token value"]:
        q, k, v = (einsum(x, w, "token dim, head dim -> token head") for w in (self.w_q, self.w_k, self.w_v))
        normalizer = sigmoid(self.bias) if self.kind == "sigmoid" else softmax()
        return attention(q, k, v, normalizer=normalizer, scale=self.scale)

    def scores(self, x: Tokens) -> Float[Tensor, "query key"]:
        """What the normalizer is applied to, scale and bias included."""
        return self.scale * (x @ self.w_q.T) @ (x @ self.w_k.T).T + (self.bias if self.kind == "sigmoid" else 0.0)


@dataclass(frozen=True)
class Norm:
    """A largest singular value. After an iteration `value` is a lower bound; `residual` is the length of JᵀJ v - value² v
    over value², for the unit vector v that was found: a squared singular value lies that close. 0 steps: exact."""

    value: float
    steps: int = 0
    residual: float = 0.0

    @property
    def converged(self) -> bool:
        return self.residual <= 1e-6


@dataclass(frozen=True)
class Bound:
    """Theorem 3.2's right-hand side and its parts."""

    value: float
    sigma_sup: float
    slope_sup: float
    values: float
    products: float
    mean_square: float


def identity_head(dim: int, *, kind: Literal["sigmoid", "softmax"] = "sigmoid", bias: float = 0.0) -> Head:
    """All three matrices the identity, scale 1."""
    eye = torch.eye(dim, dtype=torch.float64)
    return Head(eye, eye, eye, bias, 1.0, kind)


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


def jacobian(head: Callable[[Tensor], Tensor], x: Tokens) -> Float[Tensor, "out in"]:
    """dY/dX as one matrix, (tokens · value) × (tokens · dim), by torch.func.jacrev."""
    full = torch.func.jacrev(head)(x)
    return rearrange(full, "query value token dim -> (query value) (token dim)")


def jacobian_norm(
    head: Callable[[Tensor], Tensor], x: Tokens, *, method: str = "auto", tolerance: float = 1e-7
) -> Norm:
    """The largest singular value of dY/dX. method: "exact" writes the Jacobian out, "iteration" never does; "auto" takes
    the first up to 512 rows.

    The iteration is the power iteration v → JᵀJ v, one product with J and one with Jᵀ a step, that keeps all the vectors
    it has seen and takes the best of their span (Golub-Kahan bidiagonalisation with full reorthogonalisation).
    """
    if method not in ("auto", "exact", "iteration"):
        raise ValueError(f"method: got {method!r}, wanted 'auto', 'exact' or 'iteration'")
    if method == "exact" or (method == "auto" and x.numel() <= EXACT):
        return Norm(torch.linalg.matrix_norm(jacobian(head, x.double()), 2).item())
    return _iterate(head, x.double(), tolerance)


def _iterate(head: Callable[[Tensor], Tensor], x: Tokens, tolerance: float, most: int = 200) -> Norm:
    """Golub-Kahan: J V = U B with B upper bidiagonal; the largest singular value of B rises to that of J."""
    out, back = torch.func.vjp(head, x)
    _, forth = torch.func.vjp(lambda u: torch.func.vjp(head, x)[1](u)[0], torch.zeros_like(out))  # Jᵀu is linear in u
    push = lambda v: forth(v.view_as(x))[0].flatten()
    pull = lambda u: back(u.view_as(out))[0].flatten()
    v = torch.randn(x.numel(), generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    right, left, diagonal, upper = [v / v.norm()], [], [], []
    value, residual = 0.0, math.inf
    for _ in range(most):
        u = _apart(push(right[-1]), left)
        alpha = u.norm()
        if alpha <= 1e-14 * max(value, 1e-300):  # all of J's range is in `left`: the last vector of `right` counts too
            if left:
                wide = torch.cat([small, torch.zeros(len(left), 1, dtype=x.dtype)], dim=1)
                wide[-1, -1] = upper[-1]
                value = torch.linalg.matrix_norm(wide, 2).item()
            return Norm(value, len(left))
        left.append(u / alpha)
        diagonal.append(alpha)
        v = _apart(pull(left[-1]), right)
        beta = v.norm()
        small = torch.diag(torch.stack(diagonal))
        if upper:
            small += torch.diag(torch.stack(upper), 1)
        first, values, _ = torch.linalg.svd(small)
        value = values[0].item()
        residual = (beta * first[-1, 0].abs() / max(value, 1e-300)).item()
        if residual <= tolerance or beta <= 1e-14 * value:
            break
        upper.append(beta)
        right.append(v / beta)
    return Norm(value, len(left), residual)


def _apart(x: Tensor, basis: list[Tensor]) -> Tensor:
    """x less its part in the span of `basis`, twice against rounding."""
    if basis:
        rows = torch.stack(basis)
        for _ in range(2):
            x = x - rows.T @ (rows @ x)
    return x


def sharp_case(n: int, dim: int, *, slope: float = 1.0, bias: float = 0.0) -> tuple[Head, Tokens]:
    """Where the bound is an equality: n equal tokens e_1, W_qᵀ W_k = slope · I ≥ 0, W_v = I. ‖J‖ = n (σ + 2 slope σ')."""
    if slope < 0:
        raise ValueError(f"slope: got {slope}, wanted ≥ 0: below, the two terms work against each other")
    eye = torch.eye(dim, dtype=torch.float64)
    x = torch.zeros(n, dim, dtype=torch.float64)
    x[:, 0] = 1
    return Head(slope * eye, eye, eye, bias), x


def cases(count: int = 500, seed: int = 0, *, large: int = 0) -> Iterable[tuple[Head, Tensor]]:
    """Random heads and tokens: `count` small ones (n ≤ 8, d ≤ 4), then `large` of a learner's sizes (n 16 … 64, d 8 … 32).

    Token lengths, weight sizes and biases vary; every other bias is -log n, with scale 1/√d. Each
    fourth sequence has nearly equal tokens, where the bound is closest.
    """
    draw = torch.Generator().manual_seed(seed)
    uniform = lambda low, high: low + (high - low) * torch.rand((), generator=draw).item()
    whole = lambda low, high: int(torch.randint(low, high + 1, (), generator=draw))
    for at in range(count + large):
        n, dim, size = (
            (whole(1, 8), whole(1, 4), whole(1, 4)) if at < count else (whole(16, 64), whole(8, 32), whole(8, 32))
        )
        make = lambda *shape: torch.randn(*shape, generator=draw, dtype=torch.float64)
        x = 10 ** uniform(-1, 0.5) / math.sqrt(dim) * make(n, dim)
        if at % 4 == 3:
            x = x[:1] + 0.1 * x
        w_q, w_k, w_v = (10 ** uniform(-0.5, 0.25) / math.sqrt(dim) * make(size, dim) for _ in range(3))
        if at % 2:
            yield Head(w_q, w_k, w_v, -math.log(n), 1 / math.sqrt(size)), x
        else:
            yield Head(w_q, w_k, w_v, uniform(-4, 2)), x


def own_tests(draws: int = 500) -> list[tuple[Head, Tensor]]:
    """`draws` of `cases()`, eight sharp cases, and one of the family that is hard for softmax."""
    sharp = (sharp_case(n, 2, slope=s, bias=b) for n in (1, 4) for s in (0.5, 2.0) for b in (0.0, -3.0))
    return [*cases(draws), *sharp, hard_for_softmax(32, "sigmoid")]


def check_bound(
    tests: Iterable[tuple[Head, Tensor]] | None = None,
    *,
    mistakes: Collection[Mistake] = (),
    kind: Literal["sigmoid", "softmax"] = "sigmoid",
) -> Verdict:
    """The bound on every test: `own_tests()` unless given.

    mistakes, kind: break the bound, or put softmax in the head and compare with sigmoid's bound
    The margin is 1 less the largest ratio ‖J‖ / bound (to 1e-9, the rounding of an equality). The witness carries
    (head, x, norm, bound).
    """
    worst, witness, checked = 0.0, None, 0
    for head, x in own_tests() if tests is None else tests:
        norm, limit = jacobian_norm(replace(head, kind=kind), x), bound(head, x, mistakes=mistakes)
        checked += 1
        if (ratio := norm.value / limit.value) > worst:
            what = f"n = {len(x)}, d = {x.shape[1]}"
            text = f"{what}: the Jacobian's norm is {norm.value:.4g}, the bound says {limit.value:.4g}"
            worst, witness = ratio, Witness(text, (head, x, norm, limit))
    broken = {MISTAKES[mistake]: False for mistake in mistakes}
    options = dict(statement=STATEMENT.under(**broken, sigmoid=kind == "sigmoid"), checked=checked, unit="of the bound")
    if worst <= 1 + 1e-9:
        return Verdict(True, max(1 - worst, 0.0), notes=(f"largest ratio {worst:.6f}",), **options)
    return Verdict(False, 1 - worst, witness, **options)


SWITCHES = {
    "scores": "the second term left out",
    "mean": "means for suprema",
    "query": "the score counted as moved once, not twice",
    "values": "‖W_v‖ left out",
    "softmax": "softmax in the head",
}


def check(
    *, scores: bool = False, mean: bool = False, query: bool = False, values: bool = False, softmax: bool = False,
    draws: int = 500,
) -> Verdict:  # fmt: skip
    """`check_bound` on its own tests, `draws` of them random, with a switch for each step of the proof."""
    wrong = zip(MISTAKES, (scores, mean, query, values))
    mistakes = [name for name, on in wrong if on]
    return check_bound(own_tests(draws), mistakes=mistakes, kind="softmax" if softmax else "sigmoid")


def hard_for_softmax(
    n: int, kind: Literal["sigmoid", "softmax"] = "softmax", *, radius: float = 4.0
) -> tuple[Head, Tokens]:
    """W_qᵀ W_k = -I, n - 2 tokens at R e_2, two at ±R e_1, b = -log n for sigmoid.

    The n - 2 look at the two alone, half and half, and each moves its look by ±R² / 2 when a key turns: softmax's norm is
    √(n - 2) R² / 2 at least. Under sigmoid those weights are 1 / (n + 1), and n - 2 of them together weigh R² / √n; what is
    left is about R²: the two see the n - 2 at a score of 0, as queries. It does not grow with n.
    """
    if n < 3:
        raise ValueError(f"n: got {n}, wanted at least 3: two keys and someone who looks at them")
    eye = torch.eye(2, dtype=torch.float64)
    x = torch.zeros(n, 2, dtype=torch.float64)
    x[:-2, 1], x[-2, 0], x[-1, 0] = radius, radius, -radius
    return Head(-eye, eye, eye, -math.log(n), 1.0, kind), x


def on_sphere(
    radius: float, n: int = 8, dim: int = 2, *, draws: int = 50, bias: float = 0.0, seed: int = 0
) -> dict[str, float]:
    """The largest ‖J‖ of sigmoid and of softmax over `draws` sets of n random points on a sphere, identity weights."""
    draw = torch.Generator().manual_seed(seed)
    worst = {"sigmoid": 0.0, "softmax": 0.0}
    for _ in range(draws):
        x = torch.randn(n, dim, generator=draw, dtype=torch.float64)
        x = radius * x / x.norm(dim=-1, keepdim=True)
        for kind in worst:
            worst[kind] = max(worst[kind], jacobian_norm(identity_head(dim, kind=kind, bias=bias), x).value)
    return worst


def push_up(head: Head, x: Tokens, *, steps: int = 150, rate: float = 0.03) -> tuple[list[float], Head, Tokens]:
    """Gradient ascent (Adam) on the ratio ‖J‖ / bound over the tokens and all three matrices: the ratio after every step.

    Scores are kept within ±30, so that float64 has gradients. Returns (ratios, head, tokens) of the best step.
    """
    free = [part.clone().requires_grad_() for part in (x, head.w_q, head.w_k, head.w_v)]
    optimizer = torch.optim.Adam(free, lr=rate)
    ratios, best = [], (0.0, head, x)
    for _ in range(steps):
        x, *weights = free
        moved = replace(head, w_q=weights[0], w_k=weights[1], w_v=weights[2])
        full = torch.func.jacrev(moved)(x)
        norm = torch.linalg.matrix_norm(rearrange(full, "query value token dim -> (query value) (token dim)"), 2)
        scores = moved.scores(x)
        weight = torch.sigmoid(scores)
        top, steepest = weight.max(), (weight * (1 - weight)).max()
        products = moved.scale * torch.linalg.matrix_norm(weights[0].T @ weights[1], 2)
        limit = (
            torch.linalg.matrix_norm(weights[2], 2)
            * len(x)
            * (top + 2 * steepest * products * x.square().sum(-1).mean())
        )
        ratio = norm / limit
        ratios.append(ratio.item())
        if ratios[-1] > best[0]:
            frozen = replace(head, **{name: w.detach().clone() for name, w in zip(("w_q", "w_k", "w_v"), weights)})
            best = (ratios[-1], frozen, x.detach().clone())
        optimizer.zero_grad()
        (-ratio.log() + (scores.abs() - 30).clamp(min=0).square().mean()).backward()
        optimizer.step()
    return ratios, best[1], best[2]
