"""Patterns as graphs: how clustered, how far apart, how well mixed. Windows cluster, random edges shorten, hubs do both.

| Zaheer et al. 2020, section 2            | name                                                               |
| ---------------------------------------- | ------------------------------------------------------------------ |
| D, the digraph of who attends whom       | `graph(pattern.at(n))`, its undirected support without self-loops  |
| window of w neighbours (a ring lattice)  | `ring(n, w)`                                                       |
| r random keys per query (Erdős–Rényi)    | `random_edges(n, r)`: r draws per token, so mean degree about 2r   |
| Watts–Strogatz small world               | `watts_strogatz(n, w, share)`                                      |
| g global tokens                          | `hubs(n, g)`; parts are laid over each other by `union(...)`       |
| clustering coefficient                   | mean over tokens of (linked pairs of neighbours) / (all pairs)     |
| spectral gap                             | 1 - λ₂ of D^(-1/2) A D^(-1/2), λ₂ the second largest, with sign    |

Tokens with the same neighbours that also see each other (twins: the tokens of one block of Big Bird) are one vertex
with a size. All statistics are computed on vertices with sizes and are exactly those of the graph of tokens, so that
100,000 tokens of Big Bird in blocks of 64 are a graph of 1,562 vertices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components, dijkstra, reverse_cuthill_mckee
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from seqlab.patterns.catalogue import bigbird as bigbird_pattern
from seqlab.patterns.catalogue import random
from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import Runs, expand, join

Ends = Int[np.ndarray, "edges"]
Sizes, Counts = Int[np.ndarray, "vertex"], Float[np.ndarray, "vertex"]

EXACT = 4096  # vertices up to which every one is a source of a search
SOURCES = 64  # searches beyond that
DENSE = 256  # vertices up to which all eigenvalues are computed
BAND = 64  # a band up to which a system of equations is solved instead of iterated


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
    """What `statistics` found. Not exact: mean_path is a sample's mean ± error, the diameter only a lower bound."""

    n: int
    edges: int
    clustering: float
    mean_path: float
    diameter: float
    gap: float
    exact: bool = True
    error: float = 0.0

    def __str__(self) -> str:
        if math.isinf(self.mean_path):
            far = "not connected: some tokens never hear of each other (path and diameter infinite)"
        elif self.exact:
            far = f"mean path {self.mean_path:.3g}, diameter {self.diameter:,.0f}"
        else:
            far = f"mean path {self.mean_path:.3g} ± {self.error:.1g} (sampled), diameter at least {self.diameter:,.0f}"
        mixing = "not found (the eigen-solver did not converge)" if math.isnan(self.gap) else f"{self.gap:.2g}"
        return (
            f"{self.n:,} tokens, {self.edges:,} edges: clustering {self.clustering:.2g}, {far}, spectral gap {mixing}"
        )


def graph(instance: Instance) -> Graph:
    """The undirected support of a pattern at n, over all its layers and heads; twins are one vertex.

    i and j are linked when one of them sees the other. Twins are found by 2 × 64 hashed bits of the rows and columns.
    """
    n, rows = instance.n, join([instance.rows(layer) for layer in range(instance.p)])
    if (rows.step > 1).any():
        query, key = expand(rows)
        rows = Runs(query, key, key, np.ones_like(key))
    mark = np.random.default_rng(0).integers(0, 2**64, n, dtype=np.uint64)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mark)])  # sums of marks wrap around on purpose
    sees, heard = np.zeros(n, np.uint64), np.zeros(n + 1, np.uint64)
    np.add.at(sees, rows.query, total[rows.last + 1] - total[rows.first])
    np.add.at(heard, rows.first, mark[rows.query])
    np.subtract.at(heard, rows.last + 1, mark[rows.query])
    own = np.bincount(rows.query[(rows.first <= rows.query) & (rows.query <= rows.last)], minlength=n).astype(np.uint64)
    missing = (np.uint64(1) - own) * mark  # every token counts itself once, whether or not it sees itself
    names = np.stack([sees + missing, np.cumsum(heard)[:n] + missing], axis=1)
    _, first, vertex, sizes = np.unique(names, axis=0, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(n, dtype=bool)
    chosen[first] = True
    query, key = expand(rows.where(chosen[rows.query]))
    return Graph(_symmetric(len(first), vertex[query], vertex[key]), sizes.astype(np.int64))


def of_tokens(n: int, one: Ends, other: Ends) -> Graph:
    """A graph of n tokens from the two ends of its edges; edges may be listed twice."""
    if n < 1:
        raise ValueError(f"n: got {n}, wanted at least 1 token")
    return Graph(_symmetric(n, one, other), np.ones(n, np.int64))


def ring(n: int, neighbours: int = 6) -> Graph:
    """A ring lattice: each token and the w/2 before and after it."""
    if neighbours % 2 or not 0 <= neighbours < n:
        raise ValueError(f"neighbours: got {neighbours}, wanted an even number from 0 to n - 1 = {n - 1} (half a side)")
    at, step = np.arange(n), np.arange(1, neighbours // 2 + 1)
    return of_tokens(n, np.repeat(at, len(step)), (at[:, None] + step).ravel() % n)


def random_edges(n: int, keys: int = 3, seed: int = 0) -> Graph:
    """Each token draws `keys` others; an edge holds both ways, so that the mean degree is about 2 · keys."""
    return of_tokens(n, *expand(random(keys, seed).at(n).rows()))


def random_regular(n: int, degree: int = 6, seed: int = 0) -> Graph:
    """A random graph in which every token has `degree` neighbours; n · degree must be even."""
    import networkx

    if not 0 <= degree < n or n * degree % 2:
        raise ValueError(f"degree: got {degree} for n = {n}, wanted 0 to n - 1 with n · degree even")
    return _of_networkx(networkx.random_regular_graph(degree, n, seed=seed))


def watts_strogatz(n: int, neighbours: int = 6, share: float = 0.1, seed: int = 0) -> Graph:
    """The ring lattice with a share of its edges rewired: one end stays, the other is drawn anew."""
    import networkx

    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, wanted the share of rewired edges, 0 to 1")
    ring(max(n, 1), neighbours)
    return _of_networkx(networkx.watts_strogatz_graph(n, neighbours, share, seed=seed))


def hubs(n: int, tokens: int = 2) -> Graph:
    """The first `tokens` are linked to all; the others to them only."""
    if not 0 <= tokens <= n:
        raise ValueError(f"tokens: got {tokens}, wanted 0 to n = {n}")
    return of_tokens(n, np.repeat(np.arange(tokens), n), np.tile(np.arange(n), tokens))


def union(*graphs: Graph) -> Graph:
    """All edges of all graphs of the same n tokens."""
    if len({g.n for g in graphs}) != 1 or any(len(g.sizes) < g.n for g in graphs):
        raise ValueError(
            f"graphs: got {', '.join(map(repr, graphs)) or 'none'}; wanted graphs of the same tokens, one vertex each "
            "(for patterns, lay them over each other first: graph((a | b).at(n)))"
        )
    pairs = [g.links.nonzero() for g in graphs]
    return of_tokens(graphs[0].n, *(np.concatenate([pair[end] for pair in pairs]) for end in (0, 1)))


def ring_random(n: int, neighbours: int = 6, keys: int = 3, seed: int = 0) -> Graph:
    """Window and random edges, nothing rewired: what Big Bird keeps of Watts and Strogatz."""
    return union(ring(n, neighbours), random_edges(n, keys, seed))


def bigbird(n: int, block: int = 64, **options: int) -> Graph:
    """`patterns.bigbird(block, **options)` at n as a graph."""
    return graph(bigbird_pattern(block, **options).at(n))


def statistics(of: Graph | Instance, seed: int = 0, *, exact_up_to: int = EXACT, sources: int = SOURCES) -> SmallWorld:
    """Clustering, paths and gap. With more than `exact_up_to` vertices, paths come from `sources` tokens drawn by seed."""
    if not isinstance(of, Graph | Instance):
        raise TypeError(f"of: got {type(of).__name__}, wanted a graph, or a pattern at a length: pattern.at(1024)")
    g = of if isinstance(of, Graph) else graph(of)
    if g.n < 2:
        raise ValueError(f"n: got {g.n} token, wanted at least 2: one token alone has no paths")
    if connected_components(g.links, directed=False, return_labels=False) > 1:
        return SmallWorld(g.n, g.edges, clustering(g), math.inf, math.inf, 0.0)
    exact = len(g.sizes) <= exact_up_to
    far, diameter, error = paths(g) if exact else sampled_paths(g, sources, seed)
    return SmallWorld(g.n, g.edges, clustering(g), far, diameter, spectral_gap(g), exact, error)


def clustering(g: Graph) -> float:
    """Mean over tokens of the share of pairs of neighbours that are linked; 0 for a token with fewer than 2.

    Triangles are counted from their vertex of least degree, O(edges^1.5) in all: a hub of degree n costs nothing.
    """
    linked, degrees = triangles(g), g.degrees.astype(float)
    share = np.divide(linked, degrees * (degrees - 1) / 2, out=np.zeros(len(linked)), where=degrees > 1)
    return float(g.sizes @ share / g.n)


def transitivity(g: Graph) -> float:
    """Linked pairs of neighbours over all pairs of neighbours, counted over the whole graph; 0 without pairs."""
    degrees = g.degrees.astype(float)
    pairs = g.sizes @ (degrees * (degrees - 1) / 2)
    return float(g.sizes @ triangles(g) / pairs) if pairs else 0.0


def triangles(g: Graph) -> Counts:
    """Linked pairs of neighbours of one token of each vertex."""
    m, s = len(g.sizes), g.sizes.astype(float)
    rank = np.empty(m, np.int64)
    rank[np.argsort(g.links.indptr[1:] - g.links.indptr[:-1], kind="stable")] = np.arange(m)
    low, high = g.links.nonzero()
    up = rank[low] < rank[high]
    u = sp.csr_array((np.ones(int(up.sum())), (low[up], high[up])), shape=(m, m))  # from lower to higher degree
    us = u.multiply(s[:, None]).tocsr()
    ends = (u @ us).multiply(u).tocsr()  # tokens between the lowest and the highest corner
    middle = (u.T @ us).multiply(u).tocsr()  # tokens below the two higher corners
    between = ends @ s + ends.T @ s + middle @ s
    inside = (s - 1) * (s - 2) / 2 + (s - 1) * (g.links @ s) + g.links @ (s * (s - 1) / 2)
    return between + inside


def paths(g: Graph) -> tuple[float, float, float]:
    """(mean path, diameter, 0.0) of a connected graph: one search from every vertex."""
    total, longest = 0.0, 0.0
    for start in range(0, len(g.sizes), 256):
        at = np.arange(start, min(start + 256, len(g.sizes)))
        means, furthest, _ = _search(g, at)
        total, longest = total + float(g.sizes[at] @ means), max(longest, float(furthest.max()))
    return total / g.n, longest, 0.0


def sampled_paths(g: Graph, sources: int = SOURCES, seed: int = 0) -> tuple[float, float, float]:
    """(mean path, lower bound of the diameter, standard error) of a connected graph, from some tokens drawn at random.

    The bound is a double sweep: the furthest that any source is from a token, then the furthest from that token.
    """
    count = min(sources, g.n)
    if count < 2:
        raise ValueError(f"sources: got {sources}, wanted at least 2 to tell an error")
    tokens = np.random.default_rng(seed).choice(g.n, count, replace=False)
    at = np.searchsorted(np.cumsum(g.sizes), tokens, side="right")
    means, furthest, ends = (np.concatenate(part) for part in zip(*(_search(g, at[i : i + 1]) for i in range(count))))
    back = _search(g, ends[furthest.argmax()][None])[1]
    spread = float(means.std(ddof=1)) if np.ptp(means) > 1e-12 * means.max() else 0.0  # a ring's are all the same
    longest = float(max(furthest.max(), back.max()))
    return float(means.mean()), longest, spread * math.sqrt((1 - count / g.n) / count)


def spectral_gap(g: Graph) -> float:
    """1 - λ₂ of the normalised adjacency of the tokens; 0 if not connected, nan if the solver does not converge.

    Vectors that differ within a vertex are eigenvectors of -1/degree; the others live on a matrix of vertices.
    """
    if connected_components(g.links, directed=False, return_labels=False) > 1:
        return 0.0
    m, s, d = len(g.sizes), g.sizes.astype(float), g.degrees.astype(float)
    within = float((-1 / d[g.sizes > 1]).max()) if (g.sizes > 1).any() else -1.0
    if m == 1:
        return 1 - within
    scale = sp.diags_array(np.sqrt(s / d))
    matrix = (scale @ g.links @ scale + sp.diags_array((s - 1) / d)).tocsr()
    return 1 - max(_second(matrix, np.sqrt(s * d / (s @ d))), within)


def _symmetric(m: int, one: np.ndarray, other: np.ndarray) -> sp.csr_array:
    apart = one != other
    one, other = one[apart], other[apart]
    both = np.concatenate([one, other]), np.concatenate([other, one])
    links = sp.csr_array((np.ones(len(both[0])), both), shape=(m, m))
    links.data[:] = 1.0  # doubles were summed
    return links


def _of_networkx(made: object) -> Graph:
    ends = np.array(made.edges, np.int64).reshape(-1, 2)
    return of_tokens(made.number_of_nodes(), ends[:, 0], ends[:, 1])


def _search(g: Graph, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one token in each vertex of `at`: its mean distance to the other tokens, the largest, and a vertex that far."""
    far = dijkstra(g.links, directed=True, unweighted=True, indices=at)
    far[np.arange(len(at)), at] = g.sizes[at] > 1  # twins are one step apart
    own = (g.sizes[at] > 1).astype(float)  # the token itself was counted among its twins
    return (far @ g.sizes - own) / (g.n - 1), far.max(axis=1), far.argmax(axis=1)


def _second(matrix: sp.csr_array, first: np.ndarray) -> float:
    """The second largest eigenvalue of a symmetric matrix whose largest is 1, with eigenvector `first`."""
    m = len(first)
    if m <= DENSE:
        return float(np.linalg.eigvalsh(matrix.toarray())[-2])
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    banded = matrix[order][:, order].tocoo()
    start = np.random.default_rng(0).standard_normal(m)
    if abs(banded.row - banded.col).max() <= BAND:  # long and thin: eigenvalues crowd at 1, so solve close to it
        found = eigsh(banded.tocsc(), k=2, sigma=1 + 1e-9, which="LM", v0=start, return_eigenvectors=False)
        return float(min(found))
    moved = LinearOperator((m, m), matvec=lambda x: matrix @ x - 2 * (first @ x) * first, dtype=float)
    for tolerance in (1e-4, 1e-5, 1e-6, 1e-7):  # until the residual is below a hundredth of the gap
        try:
            (found,), vectors = eigsh(moved, k=1, which="LA", v0=start, tol=tolerance, ncv=32, maxiter=200)
        except ArpackNoConvergence:
            return math.nan
        if tolerance < 0.01 * (1 - found):
            break
        start = vectors[:, 0]
    return float(found)
