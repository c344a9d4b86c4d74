"""The block of all three stages for a function f, its hypotheses as switches, and what it gives for every cell."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from numbers import Rational

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import FeedForward, Tokens
from seqlab.looped.blocks import STEEP, one_block, sequence_id
from seqlab.looped.budget import StageLoops
from seqlab.looped.digits import approximation
from seqlab.looped.table import ContextualTable, contextual_table, floor_ids
from seqlab.universal.values import Function
from seqlab.written import Program
from seqlab.written.trace import Trace


@dataclass(frozen=True)
class Packed:
    """The one block for the labels of `table`. Made by `packed`.

    jobs:   how many hidden units each job takes
    holds:  which hypotheses of the theorem hold, by name
    step:   the largest step of the labels in their order, before they were shuffled
    """

    table: ContextualTable
    program: Program
    stages: StageLoops
    jobs: Mapping[str, int]
    holds: Mapping[str, bool]
    step: float

    def trace(self, x: Float[Tensor, "token dim"], loops: int | None = None) -> Trace:
        """The exact run of one sequence "token dim", for pictures; floats count as the fractions they are."""
        return self.program.trace([[list(map(Fraction, token)) for token in np.asarray(x).tolist()]], loops)

    @cached_property
    def operator(self) -> Tensor:
        """What the exact network gives for all cells, "cell … cell token dim", without running stage 3.

        The running value of Lemma 4.1 (with a clock: the label itself) at the contextual id that stage 2 arrives at,
        repeated cells included. Inside the ramps of stage 1 the network differs.
        """
        t, clock, last = self.table, self.program.clock, len(self.table.labels) - 1
        columns = zip(*t.labels) if clock else map(approximation, zip(*t.labels))
        values = np.array([*columns], dtype=float).T
        cells = np.array([*itertools.product(range(t.columns), repeat=t.length)])
        ids = t.id(cells, sequence_id(t.columns).run(cells)[..., 0])
        ids = np.where(ids > last, last if clock else 0, ids)
        return torch.tensor(values[ids]).reshape(*[t.columns] * t.length, t.length, t.dim)

    def lookup(self, x: Tokens) -> Tensor:
        """`operator` at the cells of any inputs."""
        return self.operator[tuple(floor_ids(x, self.table.levels).unbind(1))]


def packed(
    f: Function,
    levels: int,
    dim: int = 1,
    length: int = 2,
    *,
    clock: bool = False,
    flags: bool = True,
    slope: Rational = STEEP,
    shuffle: int | None = None,
    stopped: bool = False,
) -> Packed:
    """The one block for a permutation-equivariant f on [0, 1]^(N × d): "batch token dim" to the same.

    clock:    η(t) ⊙ FF (Theorem 4.2) in place of flags and digits (Lemma 4.1)
    flags:    False lets all stages work in every loop
    slope:    M, the slope of the steps of stage 1
    shuffle:  a seed to deal the labels out anew;  stopped: every loop is given the clock of the first
    """
    if stopped and not clock:
        raise ValueError("stopped: there is no clock to stop; wanted clock=True")
    ordered = contextual_table(f, levels, dim, length)
    t = ordered if shuffle is None else contextual_table(f, levels, dim, length, shuffle=shuffle)
    stages = StageLoops(levels - 1, length, len(t.labels) - 1)
    program, parts = one_block(t, stages, slope, clock=clock, flags=flags)
    program = replace(program, clock=program.clock[:1] * program.loops) if stopped else program
    holds = dict(flags=flags, slope=slope >= 64 * levels, labels=shuffle is None, clock=not stopped)
    jobs = {job: len(units) for job, units in parts.items()}
    return Packed(t, program, stages, jobs, holds, ordered.largest_step)


def weights_used(module: nn.Module, tokens: object) -> list[int]:
    """For each loop the address of the weights that its feed-forward part used: one address if they are tied."""
    used: list[int] = []
    parts = [part for part in module.modules() if isinstance(part, FeedForward)]
    hooks = [part.register_forward_hook(lambda part, *_: used.append(part.up.weight.data_ptr())) for part in parts]
    module(tokens)
    for hook in hooks:
        hook.remove()
    return used


def times_mean(x: Tokens) -> Tensor:
    """f_n = x_n · mean of all tokens: continuous and permutation equivariant."""
    return x * x.mean(1, keepdim=True)


def below_largest(x: Tokens) -> Tensor:
    """f_n = the largest token less x_n, coordinate by coordinate: continuous and permutation equivariant."""
    return x.amax(1, keepdim=True) - x
