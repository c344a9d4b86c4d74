"""A head without output matrix, and the largest singular value of its Jacobian, exact or by iteration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention, sigmoid, softmax

Tokens = Float[Tensor, "token dim"]

EXACT = 512  # rows and columns of the largest Jacobian that is written out


@dataclass(frozen=True)
class Head:
    """One head without output matrix: `normalizer(scale · ⟨W_q x_i, W_k x_j⟩ + bias) W_v x_j`. bias counts for sigmoid only.

    All in float64, whatever the weights and tokens came in.
    """

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
        for name in ("w_q", "w_k", "w_v"):
            object.__setattr__(self, name, getattr(self, name).double())

    def __call__(self, x: Tokens) -> Float[Tensor, "token value"]:
        x = self._tokens(x)
        q, k, v = (einsum(x, w, "token dim, head dim -> token head") for w in (self.w_q, self.w_k, self.w_v))
        normalizer = sigmoid(self.bias) if self.kind == "sigmoid" else softmax()
        return attention(q, k, v, normalizer=normalizer, scale=self.scale)

    def scores(self, x: Tokens) -> Float[Tensor, "query key"]:
        """What the normalizer is applied to, scale and bias included."""
        x = self._tokens(x)
        return self.scale * (x @ self.w_q.T) @ (x @ self.w_k.T).T + (self.bias if self.kind == "sigmoid" else 0.0)

    def _tokens(self, x: Tokens) -> Tokens:
        if x.ndim != 2 or not len(x) or x.shape[1] != self.w_q.shape[1]:
            raise ValueError(f"x: got shape {tuple(x.shape)}, wanted (token, {self.w_q.shape[1]}), one token at least")
        return x.double()


def identity_head(dim: int, *, kind: Literal["sigmoid", "softmax"] = "sigmoid", bias: float = 0.0) -> Head:
    """All three matrices the identity, scale 1."""
    eye = torch.eye(dim, dtype=torch.float64)
    return Head(eye, eye, eye, bias, 1.0, kind)


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
