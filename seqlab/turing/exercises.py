"""The exercises of lab 04 on what the proofs build: a relay step on the star, and the look-up score of the decoder."""

import torch

from seqlab.course.check import Exercise, Mutant


def relay_phase(relay, tokens, k, low, high):
    """Token k reads the relay: it adds low · (relay - itself). Then the relay reads the tokens: it adds high · (max - min).
    -> [relay, *tokens]
    """
    tokens = list(tokens)
    tokens[k] += low * (relay - tokens[k])
    return [relay + high * (max(tokens) - min(tokens)), *tokens]


def lookup_score(cell, step, cells, steps):
    """ε ε_m ((cell - cells) + ε ε_m / 3) with ε = 1/(step + 1), ε_m = 1/(steps + 1): of the smallest size at the last visit to cell.
    cells, steps: (n,) -> (n,)
    """
    both = 1 / ((step + 1) * (steps + 1))
    return both * ((cell - cells) + both / 3)


def _phases():
    return [(8, [0, 4], 0, 2, 4), (16, [1, 4, 9], 0, 2, 8), (240, [32, 4, 9], 1, 2, 8), (3808, [32, 476, 8], 2, 2, 8)]


def _scatters(arguments, result):
    relay, tokens, k, low, _ = arguments
    want = tokens[k] + low * (relay - tokens[k])
    if len(result) != len(tokens) + 1:
        return f"one relay and {len(tokens)} tokens come out; yours has {len(result)} numbers."
    if result[k + 1] != want:
        return f"token {k} is {tokens[k]}, the relay {relay}: {tokens[k]} + {low} · ({relay} - {tokens[k]}) = {want}, yours is {result[k + 1]}."


def _others_rest(arguments, result):
    _, tokens, k, _, _ = arguments
    for at, token in enumerate(tokens):
        if at != k and result[at + 1] != token:
            return f"it is token {k}'s turn; token {at} moved from {token} to {result[at + 1]}."


def _gathers(arguments, result):
    relay, _, _, _, high = arguments
    now = result[1:]
    want = relay + high * (max(now) - min(now))
    if result[0] != want:
        return f"the tokens are now {now}: {relay} + {high} · ({max(now)} - {min(now)}) = {want}, yours is {result[0]}."


def _gather_first(relay, tokens, k, low, high):
    relay = relay + high * (max(tokens) - min(tokens))
    return [relay, *(t + low * (relay - t) if i == k else t for i, t in enumerate(tokens))]


def _stale(relay, tokens, k, low, high):
    return [relay + high * (max(tokens) - min(tokens)), *relay_phase(relay, tokens, k, low, high)[1:]]


def _everyone(relay, tokens, k, low, high):
    tokens = [t + low * (relay - t) for t in tokens]
    return [relay + high * (max(tokens) - min(tokens)), *tokens]


def _largest_only(relay, tokens, k, low, high):
    tokens = relay_phase(relay, tokens, k, low, high)[1:]
    return [relay + high * max(tokens), *tokens]


RELAY = Exercise(
    id="turing.relay",
    title="One phase of the relay: scatter to one token, then gather from all.",
    reference=relay_phase,
    cases=_phases,
    properties=(
        ("lets token k read the relay", _scatters),
        ("leaves the other tokens alone", _others_rest),
        ("lets the relay read the tokens", _gathers),
    ),
    hints=(
        "Two moves, one after the other. The second must see what the first has changed.",
        "Token k sees itself and the relay, and the relay is larger: max - min is relay - tokens[k].",
        "Copy the list; tokens[k] += low * (relay - tokens[k]); return [relay + high * (max(tokens) - min(tokens)), *tokens].",
    ),
    mutants=(
        Mutant(
            _gather_first,
            "lets token k read the relay",
            "The relay has moved before token k reads it. First scatter, then gather.",
        ),
        Mutant(
            _stale,
            "lets the relay read the tokens",
            "The relay reads the tokens as they were. It must read what token k has just become.",
        ),
        Mutant(
            _everyone,
            "leaves the other tokens alone",
            "All tokens read the relay. Only the token whose turn it is does: the others' ids are not in its bucket.",
        ),
        Mutant(
            _largest_only,
            "lets the relay read the tokens",
            "The smallest id is not subtracted: that takes the second head.",
        ),
    ),
)


def _scores():
    double = lambda *rows: tuple(torch.tensor(row, dtype=torch.float64) for row in rows)
    cases = [
        (1, 3, [1, 1, 2]),
        (3, 5, [0, 1, 2, 3, 4]),
        (1, 8, [0, 1, 2, 1, 0, 1, 2, 3]),
        (-2, 6, [0, -1, -2, -2, -1, -3]),
    ]
    return [(cell, step, *double(cells, range(len(cells)))) for cell, step, cells in cases]


def _last_visit_wins(arguments, result):
    cell, _, cells, steps = arguments
    last = int((cells == cell).nonzero().max())
    for m in range(len(cells)):
        if m != last and abs(result[m]) <= abs(result[last]):
            return (
                f"step {m} (cell {cells[m]:g}) scores {abs(float(result[m])):.4g} and step {last}, the last visit to cell {cell}, "
                f"{abs(float(result[last])):.4g}. The smallest must be the last visit's, alone."
            )


LOOKUP = Exercise(
    id="turing.lookup",
    title="The look-up score: the right cell first, then the latest visit.",
    reference=lookup_score,
    cases=_scores,
    properties=(("lets the last visit to the cell win", _last_visit_wins),),
    hints=(
        "The smallest absolute score wins. What must vanish where the cells are equal?",
        "The difference of the cells, not their sum. What remains at equal cells, ε ε_m / 3, is smallest for the latest step.",
        "both = 1 / ((step + 1) * (steps + 1)), then both * ((cell - cells) + both / 3).",
    ),
    mutants=(
        Mutant(
            lambda cell, step, cells, steps: (both := 1 / ((step + 1) * (steps + 1))) * ((cell + cells) + both / 3),
            "lets the last visit to the cell win",
            "The cells are added, as the paper's appendix prints it. Equal cells do not cancel; one of query and key needs a minus.",
        ),
        Mutant(
            lambda cell, step, cells, steps: (cell - cells) / ((step + 1) * (steps + 1)),
            "lets the last visit to the cell win",
            "Without ε ε_m / 3 all visits to the cell score 0 and tie: their symbols would be mixed.",
        ),
        Mutant(
            lambda cell, step, cells, steps: (
                (cell - cells) / ((step + 1) * (steps + 1)) + (steps + 1) / (3 * (step + 1) ** 3)
            ),
            "lets the last visit to the cell win",
            "What is added grows with m, so the earliest visit wins. It must fall: ε_m stands in the numerator.",
        ),
        Mutant(
            lambda cell, step, cells, steps: (both := 1 / ((step + 1) * (steps + 1))) * ((cell - cells) - both / 3),
            "equals the reference",
            "It finds the right step, but ε ε_m / 3 is added in the formula, not subtracted.",
        ),
    ),
)


EXERCISES = (RELAY, LOOKUP)
