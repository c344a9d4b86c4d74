"""Gather, scatter, n times: through one relay token, every token of every sequence gets a name of its own.

| paper symbol (Zaheer et al. 2020, appendix A)        | name                                                      |
| ---------------------------------------------------- | --------------------------------------------------------- |
| S; D ⊇ S                                             | `star_graph(length)`; seen                                |
| x_0 = (0, …, 0, 1)                                   | token 0, the relay: it alone has r = 1                    |
| u = (1, δ^-1, …, δ^-(d-1), δ^-nd), l = uᵀX           | u, a form; `codes(sequences, 0)`                          |
| E: row k is δ^-(k-1)d, row 1 is 0                    | `places`                                                  |
| X + δ^-d ψ(X; v ± δ/2), v in the bucket of l_k       | one level of the low shift of phase k, gain = δ^-d        |
| X + δ^-nd ψ(X; v ± δ/2), v in [S_(k-1), T_(k-1))     | one level of the high shift of phase k                    |
| S_k, T_k                                             | `bounds`: here the sharp ones, S_k ≤ f̃_0^k < T_k          |
| f_k, f̃_0^k                                           | `codes(sequences, 2 * k)`: ids after the first k phases   |
| X + δ^-n²d ψ(X; v ± δ/2), v in [S_1, T_n)            | the broadcast, spread = δ^-n²d; from T_0 on, to hold f_1  |

    low shift, phase k    l_k   → f_k  = l_k + δ^-d (f̃_0 - l_k)          token k reads the relay
    high shift, phase k   f̃_0   → f̃_0 + δ^-nd (f_k - l_k+1)              the relay reads (f_1 in place of l_n+1)
    broadcast             f_k   → f_k + δ^-n²d (f̃_0 - f_k)               every token reads the relay

What the proof says on the way, each as a verdict on a `StarMapping`:

    order       T_(k-1) ≤ f_k < S_k ≤ f̃_0^k < T_k, l_(k+1) < … < l_n < f_1 < … < f_k < f̃_0^k
    relay_code  f̃_0^n names the sequence ("for δ small enough")

Names are whole numbers in units of δ, exact at any size: `program()`. The same as real attention heads, on tokens in
[0, 1), is `program(Fraction(1, levels)).module()`.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import inf

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from seqlab.exact import Number
from seqlab.patterns.pattern import Pattern
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.mapping import ContextualMapping, Names, Sequences, speak
from seqlab.universal.quantiser import sizes
from seqlab.written import Form, Head, Layer, Sweep, coordinates

Codes = Shaped[np.ndarray, "sequence one_and_token"]

STAR_LEMMA = Statement(
    "contextual mapping on a star",
    "Zaheer et al. 2020, appendix A",
    "n phases of low and high shift through one relay token, and a broadcast, give every token of every sequence its"
    " own name.",
    (
        Hypothesis("star", "the relay and every token see each other, and every token sees itself"),
        Hypothesis("low", "low shifts: in phase k, token k reads the relay"),
        Hypothesis("high", "high shifts: in phase k, the relay reads token k"),
        Hypothesis("broadcast", "the broadcast is multiplied by δ^-n²d"),
        Hypothesis("range", "the broadcast reaches down to f_1, the smallest id of all"),
    ),
)


def star_graph(length: int) -> Bool[Tensor, "query key"]:
    """N(0) = {1, …, n} and N(k) = {0, k}: n + 1 tokens, 3n connections."""
    grid = torch.eye(length + 1, dtype=torch.bool)
    grid[0], grid[:, 0] = True, True
    grid[0, 0] = False
    return grid


@dataclass(frozen=True)
class StarMapping(ContextualMapping):
    """The construction for 1/δ = levels, d = dim, n = length. Made by `contextual_mapping`.

    seen:       grid "query key" of n + 1 tokens, the relay first
    low, high:  whether the phases hold their low and high shifts;  late: the broadcast starts at S_1 instead of at T_0
    """

    seen: tuple[tuple[bool, ...], ...] = ()
    low: bool = True
    high: bool = True
    late: bool = False

    def layers(self, delta: Number) -> list[Sweep]:
        """In phase k token k reads the relay, then the relay reads the tokens; at the end all tokens read the relay."""
        x, u, half = self.x, self.u, Fraction(delta) / 2

        def shift(what: str, levels: range, gain: int) -> Sweep:
            def jump(v: Number | Form) -> Layer:
                up = Head(u - v * delta + half, u, value=u, write=gain * x[0], sees=self.seen)
                down = Head(u - v * delta - half, u, value=u, write=-gain * x[0], sees=self.seen)
                return Layer([up, down], label=f"{what}: id {v} jumps")

            return Sweep(u / delta, levels, jump)

        phases = []
        for k in range(1, self.length + 1):
            low = self.bucket(k) if self.low else range(0)
            high = range(*self.bounds[k - 1]) if self.high else range(0)
            phases.append(shift(f"low shift, phase {k}", low, self.gain))
            phases.append(shift(f"high shift, phase {k}", high, self.columns**self.length))
        start = self.bounds[1][0] if self.late else self.bounds[0][1]
        return [*phases, shift("broadcast", range(start, self.bounds[-1][1]), self.spread)]

    @property
    def u(self) -> Form:
        """1, N, …, N^(d-1) for a token's coordinates and N^nd for the extra one, which only the relay has."""
        relay = self.columns**self.length * coordinates("r")
        return sum((self.levels**i * each for i, each in enumerate(self.x)), relay)

    def places(self, delta: Number) -> dict[Form, list[Number]]:
        """E in the first coordinate of tokens 0 … n, and r = 1 at the relay; 1 is N in units of δ."""
        unit, code = self.levels * delta, [0, 0, *(self.columns**k for k in range(1, self.length))]
        return {self.x[0]: [unit * each for each in code], coordinates("r"): [unit] + [0] * self.length}

    def bucket(self, token: int) -> range:
        """The δ^-d ids that token 1 … n can start with."""
        first = self.levels * self.columns ** (token - 1) if token > 1 else 0
        return range(first, first + self.columns)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """(S_k, T_k) for k = 0 … n: f̃_0^k takes S_k and T_k - 1 as its smallest and largest value on a star.

        From f̃_0^k = f̃_0^(k-1) + N^nd (f_k - l_(k+1)), which rises with the relay's id and falls in every id that it
        reads. In the last phase f_1 stands for l_(n+1), and is taken at its own extremes.
        """
        big, buckets = self.columns**self.length, [self.bucket(k) for k in range(1, self.length + 1)]
        least = most = self.levels * big
        f_1 = [l + self.columns * (least - l) for l in (buckets[0][-1], buckets[0][0])]
        bounds = [(least, most + 1)]
        for own, behind in pairwise([*buckets, f_1]):
            phase = lambda f, at: f + big * (own[at] + self.columns * (f - own[at]) - behind[at])
            least, most = phase(least, -1), phase(most, 0)
            bounds.append((least, most + 1))
        return bounds

    @property
    def depth(self) -> dict[str, int]:
        """Attention layers by what they are for: one, of two heads, for each level of each sweep."""
        counts = [len(sweep.levels) for sweep in self.layers(1)]
        return {"low": sum(counts[:-1:2]), "high": sum(counts[1:-1:2]), "broadcast": counts[-1]}

    @property
    def formula(self) -> int:
        """All attention layers."""
        return sum(self.depth.values())

    def codes(self, sequences: Sequences | list, sweeps: int | None = None) -> Codes:
        """The ids of the relay and of all tokens, exact, in units of δ, after the first `sweeps` sweeps, or after all.

        After 0 sweeps these are l_0, …, l_n, after 2k those of phase k. Raises ValueError unless each sequence has n
        tokens of d levels each, 0 … N - 1.
        """
        rows = np.asarray(sequences)
        rows = rows[..., None] if rows.ndim == 2 else rows
        good = rows.shape[1:] == (self.length, self.dim) and rows.dtype.kind in "iu"
        if not good or not ((0 <= rows) & (rows < self.levels)).all():
            wanted = f"{self.length} tokens of {self.dim} whole numbers 0 to {self.levels - 1}"
            raise ValueError(f"sequences: got {repr(rows):.200}, wanted each to be {wanted}")
        program = self.program()
        with_relay = np.pad(rows, ((0, 0), (1, 0), (0, 0)))
        return replace(program, layers=program.layers[:sweeps]).run(with_relay)[..., 0]

    def names(self, sequences: Sequences) -> Names:
        """The names of tokens 1 … n; the relay is dropped."""
        return self.codes(sequences)[:, 1:]

    def check(self, equivalence: str | None = None, *, repeated: bool = True) -> Verdict:
        """Both conditions of a contextual mapping on all D^n sequences; see `universal.ContextualMapping.check`.

        The statement lists which hypotheses are broken. The notes give the layers.
        """
        verdict = super().check("identity", repeated=True)
        statement = STAR_LEMMA.under(
            star=bool((torch.tensor(self.seen) | ~star_graph(self.length)).all()),
            low=self.low,
            high=self.high,
            broadcast=self.spread >= self.columns ** (self.length**2),
            range=not self.late,
        )
        counts = ", ".join(f"{kind} {count:,}" for kind, count in self.depth.items())
        notes = (f"one attention layer a level: {counts}, together {self.formula:,}",)
        return replace(verdict, statement=statement, notes=notes)


def contextual_mapping(
    levels: int = 2,
    dim: int = 1,
    length: int = 3,
    *,
    edges: Pattern | Bool[Tensor, "query key"] | None = None,
    no_relay: bool = False,
    no_low: bool = False,
    no_high: bool = False,
    weak_broadcast: bool = False,
    late: bool = False,
    more_edges: bool = False,
) -> StarMapping:
    """The star's construction for 1/δ = levels, d = dim, n = length, with a switch per hypothesis.

    edges:            who sees whom among n + 1 tokens, the relay first; the star unless given
    no_relay:         token 0 sees nobody and nobody sees it
    no_low, no_high:  leave these shifts out;  weak_broadcast: gain 1 in place of δ^-n²d
    late:             the broadcast starts at S_1, above f_1, instead of at T_0
    more_edges:       all tokens see each other, the star is still inside: this breaks no hypothesis

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, edges are for n + 1 tokens, and T_n < 2^63: (2, 1, 6),
    (3, 1, 5), (2, 2, 4) are the longest for their δ and d.
    """
    sizes(levels, dim, length)
    if isinstance(edges, Pattern):
        edges = edges.union().at(length + 1).mask
    grid = star_graph(length) if edges is None else edges.clone()
    if grid.shape != (length + 1, length + 1):
        raise ValueError(
            f"edges: got shape {tuple(grid.shape)}, wanted {length + 1} × {length + 1}: the relay comes first"
        )
    if more_edges:
        grid[1:] = True
    if no_relay:
        grid[0], grid[:, 0] = False, False
    spread = 1 if weak_broadcast else levels ** (length**2 * dim)
    options = dict(seen=tuple(map(tuple, grid.tolist())), low=not no_low, high=not no_high, late=late)
    mapping = StarMapping(levels, dim, length, True, levels**dim, spread, **options)
    if (largest := mapping.bounds[-1][1]) >= 2**63:
        raise ValueError(f"levels, dim, length: ids reach {largest:,}, wanted below 2^63; choose smaller ones")
    return mapping


def check(*size: int, **switches: bool) -> Verdict:
    """`contextual_mapping(*size, **switches).check()`, for a `TheoremView`."""
    return contextual_mapping(*size, **switches).check()


ORDER = Statement(
    "order along the phases",
    "Zaheer et al. 2020, appendix A",
    "Only the token whose turn it is moves, once: f_k = l_k + δ^-d (f̃_0 - l_k), f̃_0 += δ^-nd (f_k - l_(k+1)). After"
    " phase k, l_(k+1) < … < l_n < f_1 < … < f_k < f̃_0^k, T_(k-1) ≤ f_k < S_k and S_k ≤ f̃_0^k < T_k.",
)
RELAY = Statement(
    "the relay's code names the sequence",
    "Zaheer et al. 2020, appendix A",
    "Different sequences leave different ids f̃_0^n with the relay.",
    (Hypothesis("fine", "δ is small enough: not δ = 1/2 with d = 1 and three tokens or more"),),
)


def order(mapping: StarMapping) -> Verdict:
    """Every invariant of the n phases, on all sequences.

    The margin is the smallest difference between two ids that the order keeps apart, in units of δ. The witness carries
    (sequence, phase), at the first invariant that breaks.
    """
    n, sequences, smallest = mapping.length, mapping.sequences(), inf
    options = dict(checked=len(sequences), unit="units of delta")
    start, *swept = (mapping.codes(sequences, sweeps).astype(object) for sweeps in range(2 * n + 1))
    for k, (low, high) in enumerate(zip(swept[::2], swept[1::2]), start=1):
        told, heard = start.copy(), low.copy()
        told[:, k] += mapping.gain * (start[:, 0] - start[:, k])
        heard[:, 0] += mapping.columns**n * (low[:, k] - low[:, k % n + 1])  # in the last phase f_1
        f, relay, before, (least, most) = low[:, k], high[:, 0], mapping.bounds[k - 1][1], mapping.bounds[k]
        gaps = np.diff(high[:, [*range(k + 1, n + 1), *range(1, k + 1), 0]]).min(axis=1)
        smallest = min(smallest, gaps.min())
        invariants = {
            f"in the low shift token {k} did not move alone, by δ^-d (f̃_0 - l_{k})": (low == told).all(axis=1),
            "in the high shift the relay did not move alone, by δ^-nd (max - min)": (high == heard).all(axis=1),
            "the ids do not increase": gaps > 0,
            f"f_{k} is not from T_{k - 1} = {before:,} to below S_{k} = {least:,}": (before <= f) & (f < least),
            f"f̃_0 is not from S_{k} = {least:,} to below T_{k} = {most:,}": (least <= relay) & (relay < most),
        }
        for text, holds in invariants.items():
            if not holds.all():
                at = int(holds.argmin())
                sequence = speak(sequences[at : at + 1])[0]
                told = f"{sequence}, phase {k}: {text}; the ids are {tuple(high[at])}, before {tuple(start[at])}"
                return judge(min(smallest, 0), ORDER, witness=Witness(told, (sequence, k)), **options)
        start = high
    return judge(smallest, ORDER, **options)


def relay_code(mapping: StarMapping) -> Verdict:
    """Whether f̃_0^n alone tells all sequences apart: a stronger claim than the mapping, which needs it not.

    The margin is the smallest distance of two codes; the witness carries the two sequences that share one.
    """
    sequences = mapping.sequences()
    codes = mapping.codes(sequences, 2 * mapping.length)[:, 0]
    order = np.argsort(codes, kind="stable")
    at = int(np.diff(codes[order]).argmin())
    pair = tuple(speak(sequences[order[at : at + 2]]))
    return judge(
        np.diff(codes[order])[at],
        RELAY.under(fine=not (mapping.columns == 2 and mapping.length >= 3)),
        witness=Witness(f"{pair[0]} and {pair[1]} both leave {codes[order[at]]:,} with the relay", pair),
        checked=len(sequences),
        unit="units of delta",
        notes=[f"{len(set(codes.tolist()))} different codes of {len(sequences)} sequences"],
    )
