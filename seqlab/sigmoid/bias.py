"""Why b = -log n: row sums and output norms of a fresh head, measured and by integral.

| paper symbol (Ramapuram et al. 2024)      | here                                  |
| ----------------------------------------- | ------------------------------------- |
| σ(u) = 1 / (1 + e^-u)                     | `torch.sigmoid`                       |
| b = -log n (appendix E)                   | `sigmoid()`, `causal_bias(n)`         |
| ‖σ(QKᵀ/√d + b) V‖ at initialisation       | `fresh_head(n, normalizer).norm`      |

With scores z ~ N(0, 1), as queries and keys from N(0, I) have them, a row of n weights sums to n E σ(z + b) on average.
For large negative b, σ(z + b) ≈ e^b e^z, so that is n e^b √e: it stays where it is if and only if b = -log n plus a
constant, and then σ(z - log n) ≈ e^z / n: softmax whose denominator does not look at the data.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention
from seqlab.normalizers import Normalizer
from seqlab.positions import alibi, alibi_slopes


def causal_bias(n: int) -> Float[Tensor, "query 1"]:
    """-log i for row i = 1 … n, which sees i keys: a constant -log n is too low for the early rows."""
    return -torch.arange(1, n + 1).float().log()[:, None]


def alibi_bias(heads: int, n: int, *, full: bool = True) -> Float[Tensor, "head query key"]:
    """ALiBi, `-slope |i - j|`. full=False leaves out the part that depends on the row alone, as softmax kernels do
    under a causal mask: `slope (j - (n - 1))`. Softmax does not feel the difference, sigmoid does."""
    slopes = alibi_slopes(heads)
    return alibi(slopes, n, n) if full else slopes[:, None, None] * (torch.arange(n) - (n - 1)).expand(n, n)


def expected_row_sum(n: int, bias: float) -> float:
    """n E σ(z + bias) for z ~ N(0, 1), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    return n * float(weights @ (1 / (1 + np.exp(-nodes - bias)))) / math.sqrt(2 * math.pi)


class FreshHead(NamedTuple):
    """What a head does before it has learned anything. `norm`: mean length of an output row."""

    row_sum: float
    norm: float


def fresh_head(n: int, normalizer: Normalizer, *, mean: float = 0.0, seed: int = 0) -> FreshHead:
    """Mean row sum and output norm for q, k ~ N(0, I_64) and values ~ N(mean, I_64); a mean is what values share."""
    q, k, v = torch.randn(3, n, 64, generator=torch.Generator().manual_seed(seed))
    out, weights = attention(q, k, v + mean, normalizer=normalizer, return_weights=True)
    return FreshHead(weights.sum(-1).mean().item(), out.norm(dim=-1).mean().item())
