"""Task 1 of Big Bird: who is furthest from me? One full layer answers; a sparse layer can only guess among its keys.

| paper (Zaheer et al. 2020, appendix C)                     | name here                                      |
| ---------------------------------------------------------- | ---------------------------------------------- |
| u_1 … u_n, unit vectors                                    | `unit_vectors(n, dim, seed)`                   |
| j* = argmax_k ‖u_k - u_j‖² = argmin_k ⟨u_k, u_j⟩           | `furthest(u)`                                  |
| Q([a; b]) = -a, K([a; b]) = a, V([a; b]) = [0; a], O = 0   | `furthest_layer(dim)`                          |
| orthogonal vectors through Task 1                          | `orthogonal_pair(vectors, solve)`              |

    u = unit_vectors(64, 36)
    solve(u)                                     # row j is the vector furthest from u_j: 64 of 64
    score(u, patterns.random(7))                 # right: those whose furthest vector is among their 8 keys

What is proved and what is not: the lower bound of the paper is *conditional*. If nobody can find an orthogonal pair in
truly subquadratic time (the Orthogonal Vectors Conjecture, open), then no sparse network of Õ(n) edges, with polylogarithmic
widths, solves Task 1 in fewer than about n layers, whichever pattern it uses. No experiment of this module shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqlab.attention import Normalizer, hardmax
from seqlab.layers import SelfAttention
from seqlab.patterns.pattern import Instance, Pattern
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Vectors = Float[Tensor, "token dim"]
Positions = Int[Tensor, "token"]

TASK_1 = Statement(
    "the furthest vector",
    "Zaheer et al. 2020, appendix C",
    "One layer with one hardmax head and no feed-forward part gives every unit vector the one furthest from it.",
    (
        Hypothesis("full", "every token sees every token"),
        Hypothesis("hard", "the normalizer is hardmax"),
        Hypothesis("unit", "the vectors have length 1, so that the smallest inner product is the largest distance"),
    ),
)


def unit_vectors(n: int, dim: int, seed: int = 0) -> Vectors:
    """n directions drawn evenly from the sphere in R^dim, float64. Raises ValueError unless n, dim ≥ 1."""
    if n < 1 or dim < 1:
        raise ValueError(f"n, dim: got {n} and {dim}, wanted at least 1 each")
    drawn = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn / drawn.norm(dim=-1, keepdim=True)


def furthest(u: Vectors) -> Positions:
    """j* for every j, by distances: argmax_k ‖u_k - u_j‖, the first of those that tie."""
    return torch.cdist(u, u, compute_mode="donot_use_mm_for_euclid_dist").argmax(dim=-1)


def furthest_layer(dim: int, *, normalizer: Normalizer | None = None) -> SelfAttention:
    """The paper's layer with its weights written down, on [a; b] in R^2d: 1 head, Q = -a, K = a, V = [0; a].

    Call it with `pattern=` for a sparse one. The residual sum x + layer(x) is [u_j; u_j*] for x = [u_j; 0].
    """
    with torch.device("meta"):
        layer = SelfAttention(2 * dim, 1, 2 * dim, normalizer=normalizer or hardmax(), scale=1.0)
    first = torch.zeros(2 * dim, 2 * dim, dtype=torch.float64)
    first[:dim, :dim] = torch.eye(dim)
    for name, weight in (("query", -first), ("key", first), ("value", first.roll(dim, 0)), ("out", torch.eye(2 * dim))):
        made = nn.Linear(2 * dim, 2 * dim, bias=False, device="meta")
        made.weight = nn.Parameter(weight.double(), requires_grad=False)
        setattr(layer, name, made)
    return layer


def solve(u: Vectors, pattern: Pattern | Instance | None = None, *, normalizer: Normalizer | None = None) -> Vectors:
    """The layer run on [u_j; 0]: row j is what it says is furthest from u_j. A token that sees nobody gets zeros."""
    if u.ndim != 2 or not len(u):
        raise ValueError(f"u: got shape {tuple(u.shape)}, wanted (token, dim) with at least one token")
    layer = furthest_layer(u.shape[1], normalizer=normalizer)
    layer.pattern = pattern.at(len(u)) if isinstance(pattern, Pattern) else pattern
    x = torch.cat([u.double(), torch.zeros_like(u, dtype=torch.float64)], dim=-1)
    with torch.no_grad():
        return (x + layer(x[None])[0])[:, u.shape[1] :]


@dataclass(frozen=True)
class Score:
    """How many of n queries a layer got right, and how many it could at most.

    right:    the output is the furthest vector
    in_sight: the furthest vector is among the query's keys; no layer with this pattern can be right elsewhere, except by
              writing an answer that it never read
    """

    right: int
    in_sight: int
    n: int

    def __str__(self) -> str:
        return f"{self.right} of {self.n} right; the furthest vector is in sight of {self.in_sight}"


def score(u: Vectors, pattern: Pattern | None = None, *, normalizer: Normalizer | None = None) -> Score:
    """One layer on Task 1, counted by the outputs: right where the output equals u_j* to 1e-9."""
    out = solve(u, pattern, normalizer=normalizer)
    wanted = furthest(u)
    right = (out - u[wanted]).abs().amax(dim=-1) < 1e-9
    seen = torch.ones(len(u), len(u), dtype=torch.bool) if pattern is None else pattern.at(len(u)).mask
    return Score(int(right.sum()), int(seen.gather(1, wanted[:, None]).sum()), len(u))


def check(
    n: int = 64,
    dim: int = 36,
    seed: int = 0,
    *,
    pattern: Pattern | None = None,
    soft: bool = False,
    stretched: bool = False,
) -> Verdict:
    """One layer solves Task 1 for n random unit vectors; a pattern, softmax or vectors of other lengths break it.

    The margin is the smallest difference between the two smallest inner products of a query, or minus the share of
    queries that went wrong. The witness carries (query, the vector it should have found, its keys).
    """
    from seqlab.attention import softmax

    if n < 2:
        raise ValueError(f"n: got {n}, wanted at least 2 vectors: one has nobody to be far from")
    u = unit_vectors(n, dim, seed)
    if stretched:
        u = u * torch.linspace(0.2, 3.0, n, dtype=u.dtype)[:, None]
    out = solve(u, pattern, normalizer=softmax() if soft else None)
    wanted = furthest(u)
    wrong = ((out - u[wanted]).abs().amax(dim=-1) >= 1e-9).nonzero().flatten().tolist()
    seen = pattern.at(n).mask if pattern else torch.ones(n, n, dtype=torch.bool)
    statement = TASK_1.under(full=bool(seen.all()), hard=not soft, unit=not stretched)
    if not wrong:
        closest = (u @ u.T).sort(dim=-1).values[:, :2]
        return Verdict(True, float((closest[:, 1] - closest[:, 0]).min()), None, statement, n, "of inner product")
    j, best = wrong[0], int(wanted[wrong[0]])
    keys = seen[j].nonzero().flatten().tolist()
    sight = "sees it" if best in keys else f"sees {len(keys)} others"
    text = f"vector {j}: the furthest is vector {best}, and {j} {sight}; {len(wrong)} of {n} queries are wrong"
    return Verdict(False, -len(wrong) / n, Witness(text, (j, best, keys)), statement, n, "of the queries")


def reachable(pattern: Pattern, n: int, layers: int) -> Bool[Tensor, "query key"]:
    """True where what stood at `key` can have arrived at `query` after so many layers (sets in turn, residuals kept).

    To have arrived is not to be found: this bounds from above what a network of that depth can do, nothing more.
    """
    if layers < 0:
        raise ValueError(f"layers: got {layers}, wanted an integer ≥ 0")
    seen = pattern.at(n).masks()
    arrived = torch.eye(n, dtype=torch.float64)
    for layer in range(layers):
        step = seen[layer % len(seen)].double() + torch.eye(n)
        arrived = (step @ arrived > 0).double()
    return arrived.bool()


def ceiling(u: Vectors, pattern: Pattern, layers: int) -> int:
    """How many queries can be right at most after `layers` layers: those at which u_j* can have arrived."""
    return int(reachable(pattern, len(u), layers).gather(1, furthest(u)[:, None]).sum())


def orthogonal_pair(
    vectors: Int[Tensor, "token dim"], task: Callable[[Vectors], Vectors] = solve
) -> tuple[int, int] | None:
    """A pair of orthogonal Boolean vectors, or None: the reduction of appendix C, as a program.

    Scale each vector to length 1, let `task` give each its furthest one (inner products of Boolean vectors are ≥ 0, so
    an orthogonal partner, where there is one, is furthest), then take n inner products to see whether it is orthogonal.
    Everything but the task takes at most 2n inner products. Raises ValueError unless entries are 0 or 1 and no vector is zero.

    The witness found is certified by its inner product; "None" is as good as the task's answers are.
    """
    vectors = torch.as_tensor(vectors)
    vectors = vectors.long() if vectors.dtype == torch.bool else vectors
    if vectors.ndim != 2 or not ((vectors == 0) | (vectors == 1)).all():
        raise ValueError(
            f"vectors: got shape {tuple(vectors.shape)} with values {vectors.unique().tolist()[:5]}, wanted a matrix of 0 and 1"
        )
    if len(zero := (vectors.sum(dim=-1) == 0).nonzero()):
        raise ValueError(
            f"vectors[{int(zero[0])}]: got the zero vector, which is orthogonal to all and has no direction"
        )
    u = vectors.double() / vectors.double().norm(dim=-1, keepdim=True)
    products = (u * task(u)).sum(dim=-1)
    for j in (products.abs() < 1e-9).nonzero().flatten().tolist():
        inner = vectors @ vectors[j]
        if len(partners := (inner == 0).nonzero()):
            return j, int(partners[0])
    return None
