"""A real looped transformer: the pretrained chemistry model shares one layer over 12 passes; here it has 1 to 24.

The model comes with the optional package rxnmapper; without it `ReactionModel()` raises `ModelMissing`, which says how
to get it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqlab.looped_training.model import residuals
from seqlab.start.reaction import KNOWN_MAP, REACTION, ReactionModel, ReactionTrace, atom_map, atoms_right

MOST = 24
HEAD = 5  # the head that carries the atom map


@dataclass(frozen=True)
class AfterLoops:
    """The model stopped after `loops` passes.

    right, masked:   masked tokens of the reaction that it names, and how many there are
    changed:         tokens whose first guess differs from the one a pass earlier
    atoms, atoms_of: product atoms that head 5 of this pass traces to a right reactant atom, and how many there are
    best_head:       the most atoms that any head of this pass gets right
    residual:        ‖h_r - h_{r-1}‖ / ‖h_{r-1}‖ of the unmasked reaction
    confidence:      mean probability of the first guess
    """

    loops: int
    right: int
    masked: int
    changed: int
    atoms: int
    atoms_of: int
    best_head: int
    residual: float
    confidence: float


@torch.no_grad()
def by_loops(
    model: ReactionModel, reaction: str = REACTION, most: int = MOST, known: dict[int, set[int]] = KNOWN_MAP
) -> list[AfterLoops]:
    """What the model says of `reaction` after each of 1 … `most` passes; `known` is the right atom map."""
    trace = model.trace(reaction, loops=most)
    moved, heads, true = residuals(trace.hidden), head_scores(trace, known), trace.tokens[1:-1]
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
            atoms=heads[r - 1][HEAD],
            atoms_of=len(known),
            best_head=max(heads[r - 1]),
            residual=moved[r - 1],
            confidence=said[r].values.mean().item(),
        )
        for r in range(1, most + 1)
    ]


def head_scores(trace: ReactionTrace, known: dict[int, set[int]] = KNOWN_MAP) -> list[list[int]]:
    """[pass][head]: product atoms that this head traces to a right reactant atom."""
    passes, heads = trace.weights.shape[:2]
    return [[atoms_right(atom_map(trace, p, h), known) for h in range(heads)] for p in range(passes)]
