"""A plan: who attends to whom in Big Bird, every choice said and the random ones drawn once.

| paper symbol (Zaheer et al. 2020, section 2, App. D) | name                                                     |
| ---------------------------------------------------- | -------------------------------------------------------- |
| b                                                    | block, in tokens                                         |
| w, r, g (the tables count tokens, the code blocks)   | window, random_blocks, len(global_blocks), all in blocks |
| ITC: G, a set of tokens of the sequence              | global_blocks, global_tokens                             |
| ETC: g tokens more                                   | extra                                                    |
| A, A(i, j) = 1                                       | `plan.mask(n)`                                           |

Inside, a sequence is *arranged*: single global tokens, of either kind, are lifted out into blocks of their own in front.
What is left are whole blocks only, and one code serves ITC and ETC.
"""

from __future__ import annotations

import numbers
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache

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
    global_blocks:  blocks that see all and are seen by all, negative from the end; (0, -1) is the published code's choice
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
                f"window: got {self.window} blocks, wanted an odd number (a block and as many neighbours on both sides), or 0"
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
        return _at(self, _whole("n", n, 1))

    def mask(self, n: int) -> Bool[Tensor, "heads query key"]:
        """A(i, j), for `seqlab.attention.attention(pattern=…)` and for pictures."""
        return self.at(n).mask()

    def layout(self, n: int) -> BlockLayout:
        """For `kernels.attention(layout=…)`. Raises ValueError where the plan is not made of whole blocks of the sequence.

        `kernel_attention` runs such plans too: it arranges the sequence first.
        """
        if self.global_tokens or self.extra % self.block:
            what = (
                f"{len(self.global_tokens)} single global tokens"
                if self.global_tokens
                else f"{self.extra} extra tokens"
            )
            raise ValueError(
                f"layout: {what} are no whole blocks of {self.block}; call kernel_attention(q, k, v, plan), which gives "
                "them blocks of their own"
            )
        return self.at(n).layout

    def pattern(self) -> Pattern:
        """The plan as a pattern of `seqlab.patterns`, for graphs, costs and verdicts at any length."""
        name = "plan"
        inner = laid_out(lambda n: self.at(n + self.extra).inner, heads=self.heads, name=name)
        if self.global_tokens:
            inner = inner | relays(self.global_tokens)
        return Pattern(name, (extended(inner, self.extra) if self.extra else inner).sets)

    def inner_products(self, n: int) -> int:
        """(query, key) pairs at n tokens, all heads of the plan together: linear in n."""
        return self.pattern().at(n).connections()[0]

    def as_dict(self) -> dict[str, object]:
        """Plain values, from which `Plan(**values)` is the same plan."""
        return {name: list(x) if isinstance(x, tuple) else x for name, x in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A plan at one length, in blocks of the arranged sequence: `front` blocks of lifted tokens, then the sequence.

    relays:  the global blocks, those in front included
    random:  drawn blocks, -1 where there is none
    """

    plan: Plan
    n: int
    front: int
    relays: tuple[int, ...]
    random: Int[Tensor, "heads blocks random_blocks"]

    @property
    def blocks(self) -> int:
        return self.random.shape[1]

    @property
    def lifted(self) -> list[int]:
        """Positions of the single global tokens in the sequence as it was given."""
        plan, length = self.plan, self.n - self.plan.extra
        return [*range(plan.extra), *sorted({plan.extra + t % length for t in plan.global_tokens})]

    def row(self, head: int, block: int) -> list[int]:
        """The key blocks of a query block, ascending."""
        if block in self.relays:
            return list(range(self.blocks))
        reach = self.plan.window // 2
        near = range(max(self.front, block - reach), min(self.blocks, block + reach + 1)) if self.plan.window else ()
        return sorted({*self.relays, *near, *(j for j in self.random[head, block].tolist() if j >= 0)})

    @cached_property
    def layout(self) -> BlockLayout:
        """Of the arranged sequence."""
        rows = [[self.row(head, i) for i in range(self.blocks)] for head in range(self.plan.heads)]
        return BlockLayout.from_rows(
            rows, self.plan.block, n_query=self.front * self.plan.block + self.n - self.plan.extra
        )

    @cached_property
    def inner(self) -> BlockLayout:
        """Of the sequence without what was lifted in front."""
        rows = [
            [[j - self.front for j in self.row(head, i) if j >= self.front] for i in range(self.front, self.blocks)]
            for head in range(self.plan.heads)
        ]
        return BlockLayout.from_rows(rows, self.plan.block, n_query=self.n - self.plan.extra)

    def mask(self) -> Bool[Tensor, "heads query key"]:
        mask = torch.ones(self.plan.heads, self.n, self.n, dtype=torch.bool)
        mask[:, self.plan.extra :, self.plan.extra :] = self.inner.mask()
        mask[:, self.lifted] = True
        mask[:, :, self.lifted] = True
        return mask


@lru_cache(maxsize=64)
def _at(plan: Plan, n: int) -> Drawn:
    length = n - plan.extra
    if length < 1:
        raise ValueError(f"n: got {n} tokens, wanted more than the {plan.extra} extra ones; lengths count them")
    for t in plan.global_tokens:
        if not -length <= t < length:
            raise ValueError(f"global_tokens: got position {t}, the sequence has {length} tokens")
    count = -(-length // plan.block)
    relays = _relays(plan, count)
    front = -(-(plan.extra + len({t % length for t in plan.global_tokens})) // plan.block)
    drawn = torch.full((plan.heads, front + count, plan.random_blocks), -1)
    for head in range(plan.heads) if plan.random_blocks else ():
        draw = random.Random(f"{plan.seed} {head}")
        rows = [_draw(plan, draw, i, count, relays) for i in range(count)]
        drawn[head, front:] = torch.tensor([[j + front if j >= 0 else -1 for j in row] for row in rows])
    return Drawn(plan, n, front, (*range(front), *(j + front for j in relays)), drawn)


def _relays(plan: Plan, count: int) -> list[int]:
    outside = [j for j in plan.global_blocks if not -count <= j < count]
    if outside and plan.short == "error":
        raise ValueError(
            f"global_blocks: got block {outside[0]}, the sequence has {count} of {plan.block} tokens; take a longer "
            "sequence, or short='fewer'"
        )
    return sorted({j % count for j in plan.global_blocks if -count <= j < count})


def _draw(plan: Plan, draw: random.Random, row: int, count: int, relays: list[int]) -> list[int]:
    """`random_blocks` distinct blocks outside of window and relays, ascending, filled up with -1."""
    if row in relays:
        return [-1] * plan.random_blocks
    limit = count if plan.random_from is None else min(count, plan.random_from // plan.block)
    reach = plan.window // 2
    near = range(row - reach, row + reach + 1) if plan.window else ()
    taken = sorted({j for j in (*near, *relays) if 0 <= j < limit})
    free = limit - len(taken)
    if free < plan.random_blocks and plan.short == "error":
        where = f"all {count} blocks" if limit == count else f"the first {limit} of {count} blocks"
        raise ValueError(
            f"random_blocks: got {plan.random_blocks}, but of {where}, query block {row} has {free} outside of its "
            f"window and the global blocks; take a longer sequence{'' if limit == count else ' or random_from'}, smaller "
            "blocks, fewer random ones, or short='fewer'"
        )
    chosen = sorted(draw.sample(range(free), min(plan.random_blocks, free)))
    for j in taken:  # the k-th free block, counted over the taken ones
        chosen = [x + (x >= j) for x in chosen]
    return chosen + [-1] * (plan.random_blocks - len(chosen))


def _whole(name: str, got: object, least: int | None = None) -> int:
    if isinstance(got, bool) or not isinstance(got, numbers.Integral) or (least is not None and got < least):
        wanted = "a whole number" if least is None else f"a whole number, at least {least}"
        raise ValueError(f"{name}: got {got!r}, wanted {wanted}")
    return int(got)
