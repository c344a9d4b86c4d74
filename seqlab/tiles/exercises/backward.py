"""The exercises of lab 08 on what follows: the gradient of the scores, and lists of blocks."""

import math

import torch
from einops import einsum

from seqlab.course.check import Exercise, Mutant


def score_gradient(scores, values, grad):
    """dS for O = σ(S) V: how the loss moves with each score.
    scores: (query, key), values: (key, dim), grad = dO: (query, dim)
    """
    weights = torch.sigmoid(scores)
    return weights * (1 - weights) * einsum(grad, values, "query dim, key dim -> query key")


def block_sparse(q, k, v, rows, block):
    """softmax(q kᵀ) v, where block i of queries sees the blocks of keys in rows[i] alone.
    q, k, v: (token, dim) -> (token, dim)

    Work only on listed blocks. The last block may be shorter, and a block that lists nothing gives zeros.
    """
    out = torch.zeros_like(v)
    for i, listed in enumerate(rows):
        if listed:
            keys = torch.cat([torch.arange(len(k))[j * block : (j + 1) * block] for j in listed])
            mine = slice(i * block, (i + 1) * block)
            weights = torch.softmax(einsum(q[mine], k[keys], "query dim, key dim -> query key"), dim=-1)
            out[mine] = einsum(weights, v[keys], "query key, key dim -> query dim")
    return out


def _gradient_cases():
    draw = torch.Generator().manual_seed(5)
    make = lambda *shape: torch.randn(*shape, generator=draw)
    return [
        (torch.tensor([[0.0]]), torch.tensor([[1.0]]), torch.tensor([[1.0]])),
        (torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([[3.0]])),
        (make(2, 3), make(3, 4), make(2, 4)),
        (30 * make(3, 3), make(3, 2), make(3, 2)),
    ]


def _quarter(arguments, result):
    scores, values, grad = arguments
    if scores.numel() == 1 and not torch.isclose(result.squeeze(), torch.tensor(0.25)):
        return f"at a score of 0 the sigmoid's slope is 1/4; with dO = V = 1 that is the answer, yours is {float(result):.4g}."


def _saturated(arguments, result):
    scores = arguments[0]
    if (result[scores.abs() > 25].abs() > 1e-3).any():
        return "where the sigmoid has saturated (|score| > 25) nothing moves any more, so dS is 0 there; yours is not."


def _finite_difference(arguments, result):
    scores, values, grad = (x.double() for x in arguments)
    step = torch.zeros_like(scores)
    step[0, -1] = 1e-4

    def loss(s):
        return float((torch.sigmoid(s) @ values * grad).sum())

    slope = (loss(scores + step) - loss(scores - step)) / 2e-4
    if abs(slope - float(result[0, -1])) > 1e-3:
        return f"nudging score [0, {scores.shape[1] - 1}] moves Σ dO·O by {slope:.4f} per unit; your dS says {float(result[0, -1]):.4f}."


GRADIENT = Exercise(
    id="tiles.backward",
    title="The gradient of sigmoid attention with respect to its scores.",
    reference=score_gradient,
    cases=_gradient_cases,
    properties=(
        ("has slope 1/4 at zero", _quarter),
        ("vanishes where the sigmoid saturates", _saturated),
        ("is the slope that a small step measures", _finite_difference),
    ),
    hints=(
        "Two steps: how does the loss move with a weight P[i, j], and how does that weight move with its score?",
        "O[i] = Σ_j P[i, j] V[j], so dP[i, j] = dO[i] · V[j]. And σ' = σ (1 - σ).",
        "P = sigmoid(S); dP = dO Vᵀ; dS = P · (1 - P) · dP, all element by element.",
    ),
    mutants=(
        Mutant(
            lambda s, v, g: (p := torch.sigmoid(s)) * (g @ v.T - (g @ v.T * p).sum(-1, keepdim=True)),
            "is the slope that a small step measures",
            "That is softmax's gradient: the row term belongs to weights that sum to 1. A sigmoid's derivative is P (1 - P).",
        ),
        Mutant(
            lambda s, v, g: g @ v.T,
            "has slope 1/4 at zero",
            "That is dP, the gradient for the weights. One factor is missing: how a weight moves with its score.",
        ),
        Mutant(
            lambda s, v, g: torch.sigmoid(s) * (g @ v.T),
            "has slope 1/4 at zero",
            "The factor P alone is the derivative of exp. For the sigmoid it is P (1 - P).",
        ),
        Mutant(
            lambda s, v, g: s * (1 - s) * (g @ v.T),
            "has slope 1/4 at zero",
            "P (1 - P) wants the weight P = σ(S), not the score S.",
        ),
        Mutant(
            lambda s, v, g: (p := torch.sigmoid(s)) * (1 - p) * (g @ v.T).sum(-1, keepdim=True),
            "is the slope that a small step measures",
            "dP must keep one entry for each key; here it is summed over the row.",
        ),
    ),
)


def _sparse_cases():
    draw = torch.Generator().manual_seed(6)
    make = lambda n, dim=2: tuple(torch.randn(n, dim, generator=draw) for _ in range(3))
    return [
        (*make(2), [[0]], 2),
        (*make(4), [[0], [0, 1]], 2),
        (*make(4), [[1], []], 2),
        (*make(5), [[0, 2], [1], [2]], 2),
        (*make(6, 3), [[0, 1], [1]], 3),
    ]


def _zeros_without_keys(arguments, result):
    q, k, v, rows, block = arguments
    for i, listed in enumerate(rows):
        if not listed and not (result[i * block : (i + 1) * block] == 0).all():
            return f"block {i} lists no keys, so its rows are zeros."


def _listed_only(arguments, result):
    q, k, v, rows, block = arguments
    want = block_sparse(*arguments)
    for i in range(len(q)):
        if not torch.allclose(result[i], want[i], atol=1e-4):
            return f"query {i} is in block {i // block}, which lists key blocks {rows[i // block]}; its output is not their mix."


def _no_scale_block(q, k, v, rows, block):
    out = torch.zeros_like(v)
    for i, listed in enumerate(rows):
        for j in listed:
            mine, keys = slice(i * block, (i + 1) * block), slice(j * block, (j + 1) * block)
            out[mine] += torch.softmax(q[mine] @ k[keys].T, -1) @ v[keys]
    return out


def _dense(q, k, v, rows, block):
    return torch.softmax(q @ k.T, -1) @ v


def _masked(value):
    def run(q, k, v, rows, block):
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, listed in enumerate(rows):
            for j in listed:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        return torch.softmax((q @ k.T).masked_fill(~seen, value), -1) @ v

    return run


def _transposed(q, k, v, rows, block):
    turned = [[i for i, listed in enumerate(rows) if j in listed] for j in range(len(rows))]
    return block_sparse(q, k, v, turned, block)


SPARSE = Exercise(
    id="tiles.block_sparse",
    title="Attention over a list of blocks.",
    reference=block_sparse,
    cases=_sparse_cases,
    properties=(
        ("gives zeros where nothing is listed", _zeros_without_keys),
        ("mixes exactly the listed blocks", _listed_only),
    ),
    hints=(
        "For one block of queries: which rows of k and v does it need? Gather those, and do dense attention on them.",
        "Block j of keys is k[j * block : (j + 1) * block]; slicing stops at the end by itself, so a short last block needs no care.",
        "Concatenate the listed blocks of k and of v, take one softmax over all of them together, and write the result to the block's rows of a tensor of zeros.",
    ),
    mutants=(
        Mutant(
            _dense,
            "mixes exactly the listed blocks",
            "This looks at every key. Only the listed blocks may be seen.",
        ),
        Mutant(
            _no_scale_block,
            "mixes exactly the listed blocks",
            "Each block is normalized by itself. One softmax runs over all listed blocks of a row together.",
        ),
        Mutant(
            _masked(-math.inf),
            "is never NaN",
            "A row of -∞ becomes NaN under softmax. And a mask over all scores does the work of dense attention: gather the listed blocks instead.",
        ),
        Mutant(
            _masked(0.0),
            "mixes exactly the listed blocks",
            "A hidden score set to 0 still gets the weight exp(0) = 1. Leave those keys out altogether.",
        ),
        Mutant(
            _transposed,
            "mixes exactly the listed blocks",
            "rows[i] lists the keys that queries see; here it is read the other way round.",
        ),
    ),
)


EXERCISES = (GRADIENT, SPARSE)
