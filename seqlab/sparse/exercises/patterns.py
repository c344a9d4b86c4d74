"""The exercises of lab 03 on patterns: one written down, and how far it carries."""

import torch

from seqlab.course.check import Exercise, Mutant


def strided(n, width):
    """Two sets of connections: tokens at most `width` apart, and tokens a multiple of `width` apart.
    -> bool (2, query, key)
    """
    token = torch.arange(n)
    distance = (token[:, None] - token).abs()
    return torch.stack([distance <= width, distance % width == 0])


def steps_to_reach(sets):
    """After how many steps has every token heard of every token? 0 if never.
    sets: bool (p, query, key), used in turn

    In one step a query hears what the keys it sees have heard before. Step 1 uses sets[0], step 2 sets[1], and so on.
    """
    p, n, _ = sets.shape
    heard = sets[0]
    for step in range(1, n * p + 1):
        if heard.all():
            return step
        heard = sets[step % p].double() @ heard.double() > 0
    return 0


RING = torch.tensor([[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]], dtype=torch.bool)
LINE = torch.ones(4, 4).tril(1).triu(-1).bool()


def _both_ways(arguments, result):
    if (result != result.transpose(1, 2)).any():
        return "a pattern that looks both ways is symmetric: if i sees j, then j sees i."


def _two_different_sets(arguments, result):
    n, width = arguments
    if n > width + 1 and result[0, 0, width + 1]:
        return f"set 0 is local: token 0 must not see token {width + 1}, which is more than {width} away."
    if n > 2 * width and not result[1, 1, 1 + width] and n > 1 + width:
        return f"set 1 goes in steps of {width}: token 1 sees token {1 + width}."
    if n > 2 * width and not result[1, 0, 2 * width]:
        return f"set 1 goes in steps of {width}: token 0 sees token {2 * width}."


def _edge(arguments, result):
    n, width = arguments
    if n > width and not result[0, 0, width]:
        return f"“at most {width} apart” includes exactly {width}: token 0 sees token {width}."


STRIDED = Exercise(
    id="sparse.strided",
    title="The strided pattern, as two sets of connections.",
    reference=strided,
    cases=lambda: [(3, 1), (5, 2), (7, 2), (9, 3)],
    properties=(
        ("looks both ways", _both_ways),
        ("has a local set and a set of strides", _two_different_sets),
        ("counts the border in", _edge),
    ),
    hints=(
        "Everything depends on the distance of two tokens. Make the matrix of all distances first.",
        "distance = (token[:, None] - token).abs() is query × key. Which distances does each set allow?",
        "torch.stack([distance <= width, distance % width == 0]).",
    ),
    mutants=(
        Mutant(
            lambda n, width: strided(n, width).tril(),
            "looks both ways",
            "This is the causal version, which looks back only. The theorem is about patterns that look both ways.",
        ),
        Mutant(
            lambda n, width: strided(n, width).any(0).expand(2, n, n).clone(),
            "has a local set and a set of strides",
            "Both sets are the union here. They are used in turn, so keep them apart.",
        ),
        Mutant(
            lambda n, width: strided(n, width).flip(0),
            "has a local set and a set of strides",
            "The two sets are exchanged: the local one comes first. The order decides which layer uses which.",
        ),
        Mutant(
            lambda n, width: torch.stack(
                [(d := (torch.arange(n)[:, None] - torch.arange(n)).abs()) < width, d % width == 0]
            ),
            "counts the border in",
            "With < the local set is one token too narrow on both sides.",
        ),
        Mutant(
            lambda n, width: torch.stack(
                [
                    (torch.arange(n)[:, None] - torch.arange(n)).abs() <= width,
                    ((torch.arange(n) % width == 0) & (torch.arange(n) % width == 0)[:, None]),
                ]
            ),
            "has a local set and a set of strides",
            "Set 1 joins only the multiples of width with each other. Every token has its own class: those a multiple of width away.",
        ),
    ),
)


def _reach_cases():
    own, full = torch.eye(4).bool(), torch.ones(4, 4).bool()
    halves = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)).bool()
    return [
        (full[None],),
        (RING[None],),
        (LINE[None],),
        (halves[None],),
        (torch.stack([own, LINE]),),
        (strided(9, 3),),
        (torch.stack([LINE, own, full]),),
        (torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 1]]).bool()[None],),
    ]


def _never(arguments, result):
    want = steps_to_reach(*arguments)
    if want == 0 and result != 0:
        return f"some token never hears of another, whatever the number of steps: the answer is 0, yours is {result}."
    if want != 0 and result == 0:
        return f"after {want} steps everyone has heard of everyone; your answer is 0."


def _counts(arguments, result):
    want = steps_to_reach(*arguments)
    if result != want:
        sets = arguments[0]
        return f"with {len(sets)} set(s) on {sets.shape[1]} tokens it takes {want} steps; you say {result}."


def _wrong_reach(advance, start=lambda sets: sets[0], add=0):
    def run(sets):
        p, n, _ = sets.shape
        heard = start(sets)
        for step in range(1, n * p + 1):
            if heard.all():
                return step + add
            heard = advance(sets, step, heard)
        return 0

    return run


def _hop(seen, heard):
    return seen.double() @ heard.double() > 0


REACH = Exercise(
    id="sparse.reach",
    title="How many steps until everyone has heard of everyone.",
    reference=steps_to_reach,
    cases=_reach_cases,
    properties=(
        ("says 0 exactly when someone is never heard", _never),
        ("counts the steps in the order of the sets", _counts),
    ),
    hints=(
        "Keep a matrix heard[query, key]: has this query heard of that key yet? What does one more step do to a row of it?",
        "A query hears what the keys it sees have heard: a boolean matrix product, (seen @ heard) > 0.",
        "heard = sets[0]; then, for step 1, 2, …: if heard.all() return step; heard = (sets[step % p] @ heard) > 0. Stop after n · p steps.",
    ),
    mutants=(
        Mutant(
            _wrong_reach(lambda sets, step, heard: _hop(sets[0], heard)),
            "says 0 exactly when someone is never heard",
            "Every step uses sets[0]. The sets take turns.",
        ),
        Mutant(
            _wrong_reach(lambda sets, step, heard: _hop(sets.any(0), heard), start=lambda sets: sets.any(0)),
            "counts the steps in the order of the sets",
            "Every step uses the union of the sets. A layer has one of them only, so this counts too few.",
        ),
        Mutant(
            _wrong_reach(lambda sets, step, heard: _hop(sets[step % len(sets)], heard), add=-1),
            "says 0 exactly when someone is never heard",
            "The first set is already one step.",
        ),
        Mutant(
            lambda sets: steps_to_reach(sets) or len(sets[0]),
            "says 0 exactly when someone is never heard",
            "Two halves that do not see each other never meet: then the answer is 0.",
        ),
        Mutant(
            _wrong_reach(lambda sets, step, heard: _hop(sets[(step - 1) % len(sets)], heard)),
            "counts the steps in the order of the sets",
            "sets[0] is used twice at the start: heard begins with it, so step 2 is the turn of sets[1].",
        ),
    ),
)


EXERCISES = (STRIDED, REACH)
