"""The exercises of lab 09 on machines: tables that double a word and sort one."""

from functools import lru_cache

from seqlab.course.check import Exercise, Mutant
from seqlab.turing.machine import Machine


def doubling():
    """The text of a Turing machine that doubles a word of n ones: when it halts, 2n cells side by side are not blank.
    A rule is `state symbol -> state symbol move`, a line each; the move is L, R or N (stay). The other two lines name
    where it starts and where it halts. The head begins on the first letter; the blank is _.
    """
    rules = (
        "start: seek",
        "halt: done",
        "seek 1 -> out x R",
        "out 1 -> out 1 R",
        "out y -> out y R",
        "out _ -> home y L",
        "home y -> home y L",
        "home 1 -> home 1 L",
        "home x -> seek x R",
        "seek y -> done y N",
        "seek _ -> done _ N",
    )
    return "\n".join(rules)


def sorting():
    """The text of a Turing machine that sorts a word of a's and b's: when it halts, the same letters stand in the same
    cells, all a's before all b's. The head begins on the first letter; the blank is _, and stands where it stood.
    """
    rules = (
        "start: scan",
        "halt: done",
        "scan a -> scan a R",
        "scan b -> seen b R",
        "scan _ -> done _ N",
        "seen b -> seen b R",
        "seen a -> swap b L",
        "seen _ -> done _ N",
        "swap b -> home a L",
        "home a -> home a L",
        "home b -> home b L",
        "home _ -> scan _ R",
    )
    return "\n".join(rules)


@lru_cache(maxsize=64)
def _runs(text, words, steps=600):
    """What a machine leaves of each word: (cell → symbol, but for blanks), or None where it does not halt in time."""
    machine, left = Machine.parse(text), {}
    for word in words:
        run = machine.simulate(word, steps)
        tape = dict(enumerate(word)) | {step.head: step.wrote for step in run}
        stops = (run[-1].state, run[-1].symbol) not in machine.rules
        left[word] = {cell: sign for cell, sign in sorted(tape.items()) if sign != machine.blank} if stops else None
    return left


ONES = tuple("1" * n for n in range(7))


WORDS = ("", "a", "b", "ba", "ab", "bba", "abab", "bbaa", "babbaab", "aaabab")


def _shown(words, look=lambda left: "".join(left.values())):
    """What is compared and shown of a machine: word → what it leaves, as `look` sees it. A draw adds more words."""

    def shown(result, *more):
        try:
            runs = _runs(result, (*words, *more))
            return {word: left if left is None else look(left) for word, left in runs.items()}
        except (ValueError, TypeError, AttributeError) as problem:  # no machine, or no text
            return str(problem)

    return shown


def _reads(words):
    def test(result, *more):
        if isinstance(problem := _shown(words)(result, *more), str):
            return f"{problem}."

    return test


def _halts(words):
    def test(result, *more):
        for word, left in _runs(result, (*words, *more)).items():
            if left is None:
                return f"it still runs after 600 steps on the word {word!r}."

    return test


def _doubles(result, *more):
    for word, left in _runs(result, (*ONES, *more)).items():
        cells = list(left)
        if cells and cells != list(range(cells[0], cells[-1] + 1)):
            return f"on {word!r} there is a blank among what it leaves: {''.join(left.values())!r} in cells {cells}."
        if len(left) != 2 * len(word):
            return f"on {word!r} it leaves {len(left)} cells that are not blank, wanted {2 * len(word)}."


def _sorts(result, *more):
    for word, left in _runs(result, (*WORDS, *more)).items():
        if left != dict(enumerate(sorted(word))):
            return f"on {word!r} it leaves {''.join(left.values())!r} in cells {list(left)}, wanted {sorted(word)}."


TABLE = Exercise(
    id="turing.table",
    title="A machine of your own: it doubles a word of ones.",
    mark="•••",
    reference=doubling,
    cases=lambda: [()],
    properties=(("can be read", _reads(ONES)), ("halts", _halts(ONES)), ("doubles the word", _doubles)),
    look=_shown(ONES, len),
    draw=lambda random: ("1" * random.randint(7, 8),),
    hints=(
        "A machine cannot count, but it can walk. For each 1, mark it as done and write one more sign behind the word.",
        "seek: mark the 1 as x and go out; out: over 1 and y to the blank, write y there; home: back over y and 1 to"
        " the x; then seek the next 1. What does seek find when no 1 is left?",
        "seek 1 -> out x R; out 1 -> out 1 R; out y -> out y R; out _ -> home y L; home y -> home y L;"
        " home 1 -> home 1 L; home x -> seek x R; seek y -> done y N; seek _ -> done _ N.",
    ),
    mutants=(
        Mutant(
            {"seek 1 -> out x R": "seek 1 -> out 1 R"},
            "doubles the word",
            "The 1 that is being doubled is not marked, so that the way home runs past it, to the blank in front.",
        ),
        Mutant(
            {"seek y -> done y N": "seek y -> done _ N"},
            "doubles the word",
            "The sign on which the machine ends is erased: a rule that only stops writes what it has read.",
        ),
        Mutant(
            {"seek _ -> done _ N": "seek _ -> done y N"},
            "doubles the word",
            "The empty word has no ones: nothing may be written.",
        ),
    ),
)


SORT = Exercise(
    id="turing.sort",
    title="A machine that sorts.",
    mark="•••",
    reference=sorting,
    cases=lambda: [()],
    properties=(("can be read", _reads(WORDS)), ("halts", _halts(WORDS)), ("sorts the word", _sorts)),
    look=_shown(WORDS),
    draw=lambda random: tuple("".join(random.choices("ab", k=random.randint(4, 7))) for _ in range(6)),
    hints=(
        "A sorted word has no b directly before an a. Look for one, repair it, and begin again.",
        "scan: over a's to a b; seen: over b's to an a; there write b, step left and write a: the two are exchanged."
        " Then home, to the blank in front, and scan again.",
        "scan a -> scan a R; scan b -> seen b R; seen b -> seen b R; seen a -> swap b L; swap b -> home a L;"
        " home a -> home a L; home b -> home b L; home _ -> scan _ R; scan _ and seen _ -> done _ N.",
    ),
    mutants=(
        Mutant(
            {"swap b -> home a L": "swap b -> home b L"},
            "sorts the word",
            "The a is overwritten and written nowhere else: letters get lost.",
        ),
        Mutant(
            {"home _ -> scan _ R": "home _ -> done _ N"},
            "sorts the word",
            "One exchange is not enough: begin again until no b stands before an a.",
        ),
        Mutant(
            {"seen _ -> done _ N": "seen _ -> home _ L"},
            "halts",
            "At the end of a sorted word the machine goes home and begins again, for ever.",
        ),
    ),
)
