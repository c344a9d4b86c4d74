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

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kernels.layout import BlockLayout, tables
from seqlab.patterns import Pattern, extended, laid_out, relays
from seqlab.patterns.rules import position, whole


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
    extra:          tokens in front of the sequence that see all and are seen by all; lengths count them. BigBird-ETC
                    base is Plan(84, 3, (), 0, extra=256): none of the paper's such models has random blocks
    global_tokens:  single tokens of the sequence that are global; positions do not count the extra ones
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

    def __post_init__(self) -> None:
        smallest = dict(block=1, window=0, random_blocks=0, heads=1, extra=0, seed=None)
        if self.random_from is not None:
            smallest["random_from"] = self.block
        made = {name: whole(name, getattr(self, name), least) for name, least in smallest.items()}
        if self.window and self.window % 2 == 0:
            raise ValueError(
                f"window: got {self.window} blocks, wanted an odd number (a block and as many neighbours on both "
                "sides), or 0"
            )
        for name in ("global_blocks", "global_tokens"):
            given = getattr(self, name)
            if not isinstance(given, Iterable):
                raise TypeError(
                    f"{name}: got {given!r}, wanted a list of positions, such as (0, -1) for first and last"
                )
            made[name] = tuple(whole(name, at, None) for at in given)
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @classmethod
    def published(cls, *, heads: int = 12, seed: int = 0) -> "Plan":
        """BigBird-ITC base as the authors' code runs it at 4,096 tokens: random blocks from the first 1,024 only."""
        return cls(64, 3, (0, -1), 3, random_from=1024, heads=heads, seed=seed)

    def for_heads(self, heads: int) -> "Plan":
        """The plan itself. Raises ValueError unless it has as many heads, or one for all."""
        if self.heads not in (1, heads):
            raise ValueError(f"plan: has {self.heads} heads, wanted {heads} as the layer has, or 1 for all")
        return self

    def at(self, n: int) -> "Drawn":
        """The plan at n tokens, extra ones included. Kept, so that it is drawn once per length."""
        return Drawn(self, *_numbers(self, n))

    def mask(self, n: int) -> Bool[Tensor, "heads query key"]:
        """A(i, j), for `seqlab.attention.attention(pattern=…)` and for pictures."""
        return self.pattern().at(n).masks(by_head=True)[0]

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

    def _inner(self, length: int) -> tuple[int, list, list]:
        """The blocks of the sequence without what is lifted in front; `length` does not count the extra tokens."""
        drawn = self.at(length + self.extra)
        (offsets, keys, *_), front = drawn.tables, drawn.front
        rows = [[[j - front for j in keys[a:b] if j >= front] for a, b in pairwise(ends[front:])] for ends in offsets]
        return self.block, *tables(rows, len(rows[0]))[:2]

    def inner_products(self, n: int) -> int:
        """(query, key) pairs at n tokens, all heads of the plan together: linear in n."""
        return self.pattern().at(n).connections()[0]


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


def _numbers(plan: Plan, n: object) -> tuple:
    """Drawn once per plan and length; a compiler asks for it and does not look inside."""
    return _drawn(plan, n)


# What torch.compiler.assume_constant_result does; to call it would load the compiler, which takes seconds.
_numbers._dynamo_marked_constant = True


@lru_cache(maxsize=64)
def _drawn(plan: Plan, n: object) -> tuple:
    """What `Drawn` holds beside the plan."""
    n = whole("n", n, 1)
    length = n - plan.extra
    if length < 1:
        raise ValueError(f"n: got {n} tokens, wanted more than the {plan.extra} extra ones; lengths count them")
    count = -(-length // plan.block)
    lifted = {plan.extra + position(at, length, "global_tokens") for at in plan.global_tokens}
    lifted = (*range(plan.extra), *sorted(lifted))
    front = -(-len(lifted) // plan.block)
    every, reach, chosen, rows = range(front + count), plan.window // 2, [], []
    hubs = {*range(front), *(front + position(j, count, "global_blocks", "blocks") for j in plan.global_blocks)}
    for head in range(plan.heads):
        draw, listed, drawn = random.Random(f"{plan.seed} {head}"), [], []
        for i in every:
            near = every[max(front, i - reach) : i + reach + 1] if plan.window else ()
            drawn.append([] if i in hubs else _draw(plan, draw, i, {*hubs, *near}, every[front:]))
            listed.append(every if i in hubs else [*hubs, *near, *drawn[-1]])
        rows.append(listed)
        chosen.append(tuple((*row, *[-1] * (plan.random_blocks - len(row))) for row in drawn))
    return n, front, tuple(sorted(hubs)), lifted, tuple(chosen), tables(rows, len(every))


def _draw(plan: Plan, draw: random.Random, row: int, taken: set[int], blocks: range) -> list[int]:
    """`random_blocks` distinct blocks that are not taken, ascending."""
    some = blocks if plan.random_from is None else blocks[: plan.random_from // plan.block]
    taken = sorted(taken.intersection(some))
    if len(some) - len(taken) < plan.random_blocks:
        where = f"all {len(blocks)} blocks" if some == blocks else f"the first {len(some)} of {len(blocks)} blocks"
        raise ValueError(
            f"random_blocks: got {plan.random_blocks}, but of {where}, query block {row - blocks[0]} has "
            f"{len(some) - len(taken)} outside of its window and the global blocks; take a longer sequence"
            f"{'' if some == blocks else ' or random_from'}, smaller blocks, or fewer random ones"
        )
    chosen = [some[at] for at in sorted(draw.sample(range(len(some) - len(taken)), plan.random_blocks))]
    for j in taken:  # the k-th free block is found by counting on over each taken one, the lowest first
        chosen = [x + (x >= j) for x in chosen]
    return chosen
