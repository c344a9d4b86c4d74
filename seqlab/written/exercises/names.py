"""The exercises of lab 14 on names: a jump, a relay on a sparse pattern, and a contextual mapping of one's own."""

from typing import Any

from seqlab import patterns
from seqlab.contextual import contextual_mapping
from seqlab.course.check import Exercise, Mutant
from seqlab.written import Head, Layer, Program, coordinates, table
from seqlab.written.exercises import HALF, p, x, y, z
from seqlab.written.puzzle import ANSWERS, BUDGET, different, outcome, puzzle, sequences, within


def jump(level, gain):
    """x: the tokens with x = level move by gain · (max − min) of the sequence; all others stay.

    Budget: 1 layer, 2 heads, no units. Nothing smaller is possible.
    """
    up, down = x - level + HALF, x - level - HALF
    heads = [Head(up, x, value=x, write=gain * x), Head(down, x, value=x, write=-gain * x)]
    return Program([x], [x], [Layer(heads, label=f"{level} jumps")])


JUMP = puzzle(
    "written.jump",
    "Only one kind of token jumps, by the spread of the sequence.",
    jump,
    mark="••",
    want=lambda s, level, gain: [a + gain * (max(s) - min(s)) * (a == level) for a in s],
    inputs=lambda level, gain: sequences(4, 4),
    budget=lambda level, gain: {"layers": 1, "heads": 2, "units": 0},
    cases=((2, 1), (0, 4), (1, 9)),
    draw=lambda random: (random.randint(0, 3), random.randint(2, 12)),
    hints=(
        "A head with the query x − b and the key x: which key wins for tokens above b, and which for those below?",
        "Above b it takes the maximum, below it the minimum. Two heads with b = level − 1/2 and b = level + 1/2 differ "
        "only for the tokens between. Add one, subtract the other.",
        "Head(x - level + HALF, x, value=x, write=gain * x) and Head(x - level - HALF, x, value=x, write=-gain * x)",
    ),
    mutants=(
        Mutant(
            {", Head(down, x, value=x, write=-gain * x)": ""},
            ANSWERS,
            "One head moves everybody: by the maximum above its threshold, by the minimum below. "
            "A second must take that away.",
        ),
        Mutant({"write=-gain * x": "write=gain * x"}, ANSWERS, "A sign: the second head is added, not subtracted."),
        Mutant(
            {"level + HALF": "level", "level - HALF": "level - 1"},
            ANSWERS,
            "A threshold on a token: its query is 0, all keys tie, and it gets the mean.",
        ),
        Mutant(
            {"write=gain * x": "write=x", "write=-gain * x": "write=-x"},
            ANSWERS,
            "The jump is not multiplied by the gain.",
        ),
    ),
)


def relay(radius, layers):
    """y: the x of the first token, for every token.      positions=p

    Heads see patterns.window(radius) and nothing more: a token and its `radius` neighbours on either side. The
    sequence is as long as the first token can be heard in so many layers: up to radius · layers + 1 tokens.
    Budget: `layers` layers, a head each, no units.
    """
    carried = [x, *(coordinates(f"y{k}") for k in range(layers))]
    heads = [Head(-1, p, value=a, write=b, sees=patterns.window(radius)) for a, b in zip(carried, carried[1:])]
    return Program([x], [carried[-1]], [Layer([head]) for head in heads], positions=p)


def _within_the_window(program: Program, radius: int, layers: int) -> str | None:
    n = radius * layers + 1
    allowed = patterns.window(radius).at(n).mask.numpy()
    for at, layer in enumerate(program.layers):
        for k, head in enumerate(layer.heads):
            if head.sees is None or (head.sees.at(n) & ~allowed).any():
                return f"head {k} of layer {at} sees {head.sees.name if head.sees else 'everything'}."


RELAY = puzzle(
    "written.relay",
    "Hand on what the first token says, through a window.",
    relay,
    want=lambda s, radius, layers: s[0],
    inputs=lambda radius, layers: sequences(2, radius * layers + 1),
    budget=lambda radius, layers: {"layers": layers, "heads": layers, "units": 0},
    cases=((1, 1), (1, 3), (2, 2), (3, 2)),
    properties=(("looks through the window only", _within_the_window),),
    draw=lambda random: random.choice(((1, 2), (1, 4), (2, 1), (2, 3), (3, 1))),
    hints=(
        "After one layer the tokens beside the first know. In the next layer they are the ones to be asked.",
        "Each layer asks the leftmost token in its window: query −1, key p. It reads what the layer before wrote, and "
        "writes to a coordinate of its own.",
        "carried = [x, y0, y1, …]; layer k is Head(-1, p, value=carried[k], write=carried[k + 1], "
        "sees=patterns.window(radius)).",
    ),
    mutants=(
        Mutant({"Head(-1,": "Head(1,"}, ANSWERS, "A sign: this asks the rightmost token of the window."),
        Mutant({"value=a": "value=x"}, ANSWERS, "Every layer asks for x again, so nothing is handed on."),
        Mutant(
            {", sees=patterns.window(radius)": ""},
            "looks through the window only",
            "Without `sees` a head sees everything, and one layer would do.",
        ),
        Mutant(
            {"window(radius)": "window(radius + 1)"},
            "looks through the window only",
            "The window is one wider than allowed.",
        ),
        Mutant(
            {"range(layers)": "range(layers + 1)"},
            BUDGET,
            "One layer more than the distance that the news must travel.",
        ),
    ),
)


def names(levels):
    """One number for each token, its name: no two tokens of a sequence share one, and no two different sequences.

    Sequences are four different tokens x of 0 … levels − 1; reordered, one counts as the same. Any program will do.
    Budget: fewer layers than Yun et al. 2019, who take levels + 1 and 2 levels + 1 heads.
    """
    powers = table(x, {k: 2**k for k in range(levels)}, y)  # sums of four different powers of 2 tell them
    mean = Head(0, 0, value=4 * y, write=z)
    return Program([x], [levels * z + x], [Layer(units=powers), Layer([mean])])


def clash(program: Program, levels: int) -> str | None:
    """What lab 01's tester says against the names of all sequences, a sentence; None where they are good."""
    verdict = contextual_mapping(program.run(different(levels, 4))[..., 0].tolist(), different(levels, 4))
    return None if verdict else f"{verdict.witness}."


def _fewer_layers(levels: int) -> dict[str, int]:
    return {"layers": levels}


def _look(program: Any, levels: int) -> Any:
    return outcome(program, lambda made: clash(made, levels), _fewer_layers(levels))


NAMES = Exercise(
    id="written.names",
    title="A contextual mapping of your own, in fewer layers than the proof's.",
    mark="•••",
    reference=names,
    cases=lambda: [(5,), (6,), (7,)],
    properties=(("names every token of every sequence", clash), (BUDGET, within(_fewer_layers))),
    look=_look,
    draw=lambda random: (random.choice((4, 8)),),
    hints=(
        "A name may be (something of the whole sequence) · levels + x. So all that is needed is one number that tells "
        "the sequences apart, and a head that gives it to everybody.",
        "The query 0 makes a mean. Means of x do not tell {0, 1, 4, 5} and {0, 2, 3, 5} apart, but units come first: "
        "which function of x has different means for different sets?",
        "Layer(units=table(x, {k: 2**k for k in range(levels)}, y)), then Head(0, 0, value=4 * y, write=z), and the "
        "answer levels * z + x.",
    ),
    mutants=(
        Mutant(
            {"2**k": "k"},
            "names every token of every sequence",
            "The sum of the tokens tells sequences apart only while there are few.",
        ),
        Mutant(
            {" + x]": "]"},
            "names every token of every sequence",
            "All tokens of a sequence have the same name. It must depend on the token too.",
        ),
        Mutant(
            {"levels * z": "z"},
            "names every token of every sequence",
            "The part of the sequence and that of the token overlap: multiply one so that they cannot add up alike.",
        ),
        Mutant(
            {"Head(0, 0": "Head(1, x"},
            "names every token of every sequence",
            "This head tells everybody the largest token only.",
        ),
    ),
)
