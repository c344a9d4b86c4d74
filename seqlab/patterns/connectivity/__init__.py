"""Assumption 1 of Yun et al. 2020 as verdicts with witnesses, by computation or by a certificate that is checked.

| condition       | name                                  | how                                                   |
| --------------- | ------------------------------------- | ----------------------------------------------------- |
| 1  self         | `self_loops(instance)`                | every row, at any n                                   |
| 2  chain        | `hamiltonian_chain(instance).check()` | an order that is verified; searched for small n       |
| 3  reachability | `reachability(instance).check()`      | Boolean matrices up to n = 256, certificates beyond   |
| all             | `assumption_1(instance)`              |                                                       |

Where heads differ, a token sees in a layer what its heads see together.
"""

from dataclasses import dataclass

import numpy as np

from seqlab.patterns.connectivity.chain import Chain, Cover, Order, check_chain, hamiltonian_chain
from seqlab.patterns.connectivity.reach import Closed, Reach, reachability
from seqlab.patterns.pattern import Instance
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

__all__ = [
    "ASSUMPTION_1",
    "Assumption",
    "Chain",
    "Closed",
    "Cover",
    "Reach",
    "assumption_1",
    "check_chain",
    "hamiltonian_chain",
    "reachability",
    "self_loops",
]

SELF = Statement(
    "self-loops", "Yun et al. 2020, Assumption 1, condition 1", "Every token sees itself in every set: k ∈ A_k^l."
)
ASSUMPTION_1 = Statement(
    "assumption 1",
    "Yun et al. 2020, Assumption 1",
    "The pattern has self-loops, a chain through all tokens, and lets every token hear every other in finitely many "
    "steps.",
    (
        Hypothesis("self_loops", "every token sees itself in every set"),
        Hypothesis("chain", "the union of the sets has a directed Hamiltonian path"),
        Hypothesis("reachability", "after s layers every token has heard every token"),
    ),
)


def self_loops(instance: Instance) -> Verdict:
    """Condition 1, exactly, at any n. Margin: 1, or minus the number of missing loops. Witness: (token, set)."""
    every = np.arange(instance.n)
    lacking = np.argwhere([~instance.sees(layer, every, every) for layer in range(instance.p)])[:, ::-1].tolist()
    witness = lambda: Witness("token {} does not see itself in set {}".format(*lacking[0]), tuple(lacking[0]))
    checked = instance.n * instance.p
    return judge(-len(lacking) or 1, SELF, witness=witness, checked=checked, unit="self-loops")


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
        failing = [verdict.witness or "" for verdict in verdicts.values() if not verdict]
        statement = ASSUMPTION_1.under(**{name: verdict.holds for name, verdict in verdicts.items()})
        notes = [f"{name}: {'; '.join(v.notes) or v.witness or 'holds'}" for name, v in verdicts.items()]
        margin = min(verdict.margin for verdict in verdicts.values())
        return judge(margin, statement, witness=lambda: failing[0], checked=self.instance.n, notes=notes)


def assumption_1(instance: Instance, *, order: Order | None = None, seconds: float = 2.0) -> Assumption:
    """Check all three conditions; the arguments go to `hamiltonian_chain`."""
    chain = hamiltonian_chain(instance, order, seconds=seconds)
    return Assumption(instance, self_loops(instance), chain, reachability(instance))
