"""The exercises of lab 04 on what the proofs build: a relay step on the star, and the look-up score of the decoder."""

from seqlab.course.cases import double
from seqlab.course.check import Exercise, Mutant


def relay_phase(relay, tokens, k, low, high):
    """Token k reads the relay: it adds low · (relay - itself).
    Then the relay reads the tokens: it adds high · (max - min).
    -> [relay, *tokens]
    """
    tokens = list(tokens)
    tokens[k] += low * (relay - tokens[k])
    return [relay + high * (max(tokens) - min(tokens)), *tokens]


def lookup_score(cell, step, cells, steps):
    """ε ε_m ((cell - cells) + ε ε_m / 3) with ε = 1/(step + 1), ε_m = 1/(steps + 1).
    cells, steps: (n,) -> (n,)

    It is of the smallest size at the last visit to cell.
    """
    both = 1 / ((step + 1) * (steps + 1))
    return both * ((cell - cells) + both / 3)


def _scatters(result, relay, tokens, k, low, high):
    want = tokens[k] + low * (relay - tokens[k])
    if len(result) != len(tokens) + 1:
        return f"one relay and {len(tokens)} tokens come out; yours has {len(result)} numbers."
    if result[k + 1] != want:
        return (
            f"token {k} is {tokens[k]}, the relay {relay}: "
            f"{tokens[k]} + {low} · ({relay} - {tokens[k]}) = {want}, yours is {result[k + 1]}."
        )


def _others_rest(result, relay, tokens, k, low, high):
    for at, (before, after) in enumerate(zip(tokens, result[1:])):
        if at != k and after != before:
            return f"it is token {k}'s turn; token {at} moved from {before} to {after}."


def _gathers(result, relay, tokens, k, low, high):
    got, *now = result
    want = relay + high * (max(now) - min(now))
    if got != want:
        return f"the tokens are now {now}: {relay} + {high} · ({max(now)} - {min(now)}) = {want}, yours is {got}."


RELAY = Exercise(
    id="turing.relay",
    title="One phase of the relay: scatter to one token, then gather from all.",
    reference=relay_phase,
    cases=lambda: [
        (8, [0, 4], 0, 2, 4),
        (16, [1, 4, 9], 0, 2, 8),
        (240, [32, 4, 9], 1, 2, 8),
        (3808, [32, 476, 8], 2, 2, 8),
        (50, [9, 12, 20, 30], 1, 3, 7),
        (5000, [4000, 3000, 10, 2000], 0, 3, 4),
        (2047, [2040, 5, 2045], 2, 1, 10),
        (20, [4, 100, 0], 0, 2, 3),
    ],
    properties=(
        ("lets token k read the relay", _scatters),
        ("leaves the other tokens alone", _others_rest),
        ("lets the relay read the tokens", _gathers),
    ),
    hints=(
        "Two moves, one after the other. The second must see what the first has changed.",
        "Token k sees itself and the relay, and the relay is larger: max - min is relay - tokens[k].",
        "Copy the list; tokens[k] += low * (relay - tokens[k]); "
        "return [relay + high * (max(tokens) - min(tokens)), *tokens].",
    ),
    mutants=(
        Mutant(
            {
                "tokens[k] +=": "relay += high * (max(tokens) - min(tokens)); tokens[k] +=",
                "relay + high * (max(tokens) - min(tokens))": "relay",
            },
            "lets token k read the relay",
            "The relay has moved before token k reads it. First scatter, then gather.",
        ),
        Mutant(
            {
                "tokens = list(tokens)": "old, tokens = tokens, list(tokens)",
                "max(tokens) - min(tokens)": "max(old) - min(old)",
            },
            "lets the relay read the tokens",
            "The relay reads the tokens as they were. It must read what token k has just become.",
        ),
        Mutant(
            {"tokens[k] += low * (relay - tokens[k])": "tokens = [t + low * (relay - t) for t in tokens]"},
            "leaves the other tokens alone",
            "All tokens read the relay. Only the token whose turn it is does: the others' ids are not in its bucket.",
        ),
        Mutant(
            {" - min(tokens)": ""},
            "lets the relay read the tokens",
            "The smallest id is not subtracted: that takes the second head.",
        ),
    ),
)


def _last_visit_wins(result, cell, step, cells, steps):
    last = (cells == cell).nonzero().max()
    for m, size in enumerate(result.abs()):
        if m != last and size <= result[last].abs():
            return (
                f"step {m} (cell {cells[m]:g}) scores {size:.4g} and step {last}, the last visit to cell {cell}, "
                f"{result[last].abs():.4g}. The smallest must be the last visit's, alone."
            )


LOOKUP = Exercise(
    id="turing.lookup",
    title="The look-up score: the right cell first, then the latest visit.",
    reference=lookup_score,
    cases=lambda: (
        [
            (cell, len(cells), double(*cells), double(*range(len(cells))))
            for cell, *cells in (
                (1, 1, 1, 2),
                (3, 0, 1, 2, 3, 4),
                (1, 0, 1, 2, 1, 0, 1, 2, 3),
                (-2, 0, -1, -2, -2, -1, -3),
            )
        ]
        + [
            (4, 9, double(3, 4, 5, 4, 5), double(0, 2, 3, 6, 7)),
            (3000, 5000, double(2999, 3000, 3001, 3000, 3001), double(1, 2000, 2001, 4000, 4001)),
        ]
    ),
    tolerance=1e-12,
    properties=(("lets the last visit to the cell win", _last_visit_wins),),
    hints=(
        "The smallest absolute score wins. What must vanish where the cells are equal?",
        "The difference of the cells, not their sum. What remains at equal cells, ε ε_m / 3, "
        "is smallest for the latest step.",
        "both = 1 / ((step + 1) * (steps + 1)), then both * ((cell - cells) + both / 3).",
    ),
    mutants=(
        Mutant(
            {"cell - cells": "cell + cells"},
            "lets the last visit to the cell win",
            "The cells are added, as the paper's appendix prints it. "
            "Equal cells do not cancel; one of query and key needs a minus.",
        ),
        Mutant(
            {" + both / 3": ""},
            "lets the last visit to the cell win",
            "Without ε ε_m / 3 all visits to the cell score 0 and tie: their symbols would be mixed.",
        ),
        Mutant(
            {"both / 3": "((steps + 1) / (step + 1)) ** 2 / 3"},
            "lets the last visit to the cell win",
            "What is added grows with m, so the earliest visit wins. It must fall: ε_m stands in the numerator.",
        ),
        Mutant(
            {"+ both / 3": "- both / 3"},
            "equals the reference",
            "It finds the right step, but ε ε_m / 3 is added in the formula, not subtracted.",
        ),
    ),
)
