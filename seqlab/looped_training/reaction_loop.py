"""A real looped transformer: the pretrained chemistry model shares one layer over 12 passes; here it has 1 to 24."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqlab.looped_training.model import residuals
from seqlab.start.reaction import KNOWN_MAP, REACTION, ReactionModel, atom_map, atoms_right

MOST = 24


@dataclass(frozen=True)
class AfterLoops:
    """The model stopped after `loops` passes.

    right, masked:   masked tokens of the reaction that it names, and how many there are
    changed:         tokens whose first guess differs from the one a pass earlier
    atoms, atoms_of: product atoms that head 5, which carries the map, traces to a right reactant atom in this pass, and
                     how many there are
    residual:        ‖h_r - h_{r-1}‖ / ‖h_{r-1}‖ of the unmasked reaction
    confidence:      mean probability of the first guess
    """

    loops: int
    right: int
    masked: int
    changed: int
    atoms: int
    atoms_of: int
    residual: float
    confidence: float


@torch.no_grad()
def by_loops(model: ReactionModel, most: int = MOST) -> list[AfterLoops]:
    """What the model says of the reaction `REACTION` after each of 1 … `most` passes."""
    trace = model.trace(REACTION, loops=most)
    moved, true = residuals(trace.hidden), trace.tokens[1:-1]
    rows = torch.arange(len(true))
    said = [
        model.scores(x[rows, rows + 1]).softmax(-1).max(-1) for x, _ in model.loop(model.masked(trace.tokens), most)
    ]
    guesses = [[model.vocabulary[at] for at in told.indices.tolist()] for told in said]
    return [
        AfterLoops(
            loops=r,
            right=sum(guess == token for guess, token in zip(guesses[r], true)),
            masked=len(true),
            changed=sum(a != b for a, b in zip(guesses[r], guesses[r - 1])),
            atoms=atoms_right(atom_map(trace, r - 1)),
            atoms_of=len(KNOWN_MAP),
            residual=moved[r - 1],
            confidence=said[r].values.mean().item(),
        )
        for r in range(1, most + 1)
    ]
