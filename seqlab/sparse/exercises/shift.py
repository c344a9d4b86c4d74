"""The exercises of lab 03 on the proof: the shifts of dense attention, when a token sees only some others."""

import torch

from seqlab.course.cases import coins, double
from seqlab.course.check import Exercise, Mutant
from seqlab.sparse.exercises.patterns import LINE, RING

BACK = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]], dtype=torch.bool)
"""Looks back only, and not at all that is behind."""
OTHERS = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=torch.bool)
"""No token sees itself."""


def selective_shift(ids, seen, low, high):
    """Where low < id < high: the largest minus the smallest id that the token sees; elsewhere 0.
    ids: (n,), seen: bool (n, n) -> (n,)
    """
    largest = ids.where(seen, ids.min()).amax(-1)
    smallest = ids.where(seen, ids.max()).amin(-1)
    return (largest - smallest) * ((low < ids) & (ids < high))


def chain_code(chain):
    """A positional code 0 … n - 1 along a chain. The sweep goes from the smallest id to the largest: it must come to
    the tokens in the order of the chain, and find the largest id of all at its first one.    -> (n,), by token
    """
    code = torch.empty(len(chain))
    code[chain[0]] = len(chain) - 1
    code[list(chain[1:])] = torch.arange(len(chain) - 1.0)
    return code


def all_max_shift(names, seen, c):
    """Every token adds c times the largest name that it sees.
    names: (n,), seen: bool (n, n) -> (n,)
    """
    return names + c * names.where(seen, names.min()).amax(-1)


def _outside(result, ids, seen, low, high):
    for k, token in enumerate(ids):
        if not low < token < high and result[k] != 0:
            return f"token {k} has the id {token:g}, which is not in ({low:g}, {high:g}): it does not shift."


def _neighbours_only(result, ids, seen, low, high):
    for k, (got, want) in enumerate(zip(result, selective_shift(ids, seen, low, high))):
        if got != want:
            return f"token {k} sees the ids {ids[seen[k]].tolist()}: it shifts by {want:g}, yours by {got:g}."


SHIFT = Exercise(
    id="sparse.shift",
    title="The selective shift, when a token sees only some others.",
    reference=selective_shift,
    cases=lambda: [
        (torch.tensor([1.0, 3.0]), torch.ones(2, 2).bool(), 0.5, 1.5),
        (torch.tensor([1.0, 3.0]), torch.eye(2).bool(), 0.5, 1.5),
        (torch.tensor([0.0, 2.0, 5.0, 9.0]), LINE, 1.5, 2.5),
        (torch.tensor([4.0, 1.0, 7.0, 2.0]), RING, 0.5, 7.0),
        (torch.tensor([4.0, 1.0, 7.0, 2.0]), BACK, 0.5, 7.5),
        (torch.tensor([1.0, 4.0, 9.0]), OTHERS, 0.5, 9.5),
        (double(2.0 - 1e-9, 1.0 + 1e-9, 1.0, 2.0), BACK, 1.0, 2.0),
        (double(3000, 2999, 4096, 2**25 + 1), BACK, 2999.5, 2**26),
        (double(1e4, 2e4, -3e4, -2e4), torch.eye(4).bool() | BACK.mT, -5e4, 5e4),
        (double(2e12, 1e12, 3e12, -1e12), BACK, -2e12, 2.5e12),
        (double(-2e12, -1e12, -3e12, -4e12), BACK, -5e12, 0.0),
    ],
    properties=(
        ("leaves the others alone", _outside),
        ("looks at what the token sees and at nothing else", _neighbours_only),
    ),
    draw=lambda random: (
        double(*(ids := random.sample(range(-9, 10), 5))),
        coins(random, 5, 5) | torch.eye(5).bool().roll(1, 0),
        low := random.choice(ids),
        low + random.randint(4, 16),
    ),
    hints=(
        "In lab 02 the shift was max - min over all tokens. Here each token has its own max and its own min.",
        "Hide what is not seen before taking the maximum: ids.where(seen, ids.min()) is query × key.",
        "largest = ids.where(seen, ids.min()).amax(-1); smallest likewise with max and amin; "
        "their difference times (low < ids) & (ids < high).",
    ),
    mutants=(
        Mutant(
            {"ids.where(seen, ids.min()).amax(-1)": "ids.max()", "ids.where(seen, ids.max()).amin(-1)": "ids.min()"},
            "looks at what the token sees and at nothing else",
            "Maximum and minimum run over all tokens. A sparse head knows only those it sees.",
        ),
        Mutant(
            {" - smallest": ""},
            "looks at what the token sees and at nothing else",
            "The minimum is not subtracted: that takes the second head.",
        ),
        Mutant(
            {"ids.where(seen, ids.min())": "(ids * seen)", "ids.where(seen, ids.max())": "(ids * seen)"},
            "looks at what the token sees and at nothing else",
            "What is hidden counts as 0 here, and 0 may be the smallest. "
            "Hide it so that it can win neither the maximum nor the minimum.",
        ),
        Mutant(
            {" * ((low < ids) & (ids < high))": ""},
            "leaves the others alone",
            "Every token shifts. Only those with low < id < high do.",
        ),
        Mutant(
            {"low < ids": "low <= ids", "ids < high": "ids <= high"},
            "leaves the others alone",
            "The borders belong to nobody: low < id < high, both strict.",
        ),
        Mutant(
            {"ids.where(seen, ids.min())": "ids.where(seen.mT, ids.min())"}
            | {"ids.where(seen, ids.max())": "ids.where(seen.mT, ids.max())"},
            "looks at what the token sees and at nothing else",
            "`seen` is transposed: its rows are queries, its columns the keys that they see.",
        ),
    ),
)


def _first_is_highest(result, chain):
    got = result[chain[0]]
    if got != len(chain) - 1:
        return f"token {chain[0]} starts the chain, so it gets the highest code, {len(chain) - 1}; yours is {got:g}."


def _others_climb(result, chain):
    for place, token in enumerate(chain[1:]):
        if result[token] != place:
            return (
                f"token {token} is number {place + 1} after the start of the chain {chain}: "
                f"its code is {place}, yours {result[token]:g}."
            )


CODE = Exercise(
    id="sparse.chain",
    title="Number the tokens along a chain.",
    mark="••",
    reference=chain_code,
    cases=lambda: [((0, 1),), ((1, 0, 2),), ((0, 1, 2, 3),), ((3, 0, 2, 1, 4),), ((0,),), ((2, 0, 3, 1),)],
    draw=lambda random: (tuple(random.sample(range(n := random.randint(3, 8)), n)),),
    properties=(
        ("gives the first token of the chain the highest code", _first_is_highest),
        ("climbs along the chain", _others_climb),
    ),
    hints=(
        "chain lists tokens in the order of the chain; the code is wanted by token. "
        "So write into positions, do not list.",
        "The first token of the chain is the first to be copied from, "
        "so it must be larger than all that are still to be swept.",
        "code[chain[0]] = n - 1; code[chain[1]] = 0; code[chain[2]] = 1; …",
    ),
    mutants=(
        Mutant(
            {"= len(chain) - 1": "= 0", "torch.arange(len(chain) - 1.0)": "torch.arange(1.0, len(chain))"},
            "gives the first token of the chain the highest code",
            "The code climbs from the start. "
            "But the first token must already be the largest when the second one looks at it.",
        ),
        Mutant(
            {"code[chain[0]]": "code[0]", "code[list(chain[1:])]": "code[1:]"},
            "gives the first token of the chain the highest code",
            "This lists the codes in the order of the chain. Token chain[i] gets the i-th of them.",
        ),
        Mutant(
            {"torch.arange(len(chain) - 1.0)": "torch.arange(len(chain) - 1.0).flip(0)"},
            "climbs along the chain",
            "After the first token the code falls. "
            "The tokens are swept from the smallest code upwards, so it must climb.",
        ),
        Mutant(
            {"return code": "return code + 1"},
            "gives the first token of the chain the highest code",
            "All codes are one too high: they run from 0 to n - 1.",
        ),
        Mutant(
            {
                "code = torch.empty(len(chain))": "chain = [chain.index(token) for token in range(len(chain))]\n"
                "    code = torch.empty(len(chain))"
            },
            "gives the first token of the chain the highest code",
            "Token and place are exchanged: chain[i] is the token at place i, and code[token] is wanted.",
        ),
    ),
)


def _largest_in_sight(result, names, seen, c):
    for k, (got, want) in enumerate(zip(result, all_max_shift(names, seen, c))):
        if got != want:
            return (
                f"token {k} sees the names {names[seen[k]].tolist()}: "
                f"{names[k]:g} + {c:g} · {names[seen[k]].max():g} = {want:g}, yours is {got:g}."
            )


ALL_MAX = Exercise(
    id="sparse.all_max",
    title="Everyone adds the largest name in sight.",
    reference=all_max_shift,
    cases=lambda: [
        (torch.tensor([1.0, 4.0]), torch.ones(2, 2).bool(), 1.0),
        (torch.tensor([1.0, 4.0, 2.0, 0.5]), LINE, 10.0),
        (torch.tensor([-5.0, -2.0, -9.0, -1.0]), LINE, 3.0),
        (torch.tensor([7.0, 1.0, 3.0, 2.0]), RING, 100.0),
        (torch.tensor([7.0, 1.0, 3.0, 2.0]), BACK, 100.0),
        (torch.tensor([4.0, 2.0, 1.0]), OTHERS, 0.5),
        (double(1.0, 1.0 + 2**-30, 2.0, 2**25 + 1), BACK, 2.0),
        (double(-2e4, -3e4, -1e4, -4e4), BACK.mT, 1000),
        (double(-2e12, -3e12, -1e12, 4e12), BACK, 2),
    ],
    properties=(("adds c times the largest name in sight to the token's own", _largest_in_sight),),
    draw=lambda random: (
        double(*random.sample(range(-19, 4), 5)),
        coins(random, 5, 5) | torch.eye(5).bool().roll(1, 0),
        random.randint(2, 20),
    ),
    hints=(
        "One head without a threshold: every token takes part. "
        "What does hardmax attention with a growing score return?",
        "The largest name among those seen, for each token: hide the others first, as in the selective shift.",
        "names + c * names.where(seen, names.min()).amax(-1).",
    ),
    mutants=(
        Mutant(
            {"names.where(seen, names.min()).amax(-1)": "names.max()"},
            "adds c times the largest name in sight to the token's own",
            "That is the largest name of all, which most tokens do not see yet. It needs s rounds to travel.",
        ),
        Mutant(
            {"names + ": ""},
            "adds c times the largest name in sight to the token's own",
            "The token's own name is lost: it is a residual layer, so add.",
        ),
        Mutant(
            {"names.where(seen, names.min())": "(names * seen)"},
            "adds c times the largest name in sight to the token's own",
            "What is hidden counts as 0 here, which beats every negative name.",
        ),
        Mutant(
            {"names.min()).amax": "names.max()).amin"},
            "adds c times the largest name in sight to the token's own",
            "This takes the smallest name in sight.",
        ),
        Mutant(
            {"where(seen,": "where(seen.mT,"},
            "adds c times the largest name in sight to the token's own",
            "`seen` is transposed: its rows are queries, its columns the keys that they see.",
        ),
    ),
)
