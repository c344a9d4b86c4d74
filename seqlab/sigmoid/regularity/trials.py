"""Heads and tokens to try the bound on: random ones, the sharp case, the family that is hard for softmax, a sphere, ascent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from seqlab.sigmoid.regularity.heads import Head, Tokens, identity_head, jacobian_norm


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
    if min(count, large) < 0:
        raise ValueError(f"count, large: got {count} and {large}, wanted numbers ≥ 0")
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
