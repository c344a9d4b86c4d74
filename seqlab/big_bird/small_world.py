"""Patterns as graphs: how clustered, how far apart, how well mixed. Windows cluster, random edges shorten, hubs do
both.

| Zaheer et al. 2020, section 2            | name                                                               |
| ---------------------------------------- | ------------------------------------------------------------------ |
| D, the digraph of who attends whom       | `of_layout(layout)`, its undirected support without self-loops     |
| window of w neighbours (a ring lattice)  | `ring(n, w)`                                                       |
| r random keys per query (Erdős–Rényi)    | `random_edges(n, r)`: r draws per token, so mean degree about 2r   |
| Watts–Strogatz small world               | `watts_strogatz(n, w, share)`                                      |
| g global tokens                          | `hubs(n, g)`; parts are laid over each other by `union(...)`       |
| clustering coefficient                   | mean over tokens of (linked pairs of neighbours) / (all pairs)     |
| spectral gap                             | 1 - λ₂ of D^(-1/2) A D^(-1/2), λ₂ the second largest, with sign    |
| paths like n, or like log n              | `growth(lengths, mean_paths)`                                      |

Tokens of one block of a layout have the same neighbours and see each other: they are one vertex with a size. All
statistics are computed on vertices with sizes and are exactly those of the graph of tokens, so that 100,000 tokens of
Big Bird in blocks of 64 are a graph of 1,563 vertices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import networkx
import numpy as np
import scipy.sparse as sp
from jaxtyping import Int
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import eigsh

from kernels import BlockLayout
from seqlab.patterns.catalogue import random, relays
from seqlab.patterns.runs import expand

Ends, Sizes = Int[np.ndarray, "edges"], Int[np.ndarray, "vertex"]

MOST = 4096  # vertices: every one is the source of a search
DENSE = 256  # vertices up to which all eigenvalues are computed


@dataclass(frozen=True, eq=False)
class Graph:
    """Undirected, no self-loops. `links`: symmetric, zero diagonal; `sizes[v]`: tokens of vertex v, all linked."""

    links: sp.csr_array
    sizes: Sizes

    @property
    def n(self) -> int:
        """Tokens."""
        return int(self.sizes.sum())

    @property
    def degrees(self) -> Sizes:
        """Neighbours of each token of a vertex."""
        return (self.links @ self.sizes).astype(np.int64) + self.sizes - 1

    @property
    def edges(self) -> int:
        """Between tokens, each once."""
        return int(self.sizes @ self.degrees) // 2

    def __repr__(self) -> str:
        return f"graph of {self.n:,} tokens in {len(self.sizes):,} vertices, {self.edges:,} edges"


@dataclass(frozen=True)
class SmallWorld:
    """What `statistics` found."""

    n: int
    edges: int
    clustering: float
    mean_path: float
    diameter: float
    gap: float

    def __str__(self) -> str:
        far = f"mean path {self.mean_path:.3g}, diameter {self.diameter:,.0f}"
        if math.isinf(self.mean_path):
            far = "not connected: some tokens never hear of each other (path and diameter infinite)"
        size = f"{self.n:,} tokens, {self.edges:,} edges: clustering {self.clustering:.2g}"
        return f"{size}, {far}, spectral gap {self.gap:.2g}"


def of_edges(n: int, one: Ends, other: Ends, sizes: Sizes | None = None) -> Graph:
    """A graph of n vertices, single tokens unless sizes are given, from the two ends of its edges, in any order.

    Edges may be listed twice, and in one direction or both; from a vertex to itself they are left out.
    """
    if n < 1:
        raise ValueError(f"n: got {n}, wanted at least 1 token")
    apart = one != other
    ends = np.concatenate([one[apart], other[apart]]), np.concatenate([other[apart], one[apart]])
    links = sp.csr_array((np.ones(len(ends[0])), ends), shape=(n, n))
    links.data[:] = 1.0  # doubles were summed
    return Graph(links, np.ones(n, np.int64) if sizes is None else sizes)


def of_layout(layout: BlockLayout) -> Graph:
    """The undirected support of a layout, over all its heads: i and j are linked when one of them sees the other.

    Raises ValueError where tokens of a block do not see each other: they are no vertex then, take blocks of one token.
    """
    seen = layout.blocks().any(dim=0).numpy()
    sizes = np.diff(np.minimum(np.arange(len(seen) + 1) * layout.block, layout.n_query))
    if lone := np.flatnonzero(~seen.diagonal() & (sizes > 1)).tolist():
        raise ValueError(f"layout: tokens of block {lone[0]} do not see each other; take blocks of one token")
    return of_edges(len(seen), *seen.nonzero(), sizes)


def ring(n: int, neighbours: int = 6) -> Graph:
    """A ring lattice: each token and the w/2 before and after it."""
    return watts_strogatz(n, neighbours, 0)


def random_edges(n: int, keys: int = 3, seed: int = 0) -> Graph:
    """Each token draws `keys` others; an edge holds both ways, so that the mean degree is about 2 · keys."""
    return of_edges(n, *expand(random(keys, seed).at(n).rows()))


def watts_strogatz(n: int, neighbours: int = 6, share: float = 0.1, seed: int = 0) -> Graph:
    """The ring lattice with a share of its edges rewired: one end stays, the other is drawn anew."""
    if neighbours % 2 or not 0 <= neighbours < n:
        raise ValueError(f"neighbours: got {neighbours}, wanted an even number from 0 to n - 1 = {n - 1} (half a side)")
    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, wanted the share of rewired edges, 0 to 1")
    made = networkx.watts_strogatz_graph(n, neighbours, share, seed=seed)
    return of_edges(n, *np.array(made.edges, np.int64).reshape(-1, 2).T)


def hubs(n: int, tokens: int = 2) -> Graph:
    """The first `tokens` are linked to all; the others to them only."""
    return of_edges(n, *expand(relays(range(tokens)).at(n).rows()))


def union(*graphs: Graph) -> Graph:
    """All edges of all graphs of the same n tokens."""
    if len({g.n for g in graphs}) != 1 or any(len(g.sizes) < g.n for g in graphs):
        got = ", ".join(map(repr, graphs)) or "none"
        raise ValueError(f"graphs: got {got}; wanted graphs of the same tokens, one vertex each")
    return of_edges(graphs[0].n, *np.concatenate([g.links.nonzero() for g in graphs], axis=1))


def ring_random(n: int, neighbours: int = 6, keys: int = 3, seed: int = 0) -> Graph:
    """Window and random edges, nothing rewired: what Big Bird keeps of Watts and Strogatz."""
    return union(ring(n, neighbours), random_edges(n, keys, seed))


def bigbird(n: int, block: int = 64, **options: int) -> Graph:
    """`BlockLayout.bigbird(n, block=block, **options)` as a graph of tokens."""
    return of_layout(BlockLayout.bigbird(n, block=block, **options))


def statistics(of: Graph | BlockLayout) -> SmallWorld:
    """Clustering, paths and gap, exactly. Raises ValueError for one token, or beyond 4,096 vertices."""
    if not isinstance(of, Graph | BlockLayout):
        raise TypeError(f"of: got {type(of).__name__}, wanted a graph, or a layout: pattern.at(1024).layout(1)")
    g = of if isinstance(of, Graph) else of_layout(of)
    if g.n < 2:
        raise ValueError(f"n: got {g.n} token, wanted at least 2: one token alone has no paths")
    return SmallWorld(g.n, g.edges, clustering(g), *paths(g), spectral_gap(g))


def clustering(g: Graph) -> float:
    """Mean over tokens of the share of pairs of neighbours that are linked; 0 for a token with fewer than 2.

    The pairs lie in two other vertices, in one of them, in the token's own vertex, or one in its own and one outside.
    """
    s, degrees = g.sizes.astype(float), g.degrees.astype(float)
    apart = (g.links @ sp.diags_array(s) @ g.links).multiply(g.links) @ s / 2
    together = g.links @ (s * (s - 1) / 2) + (s - 1) * (s - 2) / 2 + (s - 1) * (g.links @ s)
    pairs = degrees * (degrees - 1) / 2
    share = np.divide(apart + together, pairs, out=np.zeros(len(s)), where=degrees > 1)
    return float(s @ share / g.n)


def paths(g: Graph) -> tuple[float, float]:
    """(mean path, diameter) of all pairs of tokens, infinite where the graph is not connected."""
    if len(g.sizes) > MOST:
        raise ValueError(f"{g!r}: wanted at most {MOST:,} vertices, each is the source of a search; take blocks")
    steps = dijkstra(g.links, directed=True, unweighted=True)
    np.fill_diagonal(steps, g.sizes > 1)  # tokens of a block are one step apart
    own = g.sizes @ (g.sizes > 1)  # each token was counted among those of its block
    return float((g.sizes @ steps @ g.sizes - own) / (g.n * (g.n - 1))), float(steps.max())


def spectral_gap(g: Graph) -> float:
    """1 - λ₂ of the normalised adjacency of the tokens; 0 if not connected.

    Vectors that differ within a vertex are eigenvectors of -1/degree; the others live on a matrix of vertices. Its
    largest eigenvalue is 1. Where they are many, those closest to 1 are found by solving equations just beside it.
    """
    s, d = g.sizes.astype(float), g.degrees.astype(float)
    if connected_components(g.links, directed=False, return_labels=False) > 1:
        return 0.0
    scale = sp.diags_array(np.sqrt(s / d))
    matrix = (scale @ g.links @ scale + sp.diags_array((s - 1) / d)).tocsc()
    values = (-1 / d[s > 1]).tolist()
    if len(s) <= DENSE:
        values += np.linalg.eigvalsh(matrix.toarray()).tolist()
    else:
        start = np.random.default_rng(0).standard_normal(len(s))
        values += eigsh(matrix, k=2, sigma=1 + 1e-9, which="LM", v0=start, return_eigenvectors=False).tolist()
    return 1 - sorted(values)[-2]


@dataclass(frozen=True)
class Growth:
    """Mean paths against n: the exponent of n^e, and the mean square by which each straight line is off."""

    exponent: float
    linear_off: float
    log_off: float

    @property
    def better(self) -> str:
        """The law that is less far off, "linear" or "logarithmic"; "neither" where the paths do not grow."""
        return "neither" if self.exponent < 1e-12 else "linear" if self.linear_off < self.log_off else "logarithmic"


def growth(lengths: Sequence[int], mean_paths: Sequence[float]) -> Growth:
    """Fit n^e, a + b n and a + b ln n by least squares; at least three different lengths, finite paths above 0."""
    n, y = np.asarray(lengths, float), np.asarray(mean_paths, float)
    if len(n) != len(y) or len(set(lengths)) < 3:
        raise ValueError(f"lengths: got {len(n)} for {len(y)} paths, wanted a path each, 3 lengths or more")
    for name, x in (("lengths", n), ("mean_paths", y)):
        if odd := x[~(np.isfinite(x) & (x > 0))].tolist():
            raise ValueError(f"{name}: got {odd[0]}, wanted finite ones above 0; is one of the graphs not connected?")
    off = [float(np.mean((np.poly1d(np.polyfit(x, y, 1))(x) - y) ** 2)) for x in (n, np.log(n))]
    return Growth(float(np.polyfit(np.log(n), np.log(y), 1)[0]), *off)
