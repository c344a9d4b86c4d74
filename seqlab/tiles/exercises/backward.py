"""The exercises of lab 08 on what follows: the gradient of the scores, and lists of blocks."""

import math
from functools import partial

import torch
from einops import einsum

from seqlab.course.cases import normal
from seqlab.course.check import Exercise, Mutant


def score_gradient(scores, values, grad):
    """dS for O = σ(S) V: how the loss moves with each score.
    scores: (query, key), values: (key, dim), grad = dO: (query, dim)
    """
    weights = torch.sigmoid(scores)
    dweights = einsum(grad, values, "query dim, key dim -> query key")
    return weights * (1 - weights) * dweights


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


def _quarter(result, scores, values, grad):
    if scores.numel() == 1 and not torch.isclose(result.squeeze(), torch.tensor(0.25)):
        return (
            "at a score of 0 the sigmoid's slope is 1/4; "
            f"with dO = V = 1 that is the answer, yours is {result.item():.4g}."
        )


def _saturated(result, scores, values, grad):
    if (result[scores.abs() > 25].abs() > 1e-3).any():
        return "where the sigmoid has saturated (|score| > 25) nothing moves any more, so dS is 0 there; yours is not."


def _finite_difference(result, *case):
    scores, values, grad = (x.double() for x in case)
    step = torch.zeros_like(scores)
    step[0, -1] = 1e-4
    change = torch.sigmoid(scores + step) - torch.sigmoid(scores - step)
    slope, got = (change @ values * grad).sum() / 2e-4, result[0, -1]
    if abs(slope - got) > 1e-3:
        return f"nudging score [0, {scores.shape[1] - 1}] moves Σ dO·O by {slope:.4f} per unit; your dS says {got:.4f}."


GRADIENT = Exercise(
    id="tiles.backward",
    title="The gradient of sigmoid attention with respect to its scores.",
    reference=score_gradient,
    cases=lambda: [
        (torch.tensor([[0.0]]), torch.tensor([[1.0]]), torch.tensor([[1.0]])),
        (torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([[3.0]])),
        (normal(2, 3), normal(3, 4, seed=1), normal(2, 4, seed=2)),
        (30 * normal(3, 3), *normal(2, 3, 2, seed=1)),
        (torch.tensor([[1e4, -1e4, 0.5], [-90.0, 1.0, 90.0]]), normal(3, 2), normal(2, 2, seed=1)),
    ],
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
            {"(1 - weights) * dweights": "(dweights - (weights * dweights).sum(-1, keepdim=True))"},
            "is the slope that a small step measures",
            "That is softmax's gradient: the row term belongs to weights that sum to 1. "
            "A sigmoid's derivative is P (1 - P).",
        ),
        Mutant(
            {"weights * (1 - weights) * ": ""},
            "has slope 1/4 at zero",
            "That is dP, the gradient for the weights. One factor is missing: how a weight moves with its score.",
        ),
        Mutant(
            {" * (1 - weights)": ""},
            "has slope 1/4 at zero",
            "The factor P alone is the derivative of exp. For the sigmoid it is P (1 - P).",
        ),
        Mutant(
            {"torch.sigmoid(scores)": "scores"},
            "has slope 1/4 at zero",
            "P (1 - P) wants the weight P = σ(S), not the score S.",
        ),
        Mutant(
            {"* dweights": "* dweights.sum(-1, keepdim=True)"},
            "is the slope that a small step measures",
            "dP must keep one entry for each key; here it is summed over the row.",
        ),
        Mutant(
            {"torch.sigmoid(scores)": "(lambda e: e / (1 + e))(torch.exp(scores))"},
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. torch.sigmoid knows both ends.",
        ),
    ),
)


def _zeros_without_keys(result, q, k, v, rows, block):
    for i, listed in enumerate(rows):
        if not listed and (result[i * block : (i + 1) * block] != 0).any():
            return f"block {i} lists no keys, so its rows are zeros."


def _listed_only(result, q, k, v, rows, block):
    for i, (got, want) in enumerate(zip(result, block_sparse(q, k, v, rows, block))):
        if not torch.allclose(got, want, atol=1e-4):
            return (
                f"query {i} is in block {i // block}, which lists key blocks {rows[i // block]}; "
                "its output is not their mix."
            )


def _masked(q, k, v, rows, block, fill):
    """Dense attention with `fill` for the score of every key that is not listed."""
    seen = torch.tensor([[j // block in rows[i // block] for j in range(len(k))] for i in range(len(q))])
    return torch.softmax((q @ k.T).masked_fill(~seen, fill), -1) @ v


def _masked_weights(q, k, v, rows, block):
    """Dense attention whose hidden weights are set to 0, in rows without keys as well."""
    return _masked(q, k, torch.eye(len(k)), rows, block, -math.inf).nan_to_num() @ v


def _unlisted(q, k, v, rows, block):
    """Keys and values that no row lists are NaN: whoever works on listed blocks alone does not meet them."""
    listed = torch.tensor([any(j // block in row for row in rows) for j in range(len(k))])[:, None]
    return q, *(x.masked_fill(~listed, math.nan) for x in (k, v)), rows, block


SPARSE = Exercise(
    id="tiles.block_sparse",
    title="Attention over a list of blocks.",
    reference=block_sparse,
    cases=lambda: [
        (*normal(3, 2, 2), [[0]], 2),
        (*normal(3, 4, 2), [[0], [0, 1]], 2),
        (*normal(3, 4, 2), [[1], []], 2),
        (*normal(3, 5, 2), [[0, 2], [1], [2]], 2),
        (*normal(3, 6, 3), [[0, 1], [1]], 3),
        (*normal(3, 9, 2), [[3, 0], [], [2, 0], [2, 1, 4], [0]], 2),
        (1e4 * normal(5, 2), *normal(2, 5, 2, seed=1), [[0, 2], [2], [1]], 2),
        _unlisted(*normal(3, 7, 2), [[2], [0, 2], [], [0]], 2),
    ],
    properties=(
        ("gives zeros where nothing is listed", _zeros_without_keys),
        ("mixes exactly the listed blocks", _listed_only),
    ),
    hints=(
        "For one block of queries: which rows of k and v does it need? Gather those, and do dense attention on them.",
        "Block j of keys is k[j * block : (j + 1) * block]; "
        "slicing stops at the end by itself, so a short last block needs no care.",
        "Concatenate the listed blocks of k and of v, take one softmax over all of them together, "
        "and write the result to the block's rows of a tensor of zeros.",
    ),
    mutants=(
        Mutant(
            {"return out": "return torch.softmax(q @ k.T, -1) @ v"},
            "mixes exactly the listed blocks",
            "This looks at every key. Only the listed blocks may be seen.",
        ),
        Mutant(
            {
                'torch.softmax(einsum(q[mine], k[keys], "query dim, key dim -> query key"), dim=-1)': (
                    "torch.cat([torch.softmax(q[mine] @ part.T, -1) for part in k[keys].split(block)], -1)"
                )
            },
            "mixes exactly the listed blocks",
            "Each block is normalized by itself. One softmax runs over all listed blocks of a row together.",
        ),
        Mutant(
            partial(_masked, fill=-math.inf),
            "is never NaN",
            "A row of -∞ becomes NaN under softmax. "
            "And a mask over all scores does the work of dense attention: gather the listed blocks instead.",
        ),
        Mutant(
            partial(_masked, fill=0.0),
            "mixes exactly the listed blocks",
            "A hidden score set to 0 still gets the weight exp(0) = 1. Leave those keys out altogether.",
        ),
        Mutant(
            _masked_weights,
            "is never NaN",
            "Keys and values in blocks that no row lists are NaN here, and you touched them: a mask on all scores does "
            "the work of dense attention. Gather the listed blocks instead.",
        ),
        Mutant(
            {"torch.softmax(": "(lambda s, dim: s.exp() / s.exp().sum(dim, keepdim=True))("},
            "is never NaN",
            "exp overflows for large scores. torch.softmax subtracts the maximum of each row first.",
        ),
        Mutant(
            {"enumerate(rows)": "enumerate([[i for i, row in enumerate(rows) if j in row] for j in range(len(rows))])"},
            "mixes exactly the listed blocks",
            "rows[i] lists the keys that queries see; here it is read the other way round.",
        ),
    ),
)
