"""The exercises of lab 04 on blocks: the window by rolling, global rows and columns, random keys."""

import torch

from seqlab.course.cases import coins, drawn, normal
from seqlab.course.check import Exercise, Mutant


def window_keys(keys, window):
    """Beside each block the `window` blocks around it (odd), itself in the middle.
    keys: (block, token, dim) -> (block, window * token, dim)

    Roll the blocks instead of picking them one by one.
    What a roll brings around the end is no neighbour: make it zeros.
    """
    blocks, reach = len(keys), window // 2
    place = torch.arange(blocks)
    parts = []
    for shift in range(-reach, reach + 1):
        inside = (place + shift >= 0) & (place + shift < blocks)
        parts.append(torch.roll(keys, -shift, dims=0) * inside[:, None, None])
    return torch.cat(parts, dim=1)


def add_global(allowed, tokens):
    """The tokens become global: they see all and are seen by all.
    allowed: bool (query, key); tokens: positions, negative from the end -> bool (query, key)
    """
    allowed = allowed.clone()
    allowed[tokens, :] = True
    allowed[:, tokens] = True
    return allowed


def random_blocks(ranks, taken, count):
    """For each query block `count` different key blocks that are not taken.
    ranks: (query, key); taken: bool (query, key) -> bool (query, key)

    ranks are random numbers, all different: of the blocks that are free, a query block draws those with the smallest.
    taken marks its window and the global blocks. Every row has at least `count` free blocks.
    """
    chosen = ranks.masked_fill(taken, float("inf")).argsort(dim=1)[:, :count]
    return torch.zeros_like(taken).scatter(1, chosen, True)


def _blocks(*shape):
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)


def _parts(result, keys, window):
    """For every block and part of its row: (block, part, the block that belongs there, what stands there)."""
    rows = result.unflatten(1, (window, -1))
    return [(i, part, i + part - window // 2, rows[i, part]) for i in range(len(keys)) for part in range(window)]


def _no_wrap(result, keys, window):
    for block, part, at, got in _parts(result, keys, window):
        if not 0 <= at < len(keys) and got.any():
            return f"block {block} has no neighbour {at - block:+d}, so its part {part} is zeros."


def _neighbours(result, keys, window):
    for block, part, at, got in _parts(result, keys, window):
        if 0 <= at < len(keys) and not torch.equal(got, keys[at]):
            return f"part {part} of block {block} is not block {at}."


WINDOW = Exercise(
    id="big_bird.window",
    title="The window by rolling blocks.",
    mark="••",
    reference=window_keys,
    cases=lambda: [
        (_blocks(2, 1, 1), 1),
        (_blocks(3, 1, 1), 3),
        (_blocks(4, 2, 1), 3),
        (_blocks(5, 2, 3), 5),
        (_blocks(2, 1, 2), 5),
        (normal(4, 3, 2).double() / 3, 7),
    ],
    properties=(
        ("puts zeros where there is no neighbour", _no_wrap),
        ("has the neighbours in order", _neighbours),
    ),
    draw=lambda random: (drawn(random, random.randint(3, 6), 2, random.randint(1, 3)), random.choice((3, 5))),
    hints=(
        "torch.roll(keys, -1, dims=0) puts block i + 1 at place i, for all blocks at once. "
        "Only the last place gets a wrong one.",
        "For shift from -(window // 2) to window // 2: roll by -shift, "
        "and multiply with a mask of the places where 0 <= place + shift < blocks.",
        "parts.append(torch.roll(keys, -shift, dims=0) * inside[:, None, None]); at the end torch.cat(parts, dim=1).",
    ),
    mutants=(
        Mutant(
            {" * inside[:, None, None]": ""},
            "puts zeros where there is no neighbour",
            "A roll goes around: the first block sees the last one. Blank what came from the other end.",
        ),
        Mutant(
            {"-shift": "shift"},
            "has the neighbours in order",
            "This rolls the wrong way: roll by +1 puts block i - 1 at place i, "
            "but the part on the right wants block i + 1.",
        ),
        Mutant(
            {"-reach, reach + 1": "1 - window, 1"},
            "puts zeros where there is no neighbour",
            "This window only looks back. The block itself belongs in the middle.",
        ),
        Mutant(
            {"torch.cat(parts, dim=1)": "torch.stack(parts, dim=2).flatten(1, 2)"},
            "puts zeros where there is no neighbour",
            "The tokens of the neighbours are interleaved. "
            "Whole blocks stand side by side: concatenate along the token axis.",
        ),
    ),
)


def _rows(result, allowed, tokens):
    for t in tokens:
        if not result[t].all():
            return f"token {t} is global, but does not see token {(~result[t]).nonzero()[0].item()}."


def _columns(result, allowed, tokens):
    for t in tokens:
        if not result[:, t].all():
            return f"token {t} is global, but token {(~result[:, t]).nonzero()[0].item()} does not see it."


def _rest(result, allowed, tokens):
    others = torch.ones(len(allowed), dtype=torch.bool)
    others[tokens] = False
    for query, key in ((result != allowed) & others[:, None] & others).nonzero():
        return f"neither {query} nor {key} is global, so what was between them must stay."


GLOBAL = Exercise(
    id="big_bird.global",
    title="Global rows and columns.",
    reference=add_global,
    cases=lambda: [
        (torch.eye(3).bool(), [0]),
        (torch.eye(4).bool(), [0, 3]),
        (torch.ones(5, 5).tril(1).triu(-1).bool(), [2]),
        (torch.ones(6, 6).tril(1).triu(-1).bool(), [0, -1]),
        (torch.ones(6, 6).tril(1).triu(-1).bool(), [0, 4, 5]),
        (torch.ones(5, 5).tril().bool(), [-3]),
        (torch.ones(4, 4).triu(1).bool(), []),
    ],
    properties=(
        ("lets global tokens see all", _rows),
        ("lets all see global tokens", _columns),
        ("leaves the rest alone", _rest),
    ),
    draw=lambda random: (
        coins(random, n := random.randint(4, 8), n),
        random.sample(range(-n, n), random.randint(1, 3)),
    ),
    hints=(
        "A global token is a full row and a full column of the mask. Which index is the query, which the key?",
        "Work on a copy: allowed = allowed.clone(). A list of positions can index a whole axis.",
        "allowed[tokens, :] = True, then allowed[:, tokens] = True.",
    ),
    mutants=(
        Mutant(
            {"allowed[tokens, :] = True": "pass"},
            "lets global tokens see all",
            "Columns only: everyone hears the global token, but it hears nobody, so it has nothing to pass on.",
        ),
        Mutant(
            {"allowed[:, tokens] = True": "pass"},
            "lets all see global tokens",
            "Rows only: the global token hears everyone, but nobody hears it.",
        ),
        Mutant(
            {"[tokens, :]": "[torch.tensor(tokens)[:, None], tokens]", "allowed[:, tokens] = True": "pass"},
            "lets global tokens see all",
            "Only the crossings of global rows with global columns are set. A whole row and a whole column are wanted.",
        ),
        Mutant(
            {"return allowed": "return torch.ones_like(allowed)"},
            "leaves the rest alone",
            "Everything is set: that is full attention.",
        ),
    ),
)


def _drawing(blocks, window, relays, count, rows=slice(None), size=1.0):
    place = torch.arange(blocks)
    taken = (place[:, None] - place).abs() <= window // 2
    taken[:, relays] = True
    return size * normal(blocks, blocks)[rows], taken[rows], count


def _distinct(result, ranks, taken, count):
    for row, got in enumerate(result.sum(1)):
        if got != count:
            return f"query block {row} has {got} random blocks; wanted {count} different ones."


def _free(result, ranks, taken, count):
    for row, key in (result & taken).nonzero():
        return f"query block {row} draws block {key}, which it sees already: that key would count twice in the softmax."


def _smallest(result, ranks, taken, count):
    for row in range(len(ranks)):
        left = ranks[row][~taken[row] & ~result[row]]
        if count and len(left) and ranks[row][result[row]].max() > left.min():
            return f"query block {row} passes over a free block with a smaller rank than one it draws."


RANDOM = Exercise(
    id="big_bird.random",
    title="A random plan without duplicates.",
    mark="••",
    reference=random_blocks,
    cases=lambda: [
        _drawing(4, 1, [0], 1),
        _drawing(6, 3, [0], 2),
        _drawing(8, 3, [0, 7], 3),
        _drawing(8, 3, [0, 7], 2, rows=slice(1, 6)),
        _drawing(9, 1, [], 8),
        _drawing(7, 3, [0, 6], 0),
        _drawing(8, 3, [2], 4, size=1e6),
    ],
    properties=(
        ("draws `count` different blocks", _distinct),
        ("draws only free blocks", _free),
        ("draws the smallest ranks", _smallest),
    ),
    draw=lambda random: (
        drawn(random, n := random.randint(7, 10), n),
        _drawing(n, 3, [random.randrange(n)], 0)[1],
        random.randint(1, n - 4),
    ),
    hints=(
        "A shuffle cannot repeat itself: sort the random ranks of a row, and take the first blocks of that order.",
        "Give the taken blocks a rank that never wins: ranks.masked_fill(taken, float('inf')). "
        "Then argsort along the keys.",
        "chosen = ranks.masked_fill(taken, float('inf')).argsort(dim=1)[:, :count]; "
        "torch.zeros_like(taken).scatter(1, chosen, True).",
    ),
    mutants=(
        Mutant(
            {'.masked_fill(taken, float("inf"))': ""},
            "draws only free blocks",
            "Window and global blocks take part in the draw. Put them out of the running first.",
        ),
        Mutant(
            {'.masked_fill(taken, float("inf"))': "", "chosen, True)": "chosen, True) & ~taken"},
            "draws `count` different blocks",
            "Taken blocks are drawn and then thrown away, so some rows come out short. Exclude them before the draw.",
        ),
        Mutant(
            {":count": ":min(count, 1)"},
            "draws `count` different blocks",
            "Each draw forgets the one before, so the same block comes again. Draw once, without putting back.",
        ),
        Mutant(
            {"ranks.masked_fill": "(-ranks).masked_fill"},
            "draws the smallest ranks",
            "These are the largest ranks. The draw is just as random, but the smallest were asked for.",
        ),
        Mutant(
            {"ranks.masked_fill": "ranks[:1].expand_as(ranks).masked_fill"},
            "draws the smallest ranks",
            "Every query block uses the ranks of the first row, "
            "so they all draw the same blocks and nobody new is reached.",
        ),
    ),
)
