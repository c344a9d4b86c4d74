"""The exercise of lab 04 on the star: one phase of its relay."""

from seqlab.course.check import Exercise, Mutant


def relay_phase(relay, tokens, k, low, high):
    """One phase on the star: token k is shifted, with gain `low`; after it the relay, with gain `high`.
    relay, tokens: their ids, whole numbers; the relay's is larger than that of token k -> [relay, *tokens]

    A shift adds gain · (largest - smallest id in sight). On the star a token sees itself and the relay, and the relay
    sees all tokens.
    """
    tokens = list(tokens)
    tokens[k] += low * (relay - tokens[k])
    return [relay + high * (max(tokens) - min(tokens)), *tokens]


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
    id="big_bird.relay",
    title="One phase of the relay: scatter to one token, then gather from all.",
    mark="••",
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
        (3**50 + 1, [5, 2, 3**41], 1, 3**10, 3**30),
    ],
    properties=(
        ("lets token k read the relay", _scatters),
        ("leaves the other tokens alone", _others_rest),
        ("lets the relay read the tokens", _gathers),
    ),
    draw=lambda random: (
        max(tokens := random.sample(range(99), random.randint(2, 5))) + random.randint(1, 5000),
        tokens,
        random.randrange(len(tokens)),
        random.randint(1, 4),
        random.randint(2, 9),
    ),
    hints=(
        "Two moves, one after the other. The second must see what the first has changed.",
        "Token k sees itself and the relay, and the relay is larger: largest - smallest is relay - tokens[k].",
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
