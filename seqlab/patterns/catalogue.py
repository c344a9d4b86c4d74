"""The patterns of the papers, each for any length n. Tokens are counted from 0.

| pattern             | sets                                                        | source                      |
| ------------------- | ----------------------------------------------------------- | --------------------------- |
| full()              | everything                                                  | Yun et al. 2019             |
| window(r)           | k-r … k+r                                                   |                             |
| dilated(r, d)       | k-rd, …, k-d, k, k+d, …, k+rd                               |                             |
| strided(w)          | 1: k-w … k+w;   2: all tokens a multiple of w away          | Child et al., bidirectional |
| fixed(w)            | 1: own block of w;   2: k and the last token of every block | Child et al., bidirectional |
| axial(w)            | 1: own row of w;   2: own column                            |                             |
| star()              | neighbours on a ring, and a relay that sees all             | Guo et al.                  |
| pure_star()         | k and a relay that sees all                                 | Zaheer et al. 2020, S       |
| random(r)           | k and r other tokens                                        |                             |
| bigbird(block)      | global + window + random blocks inside the sequence (ITC)   | Zaheer et al. 2020, App. D  |
| bigbird_etc(tokens) | extra global tokens in front, window blocks behind (ETC)    | Zaheer et al. 2020, App. D  |
| freehand(grid)      | what was drawn                                              |                             |

Parts to compose with: own(), blocks(w), stride(w), summaries(w), relays(tokens), extended(pattern, tokens),
laid_out(layouts).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.patterns import rules
from seqlab.patterns.pattern import Pattern, Rule, per_layer
from seqlab.patterns.rules import position, whole
from seqlab.patterns.runs import Runs, join, packed, runs

FAR = 2**40  # a radius that reaches over any sequence


def full() -> Pattern:
    """Every token sees every token: n² connections."""
    return _one("full()", partial(_dilated, FAR, 1))


def own() -> Pattern:
    """Every token sees itself only: n connections."""
    return _one("own()", rules.own)


def window(radius: int = 1) -> Pattern:
    """`{k-r … k+r}`: (2r+1)n - r(r+1) connections; p = 1, s = ⌈(n-1)/r⌉."""
    return _one(f"window({radius})", partial(_dilated, whole("radius", radius, 0), 1))


def dilated(radius: int, dilation: int) -> Pattern:
    """`{k-rd, …, k, …, k+rd}` in steps of d. On its own, tokens of different residue mod d never meet."""
    rule = partial(_dilated, whole("radius", radius, 0), whole("dilation", dilation))
    return _one(f"dilated({radius}, {dilation})", rule)


def _dilated(r: int, d: int, n: int, q: np.ndarray) -> Runs:
    return runs(q, q - np.minimum(r, q // d) * d, np.minimum(q + r * d, n - 1), d)


def strided(width: int) -> Pattern:
    """Two sets: the window of radius w, then every w-th token. (2w+1)n - w(w+1) and, where w divides n, n²/w."""
    return _named(f"strided({width})", per_layer(window(whole("width", width)), stride(width)))


def stride(width: int) -> Pattern:
    """`{…, k-w, k, k+w, …}`: the residue class of k mod w."""
    return _one(f"stride({width})", partial(_dilated, FAR, whole("width", width)))


def fixed(width: int) -> Pattern:
    """Two sets: the own block of w tokens, then k and the last token of each block. nw and n²/w + n - n/w, if w | n."""
    return _named(f"fixed({width})", per_layer(blocks(width), summaries(width)))


def blocks(width: int) -> Pattern:
    """The own block of w tokens; the last block may be shorter."""
    return _one(f"blocks({width})", partial(_blocks, whole("width", width)))


def _blocks(w: int, n: int, q: np.ndarray) -> Runs:
    return runs(q, q // w * w, np.minimum(q // w * w + w, n) - 1)


def summaries(width: int) -> Pattern:
    """`{k} ∪ {w-1, 2w-1, …}`, and n - 1 where the last block is shorter (else nobody would hear that block)."""
    return _one(f"summaries({width})", partial(_summaries, whole("width", width)))


def _summaries(w: int, n: int, q: np.ndarray) -> Runs:
    rest = [runs(q, n - 1, n - 1)] if n % w else []
    return join([runs(q, w - 1, n - 1, w), runs(q, q, q), *rest])


def axial(width: int) -> Pattern:
    """The sequence as a table of rows of w tokens; two sets: the own row, then the own column."""
    return _named(f"axial({width})", per_layer(blocks(width), stride(width)))


def star(relay: int = -1) -> Pattern:
    """A ring of all tokens but the relay; everyone sees and is seen by the relay. 5n - 4 connections; p = 1, s = 2.

    relay: its position, negative from the end. In a causal star it must stand where it can see what it relays.
    """
    ring = _one("ring", partial(_ring, relay))
    return _named(f"star({'' if relay == -1 else f'relay={relay}'})", ring | relays([relay]))


def _ring(relay: int, n: int, q: np.ndarray) -> Runs:
    at, others = position(relay, n), max(n - 1, 1)
    q = q[q != at]
    seats = [(q - (q > at) + d) % others for d in (-1, 0, 1)]  # places on the ring, which leaves the relay out
    return join([runs(q, seat + (seat >= at), seat + (seat >= at)) for seat in seats])


def pure_star(relay: int = 0) -> Pattern:
    """`{k, relay}`, the relay sees all: 3n - 2 connections. No directed chain through all tokens for n ≥ 4."""
    return _named(f"pure_star({f'relay={relay}' if relay else ''})", own() | relays([relay]))


def relays(tokens: Iterable[int]) -> Pattern:
    """Some tokens see all and are seen by all; the others see nothing else. Negative positions count from the end.

    Positions outside the sequence raise ValueError, except that a range is cut at n.
    """
    listed = tokens if isinstance(tokens, range) else tuple(tokens)
    return _one(f"relays({', '.join(map(str, listed))})", partial(rules.relays, listed))


def random(keys: int, seed: int = 0) -> Pattern:
    """k and `keys` other tokens, drawn once without repetition, the same in every layer and at every call.

    Drawn for a length: random(3).at(n) and random(3).at(n + 1) have nothing in common.
    """
    return _one(f"random({keys}, seed={seed})", partial(rules.random, whole("keys", keys, 0), seed))


@lru_cache(maxsize=64)  # one pattern for equal arguments, so that its layouts are found again
def bigbird(
    block: int = 64, *, global_blocks: int = 2, window: int = 3, random_blocks: int = 3, seed: int = 0
) -> Pattern:
    """Global, window and random blocks inside the sequence (ITC); the same as `BlockLayout.bigbird` at every n."""
    options = dict(block=block, global_blocks=global_blocks, window=window, random_blocks=random_blocks, seed=seed)
    BlockLayout.bigbird(max(block, 1), **options)  # raises what is wrong with the options now
    name = f"bigbird({', '.join(f'{k}={v}' for k, v in options.items())})"
    return laid_out(partial(_bigbird, options), name=name)


def _bigbird(options: dict, n: int) -> tuple[int, np.ndarray, np.ndarray]:
    return _tables(BlockLayout.bigbird(n, **options))


def bigbird_etc(
    tokens: int = 64, block: int = 64, *, window: int = 3, random_blocks: int = 0, seed: int = 0
) -> Pattern:
    """`tokens` extra global tokens in front; window and random blocks among the others (ETC). n counts both.

    random_blocks = 0 is what the paper's best question-answering models use.
    """
    inner = bigbird(block, global_blocks=0, window=window, random_blocks=random_blocks, seed=seed)
    return _named(f"bigbird_etc({tokens}, {block})", extended(inner, tokens))


def laid_out(tables_at: Callable[[int], tuple], *, heads: int = 1, name: str = "laid_out") -> Pattern:
    """What a list of blocks says at every length: `tables_at(n)` is (block, offsets, indices) as in a `BlockLayout`.

    offsets: a row for each of `heads`. Tables are plain numbers, which no mode of PyTorch can spoil for later calls.
    """
    return Pattern(name, (tuple(partial(_laid_out, tables_at, head) for head in range(whole("heads", heads))),))


def _laid_out(tables_at: Callable[[int], tuple], head: int, n: int, q: np.ndarray) -> Runs:
    """The runs of a row of blocks stand side by side: for each query they are counted on from the first of its row."""
    listed, block = _listed(tables_at, n, head)
    start = np.searchsorted(listed.query, q // block)
    counts = np.searchsorted(listed.query, q // block, side="right") - start
    at = np.repeat(start - counts.cumsum() + counts, counts) + np.arange(counts.sum())
    return runs(np.repeat(q, counts), listed.first[at] * block, np.minimum((listed.last[at] + 1) * block, n) - 1)


@lru_cache(maxsize=64)
def _listed(tables_at: Callable[[int], tuple], n: int, head: int) -> tuple[Runs, int]:
    """(the block rows of one head as runs, block)."""
    block, offsets, indices = tables_at(n)
    ends = np.asarray(offsets[head])
    row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    return packed(row, np.asarray(indices[ends[0] : ends[-1]], dtype=np.int64)), block


def extended(pattern: Pattern, tokens: int) -> Pattern:
    """Extra tokens in front that see all and are seen by all; the rest of the sequence keeps its pattern."""
    g = whole("tokens", tokens)
    sets = tuple(tuple(partial(_behind, rule, g) for rule in heads) for heads in pattern.sets)
    return Pattern(f"extended({pattern.name}, {tokens})", (Pattern("", sets) | relays(range(g))).sets)


def _behind(rule: Rule, g: int, n: int, q: np.ndarray) -> Runs:
    """A rule for the sequence without its first g tokens."""
    rows = rule(max(n - g, 1), q[q >= g] - g)
    return Runs(rows.query + g, rows.first + g, rows.last + g, rows.step)


def freehand(
    grid: Bool[Tensor, "query key"] | Bool[Tensor, "layer query key"] | np.ndarray | list,
) -> Pattern:
    """What was drawn: grid[query][key], true = may look; a list of p grids for p sets. The grid fixes n.

    Raises ValueError unless the grids are square and not empty, TypeError unless boolean.
    """
    grids = torch.as_tensor(grid)
    if grids.dtype != torch.bool:
        raise TypeError(f"grid: got dtype {grids.dtype}, wanted bool (true = may look)")
    if grids.ndim not in (2, 3) or grids.shape[-1] != grids.shape[-2] or not grids.numel():
        raise ValueError(f"grid: got shape {tuple(grids.shape)}, wanted (query, key) or (layer, query, key), square")
    m = grids.shape[-1]
    tables = (_tables(BlockLayout.from_mask(each, 1)) for each in grids.reshape(-1, m, m))
    return Pattern(f"freehand({m} × {m})", tuple(laid_out(partial(_drawn, m, each)).sets[0] for each in tables))


def _drawn(m: int, tables: tuple, n: int) -> tuple:
    if n != m:
        raise ValueError(f"n: got {n}, the grid was drawn for {m} tokens; draw one for {n}")
    return tables


def _tables(layout: BlockLayout) -> tuple[int, np.ndarray, np.ndarray]:
    return layout.block, layout.offsets.numpy(), layout.indices.numpy()


def _one(name: str, rule: Rule) -> Pattern:
    return Pattern(name, ((rule,),))


def _named(name: str, pattern: Pattern) -> Pattern:
    return Pattern(name, pattern.sets)
