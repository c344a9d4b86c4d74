"""The exercises of lab 08 on attention: softmax over tiles of keys, and what is left of it under a sigmoid."""

import math

import torch

from seqlab.course.cases import drawn, normal
from seqlab.course.check import Mutant
from seqlab.tiles import launch
from seqlab.tiles.exercises import bare
from seqlab.tiles.exercises.kernel import once, task, told


def head(n_query, n_key, size=1.0, dim=16):
    """Queries, keys and values of one head with rows of `dim` numbers."""
    return size * normal(n_query, dim), size * normal(n_key, dim, seed=1), normal(n_key, dim, seed=2)


def scored(*scores):
    """One query and keys whose scores are these (scale · q · k, with scale = 1/4)."""
    q, k, v = head(1, len(scores))
    q[:], k[:] = 0.0, 0.0
    q[:, 0], k[:, 0] = 4.0, torch.tensor(scores)
    return q, k, v


def steps(*scores, tile=32):
    """One query, and for each number a whole tile of keys with this score."""
    return scored(*(score for score in scores for _ in range(tile)))


def _drawn(random):
    return (2 * drawn(random, random.randint(1, 40), 16).float(), *drawn(random, 2, random.randint(40, 80), 16).float())


def halves(n_query, n_key):
    return tuple(x.half() for x in head(n_query, n_key))


def takes_float16(weights):
    """The property that a kernel of float16 inputs is as exact as they are. weights: (query, key) -> (query, key)"""

    def test(ran, q, k, v):
        if q.dtype == torch.float16:
            error = (ran.out - weights(q.float() @ k.float().T / 4) @ v.float()).abs().max()
            if not error <= 5e-3:
                return f"with float16 inputs the result is off by {error:.2g}; rounded weights account for 0.001."

    return ("takes float16", test)


def _mixes(ran, q, k, v):
    low, high = v.float().amin(0), v.float().amax(0)
    if ((ran.out < low - 1e-2) | (ran.out > high + 1e-2)).any():
        return "weights that sum to 1 give a result between the smallest and the largest value; yours is not."


def single(ran, q, *rest):
    """What is compared number by number: in float16 each way of rounding is right."""
    return told(launch.Ran(torch.zeros(1)) if q.dtype == torch.float16 and not ran.findings else ran)


def _once(ran, q, k, v):
    return once(ran, q.numel() + -(-len(q) // 16) * (k.numel() + v.numel()))


ONCE = "looks at each tile of keys once"


SCORES = 'b_s = tl.where(j[None, :] < n_key, b_s, -float("inf"))'
KEYS = "k + j[:, None] * stride_k + d[None, :], mask=j[:, None] < n_key, other=0.0"
VALUES = "v + j[:, None] * stride_v + d[None, :], mask=j[:, None] < n_key, other=0.0"
LOOP = "range(0, n_key, BLOCK_K)"
OUT = "tl.store(out + i[:, None] * stride_out + d[None, :]"

SHARED = (  # mistakes that both kernels invite
    Mutant({" * scale": ""}, "equals the reference", "The scores are not scaled."),
    Mutant(
        {KEYS: KEYS.replace(", mask=j[:, None] < n_key, other=0.0", "")},
        "stays inside its tensors",
        "The load of the keys has no mask: the last tile reaches behind the end.",
    ),
    Mutant(
        {VALUES: VALUES.replace("< n_key", "<= n_key")},
        "stays inside its tensors",
        "The mask of the values is one too wide: key n_key does not exist.",
    ),
    Mutant(
        {VALUES: VALUES.replace(", other=0.0", "")},
        "is never NaN",
        "What the mask of the values leaves out is undefined, and 0 times that need not be 0: say other=0.0.",
    ),
    Mutant(
        {VALUES: VALUES.replace("stride_v", "stride_k")},
        "stays inside its tensors",
        "The values are read with the stride of the keys. Each tensor has its own.",
    ),
    Mutant(
        {OUT: OUT.replace("stride_out", "stride_q")},
        "leaves what lies around its output alone",
        "The output is written with the stride of the queries. Each tensor has its own.",
    ),
    Mutant(
        {", mask=i[:, None] < n_query)": ")"},
        "stays inside its tensors",
        "The store has no mask: the last tile of queries has fewer rows.",
    ),
    Mutant(
        {"tl.program_id(0) * BLOCK_Q + ": ""},
        "lets no two programs write to one place",
        "All programs work on the first tile of queries: program_id is missing.",
    ),
    Mutant(
        {LOOP: LOOP.replace("BLOCK_K", "BLOCK_Q")},
        ONCE,
        "The loop goes on by BLOCK_Q keys, and looks at BLOCK_K: some keys come twice.",
    ),
)

ROUNDED = "The output is accumulated in float16, so every tile rounds it. Keep it in float32 until the end."

ONLINE = task(
    "tiles.online",
    "Softmax attention that sees each tile of keys once.",
    bare.online,
    launch.online,
    takes_float16(lambda scores: scores.softmax(-1)),
    ("mixes the values", _mixes),
    (ONCE, _once),
    look=single,
    mark="•••",
    cases=lambda: [
        head(1, 1),
        steps(0.0, 2.0),
        steps(2.0, 0.0),
        head(16, 63),
        steps(300.0, -300.0, 300.0),
        steps(-300.0, -301.0),
        scored(-3e4, -3.01e4),
        head(63, 33),
        head(3, 111, 2.0),
        halves(16, 63),
        head(5, 7, dim=32),
    ],
    draw=_drawn,
    hints=(
        "Write it for one tile first: scores, the row's maximum, exp of the difference, the sum, the mix. "
        "Then ask what a second tile with a larger maximum changes about what you have.",
        "All weights so far were made with the old maximum. With a new one, m', sum and output shrink by exp(m - m'). "
        "Keys behind the end have a score of -∞.",
        "new = tl.maximum(m, tl.max(s, 1)); shrink = tl.exp(m - new); p = tl.exp(s - new[:, None]); "
        "l = l * shrink + tl.sum(p, 1); o = o * shrink[:, None] + p v; m = new. Divide o by l after the loop.",
    ),
    mutants=(
        Mutant(
            {"b_o * b_shrink[:, None]": "b_o"},
            "equals the reference",
            "The sum is corrected when the maximum grows; the output so far must shrink by the same factor.",
        ),
        Mutant(
            {"b_l * b_shrink": "b_l"},
            "equals the reference",
            "The output is corrected when the maximum grows; the sum so far must shrink by the same factor.",
        ),
        Mutant({" / b_l[:, None]": ""}, "mixes the values", "Nothing is divided by the sum of the weights."),
        Mutant(
            {"tl.maximum(b_m, tl.max(b_s, 1))": "tl.max(b_s, 1)"},
            "is never NaN",
            "The maximum is that of the newest tile. Where it falls, exp(m - m') overflows: keep the larger one.",
        ),
        Mutant(
            {'tl.full([BLOCK_Q], -float("inf"), tl.float32)': "tl.zeros([BLOCK_Q], tl.float32)"},
            "is never NaN",
            "The maximum starts at 0. Where all scores lie far below, every exp is 0, and 0/0 is NaN: start at -∞.",
        ),
        Mutant(
            {'tl.full([BLOCK_Q], -float("inf"), tl.float32)': "tl.full([BLOCK_Q], -1e4, tl.float32)"},
            "is never NaN",
            "The maximum starts at -10,000, and scores may lie below that. -∞ is smaller than every one.",
        ),
        Mutant(
            {SCORES: "b_s = b_s"},
            "mixes the values",
            "Keys behind the end are loaded as zeros, so they score 0 and get a weight: mask the scores with -∞.",
        ),
        Mutant(
            {SCORES: SCORES.replace("< n_key", "<= n_key")},
            "mixes the values",
            "The mask of the scores is one too wide: a key that does not exist gets a weight.",
        ),
        Mutant(
            {"b_m = b_new": "b_m = b_m"},
            "equals the reference",
            "The new maximum is never kept, so every tile forgets what came before: m = new at the end of the loop.",
        ),
        Mutant(
            {"tl.exp(b_m - b_new)": "tl.exp(b_new - b_m)"},
            "is never NaN",
            "The correction is upside down: what is there shrinks by exp(old - new).",
        ),
        Mutant(
            {"b_p = tl.exp(b_s - b_new[:, None])": "b_p = tl.exp(b_s - tl.max(b_s, 1)[:, None])"},
            "equals the reference",
            "The weights of a tile are made with its own maximum, sum and output with that of all tiles so far.",
        ),
        Mutant(
            {"b_p = tl.exp(b_s": "b_p = tl.exp2(b_s", "b_shrink = tl.exp(": "b_shrink = tl.exp2("},
            "equals the reference",
            "These are powers of 2, not of e: multiply the scores by log₂ e, or take tl.exp.",
        ),
        Mutant(
            {"b_v, b_o * b_shrink[:, None]": "b_v, (b_o * b_shrink[:, None]).to(tl.float16).to(tl.float32)"},
            "equals the reference",
            ROUNDED,
        ),
        Mutant(
            {LOOP: LOOP.replace("n_key", "n_key // BLOCK_K * BLOCK_K")},
            "is never NaN",
            "The last tile of keys is left out where it is not full.",
        ),
        *SHARED,
    ),
)


def _half_at_zero(ran, q, k, v):
    if len(k) == 1 and (k == 0).all() and not torch.allclose(ran.out, v / 2):
        return f"with one key the bias is 0, and σ(0) = 1/2: a value of {v[0, 0]:.3g} gives {v[0, 0] / 2:.3g}."


SIGMOID = task(
    "tiles.sigmoid",
    "Sigmoid attention over tiles of keys.",
    bare.sigmoid,
    launch.sigmoid,
    ("weighs a score of 0 with 1/2", _half_at_zero),
    takes_float16(lambda scores: (scores - math.log(scores.shape[-1])).sigmoid()),
    (ONCE, _once),
    look=single,
    mark="•",
    cases=lambda: [
        scored(0.0),
        head(1, 1),
        head(16, 63),
        steps(300.0, -300.0),
        head(63, 33),
        head(3, 111, 2.0),
        halves(16, 63),
    ],
    draw=_drawn,
    hints=(
        "Take your online softmax and ask of each variable: does a sigmoid weight depend on it?",
        "A weight is σ(score + bias) and knows nothing of the rest of its row: no maximum, no sum, no correction. "
        "And a key behind the end has a value of 0: does its weight matter?",
        "p = 1 / (1 + tl.exp(-(tl.dot(q, tl.trans(k)) * scale + bias))); o = tl.dot(p.to(v.dtype), v, o).",
    ),
    mutants=(
        Mutant({" + bias": ""}, "equals the reference", "The bias is not added to the scores."),
        Mutant(
            {"* scale + bias": "* (scale + bias)"},
            "equals the reference",
            "The bias multiplies the scores. It is added to them, after the scale.",
        ),
        Mutant(
            {"tl.trans(b_k)) * scale + bias": "tl.trans(b_k)) * scale + bias * scale"},
            "equals the reference",
            "The bias is scaled, too. It is added after the scale.",
        ),
        Mutant({"+ bias": "- bias"}, "equals the reference", "A sign: the bias is added."),
        Mutant(
            {"-b_s": "b_s"},
            "equals the reference",
            "That is σ(-x): a large score gets a small weight. The exponent is -(score + bias).",
        ),
        Mutant(
            {"1.0 / (1.0 + tl.exp(-b_s))": "tl.exp(b_s)"},
            "weighs a score of 0 with 1/2",
            "That is exp, softmax's weight before it is divided. The sigmoid is 1 / (1 + exp(-x)).",
        ),
        Mutant(
            {"1.0 / (1.0 + tl.exp(-b_s))": "tl.exp(b_s) / (1.0 + tl.exp(b_s))"},
            "is never NaN",
            "exp(x) / (1 + exp(x)) is ∞/∞ for large scores. 1 / (1 + exp(-x)) is right at both ends.",
        ),
        Mutant(
            {"b_v, b_o)": "b_v)"},
            "equals the reference",
            "Only the last tile is left: add what each gives to what is there.",
        ),
        Mutant(
            {VALUES: VALUES.replace("0.0", "1.0")},
            "weighs a score of 0 with 1/2",
            "Values behind the end are loaded as ones, and their keys have a weight, σ(bias). Zeros add nothing.",
        ),
        Mutant(
            {"b_v, b_o)": "b_v, b_o.to(tl.float16).to(tl.float32))"},
            "equals the reference",
            ROUNDED,
        ),
        Mutant(
            {LOOP: LOOP.replace("n_key", "n_key // BLOCK_K * BLOCK_K")},
            "weighs a score of 0 with 1/2",
            "The last tile of keys is left out where it is not full.",
        ),
        *SHARED,
    ),
)
