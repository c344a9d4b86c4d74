"""The paper's layers themselves: one per level v of every sweep, two hardmax heads restricted to the graph (Lemma 2).

A layer adds gain · (max - min over N(k)) to token k where v - δ/2 < uᵀx_k < v + δ/2. Most levels are held by no token
of any sequence, so most layers do nothing; `StarMapping` leaves those out, here they are all run. The broadcast alone
takes T_n - T_0 layers: some hundred at (2, 1, 2), some ten thousand at (3, 1, 2) and at (2, 1, 3), then millions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab import patterns
from seqlab.attention import Normalizer, hardmax
from seqlab.big_bird.star.mapping import KINDS, StarMapping, code, places
from seqlab.sparse.shift import SparseHeads
from seqlab.stack.blocks import Residual
from seqlab.theorem import Statement, Verdict, Witness

MOST = 100_000  # layers that `literal` runs

LAYERS = Statement(
    "the operator is its layers",
    "Zaheer et al. 2020, appendix A, Lemma 2",
    "One layer of two hardmax heads on the graph per level of every sweep gives each code within δ/2 of the exact one.",
)


def tokens(mapping: StarMapping, sequences: Sequence[tuple]) -> Float[Tensor, "sequence token dim"]:
    """Relay (0, …, 0, 1) in front, then the sequence's tokens plus E, with a 0 in the extra coordinate."""
    x = torch.zeros(len(sequences), mapping.length + 1, mapping.dim + 1, dtype=torch.float64)
    levels = torch.tensor(sequences, dtype=torch.float64).reshape(len(sequences), mapping.length, mapping.dim)
    x[:, 1:, :-1] = levels / mapping.levels
    x[:, :, 0] += torch.tensor(places(mapping.levels, mapping.dim, mapping.length), dtype=torch.float64)
    x[:, 0, -1] = 1
    return x


def literal_layers(
    mapping: StarMapping, kinds: Sequence[str] = KINDS, normalizer: Normalizer | None = None
) -> Iterator[Residual]:
    """The attention layers of the sweeps of these kinds, in order, in float64."""
    for sweep in (sweep for sweep in mapping.sweeps if sweep.kind in kinds):
        for level in range(sweep.first, sweep.last):
            heads = _heads(mapping, level, sweep.gain, normalizer or hardmax())
            yield Residual(
                heads, sweep.kind, f"{sweep.kind} shift, phase {sweep.phase}: id {level}/{mapping.levels} jumps"
            )


def _heads(mapping: StarMapping, level: int, gain: int, normalizer: Normalizer) -> SparseHeads:
    n = mapping.length + 1
    grid = torch.tensor([[k in row for k in range(n)] for row in mapping.seen])
    u = torch.tensor(code(mapping.levels, mapping.dim, mapping.length), dtype=torch.float64)
    gains = (float(gain), -float(gain))
    return SparseHeads(patterns.freehand(grid).at(n), u, _thresholds(mapping, level), gains, normalizer=normalizer)


def _thresholds(mapping: StarMapping, level: int) -> tuple[float, float]:
    return (level - 0.5) / mapping.levels, (level + 0.5) / mapping.levels


def literal(mapping: StarMapping, kinds: Sequence[str] = KINDS) -> Float[Tensor, "sequence token"]:
    """Run every layer on all sequences; the codes of the relay and all tokens, in units of δ.

    Raises ValueError above 100,000 layers: leave the broadcast out, or use the operator form.
    """
    count = sum(mapping.layer_count(kind) for kind in kinds)
    if count > MOST:
        raise ValueError(f"mapping: {count:,} layers, wanted at most {MOST:,}; leave kinds out, or use mapping.codes")
    x = tokens(mapping, mapping.sequences())
    with torch.no_grad():
        for sweep in (sweep for sweep in mapping.sweeps if sweep.kind in kinds):
            heads = _heads(mapping, sweep.first, sweep.gain, hardmax())  # one layer, its thresholds moved from v to v
            for level in range(sweep.first, sweep.last):
                heads.query.bias.copy_(-torch.tensor(_thresholds(mapping, level), dtype=torch.float64))
                x = x + heads(x)
    u = torch.tensor(code(mapping.levels, mapping.dim, mapping.length), dtype=torch.float64)
    return mapping.levels * (x @ u)


def agreement(mapping: StarMapping, kinds: Sequence[str] = KINDS) -> Verdict:
    """Codes of the literal layers against the exact ones, on all sequences, after the sweeps of these kinds.

    The margin is 1/2 less the largest difference, in units of δ. The witness carries (sequence, token, got, wanted).
    """
    sequences, got = mapping.sequences(), literal(mapping, kinds)
    worst, witness = -1.0, None
    for sequence, row in zip(sequences, got.tolist()):
        wanted = mapping.codes(sequence, kinds)
        for k, (mine, exact) in enumerate(zip(row, wanted)):
            if abs(mine - exact) > worst:
                worst = abs(mine - exact)
                text = f"token {k} of {sequence}: the layers give {mine:,.3f}, exact is {exact:,}"
                witness = Witness(text, (sequence, k, mine, exact))
    holds = worst < 0.5
    layers = sum(mapping.layer_count(kind) for kind in kinds)
    return Verdict(
        holds,
        0.5 - worst,
        None if holds else witness,
        LAYERS,
        len(sequences),
        "units of delta",
        (f"{layers:,} layers run",),
    )
