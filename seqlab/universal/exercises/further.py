"""What is further on in lab 02: the sequence read off one number, and a convolution as a mix with fixed weights."""

import torch

from seqlab.course.cases import double, drawn
from seqlab.course.check import Exercise, Mutant


def read_off(top, tokens, length):
    """The ids of a sequence in increasing order, from the largest id that the sweep leaves.

    tokens: how many different ids there are, 0 to tokens - 1, and the gain; length: how many the sequence has.
    """
    found = []
    for _ in range(length):
        found.append(top % tokens)
        top = found[-1] + (top - found[-1]) // tokens
    return found[::-1]


def diagonals(filter, length):
    """The weights with which a convolution mixes tokens.    filter: (2 · reach + 1,) -> (query, key)

    A key counts for a query what the filter says of its distance, key - query: its middle entry is distance 0, and
    beyond its reach it is 0.
    """
    reach = len(filter) // 2
    place = torch.arange(length)
    at = place - place[:, None] + reach
    inside = (at >= 0) & (at < len(filter))
    return torch.where(inside, filter[at.clamp(0, len(filter) - 1)], torch.zeros_like(filter[0]))


def _swept(ids, tokens):
    """The largest id after the sweep over these increasing ids, by the recursion of the proof."""
    top = ids[0] + tokens * (ids[-1] - ids[0])
    for id in ids[1:]:
        top = id + tokens * (top - id)
    return top


def _fits(result, top, tokens, length):
    if len(result) != length:
        return f"the sequence has {length} tokens, and yours {len(result)}."
    if list(result) != sorted(result) or not all(0 <= id < tokens for id in result):
        return f"ids lie between 0 and {tokens - 1} and increase; yours are {list(result)}."


def _gives_top(result, top, tokens, length):
    if _swept(list(result), tokens) != top:
        return f"the sweep of {list(result)} leaves {_swept(list(result), tokens)}, and {top} was given."


READ_OFF = Exercise(
    id="universal.read_off",
    title="Read the whole sequence off one number.",
    reference=read_off,
    cases=lambda: [
        (_swept(ids, tokens), tokens, len(ids))
        for tokens, ids in (
            (4, (1, 2)),
            (4, (0, 3)),
            (4, (0, 1, 3)),
            (5, (0, 2, 3)),
            (5, (1, 2, 4)),
            (6, (0, 1, 2, 5)),
            (9, (2, 3, 5, 6, 8)),
            (1000, (7, 8, 500, 998)),
            (1000, (1, 7, 8, 500, 900, 999)),
        )
    ],
    properties=(
        ("is a sequence of this length, in increasing order", _fits),
        ("is swept to the given number", _gives_top),
    ),
    draw=lambda random: (
        _swept(sorted(random.sample(range(tokens := random.randint(6, 99)), n := random.randint(2, 5))), tokens),
        tokens,
        n,
    ),
    hints=(
        "The last token to jump lands at l + N (before - l), with l its id, N the gain, and `before` the largest id"
        " before its jump. What is left of that number modulo N?",
        "l = top % N, since 0 ≤ l < N. Then before = l + (top - l) / N, and that number was made in the same way by the"
        " token that jumped before. The first token of all jumped from l to l + N (max - l), of the same form.",
        "Repeat `length` times: found.append(top % N); top = found[-1] + (top - found[-1]) // N. The last token comes"
        " first, so turn the list round.",
    ),
    mutants=(
        Mutant(
            {"found[-1] + (top - found[-1]) // tokens": "top // tokens"},
            "is a sequence of this length, in increasing order",
            "These are the digits of the number. The token jumped from its id l to l + N (before - l), so `before` is l"
            " plus the quotient.",
        ),
        Mutant(
            {"found[::-1]": "found"},
            "is a sequence of this length, in increasing order",
            "The token that jumped last is found first, and it is the largest: turn the list round.",
        ),
        Mutant(
            {"(top - found[-1]) // tokens": "(top - found[-1])"},
            "is swept to the given number",
            "The jump was multiplied by the gain: divide by it.",
        ),
        Mutant(
            {"top % tokens": "top % (tokens - 1)"},
            "is swept to the given number",
            "The gain is the number of different ids, N, and so the remainder is that modulo N.",
        ),
        Mutant(
            {"range(length)": "range(length - 1)"},
            "is a sequence of this length, in increasing order",
            "The first token jumped, too: there are as many steps as tokens.",
        ),
    ),
    mark="•••",
)


def _along_diagonals(result, filter, length):
    for i in range(1, length):
        for j in range(1, length):
            if result[i, j] != result[i - 1, j - 1]:
                return (
                    f"query {i} and key {j} are as far apart as query {i - 1} and key {j - 1}, and weigh differently."
                )


def _reads_the_filter(result, filter, length):
    reach = len(filter) // 2
    for key in range(length):
        want = filter[key + reach].item() if key <= reach else 0.0
        if result[0, key] != want:
            return f"key {key} is {key} away from query 0, so that its weight is {want:g}; yours is {result[0, key]:g}."


DIAGONALS = Exercise(
    id="universal.diagonals",
    title="Write a convolution as a mix with fixed weights.",
    reference=diagonals,
    cases=lambda: [
        (double(1, 2, 3), 3),
        (double(0, 5, 0), 4),
        (double(7), 2),
        (double(1, 2, 3, 4, 5), 2),
        (double(1, 2, 3, 4, 5), 7),
        (double(1 / 3, -0.7, 0.3, 2 / 7, 2.0).requires_grad_(), 4),
    ],
    properties=(
        ("weighs all pairs of a distance alike", _along_diagonals),
        ("takes its weights from the filter", _reads_the_filter),
    ),
    draw=lambda random: (drawn(random, random.choice((1, 3, 5))), random.randint(2, 7)),
    hints=(
        "Which entry of the filter belongs to query 2 and key 3? And to query 3 and key 2?",
        "The distance key - query, plus reach, is the place in the filter; outside of it the weight is 0.",
        "at = place - place[:, None] + reach; torch.where((at >= 0) & (at < len(filter)), filter[at.clamp(…)], 0).",
    ),
    mutants=(
        Mutant(
            {"place - place[:, None] + reach": "place[:, None] - place + reach"},
            "takes its weights from the filter",
            "Query and key are exchanged: the distance is key - query.",
        ),
        Mutant(
            {"+ reach": "+ 0"},
            "takes its weights from the filter",
            "The middle entry of the filter is distance 0: add its place, len(filter) // 2.",
        ),
        Mutant(
            {"filter[at.clamp(0, len(filter) - 1)]": "filter[at % len(filter)]", "inside, ": "at == at, "},
            "takes its weights from the filter",
            "Distances beyond the filter's reach wrap round. Their weight is 0.",
        ),
        Mutant(
            {"torch.zeros_like(filter[0])": "filter[-1]"},
            "takes its weights from the filter",
            "Beyond its reach the filter goes on with its last entry. The weight is 0 there.",
        ),
    ),
    tolerance=1e-12,
)
