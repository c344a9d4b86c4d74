"""The exercises of lab 12: a design for each theorem, the room that rounding leaves, cost, and equal cost."""

from seqlab.capstone.design import PATTERNS, Design
from seqlab.capstone.names import headroom
from seqlab.capstone.theory import STATEMENTS
from seqlab.course.check import Exercise, Mutant


def design_for(paper, width):
    """A Design of this width that the statement of the paper covers, with as few connections as the axes allow.

    paper: "Yun 2019", "Yun 2020", "Zaheer 2020", "Kajitsuka 2023", "Ramapuram 2024" or "Xu 2024" -> Design
    width: a multiple of 8. Connections are those of 64 tokens, the mean over the sets of the pattern.
    """
    normalizer = "sigmoid" if paper == "Ramapuram 2024" else "softmax"
    pattern = {"Yun 2020": "window", "Zaheer 2020": "star"}.get(paper, "full")
    form = "loop" if paper == "Xu 2024" else "stack"
    return Design(normalizer, pattern, positions="learned", form=form, width=width, heads=4)


def _connections(design: Design) -> float:
    counts = PATTERNS[design.pattern](64).at(64).connections()
    return sum(counts) / len(counts)


def _is_covered(result, paper, width):
    if not (verdict := STATEMENTS[paper](result).verdict):
        return f"{paper} does not cover {result}: {verdict.witness}."


def _has_width(result, paper, width):
    if result.width != width:
        return f"its width is {result.width}, wanted {width}."


def _is_sparse(result, paper, width):
    if (got := _connections(result)) > (want := _connections(design_for(paper, width))):
        return (
            f"{paper} covers a pattern with {want:,.0f} connections among 64 tokens; {result.pattern!r} has {got:,.0f}."
        )


DESIGN_FOR = Exercise(
    id="capstone.design_for",
    title="A design for each theorem.",
    mark="••",
    reference=design_for,
    cases=lambda: [(paper, width) for width in (16, 48) for paper in STATEMENTS],
    properties=(
        ("is covered by the paper", _is_covered),
        ("has the width that is asked for", _has_width),
        ("has few connections", _is_sparse),
    ),
    look=lambda result, *_: (result.width, _connections(result)),
    draw=lambda random: (random.choice([*STATEMENTS]), 8 * random.choice((1, 3, 4, 5, 7, 8, 9, 10, 11, 12))),
    hints=(
        "Set the panel to the paper's own design, then change one control after the other: which may change, and the "
        "statement still covers it?",
        "Only one statement is about sigmoid, and only one about a loop. Two are about sparse patterns: one asks for a "
        "chain and that all is heard in the end, the other for a relay.",
        "A window of one neighbour is a chain. Where a relay is needed, a star has nothing else but a ring.",
    ),
    mutants=(
        Mutant({'"sigmoid" if': '"softmax" if'}, "is covered by the paper", "The shift by four heads is a sigmoid's."),
        Mutant({'"loop" if': '"stack" if'}, "is covered by the paper", "Xu 2024 is about one layer, again and again."),
        Mutant(
            {'"star"': '"window"'}, "is covered by the paper", "A window has no relay that all see and that sees all."
        ),
        Mutant({'"window"': '"star"'}, "has few connections", "A star is covered as well, and has more connections."),
        Mutant(
            {'="learned"': '="rope"'}, "is covered by the paper", "The proofs add positions to tokens, rope does not."
        ),
        Mutant({"heads=4": "heads=1"}, "is covered by the paper", "A shift takes a maximum and a minimum: two heads."),
    ),
)


HEADROOM = Exercise(
    id="capstone.headroom",
    title="What rounding leaves of the names.",
    reference=headroom,
    cases=lambda: [(1.0, 1.0, 8), (0.5, 1.0, 8), (1.0, 4.0, 24), (0.03, 6.2, 8), (1e-9, 3.0, 24)],
    draw=lambda random: (random.uniform(1e-4, 3.0), random.uniform(0.5, 30.0), random.choice((8, 11, 24, 53))),
    hints=(
        "First: by how much is the longest name rounded?",
        "How often can that be doubled until it is as large as the separation? That is a logarithm.",
        "math.log2(separation / rounding), with rounding = longest / 2.0**bits",
    ),
    mutants=(
        Mutant({"longest / 2.0**bits": "2.0**-bits"}, "equals the reference", "Rounding grows with the number."),
        Mutant({"math.log2(": "math.log("}, "equals the reference", "Binary digits: a logarithm to the base 2."),
        Mutant({"separation / rounding": "rounding / separation"}, "equals the reference", "The wrong way round."),
        Mutant({"2.0**bits": "10.0**bits"}, "equals the reference", "The digits of a significand are binary."),
    ),
)


def flop(width, depth, keys):
    """FLOP of the matrix products that one token takes, forward, through `depth` layers. -> number

    A layer has four width × width matrices around attention, and a feed-forward part with 4 · width hidden units.
    The token sees `keys` keys; all heads together have `width` numbers a key. A multiplication and an addition: 2 FLOP.
    """
    matrices = 4 * width**2 + 2 * width * 4 * width
    scores_and_values = 2 * keys * width
    return depth * 2 * (matrices + scores_and_values)


FLOP = Exercise(
    id="capstone.flop",
    title="What a token costs.",
    mark="••",
    reference=flop,
    cases=lambda: [(1, 1, 0), (1, 1, 1), (32, 1, 4), (32, 2, 256), (64, 3, 27.25)],
    draw=lambda random: (8 * random.randint(2, 12), random.randint(1, 8), random.randint(1, 512)),
    hints=(
        "A matrix with m × n numbers costs one multiplication and one addition for each of them, a token.",
        "Attention multiplies each key with the query, and each value with a weight: two products of `width` numbers.",
        "depth · 2 · (4 width² + 8 width² + 2 keys · width)",
    ),
    mutants=(
        Mutant({"depth * 2 *": "depth *"}, "equals the reference", "Multiplications only; the additions are as many."),
        Mutant({"4 * width**2": "3 * width**2"}, "equals the reference", "Query, key, value, and the way back: four."),
        Mutant({"2 * width * 4": "width * 4"}, "equals the reference", "The feed-forward part goes up and down again."),
        Mutant({"2 * keys * width": "keys * width"}, "equals the reference", "Scores take keys, the mix takes values."),
        Mutant({"depth * 2 *": "2 *"}, "equals the reference", "That is one layer."),
    ),
)


def width_for(cost, depth, keys, heads):
    """The largest width at which a design costs at most `cost` FLOP a token; a multiple of heads, 0 where none is.

    depth, keys: as in `flop`, of which this is the inverse -> whole number
    """
    width = 0
    while depth * (24 * (width + heads) ** 2 + 4 * keys * (width + heads)) <= cost:
        width += heads
    return width


def _asked(random):
    """A cost that some width meets, exactly or with a little more to spend."""
    depth, keys, heads = random.randint(1, 6), random.randint(4, 512), random.choice((1, 2, 4))
    cost = flop(heads * random.randint(2, 24), depth, keys)
    return cost + random.choice((0, 0, 100)), depth, keys, heads


WIDTH_FOR = Exercise(
    id="capstone.width_for",
    title="The same cost, spent otherwise.",
    mark="••",
    reference=width_for,
    cases=lambda: [
        (28, 1, 1, 1),
        (1, 1, 1, 1),
        (56_128, 2, 27.25, 4),
        (56_128, 2, 256, 4),
        (56_128, 1, 64, 3),
        (98_303, 1, 0, 1),
    ],
    draw=_asked,
    hints=(
        "Try widths, one after the other. Which ones are allowed?",
        "Start at 0 and add `heads`, as long as the next width costs no more than `cost`.",
        "At most means ≤: a width that costs exactly as much is allowed.",
    ),
    mutants=(
        Mutant({"<= cost": "< cost"}, "equals the reference", "At most: a design that costs as much is allowed."),
        Mutant({"return width": "return width + heads"}, "equals the reference", "One step too far: that costs more."),
        Mutant({" + 4 * keys * (width + heads)": ""}, "equals the reference", "Attention is not free."),
        Mutant({"depth * (24": "(24"}, "equals the reference", "Every layer costs as much again."),
        Mutant({"24 * (": "12 * ("}, "equals the reference", "A multiplication and an addition are two FLOP."),
    ),
)
