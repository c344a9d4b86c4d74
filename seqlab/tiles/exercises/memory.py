"""The first exercises of lab 08: a masked copy, and a softmax whose programs own a row each."""

import torch

from seqlab.course.cases import drawn, normal
from seqlab.course.check import Mutant
from seqlab.tiles import launch
from seqlab.tiles.exercises import bare
from seqlab.tiles.exercises.kernel import once, task

LOAD, STORE = "tl.load(x + i, mask=i < n)", "tl.store(out + i, b_x, mask=i < n)"

COPY = task(
    "tiles.copy",
    "A copy whose last program has less to do.",
    bare.copy,
    launch.copy,
    mark="•",
    cases=lambda: [*((normal(n),) for n in (1, 16, 63, 111)), (torch.arange(20) % 3.0,)],
    draw=lambda random: (drawn(random, random.randint(17, 120)).float(),),
    hints=(
        "tl.program_id(0) is p, and tl.arange(0, BLOCK) counts 0, 1, …, BLOCK - 1. Which places does program p own?",
        "The last program owns places that do not exist. A mask is a tile of booleans, one for each place.",
        "i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK); load x + i with mask=i < n; store to out + i likewise.",
    ),
    mutants=(
        Mutant(
            {LOAD: "tl.load(x + i)", STORE: "tl.store(out + i, b_x)"},
            "stays inside its tensors",
            "Neither the load nor the store has a mask, so the last program reads and writes behind the end.",
        ),
        Mutant({STORE: "tl.store(out + i, b_x)"}, "stays inside its tensors", "The store has no mask."),
        Mutant(
            {LOAD: "tl.load(x + i)"},
            "stays inside its tensors",
            "The load has no mask: what lies behind x belongs to somebody else, or to nobody.",
        ),
        Mutant(
            {LOAD: LOAD.replace("<", "<="), STORE: STORE.replace("<", "<=")},
            "stays inside its tensors",
            "The masks are one too wide: place n does not exist, the last one is n - 1.",
        ),
        Mutant(
            {STORE: STORE.replace("<", "<=")},
            "stays inside its tensors",
            "The mask of the store is one too wide: place n is not yours.",
        ),
        Mutant(
            {LOAD: LOAD.replace("n)", "n - 1)"), STORE: STORE.replace("n)", "n - 1)")},
            "writes all of its output",
            "The masks are one too narrow: the last place is n - 1, and it is left out.",
        ),
        Mutant(
            {LOAD: LOAD.replace("n)", "BLOCK)"), STORE: STORE.replace("n)", "BLOCK)")},
            "stays inside its tensors",
            "The masks compare with BLOCK. What ends at n is the tensor, not the tile.",
        ),
        Mutant(
            {"tl.program_id(0) * BLOCK + ": ""},
            "lets no two programs write to one place",
            "All programs own the same places, the first BLOCK: program_id is missing.",
        ),
        Mutant(
            {"tl.program_id(0) * BLOCK + ": "tl.program_id(0) + "},
            "lets no two programs write to one place",
            "Program p begins at place p, so neighbours share almost all of their places: it begins at p · BLOCK.",
        ),
        Mutant(
            {"program_id(0) * BLOCK": "program_id(0) * (BLOCK - 1)"},
            "lets no two programs write to one place",
            "Neighbouring programs share one place.",
        ),
        Mutant(
            {"program_id(0) * BLOCK": "program_id(0) * (BLOCK + 1)"},
            "writes all of its output",
            "There is a gap of one place between neighbouring programs.",
        ),
        Mutant(
            {"+ tl.arange(0, BLOCK)": "+ 2 * tl.arange(0, BLOCK)"},
            "writes all of its output",
            "The places of a program are side by side: the step is 1, not 2.",
        ),
        Mutant(
            {LOAD: "tl.load(x + n - 1 - i, mask=i < n)"},
            "equals the reference",
            "The numbers come out in the opposite order.",
        ),
        Mutant(
            {LOAD: LOAD.replace("x +", "out +"), STORE: STORE.replace("out +", "x +")},
            "leaves its inputs as they are",
            "Source and target are exchanged: this copies the output into x.",
        ),
        Mutant({"b_x, mask": "b_x.to(tl.float16), mask"}, "equals the reference", "The numbers went through float16."),
    ),
)


def _sums_to_one(ran, x):
    sums = ran.out.sum(-1)
    if (bad := (sums - 1).abs() > 1e-3).any():
        at = int(bad.nonzero()[0])
        return f"the weights of a row sum to 1; those of row {at} sum to {sums[at]:.4g}."


LOADED = 'tl.load(x + row * stride_x + d, mask=d < width, other=-float("inf"))'
WRITTEN = "tl.store(out + row * stride_out + d, b_e / tl.sum(b_e, 0), mask=d < width)"

SOFTMAX = task(
    "tiles.row_softmax",
    "A softmax that reads each number once and writes it once.",
    bare.row_softmax,
    launch.row_softmax,
    ("gives weights that sum to one", _sums_to_one),
    ("loads each number once", lambda ran, x: once(ran, x.numel())),
    mark="••",
    cases=lambda: [
        (normal(1, 1),),
        (normal(3, 4),),
        (normal(2, 63),),
        (3 * normal(2, 63).half(),),
        (normal(3, 11) + 300.0,),
        (normal(2, 11) - 300.0,),
        (normal(2, 11) - 2e4,),
        (normal(4, 111),),
    ],
    draw=lambda random: (
        drawn(random, random.randint(2, 5), random.randint(5, 60)).float() + random.choice((0, 300, -300)),
    ),
    hints=(
        "Begin as in the copy: which addresses does row p have? Its numbers lie side by side, rows stride_x apart.",
        "What the load puts where the mask is False (other=…) takes part in the maximum and in the sum. "
        "For which number x is exp(x - maximum) nothing at all?",
        'b = tl.load(…, other=-float("inf")).to(tl.float32); e = tl.exp(b - tl.max(b, 0)); store e / tl.sum(e, 0).',
    ),
    mutants=(
        Mutant(
            {'other=-float("inf")': "other=0.0"},
            "gives weights that sum to one",
            "The places behind the end of the row count as scores of 0, and e⁰ is 1: load them as -∞.",
        ),
        Mutant(
            {" - tl.max(b_x, 0)": ""},
            "is never NaN",
            "Without the maximum subtracted, exp overflows for large numbers, and vanishes for small ones.",
        ),
        Mutant(
            {"tl.max(b_x, 0)": "tl.maximum(tl.max(b_x, 0), 0.0)"},
            "is never NaN",
            "The maximum starts at 0: where a whole row lies far below, every exp is 0, and 0/0 is NaN.",
        ),
        Mutant({" / tl.sum(b_e, 0)": ""}, "gives weights that sum to one", "Nothing is divided by the sum."),
        Mutant(
            {"tl.sum(b_e, 0)": "tl.sum(b_x, 0)"},
            "gives weights that sum to one",
            "This divides by the sum of the numbers. It must be that of their exponentials.",
        ),
        Mutant(
            {"tl.max(b_x, 0))": "tl.max(b_x, 0)).to(tl.float16)"},
            "equals the reference",
            "The exponentials are kept and summed in float16. Keep float32 until the store.",
        ),
        Mutant(
            {"row * stride_x": "row * width"},
            "is never NaN",
            "Rows of x are stride_x apart, and here they are taken to be `width` apart.",
        ),
        Mutant(
            {"row * stride_x": "row * stride_out"},
            "stays inside its tensors",
            "x is read with the stride of out. Each tensor has its own.",
        ),
        Mutant(
            {"row * stride_out": "row * width"},
            "leaves what lies around its output alone",
            "Rows of out are stride_out apart, and here they are taken to be `width` apart.",
        ),
        Mutant(
            {WRITTEN: WRITTEN.replace(", mask=d < width", "")},
            "stays inside its tensors",
            "The store has no mask: behind the end of a row it writes zeros over its neighbour.",
        ),
        Mutant(
            {WRITTEN: WRITTEN.replace("d < width", "d <= width")},
            "stays inside its tensors",
            "The mask of the store is one too wide: place `width` is not in the row.",
        ),
        Mutant(
            {LOADED: LOADED.replace("d < width", "d <= width")},
            "stays inside its tensors",
            "The mask of the load is one too wide: it reads what stands behind the row.",
        ),
        Mutant(
            {LOADED: LOADED.replace("d < width", "d < width - 1")},
            "is never NaN",
            "The mask of the load is one too narrow: the last number of a row counts as -∞.",
        ),
        Mutant(
            {"tl.program_id(0)": "0 * tl.program_id(0)"},
            "lets no two programs write to one place",
            "Every program works on row 0: program p owns row p.",
        ),
        Mutant(
            {"tl.exp(": "tl.exp2("}, "equals the reference", "That is 2ˣ, not eˣ: multiply by log₂ e, or take tl.exp."
        ),
    ),
)
