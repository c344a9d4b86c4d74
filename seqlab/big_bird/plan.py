"""A plan: who attends to whom in Big Bird, every choice said and the random ones drawn once.

| paper symbol (Zaheer et al. 2020, section 2, App. D) | name                                                     |
| ---------------------------------------------------- | -------------------------------------------------------- |
| b                                                    | block, in tokens                                         |
| w, r, g (the tables count tokens, the code blocks)   | window, random_blocks, len(global_blocks), all in blocks |
| ITC: G, a set of tokens of the sequence              | global_blocks, global_tokens                             |
| ETC: g tokens more                                   | extra                                                    |
| A, A(i, j) = 1                                       | `plan.mask(n)`                                           |

Inside, a sequence is *arranged*: single global tokens, of either kind, are lifted out into blocks of their own in
front. What is left are whole blocks only, and one code serves ITC and ETC.
"""

from __future__ import annotations

import numbers
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.patterns import Pattern, extended, laid_out, relays

SHORT = ("error", "fewer")


@dataclass(frozen=True)
class Plan:
    """Immutable; the same plan lists the same blocks at every call, after pickling, and on every machine.

    block:          tokens in a block
    window:         blocks that a query block sees around itself, itself in the middle: 0 or odd
    global_blocks:  blocks that see all and are seen by all, negative from the end; (0, -1) is the published choice
    random_blocks:  blocks drawn for each query block outside of its window and the global blocks, without repetition
    random_from:    draw them among the whole blocks in the first `random_from` tokens; None is everywhere
    heads:          how many random plans, one for each head; 1 is shared by all heads
    seed:           of the draw. Head h of a plan draws the same whatever the number of heads
    extra:          tokens in front of the sequence that see all and are seen by all (ETC); lengths count them
    global_tokens:  single tokens of the sequence that are global; positions do not count the extra ones
    short:          a sequence with fewer blocks than a plan asks for is an "error", or gets "fewer" of them
    """

    block: int = 64
    window: int = 3
    global_blocks: Sequence[int] = (0, -1)
    random_blocks: int = 3
    random_from: int | None = None
    heads: int = 1
    seed: int = 0
    extra: int = 0
    global_tokens: Sequence[int] = ()
    short: str = "error"

    def __post_init__(self) -> None:
        smallest = dict(block=1, window=0, random_blocks=0, heads=1, extra=0, seed=None)
        for name, least in smallest.items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        if self.window and self.window % 2 == 0:
            raise ValueError(
                f"window: got {self.window} blocks, wanted an odd number (a block and as many neighbours on both "
                "sides), or 0"
            )
        if self.random_from is not None:
            object.__setattr__(self, "random_from", _whole("random_from", self.random_from, self.block))
        for name in ("global_blocks", "global_tokens"):
            given = getattr(self, name)
            if isinstance(given, int) or not isinstance(given, Iterable):
                raise TypeError(
                    f"{name}: got {given!r}, wanted a list of positions, such as (0, -1) for first and last"
                )
            object.__setattr__(self, name, tuple(_whole(name, at) for at in given))
        if self.short not in SHORT:
            raise ValueError(f"short: got {self.short!r}, wanted one of {', '.join(SHORT)}")

    @classmethod
    def published(cls, *, heads: int = 12, seed: int = 0) -> Plan:
        """BigBird-ITC base as the authors' code runs it at 4,096 tokens: random blocks from the first 1,024 only."""
        return cls(64, 3, (0, -1), 3, random_from=1024, heads=heads, seed=seed)

    @classmethod
    def etc(cls, extra: int = 256, block: int = 84, *, window: int = 3, random_blocks: int = 0, seed: int = 0) -> Plan:
        """BigBird-ETC base: global tokens are extra ones, and none of the paper's such models has random blocks."""
        return cls(block, window, (), random_blocks, extra=extra, seed=seed)

    def at(self, n: int) -> Drawn:
        """The plan at n tokens, extra ones included. Kept, so that it is drawn once per length."""
        return Drawn(self, *_numbers(self, n))

    def mask(self, n: int) -> Bool[Tensor, "heads query key"]:
        """A(i, j), for `seqlab.attention.attention(pattern=…)` and for pictures."""
        return self.at(n).mask()

    def layout(self, n: int) -> BlockLayout:
        """For `kernels.attention(layout=…)`. Raises ValueError where the plan is not made of whole blocks.

        `kernel_attention` runs such plans too: it arranges the sequence first.
        """
        if self.global_tokens or self.extra % self.block:
            single = len(self.global_tokens)
            what = f"{single} single global tokens" if single else f"{self.extra} extra tokens"
            raise ValueError(
                f"layout: {what} are no whole blocks of {self.block}; call kernel_attention(q, k, v, plan), which "
                "gives them blocks of their own"
            )
        return self.at(n).layout

    def pattern(self) -> Pattern:
        """The plan as a pattern of `seqlab.patterns`, for graphs, costs and verdicts at any length."""
        inner = laid_out(self._inner, heads=self.heads)
        if self.global_tokens:
            inner = inner | relays(self.global_tokens)
        return Pattern("plan", (extended(inner, self.extra) if self.extra else inner).sets)

    def _inner(self, length: int) -> BlockLayout:
        """Of the sequence without what is lifted in front; `length` does not count the extra tokens."""
        drawn = self.at(length + self.extra)
        return BlockLayout.from_mask(
            drawn.grid()[:, drawn.front :, drawn.front :], self.block, n_query=length, n_key=length
        )

    def inner_products(self, n: int) -> int:
        """(query, key) pairs at n tokens, all heads of the plan together: linear in n."""
        return self.pattern().at(n).connections()[0]

    def as_dict(self) -> dict[str, object]:
        """Plain values, from which `Plan(**values)` is the same plan."""
        return {name: list(x) if isinstance(x, tuple) else x for name, x in asdict(self).items()}


class Drawn(NamedTuple):
    """A plan at one length, in blocks of the arranged sequence: `front` blocks of lifted tokens, then the sequence.

    relays:  the global blocks, those in front included
    lifted:  positions of the single global tokens in the sequence as it was given
    chosen:  per head and block the blocks that were drawn, -1 where there is none
    tables:  offsets and indices of the layout, and of its transpose (see `BlockLayout`)

    What is kept between calls are plain numbers, and each call makes its own tensors of them. So a tensor that was made
    under inference mode, by a tracer or on a device that holds no data never meets a later call.
    """

    plan: Plan
    n: int
    front: int
    relays: tuple[int, ...]
    lifted: tuple[int, ...]
    chosen: tuple[tuple[tuple[int, ...], ...], ...]
    tables: tuple[list, ...]

    @property
    def blocks(self) -> int:
        return len(self.chosen[0])

    @property
    def random(self) -> Int[Tensor, "heads blocks random_blocks"]:
        return torch.tensor(self.chosen, dtype=torch.long, device="cpu")

    @property
    def layout(self) -> BlockLayout:
        """Of the arranged sequence."""
        length = self.front * self.plan.block + self.n - self.plan.extra
        tables = (torch.tensor(table, dtype=torch.int32, device="cpu") for table in self.tables)
        return BlockLayout(self.plan.block, length, length, *tables)

    def grid(self) -> Bool[Tensor, "heads row column"]:
        """True where a block of queries lists a block of keys."""
        offsets, keys, *_ = self.tables
        rows = [[keys[a:b] for a, b in zip(ends, ends[1:])] for ends in offsets]
        places = [(head, i, j) for head, each in enumerate(rows) for i, row in enumerate(each) for j in row]
        grid = torch.zeros(self.plan.heads, self.blocks, self.blocks, dtype=torch.bool, device="cpu")
        grid[tuple(torch.tensor(places, dtype=torch.long, device="cpu").reshape(-1, 3).T)] = True
        return grid

    def mask(self) -> Bool[Tensor, "heads query key"]:
        plan, lifted = self.plan, list(self.lifted)
        tokens = self.grid().repeat_interleave(plan.block, 1).repeat_interleave(plan.block, 2)
        mask = torch.ones(plan.heads, self.n, self.n, dtype=torch.bool, device="cpu")
        start = self.front * plan.block
        own = slice(start, start + self.n - plan.extra)
        mask[:, plan.extra :, plan.extra :] = tokens[:, own, own]
        mask[:, lifted] = True
        mask[:, :, lifted] = True
        return mask


@torch.compiler.assume_constant_result
def _numbers(plan: Plan, n: object) -> tuple:
    """Drawn once per plan and length; a compiler asks for it and does not look inside."""
    return _drawn(plan, n)


@lru_cache(maxsize=64)
def _drawn(plan: Plan, n: object) -> tuple:
    """What `Drawn` holds beside the plan."""
    n = _whole("n", n, 1)
    length = n - plan.extra
    if length < 1:
        raise ValueError(f"n: got {n} tokens, wanted more than the {plan.extra} extra ones; lengths count them")
    for t in plan.global_tokens:
        if not -length <= t < length:
            raise ValueError(f"global_tokens: got position {t}, the sequence has {length} tokens")
    count = -(-length // plan.block)
    relays = _relays(plan, count)
    lifted = (*range(plan.extra), *sorted({plan.extra + t % length for t in plan.global_tokens}))
    front = -(-len(lifted) // plan.block)
    chosen, rows = [], []
    every, reach = range(front + count), plan.window // 2
    hubs = {*range(front), *(j + front for j in relays)}
    for head in range(plan.heads):
        draw = random.Random(f"{plan.seed} {head}")
        drawn = [[]] * front + [_draw(plan, draw, i, count, relays) for i in range(count)]
        chosen.append([[j + front for j in row] for row in drawn])
        near = [range(max(front, i - reach), min(len(every), i + reach + 1)) if plan.window else () for i in every]
        rows.append([every if i in hubs else sorted({*hubs, *near[i], *chosen[-1][i]}) for i in every])
    columns = [[[] for _ in every] for _ in rows]
    for listed, head in zip(columns, rows):
        for i, row in enumerate(head):
            for j in row:
                listed[j].append(i)
    filled = tuple(tuple((*row, *[-1] * (plan.random_blocks - len(row))) for row in head) for head in chosen)
    return n, front, tuple(sorted(hubs)), lifted, filled, (*_packed(rows), *_packed(columns))


def _packed(heads: Sequence[Sequence[Sequence[int]]]) -> tuple[list[list[int]], list[int]]:
    """(offsets, indices): the lists of all heads one behind the other, and where each begins and ends."""
    ends = [0, *accumulate(len(row) for rows in heads for row in rows)]
    size = len(heads[0])
    offsets = [ends[head * size : (head + 1) * size + 1] for head in range(len(heads))]
    return offsets, [j for rows in heads for row in rows for j in row]


def _relays(plan: Plan, count: int) -> list[int]:
    outside = [j for j in plan.global_blocks if not -count <= j < count]
    if outside and plan.short == "error":
        raise ValueError(
            f"global_blocks: got block {outside[0]}, the sequence has {count} of {plan.block} tokens; take a longer "
            "sequence, or short='fewer'"
        )
    return sorted({j % count for j in plan.global_blocks if -count <= j < count})


def _draw(plan: Plan, draw: random.Random, row: int, count: int, relays: list[int]) -> list[int]:
    """`random_blocks` distinct blocks outside of window and relays, ascending; fewer where there are no more."""
    if row in relays or not plan.random_blocks:
        return []
    limit = count if plan.random_from is None else min(count, plan.random_from // plan.block)
    reach = plan.window // 2
    near = range(row - reach, row + reach + 1) if plan.window else ()
    taken = sorted({j for j in (*near, *relays) if 0 <= j < limit})
    free = limit - len(taken)
    if free < plan.random_blocks and plan.short == "error":
        where = f"all {count} blocks" if limit == count else f"the first {limit} of {count} blocks"
        raise ValueError(
            f"random_blocks: got {plan.random_blocks}, but of {where}, query block {row} has {free} outside of its "
            f"window and the global blocks; take a longer sequence{'' if limit == count else ' or random_from'}, "
            "smaller blocks, fewer random ones, or short='fewer'"
        )
    chosen = sorted(draw.sample(range(free), min(plan.random_blocks, free)))
    for j in taken:  # the k-th free block is found by counting on over each taken one, the lowest first
        chosen = [x + (x >= j) for x in chosen]
    return chosen


def _whole(name: str, got: object, least: int | None = None) -> int:
    if isinstance(got, bool) or not isinstance(got, numbers.Integral) or (least is not None and got < least):
        wanted = "a whole number" if least is None else f"a whole number, at least {least}"
        raise ValueError(f"{name}: got {got!r}, wanted {wanted}")
    return int(got)
