"""The exercises of lab 03 in which a pattern is designed: whatever meets the conditions is right."""

from functools import lru_cache, partial

import torch

from seqlab import patterns
from seqlab.course.check import Exercise, Mutant
from seqlab.patterns.connectivity import Assumption, assumption_1


def smallest(n):
    """A pattern of n ≥ 2 tokens with exactly 2n connections that meets all three conditions. One set.
    -> bool (query, key)
    """
    token = torch.arange(n)
    back = (token[:, None] - token) % n
    return back <= 1


def two_steps(n):
    """A pattern of n ≥ 3 tokens that meets all three conditions with s = 2, and at most 4n - 5 connections. One set.
    -> bool (query, key)
    """
    seen = torch.eye(n).bool()
    seen[0] = seen[:, 0] = True
    later = torch.arange(3, n)
    seen[later, later - 1] = True
    return seen


def _found(seen) -> Assumption:
    return _judged(tuple(map(tuple, seen.bool().tolist())))


@lru_cache(maxsize=64)  # each property asks again
def _judged(grid: tuple) -> Assumption:
    return assumption_1(patterns.freehand(torch.tensor(grid)).at(len(grid)))


def _facts(seen, n, most=0):
    """What of a design is compared: any that comes to the same is right."""
    if not isinstance(seen, torch.Tensor) or seen.shape != (n, n):
        return seen
    found, count = _found(seen), int(seen.sum())
    held = [name for name, verdict in found.verdicts.items() if verdict]
    return f"{', '.join(held)}; s = {found.s}; {count if count > most else f'at most {most}'} connections"


def _condition(name, seen, n):
    verdict = _found(seen).verdicts[name]
    return None if verdict else f"for n = {n}: {verdict.witness}."


def _exactly(seen, n):
    if seen.sum() != 2 * n:
        return f"for n = {n} it has {int(seen.sum())} connections, self-loops included; wanted {2 * n}."


def _few(seen, n):
    if seen.sum() > 4 * n - 5:
        return f"for n = {n} it has {int(seen.sum())} connections; wanted at most {4 * n - 5}."


def _two(seen, n):
    if (s := _found(seen).s) and s > 2:
        return f"for n = {n} it takes s = {s} steps until everyone has heard everyone; wanted 2."


CONDITIONS = (
    ("lets each token see itself", partial(_condition, "self_loops")),
    ("has a chain through all tokens", partial(_condition, "chain")),
    ("lets everyone hear everyone", partial(_condition, "reachability")),
)

SMALLEST = Exercise(
    id="sparse.smallest",
    title="The fewest connections that meet all three conditions.",
    mark="••",
    reference=smallest,
    cases=lambda: [(n,) for n in (4, 3, 2, 7)],
    draw=lambda random: (random.randint(5, 14),),
    properties=(*CONDITIONS, ("has exactly 2n connections", _exactly)),
    look=_facts,
    hints=(
        "The self-loops are n connections. The other n: each token has exactly one to give.",
        "Every token must be heard by another one, and hear another one. Follow the connections: where do they lead?",
        "Back to the start: a ring that looks one way. Token k sees k and k - 1, token 0 sees the last: "
        "(token[:, None] - token) % n is 0 or 1.",
    ),
    mutants=(
        Mutant(
            {"back <= 1": "back == 1"},
            "lets each token see itself",
            "Nobody sees itself: the ring is there and the diagonal is missing.",
        ),
        Mutant(
            {" % n": "", "back <= 1": "(back >= 0) & (back <= 1)"},
            "lets everyone hear everyone",
            "The line is open: the first token hears nobody. One more connection closes it.",
        ),
        Mutant(
            {"back <= 1": "(back <= 1) | (back == n - 1)"},
            "has exactly 2n connections",
            "The ring looks both ways, and one way is enough: news then go round.",
        ),
        Mutant(
            {"back <= 1": "(token == 0) | (token[:, None] == 0) | (back == 0)"},
            "has a chain through all tokens",
            "That is the pure star: it has 3n - 2 connections, and from four tokens on no chain.",
        ),
    ),
)

TWO_STEPS = Exercise(
    id="sparse.two_steps",
    title="Two steps, a chain, and few connections.",
    mark="•••",
    reference=two_steps,
    cases=lambda: [(n,) for n in (4, 3, 5, 8)],
    draw=lambda random: (random.randint(6, 14),),
    properties=(
        *CONDITIONS,
        ("needs no more than two steps", _two),
        ("has at most 4n - 5 connections", _few),
    ),
    look=lambda seen, n: _facts(seen, n, 4 * n - 5),
    hints=(
        "A relay makes two steps enough. What does the pure star lack?",
        "A chain may pass the relay once. So the other tokens stand in two lines, one before it and one behind it: "
        "count the connections that these lines need.",
        "The pure star has 3n - 2 connections. Let each of the tokens 3, 4, … see the one before it: "
        "the chain is 1, 0, 2, 3, 4, …, and n - 3 connections are added.",
    ),
    mutants=(
        Mutant(
            {"seen[later, later - 1] = True": "pass"},
            "has a chain through all tokens",
            "This is the pure star: all hear all in two steps, but a chain passes the relay only once.",
        ),
        Mutant(
            {"torch.arange(3, n)": "torch.arange(1, n)"},
            "has at most 4n - 5 connections",
            "All tokens stand in one line here. The relay is a link of the chain, too: it saves a connection.",
        ),
        Mutant(
            {"seen[0] = seen[:, 0] = True": "seen[0, -1] = True", "torch.arange(3, n)": "torch.arange(1, n)"},
            "needs no more than two steps",
            "A ring needs n - 1 steps. Two steps need a token, or several, through which everything passes.",
        ),
        Mutant(
            {"seen[0] = seen[:, 0] = True": "seen[:, 0] = True", "torch.arange(3, n)": "torch.arange(1, n)"},
            "lets everyone hear everyone",
            "The relay is seen by all and sees nobody but itself: it has nothing to relay.",
        ),
    ),
)
