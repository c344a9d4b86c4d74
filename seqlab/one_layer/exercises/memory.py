"""The exercises of lab 05 on what is remembered: the table of labels, and codes for which an average is enough."""

from itertools import combinations

import torch

from seqlab.course.cases import double, drawn, plain
from seqlab.course.check import Exercise, Mutant


def look_up(z, ids, labels):
    """The label of each id, as one hidden ReLU layer of z: straight between two neighbours, flat outside the ids.
    z: (place,), ids (increasing) and labels: (name,) -> (place,)
    """
    slope = 1 / ids.diff()
    ramps = torch.relu(slope * (z[:, None] - ids[:-1])) - torch.relu(slope * (z[:, None] - ids[1:]))
    return labels[0] + ramps @ labels.diff()


def codes(count):
    """`count` numbers, at least 1 and at most 2 ** (count − 1), for which an average is enough.
    number of tokens -> list of numbers

    Whatever the size, no two sets of as many of them have the same sum, and the sums are at least 1 apart.
    """
    return [2**k for k in range(count)]


def _known_ids(result, z, ids, labels):
    table = dict(zip(ids.tolist(), labels))
    for place, got in zip(z.tolist(), result):
        if place in table and abs(got - table[place]) > 1e-6:
            return f"id {place:g} has the label {table[place]:g}; yours gives {got:.4g}."


def _flat_outside(result, z, ids, labels):
    for place, got in zip(z, result):
        end = labels[0] if place < ids[0] else labels[-1]
        if not ids[0] <= place <= ids[-1] and abs(got - end) > 1e-6:
            return (
                f"{place:g} lies outside the ids, where the table keeps the label at its end, {end:g}; "
                f"yours gives {got:.4g}."
            )


MEMORISER = Exercise(
    id="one_layer.memoriser",
    title="A table as a layer of hinges.",
    mark="••",
    reference=look_up,
    cases=lambda: [
        (double(1, 2), double(1, 2), double(5, 7)),
        (double(0, 1.5, 4), double(1, 1.5), double(5, 7)),
        (double(1, 1.5, 4), double(1, 1.5, 4), double(1, 0, 1)),
        (double(-1, -0.75, 0, 3, 3.5), double(-1, -0.5, 3), double(2, 2, -1)),
        (double(0.1, 0.3, 0.2), double(0.1, 0.2, 0.3, 0.30001), double(0, 3, 1, 2)),
        (double(1 + 1e-8, 1, 2, 0, -5000), double(1, 1 + 1e-8, 2), double(5, -7, 3)),
        (double(5000, 3, -70), double(1, 1.5, 2), double(5, -7, 3)),
    ],
    tolerance=1e-6,
    properties=(
        ("gives every id its label", _known_ids),
        ("stays flat outside the ids", _flat_outside),
    ),
    draw=lambda random: (
        double(*(ids := sorted(k / 8 for k in random.sample(range(80), random.randint(3, 6)))))
        - random.choice((0, 0.3, -0.3)),
        double(*ids),
        drawn(random, len(ids)),
    ),
    hints=(
        "Walk from the smallest id to the largest. By how much must the output change between two ids?",
        "A ramp from 0 at ids[k] to 1 at ids[k+1] is two ReLUs: one starts it, a second one ends it. "
        "z[:, None] − ids[:-1] has a row per place and a column per ramp.",
        "slope = 1 / ids.diff(); "
        "ramps = relu(slope * (z[:, None] − ids[:-1])) − relu(slope * (z[:, None] − ids[1:])); "
        "return labels[0] + ramps @ labels.diff()",
    ),
    mutants=(
        Mutant(
            {"labels[0] + ": ""},
            "gives every id its label",
            "The first label is missing: before all ramps the output is labels[0].",
        ),
        Mutant(
            {" - torch.relu(slope * (z[:, None] - ids[1:]))": ""},
            "stays flat outside the ids",
            "The ramps are never ended. The second ReLU of each pair stops it at the next id.",
        ),
        Mutant(
            {"1 / ids.diff()": "1"},
            "gives every id its label",
            "All ramps have slope 1. Each must climb from 0 to 1 between its two ids: divide by their distance.",
        ),
        Mutant(
            {"labels.diff()": "labels[1:]"},
            "gives every id its label",
            "Every ramp climbs to a label. It has to climb by the difference of two: labels.diff().",
        ),
        Mutant(
            {"labels[0] + ramps @ labels.diff()": "labels[(z[:, None] - ids).abs().argmin(dim=-1)]"},
            "equals the reference",
            "This takes the nearest id's label, which jumps. "
            "A ReLU layer is continuous: between two ids it is a straight line.",
        ),
    ),
)


def _so_many(result, count):
    if len(result) != count or not all(1 <= x <= 2 ** (count - 1) for x in result):
        return f"wanted {count} numbers from 1 to {2 ** (count - 1)}; yours are {plain(result)}."


def _sums_apart(result, count):
    for size in range(1, count + 1):
        sums = sorted((sum(chosen), chosen) for chosen in combinations(result, size))
        for (a, one), (b, other) in zip(sums, sums[1:]):
            if b - a < 1 - 1e-9:
                return f"{plain(one)} and {plain(other)} have the sums {a:g} and {b:g}: an average confuses them."


CODES = Exercise(
    id="one_layer.codes",
    title="Numbers with which an average names every set.",
    mark="••",
    reference=codes,
    cases=lambda: [(count,) for count in (1, 2, 3, 5, 8, 11)],
    look=lambda result, count: None,  # any such numbers will do
    properties=(("returns so many numbers of that size", _so_many), ("keeps all sums apart", _sums_apart)),
    draw=lambda random: (random.choice((4, 6, 7, 9)),),
    hints=(
        "1, 2, 3 fails for no two sets; which two sets of 1, 2, 3, 4 have the same sum?",
        "If each number is larger than all before it together, the largest number of a set can be read off its sum.",
        "Powers of two: a sum of some of them is a number in binary, and its digits say which.",
    ),
    mutants=(
        Mutant(
            {"2**k": "k + 1"},
            "keeps all sums apart",
            "Numbers at equal distances have many sets with one average: it is the worst choice.",
        ),
        Mutant(
            {"2**k": "3**k"},
            "returns so many numbers of that size",
            "Powers of three keep all sums apart and are larger than needed.",
        ),
        Mutant(
            {"2**k": "1 + k * 1e-3 * 2**k"},
            "keeps all sums apart",
            "The sums differ, by less than 1: then a float has to be finer. Use the room up to 2 ** (count − 1).",
        ),
        Mutant({"range(count)": "range(count - 1)"}, "returns so many numbers of that size", "One number is missing."),
    ),
)
