"""The exercises at the end of lab 08: lists of blocks, and all gradients in one kernel that adds atomically."""

import torch

from seqlab.course.cases import drawn, normal
from seqlab.course.check import Mutant
from seqlab.tiles import launch
from seqlab.tiles.exercises import bare
from seqlab.tiles.exercises.kernel import task


def square(n, size=1.0):
    """Queries, keys, values and the gradient of the output, n rows of 16 numbers each."""
    return tuple((size if seed < 2 else 1.0) * normal(n, 16, seed=seed) for seed in range(4))


def listed(n, lists, size=1.0):
    """One head of n tokens and its lists; keys and values that no list names are NaN."""
    q, k, v, _ = square(n, size)
    seen = {j for row in lists for j in row}
    for block in range(-(-n // 16)):
        if block not in seen:
            k[16 * block : 16 * block + 16] = v[16 * block : 16 * block + 16] = float("nan")
    return q, k, v, lists


def _drawn(random):
    """Some tokens and lists of blocks; what nobody lists is NaN."""
    lists = [random.sample(range(3), random.randint(0, 3)) for _ in range(3)]
    *tokens, lists = listed(16 * len(lists) - random.randint(0, 9), lists)
    return (*(x + drawn(random, *x.shape).float() for x in tokens), lists)


def _listed_only(ran, q, k, v, lists):
    for at, row in enumerate(lists):
        if not row and (ran.out[16 * at : 16 * at + 16] != 0).any():
            return f"block {at} lists no keys, so its rows are zeros."


WEIGHT = "1.0 / (1.0 + tl.exp(-(tl.dot(b_q, tl.trans(b_k)) * scale + bias)))"
LIST = "range(tl.load(offsets + row), tl.load(offsets + row + 1))"
KEYS = "k + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0"
VALUES = "v + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0"

SPARSE = task(
    "tiles.block_sparse",
    "Attention that loads no block but those on its list.",
    bare.block_sparse,
    launch.block_sparse,
    ("gives zeros where nothing is listed", _listed_only),
    mark="•••",
    cases=lambda: [
        listed(1, [[0]]),
        listed(32, [[1], [1]]),
        listed(48, [[2], [], [2, 1]]),
        listed(63, [[0, 3], [1], [], [0, 1]]),
        listed(16, [[0]], 20.0),
        listed(111, [[0, 2], [0], [2, 0, 4], [], [4], [6, 0], [6]], 2.0),
    ],
    draw=_drawn,
    hints=(
        "Take your sigmoid kernel. The loop alone changes: over which numbers does it run, and which keys come?",
        "offsets[p] is where the list of block p begins in `indices`, and offsets[p + 1] where the next one begins. "
        "An entry is the number of a block: its first key is BLOCK times as far.",
        "for t in range(tl.load(offsets + p), tl.load(offsets + p + 1)): j = tl.load(indices + t) * BLOCK + o, "
        "and then as before.",
    ),
    mutants=(
        Mutant(
            {LIST: "range(0, tl.cdiv(n, BLOCK))", "tl.load(indices + t) * BLOCK": "t * BLOCK"},
            "is never NaN",
            "This walks over all blocks. Those that nobody lists are NaN, and NaN · 0 is NaN: do not load them.",
        ),
        Mutant(
            {"tl.load(indices + t) * BLOCK": "t * BLOCK"},
            "is never NaN",
            "t is a place in the list. Which block stands there, `indices` says.",
        ),
        Mutant(
            {"tl.load(indices + t) * BLOCK": "tl.load(indices + t)"},
            "is never NaN",
            "An entry of the list is the number of a block, not of a key: multiply by BLOCK.",
        ),
        Mutant(
            {LIST: LIST.replace("row + 1)", "row + 1) - 1")},
            "equals the reference",
            "The last block of every list is left out.",
        ),
        Mutant(
            {LIST: LIST.replace("offsets + row),", "offsets + row) + 1,")},
            "equals the reference",
            "The first block of every list is left out.",
        ),
        Mutant(
            {LIST: "range(tl.load(offsets + 0 * row), tl.load(offsets + row + 1))"},
            "equals the reference",
            "Every block sees the lists of those before it as well: a list begins at offsets[p].",
        ),
        Mutant(
            {LIST: "range(0, tl.load(offsets + row + 1) - tl.load(offsets + row))"},
            "equals the reference",
            "Every block reads the beginning of `indices`: its own list begins at offsets[p].",
        ),
        Mutant(
            {KEYS: KEYS.replace(", mask=j[:, None] < n, other=0.0", "")},
            "stays inside its tensors",
            "The load of the keys has no mask: the last block may be shorter.",
        ),
        Mutant(
            {VALUES: VALUES.replace("< n", "<= n")},
            "stays inside its tensors",
            "The mask of the values is one too wide: key n does not exist.",
        ),
        Mutant(
            {"b_o, mask=i[:, None] < n": "b_o"},
            "stays inside its tensors",
            "The store has no mask: the last block of queries may be shorter.",
        ),
        Mutant(
            {"b_v, b_o)": "b_v)"}, "equals the reference", "Only the last listed block is left: add what each gives."
        ),
        Mutant({" + bias": ""}, "equals the reference", "The bias is not added to the scores."),
        Mutant({" * scale": ""}, "equals the reference", "The scores are not scaled."),
        Mutant(
            {WEIGHT: WEIGHT.replace("1.0 / (1.0 + tl.exp(-", "(lambda e: e / (1.0 + e))(tl.exp(")},
            "is never NaN",
            "exp(x) / (1 + exp(x)) is ∞/∞ for large scores. 1 / (1 + exp(-x)) is right at both ends.",
        ),
        Mutant(
            {"i = row * BLOCK + o": "i = o"},
            "lets no two programs write to one place",
            "All programs work on the first block of queries.",
        ),
    ),
)


def _parts(ran, q, k, v, grad):
    """Which of the three gradients is wrong, by PyTorch's own."""
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    out = torch.sigmoid(inputs[0] @ inputs[1].T / 4 - torch.log(torch.tensor(len(k)))) @ inputs[2]
    for name, got, want in zip(("dq", "dk", "dv"), ran.out.split(len(q)), torch.autograd.grad(out, inputs, grad)):
        if (error := (got - want).abs().max()) > 1e-4:
            return f"{name} is off by {error:.2g}; PyTorch's own gradient of σ(scale · q kᵀ + bias) v is another."


def _five(ran, q, *rest):
    if ran.products > (most := 5 * (-(-len(q) // 16)) ** 2):
        return f"it makes {ran.products} products of two tiles, and {most} are enough: which one is made twice?"


DS = "b_ds = b_p * (1.0 - b_p) * tl.dot(b_g, tl.trans(b_v)) * scale"
ADD = "tl.atomic_add(dq + o, tl.dot(b_ds, b_k), mask=i[:, None] < n)"

BACKWARD = task(
    "tiles.backward",
    "The backward pass in one kernel, whose programs add to one dq.",
    bare.gradients,
    launch.gradients,
    ("has the gradients that PyTorch finds", _parts),
    ("makes five products for each pair of tiles", _five),
    mark="•••",
    cases=lambda: [square(1), square(16), square(17), square(63), square(33, 4.0)],
    draw=lambda random: tuple(drawn(random, 4, random.choice((17, 30, 33)), 16).float()),
    hints=(
        "Make P of a tile again, as in the forward pass. dV = Pᵀ dO is a sum over queries: your program sees them all.",
        "dP = dO Vᵀ, and σ' = σ (1 - σ), so dS = P (1 - P) dP · scale. dK = dSᵀ Q, summed over your queries as well.",
        "dQ = dS K is a sum over keys, and other programs own the other keys: "
        "tl.atomic_add(dq + o, tl.dot(ds, k), mask=…), where a load, an addition and a store would lose some.",
    ),
    mutants=(
        Mutant(
            {ADD: "tl.store(dq + o, tl.load(dq + o, mask=i[:, None] < n) + tl.dot(b_ds, b_k), mask=i[:, None] < n)"},
            "lets no two programs write to one place",
            "A load, an addition and a store: two programs may read the same old value, and then one addition is lost. "
            "tl.atomic_add does all three at once.",
        ),
        Mutant(
            {ADD: ADD.replace("atomic_add", "store")},
            "lets no two programs write to one place",
            "Each program overwrites what the others put into dq: their parts must be added.",
        ),
        Mutant(
            {ADD: ADD.replace(", mask=i[:, None] < n", "")},
            "stays inside its tensors",
            "The addition has no mask: the last tile of queries has fewer rows.",
        ),
        Mutant(
            {DS: DS.replace("b_p * (1.0 - b_p) * ", "")},
            "has the gradients that PyTorch finds",
            "That is dP, the gradient for the weights. One factor is missing: how a weight moves with its score.",
        ),
        Mutant(
            {DS: DS.replace(" * (1.0 - b_p)", "")},
            "has the gradients that PyTorch finds",
            "The factor P alone is the derivative of exp. For the sigmoid it is P (1 - P).",
        ),
        Mutant(
            {DS: "b_dp = tl.dot(b_g, tl.trans(b_v)); b_ds = b_p * (b_dp - tl.sum(b_p * b_dp, 1)[:, None]) * scale"},
            "has the gradients that PyTorch finds",
            "That is softmax's gradient: its row term belongs to weights that sum to 1.",
        ),
        Mutant(
            {DS: DS.replace(" * scale", "")},
            "has the gradients that PyTorch finds",
            "The scores are scale · q k, so scale is a factor of dq and of dk.",
        ),
        Mutant(
            {"tl.trans(b_p.to(b_g.dtype)), b_g": "b_p.to(b_g.dtype), b_g"},
            "has the gradients that PyTorch finds",
            "dV = Pᵀ dO: P is not transposed.",
        ),
        Mutant(
            {"tl.trans(b_ds), b_q": "b_ds, b_q"},
            "has the gradients that PyTorch finds",
            "dK = dSᵀ Q: dS is not transposed.",
        ),
        Mutant(
            {"b_g, b_dv)": "b_g)"},
            "has the gradients that PyTorch finds",
            "dv holds the last tile of queries only: add what each gives.",
        ),
        Mutant(
            {"tl.dot(b_ds, b_k)": "tl.dot(b_ds, b_v)"},
            "has the gradients that PyTorch finds",
            "dQ = dS K: here it is dS V.",
        ),
        Mutant(
            {"tl.store(dk + o_own, b_dk, mask=j[:, None] < n)": "tl.store(dk + o_own, b_dk)"},
            "stays inside its tensors",
            "The store of dk has no mask: the last program has fewer keys.",
        ),
        Mutant(
            {"b_q, b_dk)": "b_q, b_dk.to(tl.float16).to(tl.float32))"},
            "has the gradients that PyTorch finds",
            "dk is accumulated in float16, so every tile rounds it. Keep it in float32 until the end.",
        ),
    ),
)
