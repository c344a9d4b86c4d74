"""The exercises of lab 06 on gradients: those of a tile without a row's statistics, the bound of the Jacobian."""

import math

import torch
from einops import einsum

from seqlab.course.cases import drawn, normal
from seqlab.course.check import Exercise, Mutant
from seqlab.sigmoid.regularity import Head, jacobian_norm


def tile_gradients(q, k, v, grad, bias):
    """dQ, dK and dV for one tile of σ(q kᵀ + bias) v, one under the other.
    q, k, v, grad = dO: (token, dim) -> (3 token, dim)

    The output is gone, and so is every statistic of its rows: make the weights again from q and k.
    """
    weights = torch.sigmoid(q @ k.T + bias)
    dscores = weights * (1 - weights) * (grad @ v.T)
    return torch.cat([dscores @ k, dscores.T @ q, weights.T @ grad])


def jacobian_bound(x, w_q, w_k, w_v, bias):
    """A bound on the Jacobian's largest singular value from ‖W_v‖, ‖W_qᵀ W_k‖, σ_∞, σ'_∞ and mean ‖x_i‖².
    x: (token, dim), weights: (head, dim) -> number

    The scores are ⟨W_q x_i, W_k x_j⟩ + bias. Equal tokens reach it where W_qᵀ W_k and W_v are the identity.
    """
    weights = torch.sigmoid(einsum(x @ w_q.T, x @ w_k.T, "query head, key head -> query key") + bias)
    slopes = weights * (1 - weights)
    size = torch.linalg.matrix_norm(w_q.T @ w_k, 2) * (x**2).sum(dim=1).mean()
    return float(torch.linalg.matrix_norm(w_v, 2) * len(x) * (weights.max() + 2 * slopes.max() * size))


def _like_autograd(at, name):
    """A test of the part of the result that is the gradient for argument number `at`."""

    def test(result, *case):
        q, k, v = (x.clone().requires_grad_() for x in case[:3])
        grad, bias = case[3:]
        want = torch.autograd.grad(torch.sigmoid(q @ k.T + bias) @ v, (q, k, v), grad)[at]
        got = result.chunk(3)[at]
        if not torch.allclose(got, want, atol=1e-4):
            return f"autograd's {name} starts with {want[0, 0]:.4f}, yours with {got[0, 0]:.4f}."

    return test


TILE = Exercise(
    id="sigmoid.backward",
    title="All gradients of a tile, with the output deleted.",
    mark="••",
    reference=tile_gradients,
    differentiable=False,  # autograd's own gradient is right, and it is cut off
    cases=lambda: [
        (*torch.tensor([0.0, 1.0, 1.0, 1.0])[:, None, None], 0.0),
        (*torch.tensor([1.0, 0.0, 2.0, 1.0])[:, None, None], -1.0),
        (*normal(4, 2, 3), -math.log(2)),
        (*normal(4, 4, 2), -math.log(4)),
        (*(100 * normal(2, 3, 2)), *normal(2, 3, 2, seed=1), 0.0),
    ],
    properties=(
        ("has autograd's dV", _like_autograd(2, "dV")),
        ("has autograd's dQ", _like_autograd(0, "dQ")),
        ("has autograd's dK", _like_autograd(1, "dK")),
    ),
    draw=lambda random: (
        random.choice((1, 100)) * drawn(random, n := random.randint(2, 5), dim := random.randint(1, 4)),
        random.choice((1, 100)) * drawn(random, n, dim),
        *drawn(random, 2, n, dim),
        random.choice((0.0, -math.log(n), -2.0)),
    ),
    hints=(
        "Make P = σ(q kᵀ + bias) again. dV follows from it at once; dQ and dK go through dP = dO vᵀ and dS.",
        "Softmax needs rowsum(dO ∘ O) for dS, because its weights share a sum. "
        "A sigmoid weight is alone: dS = P (1 - P) dP.",
        "dQ = dS k, dK = dSᵀ q, dV = Pᵀ dO; torch.cat([dQ, dK, dV]).",
    ),
    mutants=(
        Mutant(
            {"(1 - weights) * (grad @ v.T)": "(grad @ v.T - (grad * (weights @ v)).sum(1, keepdim=True))"},
            "has autograd's dQ",
            "That is softmax's dS, which needs the output for its row term. Sigmoid's is P (1 - P) dP, nothing else.",
        ),
        Mutant(
            {" * (1 - weights)": ""},
            "has autograd's dQ",
            "P alone is the slope of an exponential. A sigmoid's slope is P (1 - P).",
        ),
        Mutant(
            {"dscores.T @ q": "dscores @ q"},
            "has autograd's dK",
            "A row of dS belongs to a query. For dK sum over the queries: dSᵀ q.",
        ),
        Mutant(
            {"dscores @ k": "dscores @ q", "dscores.T @ q": "dscores.T @ k"},
            "has autograd's dQ",
            "Queries and keys are swapped: a score's slope along the query is the key.",
        ),
        Mutant(
            {" + bias": ""},
            "has autograd's dV",
            "The weights are made again without their bias, so they are not those of the forward pass.",
        ),
        Mutant(
            {"torch.sigmoid(q @ k.T + bias)": "(lambda e: e / (1 + e))(torch.exp(q @ k.T + bias))"},
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. torch.sigmoid knows both ends.",
        ),
    ),
)


def _bound_cases():
    one, plane = torch.ones(1, 1), torch.eye(2)
    return [
        (0 * one, one, one, one, 0.0),
        (one, one, one, one, 0.0),
        (torch.tensor([[1.0, 0.0]] * 3), plane, plane, 2 * plane, -math.log(3)),
        (torch.tensor([[0.0, 3.0]] * 14 + [[3.0, 0.0], [-3.0, 0.0]]), plane, -plane, plane, -math.log(16)),
        (normal(3, 2), *normal(3, 2, 2, seed=1), 0.0),
        (normal(6, 4), *normal(2, 3, 4, seed=1), normal(5, 4, seed=2), -math.log(6)),
        (30 * normal(3, 2), *normal(3, 2, 2, seed=1), 1.0),
    ]


def _nothing_moves(result, x, w_q, w_k, w_v, bias):
    want = len(x) / (1 + math.exp(-bias)) * torch.linalg.matrix_norm(w_v, 2)
    if (x == 0).all() and abs(result - want) > 1e-4:
        return f"with tokens at 0 no score moves, and the bound is ‖W_v‖ n σ(bias) = {want:.4g}; yours is {result:.4g}."


def _one_token(result, x, w_q, w_k, w_v, bias):
    if x.numel() == 1 and x != 0:
        slope = torch.func.grad(lambda y: (y * torch.sigmoid(y * y)).sum())(x).item()
        if abs(result - slope) > 1e-4:
            return (
                f"for one number x it is the derivative of x σ(x²) itself, {slope:.4f}: "
                f"the score moves twice, as query and as key. Yours is {result:.4f}."
            )


def _above(result, *case):
    x, *weights, bias = (torch.as_tensor(part).double() for part in case)
    norm = jacobian_norm(Head(*weights, bias.item()), x)
    if result < norm * (1 - 1e-6):
        return f"the Jacobian at these {len(x)} tokens has norm {norm:.4g}, above your bound of {result:.4g}."


def _parts(result, x, w_q, w_k, w_v, bias):
    if not math.isclose(result, want := jacobian_bound(x, w_q, w_k, w_v, bias), rel_tol=1e-5):
        weights = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        largest, slope = len(x) * weights.max(), len(x) * (weights * (1 - weights)).max()
        v, size, square = (*(torch.linalg.matrix_norm(w, 2) for w in (w_v, w_q.T @ w_k)), x.square().sum(1).mean())
        return (
            f"‖W_v‖ = {v:.4g}, σ_∞ = {largest:.4g}, σ'_∞ = {slope:.4g}, ‖W_qᵀ W_k‖ = {size:.4g} and "
            f"mean ‖x_i‖² = {square:.4g} give {want:.6g}; yours is {float(result):.6g}."
        )


BOUND = Exercise(
    id="sigmoid.jacobian_bound",
    title="A bound on the Jacobian of sigmoid attention.",
    mark="••",
    reference=jacobian_bound,
    cases=_bound_cases,
    properties=(
        ("is ‖W_v‖ n σ(bias) where no score moves", _nothing_moves),
        ("is the derivative itself for one number", _one_token),
        ("is never below the Jacobian's norm", _above),
        ("is made of its five numbers", _parts),
    ),
    draw=lambda random: (
        drawn(random, n := random.randint(2, 6), dim := random.randint(2, 4)),
        *drawn(random, 2, random.randint(2, 4), dim),
        drawn(random, 3, dim),
        random.choice((0.0, -math.log(n))),
    ),
    hints=(
        "Two parts: how the output moves when the values do (σ), and when the scores do (σ'), once by the query, "
        "once by the key. An n × n matrix of numbers up to s has norm n s at most.",
        "All scores in one matrix; σ' = σ (1 - σ). σ_∞ = n · largest σ, σ'_∞ = n · largest σ'. A part where a score "
        "moves has two tokens in it: mean ‖x_i‖² · ‖W_qᵀ W_k‖. torch.linalg.matrix_norm(w, 2) is the spectral norm.",
        "‖W_v‖ · n · (max σ + 2 · max σ' · ‖W_qᵀ W_k‖ · mean of the tokens' squared lengths), as a float.",
    ),
    mutants=(
        Mutant(
            {" + 2 * slopes.max() * size": ""},
            "is the derivative itself for one number",
            "The second part is missing: moving a token moves its scores too.",
        ),
        Mutant(
            {"2 * slopes": "slopes"},
            "is the derivative itself for one number",
            "A token moves its scores twice: once as query, once as key. So the second part counts twice.",
        ),
        Mutant(
            {"torch.linalg.matrix_norm(w_v, 2) * ": ""},
            "is never below the Jacobian's norm",
            "‖W_v‖ is missing: all that is mixed has passed through W_v.",
        ),
        Mutant(
            {"weights.max()": "weights.mean()", "slopes.max()": "slopes.mean()"},
            "is never below the Jacobian's norm",
            "Means in place of suprema: one large weight in a small crowd is then overlooked.",
        ),
        Mutant(
            {".mean()": ".max()"},
            "is made of its five numbers",
            "The largest squared length in place of the mean: true, but weaker than the theorem. "
            "The mean is its point.",
        ),
        Mutant(
            {"len(x) * ": ""},
            "is never below the Jacobian's norm",
            "σ_∞ and σ'_∞ carry a factor n, the number of tokens that are summed.",
        ),
        Mutant(
            {"w_k, 2)": "w_k)"},
            "is made of its five numbers",
            "matrix_norm without the 2 is Frobenius' norm, which is larger. Ask for the spectral norm.",
        ),
    ),
)
