"""The exercises of lab 03: a sparse pattern, how far it carries, and the proof's shifts on it."""

import torch

from seqlab.course.check import Exercise, Mutant


def strided(n, width):
    """Two sets of connections: tokens at most `width` apart, and tokens a multiple of `width` apart.    -> bool (2, query, key)"""
    token = torch.arange(n)
    distance = (token[:, None] - token).abs()
    return torch.stack([distance <= width, distance % width == 0])


def steps_to_reach(sets):
    """After how many steps has every token heard of every token? 0 if never.    sets: bool (p, query, key), used in turn

    In one step a query hears what the keys it sees have heard before. Step 1 uses sets[0], step 2 sets[1], and so on.
    """
    p, n, _ = sets.shape
    heard = sets[0]
    for step in range(1, n * p + 1):
        if heard.all():
            return step
        heard = sets[step % p].double() @ heard.double() > 0
    return 0


def selective_shift(ids, seen, low, high):
    """Where low < id < high: the largest minus the smallest id that the token sees; elsewhere 0.    ids: (n,), seen: bool (n, n)"""
    largest = ids.where(seen, ids.min()).amax(-1)
    smallest = ids.where(seen, ids.max()).amin(-1)
    return (largest - smallest) * ((low < ids) & (ids < high))


def chain_code(chain):
    """The positional code along a chain: n - 1 for its first token, then 0, 1, 2, … for the others.    -> (n,), by token"""
    code = torch.empty(len(chain))
    code[chain[0]] = len(chain) - 1
    code[list(chain[1:])] = torch.arange(len(chain) - 1.0)
    return code


def all_max_shift(names, seen, c):
    """Every token adds c times the largest name that it sees.    names: (n,), seen: bool (n, n) -> (n,)"""
    return names + c * names.where(seen, names.min()).amax(-1)


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
            lambda n, width: torch.stack([(d := (torch.arange(n)[:, None] - torch.arange(n)).abs()) < width, d % width == 0]),
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
)  # fmt: skip


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
    properties=(("says 0 exactly when someone is never heard", _never), ("counts the steps in the order of the sets", _counts)),
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
)  # fmt: skip


def _shift_cases():
    return [
        (torch.tensor([1.0, 3.0]), torch.ones(2, 2).bool(), 0.5, 1.5),
        (torch.tensor([1.0, 3.0]), torch.eye(2).bool(), 0.5, 1.5),
        (torch.tensor([0.0, 2.0, 5.0, 9.0]), LINE, 1.5, 2.5),
        (torch.tensor([4.0, 1.0, 7.0, 2.0]), RING, 0.5, 7.0),
    ]


def _outside(arguments, result):
    ids, seen, low, high = arguments
    for k, token in enumerate(ids.tolist()):
        if not low < token < high and result[k] != 0:
            return f"token {k} has the id {token:g}, which is not strictly between {low:g} and {high:g}: it does not shift."


def _neighbours_only(arguments, result):
    ids, seen, low, high = arguments
    want = selective_shift(*arguments)
    for k in range(len(ids)):
        if result[k] != want[k]:
            return f"token {k} sees the ids {ids[seen[k]].tolist()}: it shifts by {float(want[k]):g}, yours by {float(result[k]):g}."


SHIFT = Exercise(
    id="sparse.shift",
    title="The selective shift, when a token sees only some others.",
    reference=selective_shift,
    cases=_shift_cases,
    properties=(("leaves the others alone", _outside), ("looks at what the token sees and at nothing else", _neighbours_only)),
    hints=(
        "In lab 02 the shift was max - min over all tokens. Here each token has its own max and its own min.",
        "Hide what is not seen before taking the maximum: ids.where(seen, ids.min()) is query × key.",
        "largest = ids.where(seen, ids.min()).amax(-1); smallest likewise with max and amin; their difference times (low < ids) & (ids < high).",
    ),
    mutants=(
        Mutant(
            lambda ids, seen, low, high: (ids.max() - ids.min()) * ((low < ids) & (ids < high)),
            "looks at what the token sees and at nothing else",
            "Maximum and minimum run over all tokens. A sparse head knows only those it sees.",
        ),
        Mutant(
            lambda ids, seen, low, high: ids.where(seen, ids.min()).amax(-1) * ((low < ids) & (ids < high)),
            "looks at what the token sees and at nothing else",
            "The minimum is not subtracted: that takes the second head.",
        ),
        Mutant(
            lambda ids, seen, low, high: (ids * seen).amax(-1).sub((ids * seen).amin(-1)) * ((low < ids) & (ids < high)),
            "looks at what the token sees and at nothing else",
            "What is hidden counts as 0 here, and 0 may be the smallest. Hide it so that it can win neither the maximum nor the minimum.",
        ),
        Mutant(
            lambda ids, seen, low, high: ids.where(seen, ids.min()).amax(-1) - ids.where(seen, ids.max()).amin(-1),
            "leaves the others alone",
            "Every token shifts. Only those with low < id < high do.",
        ),
        Mutant(
            lambda ids, seen, low, high: (ids.where(seen, ids.min()).amax(-1) - ids.where(seen, ids.max()).amin(-1)) * ((low <= ids) & (ids <= high)),
            "leaves the others alone",
            "The borders belong to nobody: low < id < high, both strict.",
        ),
    ),
)  # fmt: skip


def _code_cases():
    return [([0, 1],), ([1, 0, 2],), ([0, 1, 2, 3],), ([3, 0, 2, 1, 4],)]


def _first_is_highest(arguments, result):
    chain = arguments[0]
    if result[chain[0]] != len(chain) - 1:
        return f"token {chain[0]} starts the chain, so it gets the highest code, {len(chain) - 1}; yours is {float(result[chain[0]]):g}."


def _others_climb(arguments, result):
    chain = arguments[0]
    for place, token in enumerate(chain[1:]):
        if result[token] != place:
            return f"token {token} is number {place + 1} after the start of the chain {chain}: its code is {place}, yours {float(result[token]):g}."


def _along(values):
    def run(chain):
        code = torch.empty(len(chain))
        code[list(chain)] = values(len(chain))
        return code

    return run


CODE = Exercise(
    id="sparse.chain",
    title="Number the tokens along a chain.",
    reference=chain_code,
    cases=_code_cases,
    properties=(("gives the first token of the chain the highest code", _first_is_highest), ("climbs along the chain", _others_climb)),
    hints=(
        "chain lists tokens in the order of the chain; the code is wanted by token. So write into positions, do not list.",
        "The first token of the chain is the first to be copied from, so it must be larger than all that are still to be swept.",
        "code[chain[0]] = n - 1; code[chain[1]] = 0; code[chain[2]] = 1; …",
    ),
    mutants=(
        Mutant(
            _along(lambda n: torch.arange(float(n))),
            "gives the first token of the chain the highest code",
            "The code climbs from the start. But the first token must already be the largest when the second one looks at it.",
        ),
        Mutant(
            lambda chain: torch.cat([torch.tensor([len(chain) - 1.0]), torch.arange(len(chain) - 1.0)]),
            "gives the first token of the chain the highest code",
            "This lists the codes in the order of the chain. Token chain[i] gets the i-th of them.",
        ),
        Mutant(
            _along(lambda n: torch.arange(n - 1.0, -1, -1)),
            "climbs along the chain",
            "After the first token the code falls. The tokens are swept from the smallest code upwards, so it must climb.",
        ),
        Mutant(
            _along(lambda n: torch.cat([torch.tensor([float(n)]), torch.arange(1.0, n)])),
            "gives the first token of the chain the highest code",
            "All codes are one too high: they run from 0 to n - 1.",
        ),
    ),
)  # fmt: skip


def _max_cases():
    return [
        (torch.tensor([1.0, 4.0]), torch.ones(2, 2).bool(), 1.0),
        (torch.tensor([1.0, 4.0, 2.0, 0.5]), LINE, 10.0),
        (torch.tensor([-5.0, -2.0, -9.0, -1.0]), LINE, 3.0),
        (torch.tensor([7.0, 1.0, 3.0, 2.0]), RING, 100.0),
    ]


def _keeps_itself(arguments, result):
    names, seen, c = arguments
    want = all_max_shift(*arguments)
    for k in range(len(names)):
        if result[k] != want[k]:
            best = float(names[seen[k]].max())
            return f"token {k} sees the names {names[seen[k]].tolist()}: {float(names[k]):g} + {c:g} · {best:g} = {float(want[k]):g}, yours is {float(result[k]):g}."


ALL_MAX = Exercise(
    id="sparse.all_max",
    title="Everyone adds the largest name in sight.",
    reference=all_max_shift,
    cases=_max_cases,
    properties=(("adds c times the largest name in sight to the token's own", _keeps_itself),),
    hints=(
        "One head without a threshold: every token takes part. What does hardmax attention with a growing score return?",
        "The largest name among those seen, for each token: hide the others first, as in the selective shift.",
        "names + c * names.where(seen, names.min()).amax(-1).",
    ),
    mutants=(
        Mutant(
            lambda names, seen, c: names + c * names.max(),
            "adds c times the largest name in sight to the token's own",
            "That is the largest name of all, which most tokens do not see yet. It needs s rounds to travel.",
        ),
        Mutant(
            lambda names, seen, c: c * names.where(seen, names.min()).amax(-1),
            "adds c times the largest name in sight to the token's own",
            "The token's own name is lost: it is a residual layer, so add.",
        ),
        Mutant(
            lambda names, seen, c: names + c * (names * seen).amax(-1),
            "adds c times the largest name in sight to the token's own",
            "What is hidden counts as 0 here, which beats every negative name.",
        ),
        Mutant(
            lambda names, seen, c: names + c * names.where(seen, names.max()).amin(-1),
            "adds c times the largest name in sight to the token's own",
            "This takes the smallest name in sight.",
        ),
    ),
)  # fmt: skip


EXERCISES = (STRIDED, REACH, SHIFT, CODE, ALL_MAX)
