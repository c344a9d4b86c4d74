"""The exercises of lab 05 on sets: one that no hardmax head can tell from another, and the two closest ones."""

from itertools import combinations

from seqlab.course.cases import plain
from seqlab.course.check import Exercise, Mutant


def confuse(numbers):
    """Another set of as many whole numbers that no hardmax head tells from this one; None where there is none.
    tuple of different whole numbers, increasing -> such a tuple, or None

    A number that stands in both sets must get the same from every head in both.
    """
    low, *inner, high = numbers
    for other in combinations(range(low + 1, high), len(inner)):
        if sum(other) == sum(inner) and other != tuple(inner):
            return (low, *other, high)
    return None


def closest_sets(levels, n):
    """The two sets of n ≥ 2 levels whose boltz are closest together.
    number of levels, n -> two tuples

    The levels are called 0, 1, …, levels − 1; they are equally far apart, further than the lemma asks for.
    """
    top = tuple(range(levels - n + 1, levels))
    return (0, *top), (1, *top)


def _found(result, numbers):
    if (result is None) != (confuse(numbers) is None):
        there = "there is none" if result else f"{confuse(numbers)} is one"
        return f"for {numbers} {there}."


def _other(result, numbers):
    if result is not None and (len(set(result)) != len(numbers) or set(result) == set(numbers)):
        return f"wanted {len(numbers)} different numbers, not those of {numbers}; yours are {plain(result)}."


def _confused(result, numbers):
    seen = lambda points: (min(points), max(points), sum(points))
    if result is not None and seen(result) != seen(numbers):
        told = "smallest {}, largest {}, sum {}".format
        return f"{numbers} has {told(*seen(numbers))}; yours, {tuple(result)}, has {told(*seen(result))}."


CONFUSE = Exercise(
    id="one_layer.confuse",
    title="A set that no hardmax head can tell from another.",
    mark="••",
    reference=confuse,
    cases=lambda: [
        ((0, 1, 2, 3),),
        ((0, 1, 4, 5),),
        ((0, 2, 3, 5),),
        ((-2, 1, 2, 5),),
        ((0, 3, 4, 6),),
        ((1, 2, 6),),
        ((0, 1, 2, 7, 9),),
        ((-3, -1, 0, 4, 6, 7),),
        ((0, 1, 2, 3, 9, 10),),
    ],
    look=lambda result, numbers: None,  # any such set will do
    properties=(
        ("finds one exactly where there is one", _found),
        ("is another set of that size", _other),
        ("has the same smallest, largest and mean", _confused),
    ),
    draw=lambda random: (tuple(sorted(random.sample(range(-4, 8), random.randint(4, 6)))),),
    hints=(
        "A score is a straight line in the number. Which keys can be largest on a straight line? And on a flat one?",
        "A head returns the largest number, the smallest, or the mean of all. Keep these three.",
        "Keep the two ends; try all combinations of as many numbers strictly between them, with the same sum.",
    ),
    mutants=(
        Mutant(
            {"sum(other) == sum(inner) and ": ""},
            "has the same smallest, largest and mean",
            "The ends agree, and the mean does not: a head with flat scores averages all, and tells them apart.",
        ),
        Mutant(
            {" and other != tuple(inner)": ""},
            "finds one exactly where there is one",
            "A set confuses every head with itself. Another one is wanted.",
        ),
        Mutant(
            {"range(low + 1, high)": "range(low + 1, high - 1)"},
            "finds one exactly where there is one",
            "Not all numbers between the ends are tried: range(low + 1, high) reaches up to high - 1.",
        ),
        Mutant(
            {"(low, *other, high)": "tuple(x + 1 for x in numbers)"},
            "has the same smallest, largest and mean",
            "This moves the whole set, and with it the largest and the smallest number.",
        ),
    ),
)


def _differ_last(result, levels, n):
    one, other = ({*chosen} for chosen in result)
    if one ^ other != {0, 1}:
        return (
            "boltz forgets most where one set has level 0, the other level 1, and all else is equal; "
            f"yours are {tuple(result[0])} and {tuple(result[1])}."
        )


CLOSEST = Exercise(
    id="one_layer.closest",
    title="The two sets that are hardest to tell apart.",
    mark="•••",
    reference=closest_sets,
    cases=lambda: [(3, 2), (5, 2), (4, 3), (6, 3), (7, 3), (8, 5), (40, 6)],
    look=lambda result, levels, n: sorted(sorted(chosen) for chosen in result),  # in any order
    properties=(("differs in the lowest level alone", _differ_last),),
    draw=lambda random: ((n := random.randint(2, 6)) + random.randint(2, 30), n),
    hints=(
        "By how much does boltz move when one entry moves by one level? For which entry is that least?",
        "p_i is least for the lowest levels: exchange 0 and 1. The other entries are equal in both; which are best?",
        "The larger the others, the larger the sum below the fraction: take the n − 1 highest levels, and 0 or 1.",
    ),
    mutants=(
        Mutant(
            {"range(levels - n + 1, levels)": "range(2, n + 1)"},
            "equals the reference",
            "The other entries are as low as can be. Then the weight of level 1 is a share of a smaller whole.",
        ),
        Mutant(
            {"(0, *top), (1, *top)": "(levels - n - 1, *top), (levels - n, *top)"},
            "differs in the lowest level alone",
            "The step between two levels far up is larger: the weight of an entry falls with its depth.",
        ),
        Mutant(
            {"range(levels - n + 1, levels)": "range(levels - n, levels - 1)"},
            "differs in the lowest level alone",
            "The highest level is left out: a maximum further up makes the weight of the last entry smaller still.",
        ),
    ),
)
