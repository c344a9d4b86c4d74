"""The exercises of lab 14 on looking: for the largest, for a place, only back."""

from itertools import accumulate

from seqlab.course.check import Mutant
from seqlab.written import Head, Layer, Program, coordinates, near
from seqlab.written.exercises import PLACES, p, p2, x, y
from seqlab.written.puzzle import ANSWERS, puzzle, sequences


def largest():
    """y: the largest x of the sequence, for every token.      x is 0, 1, 2, …

    Budget: 1 layer, 1 head, no units. Nothing smaller is possible.
    """
    return Program([x], [y], [Layer([Head(1, x, value=x, write=y)])])


LARGEST = puzzle(
    "written.largest",
    "One head that tells every token the largest x.",
    largest,
    want=max,
    inputs=lambda: sequences(4, 4),
    budget=lambda: {"layers": 1, "heads": 1, "units": 0},
    hints=(
        "Under hardmax a query takes the value of the key with the best score. Which form of a key is best where x is?",
        "The score is query · key. With the key x and a positive number as the query, the largest x wins.",
        "Program([x], [y], [Layer([Head(1, x, value=x, write=y)])])",
    ),
    mutants=(
        Mutant({"Head(1,": "Head(-1,"}, ANSWERS, "A negative query turns the order round: the smallest x wins."),
        Mutant(
            {"Head(1,": "Head(0,"},
            ANSWERS,
            "With the query 0 all scores are 0. All keys tie, and every token gets the mean.",
        ),
        Mutant(
            {"Head(1,": "Head(x,"},
            ANSWERS,
            "The query is x, so a token with x = 0 scores all keys 0 and gets the mean. Ask with a number.",
        ),
        Mutant(
            {"write=y": "write=2 * y"},
            ANSWERS,
            "The largest is written twice as large: what is mixed is times `write`.",
        ),
    ),
)


def left():
    """y: the x of the token one to the left; the first token has none and gets its own.      positions=PLACES

    Every token starts with its position p = 0, 1, 2, … and the square p2 = p². Queries and keys may be equally long
    tuples; the score is then the sum of products. Budget: 1 layer, 1 head, no units. Nothing smaller is possible.
    """
    return Program([x], [y], [Layer([Head((2 * p - 2, -1), (p, p2), value=x, write=y)])], positions=PLACES)


LEFT = puzzle(
    "written.left",
    "Look up a place: one to the left.",
    left,
    mark="••",
    want=lambda s: [s[0], *s[:-1]],
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 0},
    hints=(
        "The token at q wants the key at k = q − 1. Write down a function of q and k that is largest there.",
        "−(k − (q − 1))² = 2 (q − 1) k − k² − (q − 1)². The last term is the same for all keys: leave it out. "
        "What remains is a sum of two products, something of the query times something of the key.",
        "Head((2 * p - 2, -1), (p, p2), value=x, write=y), and positions=PLACES in the program.",
    ),
    mutants=(
        Mutant({"2 * p - 2": "2 * p"}, ANSWERS, "The best key is the token itself. The left neighbour is at p − 1."),
        Mutant({"2 * p - 2": "2 * p + 2"}, ANSWERS, "This looks to the right: the place is p + 1. A sign."),
        Mutant(
            {"(2 * p - 2, -1), (p, p2)": "2 * p - 2, p"},
            ANSWERS,
            "Without −k² the score grows with k without end: the last token wins wherever p − 1 is above 0.",
        ),
        Mutant(
            {"2 * p - 2, -1": "p - 1, -1"},
            ANSWERS,
            "The factor 2 is missing: (p − 1) k − k² is largest at k = (p − 1)/2.",
        ),
    ),
)


def reverse():
    """y: the x of the token that stands here when the sequence is read backwards.

    `last` is the position of the last token, known to all. Budget: 1 layer, 1 head, no units. Nothing smaller is
    possible.
    """
    last = coordinates("last")
    places = {last: lambda n: [n - 1] * n, **PLACES}
    return Program([x], [y], [Layer([Head(*near(last - p, p, p2), value=x, write=y)])], positions=places)


REVERSE = puzzle(
    "written.reverse",
    "The sequence backwards.",
    reverse,
    want=lambda s: s[::-1],
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 0},
    hints=(
        "Which place does the token at p look up in a sequence whose last place is `last`?",
        "near(q, p, p2) makes the query and the key that look up the place q. Here q = last − p.",
        "Head(*near(last - p, p, p2), value=x, write=y), with `last` among the positions: lambda n: [n - 1] * n.",
    ),
    mutants=(
        Mutant({"last - p,": "last,"}, ANSWERS, "All look up the last place. It is last − p."),
        Mutant({"last - p,": "p,"}, ANSWERS, "Every token looks itself up: the sequence is copied, not reversed."),
        Mutant(
            {"[n - 1] * n": "[n] * n"},
            ANSWERS,
            "This `last` is the length n. Places begin with 0, so the last is n − 1, and all are off by one.",
        ),
    ),
)


def prefix_maximum():
    """y: the largest x so far, this token's own included.

    Budget: 1 layer, 1 head, no units. Nothing smaller is possible. What a head may see is its argument `sees`.
    """
    return Program([x], [y], [Layer([Head(1, x, value=x, write=y, sees="causal")])])


PREFIX = puzzle(
    "written.prefix_maximum",
    "The largest so far: a head that sees only what came before.",
    prefix_maximum,
    want=lambda s: list(accumulate(s, max)),
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 0},
    hints=(
        "It is the head of the first puzzle. What must it not see?",
        'sees="causal": a query sees the keys up to its own place.',
        'Head(1, x, value=x, write=y, sees="causal")',
    ),
    mutants=(
        Mutant({', sees="causal"': ""}, ANSWERS, "The head sees the future: every token gets the largest of all."),
        Mutant(
            {'"causal"': "lambda query, key: key >= query"},
            ANSWERS,
            "The pattern is turned round: this head sees only what is still to come.",
        ),
        Mutant(
            {'"causal"': "lambda query, key: key < query"},
            ANSWERS,
            "A token does not see itself here, and the first one sees nothing at all.",
        ),
    ),
)
