"""The exercises of lab 01 on naming: equivariance, and the tester of contextual mappings."""

import itertools

import torch

from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant


def equivariance_gap(f, x, order):
    """How far f is from commuting with the reordering `order` of the tokens of x: a number, of the worst entry.
    x: (token, dim); f: a function of x; order: (token,), from which place each place takes its token
    """
    return (f(x[order]) - f(x)[order]).abs().max().item()


def first_clash(names, sequences):
    """The first clash ((i, k), (j, l)), two places that share a name and must not; None where there is none.

    First: with (i, k) as early in reading order as can be, and then (j, l).
    names[i][k] is the name of token k of sequence i. Reorderings of a sequence count as the same sequence.
    """
    places = [(i, k) for i, row in enumerate(names) for k in range(len(row))]
    for (i, k), (j, l) in itertools.combinations(places, 2):
        must_differ = i == j or sorted(sequences[i]) != sorted(sequences[j])
        if must_differ and names[i][k] == names[j][l]:
            return (i, k), (j, l)
    return None


def doubled(x):
    return 2 * x


def sum_everywhere(x):
    return x.sum(0, keepdim=True).expand_as(x)


def first_token_everywhere(x):
    return x[:1].expand_as(x)


def running_sum(x):
    return torch.cumsum(x, 0)


def _equivariance_cases():
    swap, turn, mixed = torch.tensor([1, 0]), torch.tensor([1, 2, 0]), torch.tensor([3, 0, 4, 1, 2])
    x = torch.tensor([[1.0], [2.0], [5.0]])
    return [
        (doubled, x[:2], swap),
        (first_token_everywhere, x[:2], swap),
        (sum_everywhere, x, turn),
        (doubled, x, turn),
        (running_sum, x, turn),
        (running_sum, -x, turn),
        (running_sum, torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 4.0]]), turn),
        (first_token_everywhere, torch.tensor([[5.0, 2.0], [1.0, 1.0], [0.0, 2.0], [3.0, 7.0], [9.0, 0.0]]), mixed),
        (running_sum, double([3.0, 0.0], [-1.0, 0.5], [-1.0, 1.0]), turn),
        (running_sum, normal(5, 4).double(), mixed),
        (sum_everywhere, torch.arange(10.0).double().reshape(5, 2), mixed),
        (running_sum, 1e-9 * normal(5, 4, seed=1).double(), mixed),
    ]


def _zero_when_equivariant(result, f, x, order):
    if f in (doubled, sum_everywhere) and result != 0:
        return f"{f.__name__} treats every token alike, so its gap is 0; yours is {float(result):.3g}."


def _positive_otherwise(result, f, x, order):
    if f not in (doubled, sum_everywhere) and not result > 0:
        return f"{f.__name__} depends on the order, so its gap is positive; yours is {float(result):.3g}."


def _covers_every_token(result, f, x, order):
    moved = (f(x[order]) - f(x)[order]).abs().amax(-1)
    if moved.max() > float(result) * (1 + 1e-6):
        return f"token {moved.argmax()} differs by {moved.max():.3g}, and your gap is only {float(result):.3g}."


def _one_entry(result, f, x, order):
    largest = (f(x[order]) - f(x)[order]).abs().max()
    if float(result) > largest * (1 + 1e-6):
        return f"no entry differs by more than {largest:.3g}, and your gap is {float(result):.3g}."


EQUIVARIANCE = Exercise(
    id="names.equivariance",
    title="Measure how far a map is from commuting with a reordering.",
    reference=equivariance_gap,
    cases=_equivariance_cases,
    properties=(
        ("is 0 for a map that treats all tokens alike", _zero_when_equivariant),
        ("is positive for a map that depends on the order", _positive_otherwise),
        ("is no smaller than the difference at any one token", _covers_every_token),
        ("is the difference of one entry", _one_entry),
    ),
    draw=lambda random: (
        random.choice((sum_everywhere, first_token_everywhere, running_sum)),
        (8 * drawn(random, 5, 1)).round(),
        torch.tensor([*random.sample(range(1, 5), 4), 0]),
    ),
    hints=(
        "Equivariant means: reorder first and apply f, or apply f first and reorder; the result is the same.",
        "x[order] reorders the tokens. Compare f(x[order]) with f(x)[order], entry by entry.",
        "Take the absolute value of the difference, its max(), and .item() to make it a number.",
    ),
    mutants=(
        Mutant(
            {"f(x)[order]": "f(x)"},
            "is 0 for a map that treats all tokens alike",
            "This tests invariance (the output does not move). "
            "Equivariance lets the output move along: reorder f(x) too.",
        ),
        Mutant(
            {"f(x)[order]": "f(x)[torch.argsort(order)]"},
            "is 0 for a map that treats all tokens alike",
            "The output is reordered the other way round: use the same `order` on both sides.",
        ),
        Mutant(
            {".abs()": ""},
            "is no smaller than the difference at any one token",
            "Without the absolute value a large negative difference goes unseen.",
        ),
        Mutant(
            {".max()": ".mean()"},
            "is no smaller than the difference at any one token",
            "The mean hides a single bad token; the gap is the largest difference.",
        ),
        Mutant(
            {"f(x[order])": "x[order]", "f(x)[order]": "x[order]"},
            "is positive for a map that depends on the order",
            "f is never applied here, so nothing about f is measured.",
        ),
        Mutant(
            {".max()": ".norm()"},
            "is the difference of one entry",
            "The norm adds all entries up; the gap is the largest |difference| of a single entry.",
        ),
        Mutant(
            {"x[order]": "x.flip(0)", "f(x)[order]": "f(x).flip(0)"},
            "is no smaller than the difference at any one token",
            "The tokens are always turned round, whatever `order` is. Use x[order] and f(x)[order].",
        ),
    ),
)


def _tester_cases():
    """Names are real numbers and sequences tuples of tokens, as in the lab. Two clashes never lie across each other."""
    a, b, c, d, e, f, g, h = [1 + k / 8 for k in range(8)]
    rows = [
        ([[a, b]], [(1, 2)]),
        ([[a, a]], [(1, 2)]),
        ([[a, b], [c, b]], [(1, 2), (1, 3)]),
        ([[a, b], [b, a]], [(1, 2), (2, 1)]),
        ([[a, a]], [(1, 1)]),
        ([], []),
        ([[a, b, c], [d, e, c]], [(1, 1, 2), (1, 2, 2)]),
        ([[a, b], [b, a], [g, g]], [(1, 2), (2, 1), (3, 4)]),
        ([[a, b], [c, d], [e, f], [d, h]], [(1, 2), (1, 3), (2, 3), (2, 4)]),
        ([[a, b], [a, c]], [(2, 3), (1, 4)]),
        ([[a, b], [a, b]], [(1, 2), (1, 3)]),
        ([[a, b], [c, a]], [(1, 6), (2, 3)]),
        ([[a, b, c], [d, e, b]], [(1, 3, 4), (1, 2, 4)]),
        ([[a, b], [c, d, b]], [(1, 2), (1, 2, 3)]),
        ([[a, b, c], [d, e, e]], [(1, 2, 3), (4, 5, 6)]),
        ([[a, b, c], [a, c, b], [c, b, a], [b, a, c]], [(1, 2, 3), (3, 1, 2), (3, 2, 1), (2, 1, 3)]),
        (
            [[a, b, c, d], [a, c, b, d], [d, a, b, c], [e, f, g, e]],
            [(1, 2, 3, 4), (1, 3, 2, 4), (3, 4, 1, 2), (5, 6, 7, 8)],
        ),
        ([[a, a + 1e-9], [b, b - 1e-15]], [(1, 2), (1, 3)]),
        ([[a, a, b, b, c, c]], [(1, 2, 3, 4, 5, 6)]),
        ([[a, b, a, a]], [(1, 2, 3, 4)]),
        ([[a, b], [c, d], [a, e], [c, f]], [(4, 5), (2, 6), (1, 4), (3, 3)]),
        ([[a, b, b, a]], [(1, 2, 3, 4)]),
        ([[a, b], [a, a]], [(1, 2), (2, 1)]),
        ([[a, b], [a, c], [a, d]], [(1, 2), (2, 1), (3, 4)]),
        ([[a, b], [b, c], [a, d]], [(1, 2), (3, 4), (5, 6)]),
    ]
    return [([double(*row).tolist() for row in names], sequences) for names, sequences in rows]


def _renamed(random, names, sequences):
    """The same clashes under other names, of other tokens."""
    known, step = sorted({name for row in names for name in row}), random.randint(1, 50)
    other = dict(zip(known, (known + random.randint(0, 999) / 1024 for known in random.sample(range(99), len(known)))))
    return [[other[name] for name in row] for row in names], [tuple(step + t for t in s) for s in sequences]


def _finds(result, names, sequences):
    want = first_clash(names, sequences)
    if want is None and result is not None:
        return f"no name is shared that must not be, so the answer is None; yours is {result}."
    if want is not None and result is None:
        (i, k), (j, _) = want
        where = "inside one sequence" if i == j else "between two different sequences"
        return f"{want} share the name {names[i][k]} {where}, and your tester does not see it."


def _is_first(result, names, sequences):
    want = first_clash(names, sequences)
    if want is not None and tuple(map(tuple, result)) != want:
        return f"the first clash in reading order is {want}; yours is {result}."


TESTER = Exercise(
    id="names.tester",
    mark="••",
    title="Find the first two places that share a name and must not.",
    reference=first_clash,
    cases=_tester_cases,
    draw=lambda random: _renamed(random, *random.choice(_tester_cases()[5:])),
    properties=(
        ("sees every forbidden clash, and no other", _finds),
        ("returns the first clash in reading order", _is_first),
    ),
    hints=(
        "Two rules: inside one sequence all names differ; two different sequences share none.",
        "List all places (i, k) and look at every pair of them once: "
        "itertools.combinations does that in reading order.",
        "A pair must differ when i == j, or when sorted(sequences[i]) != sorted(sequences[j]): "
        "reorderings are the same sequence.",
    ),
    mutants=(
        Mutant(
            {" or sorted(sequences[i]) != sorted(sequences[j])": ""},
            "sees every forbidden clash, and no other",
            "Only names inside one sequence are compared. Two different sequences must not share a name either.",
        ),
        Mutant(
            {"i == j or ": ""},
            "sees every forbidden clash, and no other",
            "Only different sequences are compared. Inside one sequence the names must differ as well.",
        ),
        Mutant(
            {"sorted(sequences[i]) != sorted(sequences[j])": "sequences[i] != sequences[j]"},
            "sees every forbidden clash, and no other",
            "Reorderings are compared as if they were different sequences; "
            "a map without positions cannot, and need not, tell them apart.",
        ),
        Mutant(
            {"sorted(sequences[i]) != sorted(sequences[j])": "set(sequences[i]) != set(sequences[j])"},
            "sees every forbidden clash, and no other",
            "Sequences are compared as sets, and aab and abb have the same set. "
            "How often a token occurs counts: compare sorted(…).",
        ),
        Mutant(
            {"sorted(sequences[i]) != sorted(sequences[j])": "sequences[i] not in (sequences[j], sequences[j][::-1])"},
            "sees every forbidden clash, and no other",
            "Only a sequence read backwards counts as the same here. Every reordering does: compare sorted(…).",
        ),
        Mutant(
            {"names[i][k] == names[j][l]": "abs(names[i][k] - names[j][l]) < 1e-6"},
            "sees every forbidden clash, and no other",
            "Names that are close count as shared here. Two names are the same only when they are equal.",
        ),
        Mutant(
            {"(places, 2)": "(places[::-1], 2)", "return (i, k), (j, l)": "return (j, l), (i, k)"},
            "returns the first clash in reading order",
            "This is the last clash. Go through the places from the front, and return at the first clash.",
        ),
    ),
)
