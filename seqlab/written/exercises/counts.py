"""The exercises of lab 14 on counting, which the limit of sigmoid does by itself."""

from seqlab.attention import step
from seqlab.course.check import Mutant
from seqlab.written import Head, Layer, Program, Unit, one_hot, table
from seqlab.written.exercises import HALF, c, p, x, y
from seqlab.written.puzzle import ANSWERS, BUDGET, puzzle, sequences


def occurrences():
    """y: how often this token occurs in the sequence.      normalizer=step()

    Tokens are read as e = one_hot("e", 3): the score of (*e,) and (*e,) is 1 for equal tokens and 0 for others.
    Budget: 1 layer, 1 head, no units. Nothing smaller is possible.
    """
    e = one_hot("e", 3)
    return Program([e], [y], [Layer([Head((*e, 1), (*e, -HALF), value=1, write=y)])], normalizer=step())


OCCURRENCES = puzzle(
    "written.occurrences",
    "How often does my token occur? One head that counts.",
    occurrences,
    want=lambda s: [s.count(a) for a in s],
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 0},
    hints=(
        "step() gives each key the weight 1 where its score is above 0, and the weights need not sum to 1. "
        "Which value do you sum up to count keys?",
        "The score e · e is 1 or 0, and at a score of 0 the step gives 1/2. Lower all scores by 1/2: add the number 1 "
        "to the query's tuple and −1/2 to the key's.",
        'e = one_hot("e", 3); Head((*e, 1), (*e, -HALF), value=1, write=y); normalizer=step()',
    ),
    mutants=(
        Mutant(
            {"-HALF": "0"},
            ANSWERS,
            "Scores of other tokens are exactly 0, where the step gives 1/2: each of them counts half.",
        ),
        Mutant(
            {"normalizer=step()": ""},
            ANSWERS,
            "Under hardmax the weights of a query sum to 1, so the sum of ones is 1, however many keys there are.",
        ),
        Mutant(
            {"-HALF": "-1"}, ANSWERS, "Now equal tokens score 0 and count half. Choose a threshold between 0 and 1."
        ),
        Mutant({"-HALF": "HALF"}, ANSWERS, "A sign: all scores are above 0, and every key counts."),
    ),
)


def first_of_its_kind():
    """y: 1 where a token occurs for the first time, 0 where it has occurred before.

    Budget: 1 layer, 1 head, 3 units. Known: 1 unit.
    """
    e = one_hot("e", 3)
    before = Head((*e, 1), (*e, -HALF), value=1, write=c, sees=lambda query, key: key < query)
    return Program([e], [1 - c + y], [Layer([before], [Unit(c - 1, y)])], normalizer=step())


FIRST = puzzle(
    "written.first_of_its_kind",
    "Has this token occurred before?",
    first_of_its_kind,
    mark="••",
    want=lambda s: [int(a not in s[:k]) for k, a in enumerate(s)],
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 1, "heads": 1, "units": 3},
    hints=(
        "Count how often it has occurred before. Then: 0 becomes 1, and 1, 2, 3, … become 0.",
        "A pattern that sees only earlier keys makes the count c. min(c, 1) = c − ReLU(c − 1), and an answer may be "
        "any form, with constants.",
        "Head((*e, 1), (*e, -HALF), value=1, write=c, sees=lambda query, key: key < query), Unit(c - 1, y), and the "
        "answer 1 - c + y.",
    ),
    mutants=(
        Mutant({"key < query": "key <= query"}, ANSWERS, "The pattern lets a token see itself, and it counts itself."),
        Mutant({"- c + y": "- c"}, ANSWERS, "Without the unit's part the answer is 1 − c, which goes on below 0."),
        Mutant({"Unit(c - 1, y)": "Unit(c, y)"}, ANSWERS, "ReLU(c) cancels c: every token is called the first."),
        Mutant({"c - 1, y": "c - 2, y"}, ANSWERS, "The bend stands one too late: twice before gives 1 − 2."),
    ),
)


def in_order():
    """y: the tokens in order, the smallest first. Equal tokens may occur.      normalizer=step(), positions=p

    Let c be the rank first. Budget: 2 layers, 3 heads, 2 units. Known: no units.
    """
    key = 10 * x + p  # equal tokens keep their order
    rank = Head((1, key), (-key, 1), value=1, write=c)  # each smaller one counts 1, a token itself 1/2
    upto = Head((1, p + 1), (-c, 1), value=x, write=y)  # all of rank up to p
    below = Head((1, p), (-c, 1), value=x, write=-y)  # all of rank up to p - 1
    return Program(
        [x], [y], [Layer([rank], label="rank"), Layer([upto, below], label="place")], normalizer=step(), positions=p
    )


IN_ORDER = puzzle(
    "written.in_order",
    "Sort, with equal tokens too.",
    in_order,
    mark="••",
    want=sorted,
    inputs=lambda: sequences(3, 5),
    budget=lambda: {"layers": 2, "heads": 3, "units": 2},
    way=True,
    hints=(
        "The program at the top of the lab sorts different tokens. What goes wrong with two equal ones?",
        "Equal tokens get equal ranks. Rank by another form that never ties, and grows with x first.",
        "Rank by 10 * x + p in place of x; the second layer stays as it is.",
    ),
    mutants=(
        Mutant(
            {"10 * x + p  #": "x  #"},
            ANSWERS,
            "Equal tokens have the same rank here, so one place gets both and another none.",
        ),
        Mutant(
            {"10 * x + p  #": "x + p  #"}, ANSWERS, "x + p does not grow with x first: a late small token is large."
        ),
        Mutant({"(1, key), (-key, 1)": "(-1, key), (-key, -1)"}, ANSWERS, "A sign: this ranks the largest first."),
        Mutant({"[upto, below]": "[upto]"}, ANSWERS, "A head is left out: each place holds the sum of all up to it."),
    ),
)


def parity(longest):
    """y: 1 where the number of ones in the sequence is odd, 0 where it is even, for up to `longest` tokens.

    x is 0 or 1. Budget: 1 layer, 1 head, and `longest` units. With more layers fewer units do.
    """
    ones = Head(1, x - HALF, value=1, write=c)
    return Program([x], [y], [Layer([ones], table(c, {k: k % 2 for k in range(longest + 1)}, y))], normalizer=step())


PARITY = puzzle(
    "written.parity",
    "Parity with one head.",
    parity,
    mark="••",
    want=lambda s, longest: sum(s) % 2,
    inputs=lambda longest: sequences(2, longest),
    budget=lambda longest: {"layers": 1, "heads": 1, "units": longest},
    cases=((2,), (5,), (7,)),
    draw=lambda random: (random.choice((1, 3, 4, 6, 8)),),
    hints=(
        "Under step() one head can count the ones. Then it is a finite map 0 → 0, 1 → 1, 2 → 0, …",
        "table(c, {0: 0, 1: 1, 2: 0, …}, y) returns the units of such a map: a line from each value to the next.",
        "Head(1, x - HALF, value=1, write=c), and table(c, {k: k % 2 for k in range(longest + 1)}, y) as the units.",
    ),
    mutants=(
        Mutant({"x - HALF": "x"}, ANSWERS, "Zeros score 0, where the step gives 1/2: each counts half."),
        Mutant(
            {"range(longest + 1)": "range(longest)"},
            ANSWERS,
            "The table ends one too early: behind its last value it goes on in a straight line.",
        ),
        Mutant({"k % 2": "(k + 1) % 2"}, ANSWERS, "Odd and even are exchanged."),
        Mutant({"k % 2": "k"}, ANSWERS, "This is the number of ones itself."),
        Mutant(
            {"(longest + 1)}": "(2 * longest)}"},
            BUDGET,
            "The table goes on to counts that no sequence of this length has.",
        ),
    ),
)
