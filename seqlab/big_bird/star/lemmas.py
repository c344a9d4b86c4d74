"""What the proof says on the way, each as a verdict on a `StarMapping`.

| paper (Zaheer et al. 2020, appendix A)                                     | name          |
| -------------------------------------------------------------------------- | ------------- |
| T_(k-1) ≤ f_k < S_k ≤ f̃_0^k < T_k, l_(k+1) < … < l_n < f_1 < … < f_k < f̃_0^k | order      |
| f̃_0^n names the sequence ("for δ small enough")                             | relay_code    |
| any D ⊇ S                                                                  | larger_graphs |
"""

from __future__ import annotations

from dataclasses import replace

import torch

from seqlab.big_bird.star.mapping import StarMapping, contextual_mapping, star_graph
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

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
LARGER = Statement(
    "any graph that contains the star",
    "Zaheer et al. 2020, Theorem 1",
    "With edges beyond the star, the ids before the broadcast are the star's and every token still gets its own name.",
    (Hypothesis("star", "no edge of the star is missing"),),
)


def order(mapping: StarMapping) -> Verdict:
    """Every invariant of the n phases, on all sequences.

    The margin is the smallest difference between two ids that the order keeps apart, in units of δ. The witness carries
    (sequence, phase), at the first invariant that breaks.
    """
    smallest, sequences = float("inf"), mapping.sequences()
    for sequence in sequences:
        broken, phase, gap = _follow(mapping, sequence)
        smallest = min(smallest, gap)
        if broken:
            witness = Witness(f"{sequence}, phase {phase}: {broken}", (sequence, phase))
            return Verdict(False, min(gap, 0.0), witness, ORDER, len(sequences), "units of delta")
    return Verdict(True, float(smallest), None, ORDER, len(sequences), "units of delta")


def _follow(mapping: StarMapping, sequence: tuple) -> tuple[str, int, float]:
    """What breaks first ("" if nothing), in which phase, and the smallest gap of the order."""
    n, smallest = mapping.length, float("inf")
    start = ids = mapping.ids(sequence)
    by_sweep: dict[tuple[str, int], list] = {}
    for move in mapping.moves(sequence):
        by_sweep.setdefault((move.kind, move.phase), []).append(move)
    for k in range(1, n + 1):
        low, high = by_sweep.get(("low", k), []), by_sweep.get(("high", k), [])
        for moves, token, what in ((low, k, "low"), (high, 0, "high")):
            if [move.token for move in moves] != [token]:
                who = ", ".join(str(move.token) for move in moves) or "nobody"
                return f"in the {what} shift {who} moved, wanted token {token} alone, once", k, smallest
        f, relay = low[0].after, high[0].after
        behind = start[k + 1] if k < n else low[0].ids[1]
        if f != start[k] + mapping.columns * (ids[0] - start[k]):
            return f"f_{k} is {f:,}, not l_{k} + δ^-d (f̃_0 - l_{k})", k, smallest
        if relay != ids[0] + mapping.gain * (f - behind):
            return f"f̃_0 is {relay:,}, not the one before + δ^-nd (f_{k} - {behind:,})", k, smallest
        ids = high[0].ids
        chain = [*ids[k + 1 :], *ids[1 : k + 1], ids[0]]
        smallest = min(smallest, *(b - a for a, b in zip(chain, chain[1:])))
        if smallest <= 0:
            return f"the ids {tuple(chain)} do not increase", k, smallest
        (least, most), before = mapping.bounds[k], mapping.bounds[k - 1][1]
        if not before <= f < least:
            return f"f_{k} = {f:,} is not from T_{k - 1} = {before:,} to below S_{k} = {least:,}", k, smallest
        if not least <= relay < most:
            return f"f̃_0 = {relay:,} is not from S_{k} = {least:,} to below T_{k} = {most:,}", k, smallest
    return "", n, smallest


def relay_code(mapping: StarMapping) -> Verdict:
    """Whether f̃_0^n alone tells all sequences apart: a stronger claim than the mapping, which needs it not.

    The margin is the smallest distance of two codes; the witness carries the two sequences that share one.
    """
    sequences = mapping.sequences()
    codes = sorted((mapping.codes(sequence, ("low", "high"))[0], at) for at, sequence in enumerate(sequences))
    gap, at = min((b[0] - a[0], i) for i, (a, b) in enumerate(zip(codes, codes[1:])))
    statement = RELAY.under(fine=not (mapping.levels == 2 and mapping.dim == 1 and mapping.length >= 3))
    pair = tuple(sequences[codes[i][1]] for i in (at, at + 1))
    witness = None if gap else Witness(f"{pair[0]} and {pair[1]} both leave {codes[at][0]:,} with the relay", pair)
    shared = sum(a[0] == b[0] for a, b in zip(codes, codes[1:]))
    notes = (f"{len(codes) - shared} different codes of {len(codes)} sequences",)
    return Verdict(bool(gap), float(gap), witness, statement, len(codes), "units of delta", notes)


def larger_graphs(
    levels: int = 2, dim: int = 1, length: int = 3, *, draws: int = 10, seed: int = 0, missing: bool = False
) -> Verdict:
    """The star with random edges beside it, the relay's own loop and, once, all edges there are.

    missing=True takes an edge of the star away: token n no longer sees the relay. The margin is the smallest of the
    mappings' margins. The witness carries (grid, …): a sequence whose ids differ before the broadcast, or two tokens
    that share a name.
    """
    plain = contextual_mapping(levels, dim, length)
    sequences = plain.sequences()
    wanted = [plain.codes(sequence, ("low", "high")) for sequence in sequences]
    draw, smallest = torch.Generator().manual_seed(seed), float("inf")
    statement, options = LARGER.under(star=not missing), dict(checked=draws * len(sequences), unit="units of delta")
    for number in range(draws):
        extra = torch.rand(length + 1, length + 1, generator=draw) < (0.5 if number else 1.0)
        grid = star_graph(length) | extra
        grid[length, 0] = not missing
        mapping = contextual_mapping(levels, dim, length, edges=grid)
        for sequence, want in zip(sequences, wanted):
            if (got := mapping.codes(sequence, ("low", "high"))) != want:
                witness = Witness(
                    f"{sequence}: ids {got} before the broadcast, the star's are {want}", (grid.tolist(), sequence)
                )
                return Verdict(False, 0.0, witness, statement, **options)
        verdict = mapping.check()
        smallest = min(smallest, verdict.margin)
        if not verdict:
            return replace(verdict, statement=statement, **options)
    return Verdict(True, smallest, None, statement, **options)
