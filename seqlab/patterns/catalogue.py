"""The patterns of the papers, each for any length n. Tokens are counted from 0.

| pattern             | sets                                                              | source                       |
| ------------------- | ----------------------------------------------------------------- | ---------------------------- |
| full()              | everything                                                        | Yun et al. 2019              |
| window(r)           | k-r … k+r                                                         |                              |
| dilated(r, d)       | k-rd, …, k-d, k, k+d, …, k+rd                                     |                              |
| strided(w)          | 1: k-w … k+w;   2: all tokens a multiple of w away                | Child et al., bidirectional  |
| fixed(w)            | 1: own block of w;   2: k and the last token of every block       | Child et al., bidirectional  |
| axial(w)            | 1: own row of w;   2: own column                                  |                              |
| star()              | neighbours on a ring, and a relay that sees all                   | Guo et al.                   |
| pure_star()         | k and a relay that sees all                                       | Zaheer et al. 2020, S        |
| random(r)           | k and r other tokens                                              |                              |
| bigbird(block)      | global + window + random blocks inside the sequence (ITC)         | Zaheer et al. 2020, App. D   |
| bigbird_etc(tokens) | extra global tokens in front, window blocks behind (ETC)          | Zaheer et al. 2020, App. D   |
| freehand(grid)      | what was drawn                                                    |                              |

Parts to compose with: own(), blocks(w), stride(w), summaries(w), relays(tokens), extended(pattern, tokens),
laid_out(layouts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.patterns.pattern import Pattern, Rule, per_layer
from seqlab.patterns.runs import Runs, join, runs


def full() -> Pattern:
    """Every token sees every token: n² connections."""
    return _one("full()", lambda n, q: runs(q, 0, n - 1))


def own() -> Pattern:
    """Every token sees itself only: n connections."""
    return _one("own()", lambda n, q: runs(q, q, q))


def window(radius: int = 1) -> Pattern:
    """`{k-r … k+r}`: (2r+1)n - r(r+1) connections; p = 1, s = ⌈(n-1)/r⌉."""
    return dilated(_size("radius", radius, 0), 1, name=f"window({radius})")


def dilated(radius: int, dilation: int, *, name: str | None = None) -> Pattern:
    """`{k-rd, …, k, …, k+rd}` in steps of d. On its own, tokens of different residue mod d never meet."""
    r, d = _size("radius", radius, 0), _size("dilation", dilation)

    def rule(n: int, q: np.ndarray) -> Runs:
        return runs(q, q - np.minimum(r, q // d) * d, np.minimum(q + r * d, n - 1), d)

    return _one(name or f"dilated({radius}, {dilation})", rule)


def strided(width: int) -> Pattern:
    """Two sets: the window of radius w, then every w-th token. (2w+1)n - w(w+1) and, where w divides n, n²/w."""
    return _named(f"strided({width})", per_layer(window(width), stride(width)))


def stride(width: int) -> Pattern:
    """`{…, k-w, k, k+w, …}`: the residue class of k mod w."""
    w = _size("width", width)
    return _one(f"stride({width})", lambda n, q: runs(q, q % w, n - 1, w))


def fixed(width: int) -> Pattern:
    """Two sets: the own block of w tokens, then k and the last token of every block. nw and n²/w + n - n/w, if w | n."""
    return _named(f"fixed({width})", per_layer(blocks(width), summaries(width)))


def blocks(width: int) -> Pattern:
    """The own block of w tokens; the last block may be shorter."""
    w = _size("width", width)
    return _one(f"blocks({width})", lambda n, q: runs(q, q // w * w, np.minimum(q // w * w + w, n) - 1))


def summaries(width: int) -> Pattern:
    """`{k} ∪ {w-1, 2w-1, …}`, and n - 1 where the last block is shorter (else nobody would hear that block)."""
    w = _size("width", width)

    def rule(n: int, q: np.ndarray) -> Runs:
        parts = [runs(q, w - 1, n - 1, w), runs(q, q, q)]
        return join(parts + ([runs(q, n - 1, n - 1)] if n % w else []))

    return _one(f"summaries({width})", rule)


def axial(width: int) -> Pattern:
    """The sequence as a table of rows of w tokens; two sets: the own row, then the own column."""
    w = _size("width", width)

    def snake(n: int) -> np.ndarray:
        """Row by row, every other row backwards, so that the last (perhaps shorter) row is entered at its first token."""
        token = np.arange(n)
        row, column = token // w, token % w
        return np.lexsort((np.where((row.max() - row) % 2, -column, column), row))

    return Pattern(f"axial({width})", per_layer(blocks(w), stride(w)).sets, snake)


def star(relay: int = -1) -> Pattern:
    """A ring of all tokens but the relay; everyone sees and is seen by the relay. 5n - 4 connections; p = 1, s = 2.

    relay: its position, negative from the end. In a causal star it must stand where it can see what it relays.
    """
    return _named(f"star({'' if relay == -1 else f'relay={relay}'})", _one("ring", _ring(relay)) | relays([relay]))


def pure_star(relay: int = 0) -> Pattern:
    """`{k, relay}`, the relay sees all: 3n - 2 connections. No directed chain through all tokens for n ≥ 4."""
    return _named(f"pure_star({f'relay={relay}' if relay else ''})", own() | relays([relay]))


def relays(tokens: Iterable[int]) -> Pattern:
    """Some tokens see all and are seen by all; the others see nothing else. Negative positions count from the end.

    Positions outside the sequence raise ValueError, except that a range is cut at n.
    """
    listed, cut = tuple(tokens), isinstance(tokens, range)

    def rule(n: int, q: np.ndarray) -> Runs:
        at = np.unique([_position(t, n) for t in listed if not (cut and t >= n)]).astype(np.int64)
        seen = np.isin(q, at)
        parts = [runs(q[seen], 0, n - 1)]
        starts = np.flatnonzero(np.diff(at, prepend=-2) > 1)  # neighbours make one run
        stops = np.append(starts[1:], len(at)) - 1
        return join(
            parts + [runs(q[~seen], first, last) for first, last in zip(at[starts].tolist(), at[stops].tolist())]
        )

    return _one(f"relays({', '.join(map(str, listed))})", rule)


def random(keys: int, seed: int = 0) -> Pattern:
    """k and `keys` other tokens, drawn once without repetition, the same in every layer and at every call.

    Drawn for a length: random(3).at(n) and random(3).at(n + 1) have nothing in common.
    """
    _size("keys", keys, 0)
    return _one(f"random({keys}, seed={seed})", lambda n, q: _random(n, q, keys, seed))


def bigbird(
    block: int = 64, *, global_blocks: int = 2, window: int = 3, random_blocks: int = 3, seed: int = 0
) -> Pattern:
    """Global, window and random blocks inside the sequence (ITC); the same as `BlockLayout.bigbird` at every n."""
    options = dict(block=block, global_blocks=global_blocks, window=window, random_blocks=random_blocks, seed=seed)
    given = tuple(sorted(options.items()))
    _bigbird_layout(block, given)  # raises what is wrong with the options now
    name = f"bigbird({', '.join(f'{k}={v}' for k, v in options.items())})"
    return laid_out(lambda n: _bigbird_layout(n, given), name=name)


def laid_out(layout_at: Callable[[int], BlockLayout], *, heads: int = 1, name: str = "laid_out") -> Pattern:
    """What the layouts list: `layout_at(n)` for every length, with one row of offsets for each of `heads`.

    It is asked again for every chunk of queries, so it should keep what it made.
    """

    def rule_of(head: int) -> Rule:
        def rule(n: int, q: np.ndarray) -> Runs:
            layout = layout_at(n)
            offsets, first, last = _block_runs(layout, head)
            row = q // layout.block
            counts = offsets[row + 1] - offsets[row]
            at = np.repeat(offsets[row] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
            ends = np.minimum((last[at] + 1) * layout.block, n) - 1
            return Runs(np.repeat(q, counts), first[at] * layout.block, ends, np.ones_like(at))

        return rule

    return Pattern(name, (tuple(rule_of(head) for head in range(_size("heads", heads))),))


def bigbird_etc(
    tokens: int = 64, block: int = 64, *, window: int = 3, random_blocks: int = 0, seed: int = 0
) -> Pattern:
    """`tokens` extra global tokens in front; window and random blocks among the others (ETC). n counts both.

    random_blocks = 0 is what the paper's best question-answering models use.
    """
    inner = bigbird(block, global_blocks=0, window=window, random_blocks=random_blocks, seed=seed)
    return _named(f"bigbird_etc({tokens}, {block})", extended(inner, tokens))


def extended(pattern: Pattern, tokens: int) -> Pattern:
    """Extra tokens in front that see all and are seen by all; the rest of the sequence keeps its pattern."""
    g = _size("tokens", tokens)

    def around(inner: Rule) -> Rule:
        def rule(n: int, q: np.ndarray) -> Runs:
            front, behind = q[q < g], q[q >= g]
            parts = [runs(front, 0, n - 1), runs(behind, 0, min(g, n) - 1)]
            if len(behind):
                rest = inner(n - g, behind - g)
                parts.append(Runs(rest.query + g, rest.first + g, rest.last + g, rest.step))
            return join(parts)

        return rule

    sets = tuple(tuple(around(rule) for rule in heads) for heads in pattern.sets)
    return Pattern(f"extended({pattern.name}, {tokens})", sets)


def freehand(
    grid: Bool[Tensor, "query key"] | Bool[Tensor, "layer query key"] | np.ndarray | list,
    *,
    stretch: bool = False,
) -> Pattern:
    """What was drawn: grid[query][key], true = may look; a list of p grids for p sets.

    The grid fixes n. With stretch=True it is a picture for any n: token k plays the part of row ⌊k m / n⌋ of m.

    Raises ValueError unless the grids are square and not empty, TypeError unless boolean.
    """
    grids = torch.as_tensor(grid)
    if grids.dtype != torch.bool:
        raise TypeError(f"grid: got dtype {grids.dtype}, wanted bool (true = may look)")
    if grids.ndim not in (2, 3) or grids.shape[-1] != grids.shape[-2] or not grids.numel():
        raise ValueError(f"grid: got shape {tuple(grids.shape)}, wanted (query, key) or (layer, query, key), square")
    grids = grids if grids.ndim == 3 else grids[None]
    m = grids.shape[-1]
    return Pattern(f"freehand({m} × {m})", tuple((_drawn(each.numpy().copy(), stretch),) for each in grids))


def _drawn(grid: np.ndarray, stretch: bool) -> Rule:
    m = len(grid)
    edges = np.diff(np.pad(grid, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, first), last = np.nonzero(edges == 1), np.nonzero(edges == -1)[1] - 1
    offsets = np.searchsorted(row, np.arange(m + 1))

    def rule(n: int, q: np.ndarray) -> Runs:
        if n != m and not stretch:
            raise ValueError(f"n: got {n}, the grid was drawn for {m} tokens; draw one for {n}, or give stretch=True")
        of = q * m // n
        counts = offsets[of + 1] - offsets[of]
        at = np.repeat(offsets[of] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        return runs(np.repeat(q, counts), -(-first[at] * n // m), -(-(last[at] + 1) * n // m) - 1)

    return rule


def _ring(relay: int) -> Rule:
    def rule(n: int, q: np.ndarray) -> Runs:
        at, others = _position(relay, n), n - 1
        q = q[q != at]
        seat = q - (q > at)  # the place on the ring
        return join(
            [
                runs(q, key, key)
                for key in ((seat + d) % max(others, 1) for d in (-1, 0, 1))
                for key in [key + (key >= at)]
            ]
        )

    return rule


def _random(n: int, q: np.ndarray, keys: int, seed: int) -> Runs:
    """Floyd's sampling without repetition among the n - 1 others, all queries at once."""
    keys = min(keys, n - 1)
    chosen: list[np.ndarray] = []
    for i in range(keys):
        top = n - 1 - keys + i  # draw from 0 … top; where the draw is taken, top is not
        drawn = (_hash(q, i, seed) % np.uint64(top + 1)).astype(np.int64)
        taken = np.zeros(len(q), dtype=bool)
        for before in chosen:
            taken |= before == drawn
        chosen.append(np.where(taken, top, drawn))
    return join([runs(q, q, q)] + [runs(q, key + (key >= q), key + (key >= q)) for key in chosen])


def _hash(q: np.ndarray, i: int, seed: int) -> np.ndarray:
    """64 well-mixed bits per (seed, query, draw): splitmix64."""
    with np.errstate(over="ignore"):
        start = (seed * 0x9E3779B97F4A7C15 + i * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
        x = q.astype(np.uint64) * np.uint64(0x2545F4914F6CDD1D) + np.uint64(start)
        for _ in range(2):
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
    return x


@lru_cache(maxsize=8)
def _bigbird_layout(n: int, options: tuple[tuple[str, int], ...]) -> BlockLayout:
    return BlockLayout.bigbird(n, **dict(options))


@lru_cache(maxsize=64)
def _block_runs(layout: BlockLayout, head: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(offsets, first block, last block): the block rows of one head as runs."""
    ends = layout.offsets[head].numpy()
    keys = layout.indices[ends[0] : ends[-1]].numpy().astype(np.int64)
    row = np.repeat(np.arange(layout.n_rows), np.diff(ends))
    starts = np.flatnonzero((np.diff(keys, prepend=-2) != 1) | (np.diff(row, prepend=-1) != 0))
    stops = np.append(starts, len(keys))[1:] - 1
    return np.searchsorted(row[starts], np.arange(layout.n_rows + 1)), keys[starts], keys[stops]


def _one(name: str, rule: Rule) -> Pattern:
    return Pattern(name, ((rule,),))


def _named(name: str, pattern: Pattern) -> Pattern:
    return Pattern(name, pattern.sets)


def _position(token: int, n: int) -> int:
    if not -n <= token < n:
        raise ValueError(f"relay: got position {token}, the sequence has {n} tokens")
    return token % n


def _size(name: str, got: int, least: int = 1) -> int:
    if isinstance(got, bool) or not isinstance(got, int) or got < least:
        raise ValueError(f"{name}: got {got!r}, wanted a whole number of tokens, at least {least}")
    return got
