"""The exercises of lab 01 on blocks: one transformer block, and the linear maps that are as blind to order as it is."""

import torch

from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant
from seqlab.names.exercises.weights import attention_weights, hardmax


def block(x, heads, table, weights):
    """A transformer block: attention, then feed-forward, each added to what comes in.
    x: (token, dim) -> (token, dim)

    heads: (query, key, value, out) for each head, the first three (dim, size), the last (size, dim)
    table: (up, up_bias, down, down_bias), that is (dim, hidden), (hidden,), (hidden, dim), (dim,)
    weights: a function (q, k) -> (query, key), such as attention_weights
    """
    mixes = [weights(x @ query, x @ key) @ (x @ value) @ out for query, key, value, out in heads]
    x = x + sum(mixes)
    up, up_bias, down, down_bias = table
    return x + torch.relu(x @ up + up_bias) @ down + down_bias


def symmetrize(matrix):
    """The linear map of n tokens, each a number, that commutes with every reordering and is closest to `matrix`.

    Closest: the sum of the squared differences of all entries is smallest.    (n, n) -> (n, n)
    """
    n = len(matrix)
    same = matrix.trace() / n
    other = (matrix.sum() - matrix.trace()) / (n * (n - 1))
    return other + (same - other) * torch.eye(n).to(matrix)


def hardmax_of_products(q, k):
    return hardmax(q @ k.T)


def same_for_all(q, k):
    return torch.full((len(q), len(k)), 1 / len(k)).to(q)


def _made(dim, size, hidden, heads, seed):
    """Weights of a block, all different, in float64."""
    shapes = [(dim, size)] * 3 + [(size, dim)]
    drawn = [
        tuple(normal(*shape, seed=100 * seed + 10 * h + part).double() for part, shape in enumerate(shapes))
        for h in range(heads)
    ]
    table = [(dim, hidden), (hidden,), (hidden, dim), (dim,)]
    return drawn, tuple(normal(*shape, seed=100 * seed + 90 + part).double() for part, shape in enumerate(table))


def _block_cases():
    one = double([1.0])
    zero, bias = torch.zeros(1, 1).double(), torch.zeros(1).double()
    copies, silent = [(zero, zero, one, one)], (one, bias, zero, bias)
    return [
        (double([1.0], [3.0]), copies, silent, same_for_all),
        (double([1.0], [3.0]), [(zero, zero, zero, zero)], (one, bias - 2, one, bias + 10), same_for_all),
        (double([1.0], [2.0]), copies * 2, (one, bias, one, bias), same_for_all),
        (double([2.0], [-1.0]), [(one, -one, one, one)], silent, attention_weights),
        (double([2.0], [-1.0]), [(one, 3 * one, one, one)], silent, hardmax_of_products),
        (normal(5, 4, seed=7).double(), *_made(4, 1, 4, 2, 1), attention_weights),
        (normal(3, 2, seed=8).double().requires_grad_(), *_made(2, 3, 5, 3, 2), attention_weights),
    ]


def _keeps_what_comes_in(result, x, heads, table, weights):
    mixed = x + sum(weights(x @ q, x @ k) @ (x @ v) @ out for q, k, v, out in heads)
    if table[2].abs().max() == 0 and not torch.allclose(result, mixed):
        return (
            "this table adds nothing, so that x plus the mix of each head is left,"
            f" {mixed.flatten()[:4].tolist()}; yours is {result.flatten()[:4].tolist()}."
        )


def _table_reads_the_mix(result, x, heads, table, weights):
    want = block(x, heads, table, weights)
    if not torch.allclose(result, want):
        return (
            "the table (up, ReLU, down) reads what attention left, and adds to it: the first token becomes"
            f" {want[0].tolist()}, yours {result[0].tolist()}."
        )


BLOCK = Exercise(
    id="names.block",
    title="Attention, then feed-forward, each added to what comes in.",
    reference=block,
    cases=_block_cases,
    properties=(
        ("adds what the heads mix to the tokens", _keeps_what_comes_in),
        ("adds the table of what the heads left", _table_reads_the_mix),
    ),
    draw=lambda random: (
        drawn(random, random.randint(2, 5), dim := random.randint(2, 4)),
        *_made(dim, random.randint(1, 3), 4, random.randint(2, 3), random.randint(3, 10**6)),
        random.choice((attention_weights, hardmax_of_products)),
    ),
    hints=(
        "Two lines, each of the form x = x + …: first the sum over the heads, then the feed-forward part.",
        "A head: w = weights(x @ query, x @ key); its mix is w @ (x @ value), which `out` brings back to dim numbers.",
        "The second line reads the new x: x + torch.relu(x @ up + up_bias) @ down + down_bias.",
    ),
    mutants=(
        Mutant(
            {"x = x + sum(mixes)": "x = sum(mixes)"},
            "adds what the heads mix to the tokens",
            "Attention replaces the tokens here. The block adds to them: x + the sum over the heads (the residual).",
        ),
        Mutant(
            {"return x + torch.relu": "return torch.relu"},
            "adds what the heads mix to the tokens",
            "The feed-forward part replaces the tokens here. It adds to them, as attention does.",
        ),
        Mutant(
            {"x = x + sum(mixes)": "y, x = x, x + sum(mixes)", "torch.relu(x @ up": "torch.relu(y @ up"},
            "adds the table of what the heads left",
            "Both parts read the block's input. The feed-forward part comes second: it reads what attention left.",
        ),
        Mutant(
            {"torch.relu(x @ up + up_bias)": "(x @ up + up_bias)"},
            "adds the table of what the heads left",
            "The ReLU is missing; without it the table is one linear map.",
        ),
        Mutant(
            {"torch.relu(x @ up + up_bias)": "(torch.relu(x @ up) + up_bias)"},
            "adds the table of what the heads left",
            "The bias stands inside the ReLU: it decides where the ReLU opens.",
        ),
        Mutant(
            {" @ down + down_bias": " @ down"},
            "adds the table of what the heads left",
            "The last bias is missing.",
        ),
        Mutant(
            {"weights(x @ query, x @ key)": "weights(x @ key, x @ query)"},
            "adds the table of what the heads left",
            "Query and key are exchanged: weights(q, k) has a row for each query.",
        ),
        Mutant(
            {"@ (x @ value) @ out": "@ x"},
            "adds the table of what the heads left",
            "The tokens themselves are mixed. The values are x @ value, and `out` brings them back to dim numbers.",
        ),
        Mutant(
            {"sum(mixes)": "sum(mixes) / len(heads)"},
            "adds the table of what the heads left",
            "The heads are averaged here; their mixes are added up.",
        ),
        Mutant(
            {"sum(mixes)": "mixes[0]"},
            "adds the table of what the heads left",
            "Only the first head is used; the mixes of all heads are added up.",
        ),
    ),
    mark="••",
)


def _commutes(result, matrix):
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1, n):
            order = list(range(n))
            order[i], order[j] = j, i
            if not torch.allclose(result[order][:, order], result, atol=1e-9):
                return f"exchange tokens {i} and {j}, and it is another map: it does not commute with this reordering."


def _closest(result, matrix):
    mine, best = ((m - matrix).square().sum().item() for m in (result, symmetrize(matrix)))
    if mine > best + 1e-9:
        return f"its squared distance from the matrix is {mine:.6g}, and {best:.6g} is possible."


SYMMETRIZE = Exercise(
    id="names.symmetrize",
    title="Find the closest linear map that is blind to order.",
    reference=symmetrize,
    cases=lambda: [
        (double([1.0, 2.0], [4.0, 7.0]),),
        (double([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]),),
        (double([0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 6.0]),),
        (double([2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]),),
        (normal(4, 4).double(),),
        (normal(5, 5, seed=1).double().requires_grad_(),),
    ],
    properties=(
        ("commutes with every exchange of two tokens", _commutes),
        ("is the closest that does", _closest),
    ),
    draw=lambda random: (drawn(random, n := random.randint(3, 6), n),),
    hints=(
        "M commutes with every reordering P when P M Pᵀ = M. What does that say of M[0, 0] and M[1, 1], and of M[0, 1]"
        " and M[2, 3]?",
        "All entries on the diagonal are equal, and so are all others: two numbers are free. Which two numbers come"
        " closest to the entries of `matrix`?",
        "A mean has the smallest sum of squares: the mean of the n diagonal entries, and that of the n (n - 1) others.",
    ),
    mutants=(
        Mutant(
            {"return other + (same - other) * torch.eye(n).to(matrix)": "return matrix.mean() + 0 * matrix"},
            "is the closest that does",
            "One number for all entries commutes, and is not the closest: the diagonal may differ from the rest.",
        ),
        Mutant(
            {"return other + (same - other) * torch.eye(n).to(matrix)": "return (matrix + matrix.T) / 2"},
            "commutes with every exchange of two tokens",
            "This is symmetric across the diagonal, another thing: every pair of tokens must be treated alike.",
        ),
        Mutant(
            {"other + (same - other)": "same"},
            "is the closest that does",
            "Off the diagonal there is a second free number: tokens may look at each other, if at all others alike.",
        ),
        Mutant(
            {"(n * (n - 1))": "(n * n)"},
            "is the closest that does",
            "There are n (n - 1) entries off the diagonal, not n².",
        ),
        Mutant(
            {"(matrix.sum() - matrix.trace())": "matrix.sum()"},
            "is the closest that does",
            "The mean of the entries off the diagonal leaves the diagonal out.",
        ),
        Mutant(
            {"(same - other) * torch.eye(n).to(matrix)": "matrix.diag().diag() - other * torch.eye(n).to(matrix)"},
            "commutes with every exchange of two tokens",
            "The diagonal stays as it was. Its entries must be equal too: no token is special.",
        ),
    ),
    tolerance=1e-9,
    mark="•••",
)
