"""Condition 1, and the three conditions of Assumption 1 together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqlab.patterns.connectivity.chain import Chain, Order, hamiltonian_chain
from seqlab.patterns.connectivity.reach import Method, Reach, reachability
from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import contains
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

SELF = Statement(
    "self-loops", "Yun et al. 2020, Assumption 1, condition 1", "Every token sees itself in every set: k ∈ A_k^l."
)
ASSUMPTION_1 = Statement(
    "assumption 1",
    "Yun et al. 2020, Assumption 1",
    "The pattern has self-loops, a chain through all tokens, and lets every token hear every other in finitely many steps.",
    (
        Hypothesis("self_loops", "every token sees itself in every set"),
        Hypothesis("chain", "the union of the sets has a directed Hamiltonian path"),
        Hypothesis("reachability", "after s layers every token has heard every token"),
    ),
)


def self_loops(instance: Instance) -> Verdict:
    """Condition 1, exactly, at any n. Margin: 1, or minus the number of missing loops. Witness: (token, set)."""
    missing, first = 0, None
    for layer in range(instance.p):
        for start in range(0, instance.n, 1 << 17):
            tokens = np.arange(start, min(start + (1 << 17), instance.n))
            lacking = tokens[~contains(instance.rows(layer, tokens), tokens, tokens)]
            missing += len(lacking)
            if first is None and len(lacking):
                first = int(lacking[0]), layer
    options = dict(statement=SELF, checked=instance.n * instance.p, unit="self-loops")
    if first is None:
        return Verdict(True, 1.0, **options)
    return Verdict(
        False, -float(missing), Witness(f"token {first[0]} does not see itself in set {first[1]}", first), **options
    )


@dataclass(frozen=True, eq=False)
class Assumption:
    """The three conditions of one instance. `p` and `s` are what the depth of the construction needs."""

    instance: Instance
    self_loops: Verdict
    chain: Chain
    reach: Reach

    @property
    def p(self) -> int:
        return self.instance.p

    @property
    def s(self) -> int | None:
        return self.reach.s

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {"self_loops": self.self_loops, "chain": self.chain.check(), "reachability": self.reach.check()}

    def check(self) -> Verdict:
        """All three; the witness is that of the first condition that fails."""
        verdicts = self.verdicts
        failing = [verdict for verdict in verdicts.values() if not verdict]
        statement = ASSUMPTION_1.under(**{name: verdict.holds for name, verdict in verdicts.items()})
        notes = [f"{name}: {'; '.join(v.notes) or v.witness or 'holds'}" for name, v in verdicts.items()]
        witness = failing[0].witness if failing else None
        margin = min(verdict.margin for verdict in verdicts.values())
        return Verdict(not failing, margin, witness, statement, self.instance.n, notes=notes)


def assumption_1(
    instance: Instance, *, order: Order | None = None, seconds: float = 2.0, method: Method = "auto"
) -> Assumption:
    """Check all three conditions; the arguments go to `hamiltonian_chain` and `reachability`."""
    return Assumption(
        instance,
        self_loops(instance),
        hamiltonian_chain(instance, order, seconds=seconds),
        reachability(instance, method),
    )
