"""From the modified class to the real one, and δ → 0: error curves, the threshold of softmax, volumes of bad sets.

| paper symbol (Yun et al. 2019)                         | name                                |
| ------------------------------------------------------ | ----------------------------------- |
| σ_S[λA] → σ_H[A] (Lemma 9)                             | softmax_errors, softmax_threshold   |
| φ by four ReLUs, ε → 0 (Lemma 9)                       | relu_errors, strip_volume           |
| O(δ^(d/p)) of Proposition 4: repeated tokens           | duplicate_volume                    |
| d_p(f, g) as δ → 0                                     | error_curve, loglog_slope           |
| attention removed                                      | tokenwise_floor                     |
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from statistics import linear_regression

import torch

from seqlab.attention import softmax
from seqlab.exact import Number, Piecewise
from seqlab.normalizers import Normalizer
from seqlab.universal.activations import hinges
from seqlab.universal.lemmas import block_names
from seqlab.universal.mapping import ContextualMapping
from seqlab.universal.values import Function, distance, piecewise


def softmax_errors(mapping: ContextualMapping, betas: Iterable[float]) -> list[float]:
    """For each scale λ the largest error of a name over all sequences, in units of δ, softmax in every head."""
    return name_errors(mapping, map(softmax, betas))


def name_errors(
    mapping: ContextualMapping, normalizers: Iterable[Normalizer], delta: Number | None = None
) -> list[float]:
    """For each normalizer the largest error of a name by real heads, in units of δ. delta: see `block_names`.

    Raises ValueError where names reach 2^53, from where on float64 skips integers.
    """
    sequences = mapping.sequences()
    names = mapping.names(sequences)
    if (largest := int(abs(names).max())) >= 2**53:
        raise ValueError(f"mapping: names reach {largest:.3g}, float64 counts to 2^53 only; take a smaller case")
    exact = torch.tensor(names.astype(float))
    error = lambda normalizer: (block_names(mapping, sequences, normalizer, delta=delta) - exact).abs()
    return [error(normalizer).nan_to_num(math.inf).max().item() for normalizer in normalizers]


def softmax_threshold(mapping: ContextualMapping) -> float:
    """The scale λ from which on every name is within half a unit of δ of the exact one; see `threshold`."""
    return threshold(lambda betas: softmax_errors(mapping, betas), tolerance=0.5)


def threshold(errors: Callable[[list[float]], list[float]], *, tolerance: float) -> float:
    """The scale λ from which on errors(scales) are at most `tolerance`.

    Found by doubling and halving to 1 %; that it holds from there on is checked at 20 larger scales,
    up to 30 times as large. Raises ValueError where no scale up to 2^20 will do.
    """
    good = lambda scale: errors([scale])[0] <= tolerance
    doubled = next((2.0**k for k in range(21) if good(2.0**k)), None)
    if doubled is None:
        raise ValueError("mapping: no scale up to 2^20 brings the names within the tolerance; take a smaller case")
    steps = [doubled * 2 ** (k / 70 - 1) for k in range(71)]  # 1 % apart
    high = steps[bisect_left(steps, True, hi=70, key=good)]
    larger = [high * 30 ** (k / 20) for k in range(1, 21)]
    late = [scale for scale, error in zip(larger, errors(larger)) if error > tolerance]
    if late:
        raise ValueError(f"mapping: within the tolerance at λ = {high:.4g}, but not at {late[-1]:.4g}: no threshold")
    return high


def relu_errors(phi: Piecewise, epsilons: Iterable[float]) -> list[tuple[float, float]]:
    """For each ε the (supremum, integral) of |φ - φ_ε|: the first stays at the height of the jump, the second → 0.

    Both live on the two ramps of width ε below the breaks, and are computed there.
    """
    errors = []
    for epsilon in epsilons:
        parts, back = hinges(phi, epsilon), (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
        t = torch.stack([float(edge) - epsilon * torch.cat([torch.tensor([1e-9]), back]) for edge in phi.breaks])
        off = (phi(t) - sum(float(w) * torch.relu(sign * (t - float(c))) for sign, c, w in parts)).abs()
        errors.append((off[:, 0].max().item(), epsilon * off[:, 1:].mean(dim=1).sum().item()))
    return errors


def strip_volume(levels: int, dim: int, length: int, epsilon: float) -> float:
    """1 - (1 - ε/δ)^nd: the share of inputs with a coordinate within ε below an edge of a cell."""
    if not 0 <= epsilon * levels <= 1:
        raise ValueError(f"epsilon: got {epsilon}, wanted 0 to {1 / levels:g}, the width of a cell")
    return 1 - (1 - epsilon * levels) ** (length * dim)


def duplicate_volume(levels: int, dim: int, length: int) -> float:
    """1 - Π_{k<n} (1 - k δ^d) ≈ n(n-1)/2 δ^d: the share of inputs with two tokens in one cell."""
    return 1 - math.prod(max(1 - k / levels**dim, 0.0) for k in range(length))


def error_curve(f: Function, levels: Sequence[int], *, positions: bool, samples: int = 2**18) -> list[float]:
    """d_2(f, g) on two tokens of one number, for each number of levels; g by its cells (the blocks give the same where
    they fit).
    """
    by_cells = lambda n: lambda x: piecewise(f, x, n, positions=positions)
    return [distance(f, by_cells(n), 1, 2, samples=samples) for n in levels]


def tokenwise_floor(f: Function, dim: int = 1, length: int = 2) -> float:
    """The smallest d_2(f, g)² that any token-wise g can reach: Σ_j E Var(f(X)_j | x_j), X uniform.

    No attention, no context: the variance that the other tokens cause stays. Estimated as half the squared difference
    of f(X)_j over two independent contexts of the same token x_j.
    """
    x, other = torch.rand(2, 2**17, length, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    floor = 0.0
    for j in range(length):
        again = other.clone()
        again[:, j] = x[:, j]
        floor += ((f(x) - f(again))[:, j] ** 2).sum(dim=-1).mean().item() / 2
    return floor


def loglog_slope(levels: Sequence[int], errors: Sequence[float]) -> float:
    """The slope of log error against log δ, by least squares."""
    log = lambda values: [math.log(value) for value in values]
    return -linear_regression(log(levels), log(errors)).slope
