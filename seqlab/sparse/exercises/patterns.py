"""The exercises of lab 03 on patterns: one written down, and how far it carries."""

import torch

from seqlab import patterns
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
    for step in range(1, n * n * p + 1):  # (n - 1)² + 1 rounds are enough (Wielandt 1950)
        if heard.all():
            return step
        heard = sets[step % p].double() @ heard.double() > 0
    return 0


# No token sees itself: everyone has heard everyone after 10 = (4 - 1)² + 1 steps, the most that four tokens may need.
SLOWEST = torch.tensor([[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=torch.bool)
RING = torch.tensor([[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]], dtype=torch.bool)
LINE = torch.ones(4, 4).tril(1).triu(-1).bool()


def _both_ways(result, n, width):
    if (result != result.transpose(1, 2)).any():
        return "a pattern that looks both ways is symmetric: if i sees j, then j sees i."


def _two_different_sets(result, n, width):
    if n > width + 1 and result[0, 0, width + 1]:
        return f"set 0 is local: token 0 must not see token {width + 1}, which is more than {width} away."
    if n > 2 * width and not result[1, 1, 1 + width]:
        return f"set 1 goes in steps of {width}: token 1 sees token {1 + width}."
    for key in range(n):
        if bool(result[1, 0, key]) != (key % width == 0):
            return f"set 1 goes in steps of {width}: token 0 {'does not see' if key % width else 'sees'} token {key}."


def _edge(result, n, width):
    if n > width and not result[0, 0, width]:
        return f"“at most {width} apart” includes exactly {width}: token 0 sees token {width}."


STRIDED = Exercise(
    id="sparse.strided",
    title="The strided pattern, as two sets of connections.",
    reference=strided,
    cases=lambda: [(3, 1), (5, 2), (7, 2), (9, 3), (1, 1), (8, 4), (10, 2), (16, 3), (4, 6)],
    draw=lambda random: (random.randint(2, 24), random.randint(1, 5)),
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
            {"== 0])": "== 0]).tril()"},
            "looks both ways",
            "This is the causal version, which looks back only. The theorem is about patterns that look both ways.",
        ),
        Mutant(
            {"[distance <= width, distance % width == 0]": "2 * [(distance <= width) | (distance % width == 0)]"},
            "has a local set and a set of strides",
            "Both sets are the union here. They are used in turn, so keep them apart.",
        ),
        Mutant(
            {"distance <= width, distance % width == 0": "distance % width == 0, distance <= width"},
            "has a local set and a set of strides",
            "The two sets are exchanged: the local one comes first. The order decides which layer uses which.",
        ),
        Mutant(
            {"<=": "<"},
            "counts the border in",
            "With < the local set is one token too narrow on both sides.",
        ),
        Mutant(
            {"distance % width == 0": "(token % width == 0) & (token % width == 0)[:, None]"},
            "has a local set and a set of strides",
            "Set 1 joins only the multiples of width with each other. "
            "Every token has its own class: those a multiple of width away.",
        ),
        Mutant(
            {"token = torch.arange(n)": "token, width = torch.arange(n), int(n**0.5)"},
            "has a local set and a set of strides",
            "The width is √n here, whatever `width` is.",
        ),
    ),
)


def _reach_cases():
    own, full = torch.eye(4).bool(), torch.ones(4, 4).bool()
    halves = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)).bool()
    one_way = own | own.roll(1, 0)
    spread, gather = torch.eye(3).bool(), torch.eye(3).bool()
    spread[:, 0], gather[0] = True, True
    return [
        (full[None],),
        (RING[None],),
        (LINE[None],),
        (halves[None],),
        (torch.stack([own, LINE]),),
        (strided(9, 3),),
        (torch.stack([LINE, own, full]),),
        (torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 1]]).bool()[None],),
        (SLOWEST[None],),
        (torch.stack([SLOWEST, own]),),
        (patterns.fixed(3).at(9).masks(),),
        (torch.ones(1, 1, 1).bool(),),
        (torch.tensor([[1, 1, 1], [1, 1, 1], [0, 0, 1]]).bool()[None],),
        (torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]]).bool()[None],),
        (torch.stack([spread, gather]),),
        (torch.stack([gather, spread]),),
        (torch.stack([own, one_way, own]),),
        (torch.stack([*5 * [own], LINE]),),
    ]


def _drawn(random, p, n):
    """p sets at random, of which each token sees about half."""
    return torch.tensor([[[random.random() < 0.5 for _ in range(n)] for _ in range(n)] for _ in range(p)])


def _never(result, sets):
    want = steps_to_reach(sets)
    if want == 0 and result != 0:
        return f"some token never hears of another, whatever the number of steps: the answer is 0, yours is {result}."
    if want != 0 and result == 0:
        return f"after {want} steps everyone has heard of everyone; your answer is 0."


def _counts(result, sets):
    want = steps_to_reach(sets)
    if result != want:
        return f"with {len(sets)} set(s) on {sets.shape[1]} tokens it takes {want} steps; you say {result}."


REACH = Exercise(
    id="sparse.reach",
    title="How many steps until everyone has heard of everyone.",
    mark="••",
    reference=steps_to_reach,
    cases=_reach_cases,
    draw=lambda random: (
        _drawn(random, random.randint(1, 3), random.randint(3, 6))
        if random.random() < 0.7
        else SLOWEST[order := random.sample(range(4), 4)][None, :, order],
    ),
    properties=(
        ("says 0 exactly when someone is never heard", _never),
        ("counts the steps in the order of the sets", _counts),
    ),
    hints=(
        "Keep a matrix heard[query, key]: has this query heard of that key yet? What does one more step do to a row?",
        "A query hears what the keys it sees have heard: a boolean matrix product, (seen @ heard) > 0.",
        "heard = sets[0]; then, for step 1, 2, …: if heard.all() return step; heard = (sets[step % p] @ heard) > 0. "
        "Boolean tensors are multiplied as numbers: .double(). Stop after n² · p steps: "
        "n · p are too few for some patterns in which tokens do not see themselves.",
    ),
    mutants=(
        Mutant(
            {"sets[step % p]": "sets[0]"},
            "says 0 exactly when someone is never heard",
            "Every step uses sets[0]. The sets take turns.",
        ),
        Mutant(
            {"n * n * p": "n * p"},
            "says 0 exactly when someone is never heard",
            "It gives up after n · p steps. "
            "Where tokens do not see themselves it may take more: up to (n - 1)² + 1 rounds.",
        ),
        Mutant(
            {"heard = sets[0]": "heard = sets.any(0)", "sets[step % p]": "sets.any(0)"},
            "counts the steps in the order of the sets",
            "Every step uses the union of the sets. A layer has one of them only, so this counts too few.",
        ),
        Mutant(
            {"return step": "return step - 1"},
            "says 0 exactly when someone is never heard",
            "The first set is already one step.",
        ),
        Mutant(
            {"return 0": "return n"},
            "says 0 exactly when someone is never heard",
            "Two halves that do not see each other never meet: then the answer is 0.",
        ),
        Mutant(
            {"step % p": "(step - 1) % p"},
            "counts the steps in the order of the sets",
            "sets[0] is used twice at the start: heard begins with it, so step 2 is the turn of sets[1].",
        ),
        Mutant(
            {"sets[step % p].double() @ heard.double()": "heard.double() @ sets[step % p].double()"},
            "counts the steps in the order of the sets",
            "The product is the wrong way round: what a query sees comes first, what those keys have heard second.",
        ),
        Mutant(
            {"sets[step % p].double()": "sets[step % p].mT.double()"},
            "counts the steps in the order of the sets",
            "The set is transposed: rows are queries, columns the keys that they see.",
        ),
        Mutant(
            {"heard.all()": "heard[0].all()"},
            "counts the steps in the order of the sets",
            "Only token 0 is asked. Every token must have heard of every other.",
        ),
    ),
)
