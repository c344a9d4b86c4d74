"""The exercises of lab 14 that need heads and units together."""

from seqlab.attention import step
from seqlab.course.check import Mutant
from seqlab.written import Head, Layer, Program, Unit, coordinates, near, table
from seqlab.written.exercises import PLACES, c, p, p2, x, y, z
from seqlab.written.puzzle import ANSWERS, different, puzzle, sequences


def rising():
    """y: 1 where x is larger than the x of the left neighbour, 0 where it is not; the first token has none and gets 0.

    Budget: 1 layer, 1 head, 2 units.
    """
    neighbour = Head(*near(p - 1, p, p2), value=x, write=z)
    return Program([x], [y], [Layer([neighbour], [Unit(x - z, y), Unit(x - z - 1, -y)])], positions=PLACES)


RISING = puzzle(
    "written.rising",
    "Is it larger than its left neighbour?",
    rising,
    mark="••",
    want=lambda s: [0, *(int(b > a) for a, b in zip(s, s[1:]))],
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 2},
    way=True,
    hints=(
        "Write the neighbour's x to z. Then turn the difference x − z into 1 where it is above 0, else into 0.",
        "ReLU(d) is 0, 1, 2, … for d = 0, 1, 2, … What must be taken away so that it is never above 1?",
        "Unit(x - z, y), Unit(x - z - 1, -y): units come after heads in a layer, so they read the new z.",
    ),
    mutants=(
        Mutant({", Unit(x - z - 1, -y)": ""}, ANSWERS, "One ReLU is the difference itself, where it is positive."),
        Mutant({"Unit(x - z, y)": "Unit(z - x, y)"}, ANSWERS, "A sign: this asks where x has fallen."),
        Mutant({"(p - 1": "(p + 1"}, ANSWERS, "This is compared with the neighbour on the right."),
        Mutant({"Unit(x - z,": "Unit(x - z + 1,"}, ANSWERS, "A threshold: equal neighbours count as rising."),
    ),
)


def second_largest():
    """y: the second largest x of the sequence, for every token. All tokens are different, and there are at least two.

    Budget: 2 layers, 2 heads, 1 unit.
    """
    mark = Layer([Head(1, x, value=x, write=z)], [Unit(x - z + 1, c)], label="mark the largest")
    again = Layer([Head(1, x - 100 * c, value=x, write=y)], label="the largest of the rest")
    return Program([x], [y], [mark, again])


SECOND = puzzle(
    "written.second_largest",
    "The second largest.",
    second_largest,
    mark="••",
    want=lambda s: sorted(s)[-2],
    inputs=lambda: different(5, 2, 3, 4),
    budget=lambda: {"layers": 2, "heads": 2, "units": 1},
    way=True,
    hints=(
        "If the largest token were not there, you would know what to do.",
        "Tell everybody the largest, z. Then x − z + 1 is 1 at the largest and 0 or less elsewhere: a unit marks it.",
        "Unit(x - z + 1, c), and in a second layer Head(1, x - 100 * c, value=x, write=y).",
    ),
    mutants=(
        Mutant({"x - 100 * c": "x"}, ANSWERS, "The mark is not used: this is the largest again."),
        Mutant({"x - 100 * c": "x - c"}, ANSWERS, "The mark is too weak: the largest only ties with the next."),
        Mutant({"x - z + 1": "x - z + 2"}, ANSWERS, "A threshold: the token just below the largest is marked too."),
        Mutant({"Head(1, x, value=x": "Head(-1, x, value=x"}, ANSWERS, "A sign: this marks by the smallest token."),
    ),
)


def balanced():
    """y: 1 where the whole sequence of brackets is balanced, 0 where it is not; for every token. 1 opens, 0 closes.

    normalizer=step(): weights of 1 make sums. Budget: 2 layers, 3 heads, 2 units.
    """
    closes = 1 - 2 * x
    depth = Layer([Head(1, 1, value=closes, write=c, sees="causal")], [Unit(c, z)], label="too many closed so far?")
    total, below = coordinates("total below")
    whole = [Head(1, 1, value=closes, write=total), Head(1, 1, value=z, write=below)]
    wrong = 2 * below - total  # never negative, and 0 where nothing is wrong
    return Program(
        [x], [1 - wrong + y], [depth, Layer(whole, [Unit(wrong - 1, y)], label="anywhere?")], normalizer=step()
    )


def _balanced(s):
    depths = [sum(2 * a - 1 for a in s[: k + 1]) for k in range(len(s))]
    return int(min(depths) >= 0 and depths[-1] == 0)


BALANCED = puzzle(
    "written.balanced",
    "Are the brackets balanced?",
    balanced,
    mark="•••",
    want=_balanced,
    inputs=lambda: sequences(2, 8),
    budget=lambda: {"layers": 2, "heads": 3, "units": 2},
    hints=(
        "Two things can be wrong: somewhere more is closed than was opened, or something is open at the end.",
        "A causal head sums 1 − 2x: above 0 too much is closed, and a unit keeps that part. In a second layer one head "
        "sums these parts over all tokens, another sums 1 − 2x over all.",
        "With `below` the sum of the parts and `total` the sum of all, 2 below − total is 0 if balanced and at least 1 "
        "if not; 1 − min(·, 1) needs one unit.",
    ),
    mutants=(
        Mutant(
            {', sees="causal"': ""},
            ANSWERS,
            "Without the causal pattern no prefix is looked at, only the whole sequence.",
        ),
        Mutant({"2 * below - total": "below"}, ANSWERS, "What is still open at the end is not noticed."),
        Mutant({"2 * below - total": "-total"}, ANSWERS, "Only the total is looked at: )( passes."),
        Mutant({"1 - wrong + y": "1 - wrong"}, ANSWERS, "The answer is 1 minus all that is wrong, and goes below 0."),
        Mutant({"1 - 2 * x": "2 * x - 1"}, ANSWERS, "A sign: opening and closing are exchanged."),
    ),
)


def addition():
    """y: the digits of a sum. Each token is a pair of digits to the base 3, the lowest place first.      positions=p

    A carry out of the last place is lost. Budget: 2 layers, 1 head, 8 units. Known: 7 units.
    """
    a, b, made, through = coordinates("a b made through")
    carries = table(a + b, {0: 0, 2: 0, 3: 1, 4: 1}, made)  # 3 and 4 make a carry
    passes = table(a + b, {1: 0, 2: 1, 3: 0, 4: 0}, through)  # 2 hands on what comes, 0 and 1 stop it
    ask = Head(1, p - 100 * through, value=made, write=c, sees=lambda query, key: key < query)
    digit = [Unit(a + b + c - 2, -3 * y), Unit(a + b + c - 3, 3 * y)]
    return Program([a, b], [a + b + c + y], [Layer(units=[carries, passes]), Layer([ask], digit)], positions=p)


def _sum(s):
    total = sum((a + b) * 3**k for k, (a, b) in enumerate(s))
    return [total // 3**k % 3 for k in range(len(s))]


def _pairs():
    return [tuple((a // 3, a % 3) for a in s) for s in sequences(9, 3)]


ADDITION = puzzle(
    "written.addition",
    "Addition, with the carry.",
    addition,
    mark="•••",
    want=_sum,
    inputs=_pairs,
    budget=lambda: {"layers": 2, "heads": 1, "units": 8},
    hints=(
        "A place with a + b = 0 or 1 stops a carry, one with 3 or 4 makes one, and one with 2 hands on what comes. "
        "So which earlier place decides?",
        "The nearest earlier place whose sum is not 2. Units mark what makes a carry and what hands one on; a head "
        "that sees only earlier places looks for the largest p, with a heavy fine for those that hand on.",
        "made = table(a + b, {0: 0, 2: 0, 3: 1, 4: 1}, …), through = table(a + b, {1: 0, 2: 1, 3: 0, 4: 0}, …), "
        "Head(1, p - 100 * through, value=made, write=c, sees=lambda query, key: key < query); 3 is taken off the sum "
        "where it is 3 or more.",
    ),
    mutants=(
        Mutant(
            {"p - 100 * through": "p"},
            ANSWERS,
            "The carry comes from the place next to it only; a 2 between them should hand it on.",
        ),
        Mutant({"a + b + c + y]": "a + b + c]"}, ANSWERS, "Digits of 3 and more are left: take 3 off."),
        Mutant({"a + b + c - 2, -3 * y": "a + b + c - 1, -3 * y"}, ANSWERS, "A threshold: 3 is taken off 2 already."),
        Mutant({"3: 1, 4: 1}": "3: 0, 4: 1}"}, ANSWERS, "1 + 2 makes a carry too."),
        Mutant(
            {"key < query": "key > query"}, ANSWERS, "The carry comes from the wrong side: the lowest place is first."
        ),
    ),
)
