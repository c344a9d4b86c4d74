"""The exercises of lab 06 on theory: the shift by four steep heads, gradients without a row's statistics, the bound."""

import math

import torch
from einops import einsum

from seqlab.course.check import Exercise, Mutant


def four_head_shift(ids, low, high):
    """The sum of all ids above high, for each id with low < id < high; 0 elsewhere: by four heads of steps.
    ids: (token) -> (token)

    A head is (step of query · key) @ ids, where step(score) is 1, ½ or 0 by its sign. The query of a token is its id less
    a threshold, the key is its id less a threshold or 1. Add and subtract four such heads, half of each.
    """

    def head(query, key):
        return (1 + torch.sign(einsum(query, key, "query, key -> query key"))) / 2 @ ids

    one = torch.ones_like(ids)
    below, above = (
        head(ids - low, ids - high) + head(ids - low, one),
        head(ids - high, ids - high) + head(ids - high, one),
    )
    return (below - above) / 2


def tile_gradients(q, k, v, grad, bias):
    """dQ, dK and dV for one tile of σ(q kᵀ + bias) v, one under the other.
    q, k, v, grad = dO: (token, dim) -> (3 token, dim)

    The output is gone, and so is every statistic of its rows: make the weights again from q and k.
    """
    weights = torch.sigmoid(q @ k.T + bias)
    dscores = weights * (1 - weights) * (grad @ v.T)
    return torch.cat([dscores @ k, dscores.T @ q, weights.T @ grad])


def jacobian_bound(x, w_q, w_k, w_v, bias):
    """‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²), which no Jacobian of sigmoid attention exceeds.
    x: (token, dim), weights: (head, dim) -> number

    The scores are ⟨W_q x_i, W_k x_j⟩ + bias. σ_∞ is n times the largest σ, σ'_∞ n times the largest σ' over all of them.
    """
    weights = torch.sigmoid(einsum(x @ w_q.T, x @ w_k.T, "query head, key head -> query key") + bias)
    slopes = weights * (1 - weights)
    size = torch.linalg.matrix_norm(w_q.T @ w_k, 2) * (x**2).sum(dim=1).mean()
    return float(torch.linalg.matrix_norm(w_v, 2) * len(x) * (weights.max() + 2 * slopes.max() * size))


def _shift_cases():
    ids = lambda *values: torch.tensor([float(value) for value in values])
    return [
        (ids(2), 1.5, 2.5),
        (ids(1, 3), 2.5, 3.5),
        (ids(2, 5), 1.5, 2.5),
        (ids(3, 1, 6, 4), 2.5, 3.5),
        (ids(7, 2, 5, 3, 9), 2.5, 5.5),
    ]


def _outside(arguments, result):
    ids, low, high = arguments
    for k, value in enumerate(ids.tolist()):
        if not low < value < high and abs(float(result[k])) > 1e-4:
            where = "below" if value < low else "above"
            return f"id {value:g} is {where} the window ({low:g}, {high:g}), so it must not move; yours moves by {float(result[k]):g}."


def _inside(arguments, result):
    ids, low, high = arguments
    for k, value in enumerate(ids.tolist()):
        want = sum(other for other in ids.tolist() if other > high)
        if low < value < high and abs(float(result[k]) - want) > 1e-4:
            return f"id {value:g} is in the window ({low:g}, {high:g}); the ids above it sum to {want:g}, yours gives {float(result[k]):g}."


def _heads(ids, low, high, gains):
    one = torch.ones_like(ids)
    pairs = ((ids - low, ids - high), (ids - high, ids - high), (ids - low, one), (ids - high, one))
    return sum(g * (((1 + torch.sign(a[:, None] * b)) / 2) @ ids) for g, (a, b) in zip(gains, pairs)) / 2


SHIFT = Exercise(
    id="sigmoid.shift",
    title="The selective shift by four steep heads.",
    reference=four_head_shift,
    cases=_shift_cases,
    properties=(("leaves ids outside the window alone", _outside), ("adds the sum of what is above", _inside)),
    hints=(
        "A step of a product sees two signs at once: H(s t) = (1 + sgn s sgn t) / 2. You want 1{low < x_i < high} · 1{x_k > high}.",
        "1{low < x_i < high} is (s - s') / 2 with s = sgn(x_i - low), s' = sgn(x_i - high); 1{x_k > high} is (1 + t) / 2, "
        "t = sgn(x_k - high). Multiply out: four terms.",
        "½ [H(s t) - H(s' t) + H(s) - H(s')]: two heads with key ids - high, two with key 1; queries ids - low and ids - high.",
    ),
    mutants=(
        Mutant(
            lambda ids, low, high: _heads(ids, low, high, (1, -1, 0, 0)),
            "adds the sum of what is above",
            "Two heads give ½ (s - s') t: keys below the window count too, with a minus. The two heads with key 1 cancel them.",
        ),
        Mutant(
            lambda ids, low, high: _heads(ids, low, high, (1, 0, 1, 0)),
            "adds the sum of what is above",
            "The two heads behind the threshold high are missing: they take back what ids above the window got.",
        ),
        Mutant(
            lambda ids, low, high: 2 * _heads(ids, low, high, (1, -1, 1, -1)),
            "adds the sum of what is above",
            "Twice too much: the output weights are +½ and -½.",
        ),
        Mutant(
            lambda ids, low, high: _heads(ids, low, high, (-1, 1, -1, 1)),
            "adds the sum of what is above",
            "The signs are turned: the heads behind low add, those behind high subtract.",
        ),
        Mutant(
            lambda ids, low, high: ((ids > low) & (ids < high)) * (ids.max() - ids.min()),
            "adds the sum of what is above",
            "That is max - min, the shift of hardmax heads. A sum of steps cannot return a maximum.",
        ),
    ),
)


def _tile_cases():
    draw = torch.Generator().manual_seed(11)
    make = lambda *shape: torch.randn(*shape, generator=draw)
    one = lambda value: torch.tensor([[value]])
    return [
        (one(0.0), one(1.0), one(1.0), one(1.0), 0.0),
        (one(1.0), one(0.0), one(2.0), one(1.0), -1.0),
        (*(make(2, 3) for _ in range(4)), -math.log(2)),
        (*(make(4, 2) for _ in range(4)), -math.log(4)),
    ]


def _autograd(arguments):
    q, k, v, grad, bias = arguments
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    return torch.autograd.grad(torch.sigmoid(inputs[0] @ inputs[1].T + bias) @ inputs[2], inputs, grad)


def _slope_test(at, name):
    def test(arguments, result):
        n = len(arguments[0])
        want, got = _autograd(arguments)[at], result[at * n : (at + 1) * n]
        if not torch.allclose(got, want, atol=1e-4):
            return f"autograd's {name} starts with {want.flatten()[0].item():.4f}, yours with {got.flatten()[0].item():.4f}."

    return test


def _with(factor, query=lambda d, k, q: d @ k, key=lambda d, k, q: d.T @ q):
    def run(q, k, v, grad, bias):
        p = torch.sigmoid(q @ k.T + bias)
        d = factor(p, grad @ v.T, grad, v)
        return torch.cat([query(d, k, q), key(d, k, q), p.T @ grad])

    return run


_right = lambda p, dp, grad, v: p * (1 - p) * dp
TILE = Exercise(
    id="sigmoid.backward",
    title="All gradients of a tile, with the output deleted.",
    reference=tile_gradients,
    cases=_tile_cases,
    properties=(
        ("has autograd's dV", _slope_test(2, "dV")),
        ("has autograd's dQ", _slope_test(0, "dQ")),
        ("has autograd's dK", _slope_test(1, "dK")),
    ),
    hints=(
        "Make P = σ(q kᵀ + bias) again. dV follows from it at once; dQ and dK go through dP = dO vᵀ and dS.",
        "Softmax needs rowsum(dO ∘ O) for dS, because its weights share a sum. A sigmoid weight is alone: dS = P (1 - P) dP.",
        "dQ = dS k, dK = dSᵀ q, dV = Pᵀ dO; torch.cat([dQ, dK, dV]).",
    ),
    mutants=(
        Mutant(
            _with(lambda p, dp, grad, v: p * (dp - (grad * (p @ v)).sum(1, keepdim=True))),
            "has autograd's dQ",
            "That is softmax's dS, which needs the output for its row term. Sigmoid's is P (1 - P) dP, nothing else.",
        ),
        Mutant(
            _with(lambda p, dp, grad, v: p * dp),
            "has autograd's dQ",
            "P alone is the slope of an exponential. A sigmoid's slope is P (1 - P).",
        ),
        Mutant(
            _with(_right, key=lambda d, k, q: d @ q),
            "has autograd's dK",
            "A row of dS belongs to a query. For dK sum over the queries: dSᵀ q.",
        ),
        Mutant(
            _with(_right, query=lambda d, k, q: d @ q, key=lambda d, k, q: d.T @ k),
            "has autograd's dQ",
            "Queries and keys are swapped: a score's slope along the query is the key.",
        ),
        Mutant(
            lambda q, k, v, grad, bias: tile_gradients(q, k, v, grad, 0.0),
            "has autograd's dV",
            "The weights are made again without their bias, so they are not those of the forward pass.",
        ),
    ),
)


def _bound_cases():
    draw = torch.Generator().manual_seed(12)
    make = lambda *shape: torch.randn(*shape, generator=draw)
    one = lambda value: torch.tensor([[value]])
    return [
        (one(0.0), one(1.0), one(1.0), one(1.0), 0.0),
        (one(1.0), one(1.0), one(1.0), one(1.0), 0.0),
        (torch.tensor([[1.0, 0.0]] * 3), torch.eye(2), torch.eye(2), 2 * torch.eye(2), -math.log(3)),
        (
            torch.tensor([[0.0, 3.0]] * 14 + [[3.0, 0.0], [-3.0, 0.0]]),
            torch.eye(2),
            -torch.eye(2),
            torch.eye(2),
            -math.log(16),
        ),
        (make(3, 2), make(2, 2), make(2, 2), make(2, 2), 0.0),
        (make(6, 4), make(3, 4), make(3, 4), make(5, 4), -math.log(6)),
    ]


def _nothing_moves(arguments, result):
    x, w_v, bias = arguments[0], arguments[3], arguments[4]
    want = len(x) / (1 + math.exp(-bias)) * float(torch.linalg.matrix_norm(w_v, 2))
    if (x == 0).all() and abs(result - want) > 1e-4:
        return f"with tokens at 0 no score moves, and the bound is ‖W_v‖ n σ(bias) = {want:.4g}; yours is {result:.4g}."


def _one_token(arguments, result):
    x, w_q, w_k, w_v, bias = (float(a) if getattr(a, "numel", lambda: 1)() == 1 else a for a in arguments)
    if isinstance(x, float) and x != 0:
        weight = 1 / (1 + math.exp(-(w_q * w_k * x * x + bias)))
        slope = weight + 2 * weight * (1 - weight) * w_q * w_k * x * x
        if abs(result - slope) > 1e-4:
            return f"for one number x it is the derivative of x σ(x²) itself, {slope:.4f}: the score moves twice, as query and as key. Yours is {result:.4f}."


def _above(arguments, result):
    x, w_q, w_k, w_v, bias = (a.double() if hasattr(a, "double") else a for a in arguments)
    full = torch.func.jacrev(lambda y: torch.sigmoid((y @ w_q.T) @ (y @ w_k.T).T + bias) @ (y @ w_v.T))(x)
    norm = float(torch.linalg.matrix_norm(full.flatten(0, 1).flatten(1), 2))
    if result < norm * (1 - 1e-6):
        return f"the Jacobian at these {len(x)} tokens has norm {norm:.4g}, above your bound of {result:.4g}."


def _wrong(
    most=torch.max,
    twice=2,
    mean=lambda s: s.mean(),
    values=True,
    n=len,
    product=lambda a, b: torch.linalg.matrix_norm(a.T @ b, 2),
):
    def run(x, w_q, w_k, w_v, bias):
        weights = torch.sigmoid(x @ w_q.T @ (x @ w_k.T).T + bias)
        size = product(w_q, w_k) * mean((x**2).sum(1))
        total = n(x) * (most(weights) + twice * most(weights * (1 - weights)) * size)
        return float(total * (torch.linalg.matrix_norm(w_v, 2) if values else 1))

    return run


BOUND = Exercise(
    id="sigmoid.jacobian_bound",
    title="A bound on the Jacobian of sigmoid attention.",
    reference=jacobian_bound,
    cases=_bound_cases,
    properties=(
        ("is ‖W_v‖ n σ(bias) where no score moves", _nothing_moves),
        ("is the derivative itself for one number", _one_token),
        ("is never below the Jacobian's norm", _above),
    ),
    hints=(
        "Two parts: how the output moves when the values do (σ), and when the scores do (σ').",
        "All scores in one matrix; σ' = σ (1 - σ). σ_∞ = n · largest σ, σ'_∞ = n · largest σ'. torch.linalg.matrix_norm(w, 2) is the spectral norm.",
        "‖W_v‖ · n · (max σ + 2 · max σ' · ‖W_qᵀ W_k‖ · mean of the tokens' squared lengths), as a float.",
    ),
    mutants=(
        Mutant(
            _wrong(twice=0),
            "is the derivative itself for one number",
            "The second part is missing: moving a token moves its scores too.",
        ),
        Mutant(
            _wrong(twice=1),
            "is the derivative itself for one number",
            "A token moves its scores twice: once as query, once as key. So the second part counts twice.",
        ),
        Mutant(
            _wrong(values=False),
            "is never below the Jacobian's norm",
            "‖W_v‖ is missing: all that is mixed has passed through W_v.",
        ),
        Mutant(
            _wrong(most=torch.mean),
            "is never below the Jacobian's norm",
            "Means in place of suprema: one large weight in a small crowd is then overlooked.",
        ),
        Mutant(
            _wrong(mean=lambda s: s.max()),
            "equals the reference",
            "The largest squared length in place of the mean: true, but weaker than the theorem. The mean is its point.",
        ),
        Mutant(
            _wrong(n=lambda x: 1),
            "is never below the Jacobian's norm",
            "σ_∞ and σ'_∞ carry a factor n, the number of tokens that are summed.",
        ),
        Mutant(
            _wrong(product=lambda a, b: torch.linalg.matrix_norm(a.T @ b)),
            "equals the reference",
            "matrix_norm without the 2 is Frobenius' norm, which is larger. Ask for the spectral norm.",
        ),
    ),
)


EXERCISES = (SHIFT, TILE, BOUND)
