"""The sweep of sums and one global sum: sigmoid attention gives every token of every sequence a name of its own.

| paper symbol (Ramapuram et al. 2024, proof of Theorem 3.1)  | name                                            |
| ----------------------------------------------------------- | ----------------------------------------------- |
| δ                                                           | delta; 1 in the exact whole numbers             |
| ids kept positive                                           | `lowest` = 1: ids are 1 … δ^-d in units of δ    |
| Z + c Ψ_σ(Z; l - δ/2, l + δ/2), l = δ, 2δ, …, c ≥ δ^-d      | one level of the sweep, `gain` = c              |
| l̃                                                          | swept(sequences)                                |
| the global sum, one head                                    | `spread` times the sum of all l̃ (derived here) |
| δ^-d + 1 layers of four heads of size one                   | formula                                         |

Write S for the sum of all tokens of a sequence. Each level multiplies S by 1 + c and takes c l_j away, so at the end

    S = (1 + c)^n Σ_j l_j - c Σ_j (1 + c)^(n-j) l_j        l_1 < … < l_n

which leaves l_n as its remainder modulo 1 + c. (S + c l_n) / (1 + c) is the sum before the last jump and leaves
l_(n-1), and so on down to l_1, as long as c ≥ δ^-d: the sum alone tells the sequence.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from seqlab import contextual
from seqlab.attention import step
from seqlab.exact import Number
from seqlab.normalizers import Exact, Step
from seqlab.sigmoid.universal.shift import four_heads
from seqlab.theorem import Hypothesis, Statement, Verdict
from seqlab.universal import mapping as hardmax_mapping
from seqlab.written import Form, Head, Layer, Program, Sweep

THEOREM = Statement(
    "sigmoid contextual mapping",
    "Ramapuram et al. 2024, proof of Theorem 3.1",
    "δ^-d layers of four steep sigmoid heads and one global sum give every token of every sequence its own name.",
    (
        Hypothesis("four_heads", "all four heads are there"),
        Hypothesis("sigmoid", "each weight depends on its own score alone"),
        Hypothesis("gain", "each shift is multiplied by δ^-d or more"),
        Hypothesis("global_sum", "a last layer adds the sum of all tokens, times more than any token"),
        Hypothesis("positive", "all ids are positive"),
        Hypothesis("distinct", "the columns of a sequence are different"),
        Hypothesis("order", "sequences that are reorderings count as one"),
    ),
)


@dataclass(frozen=True)
class SigmoidMapping(hardmax_mapping.ContextualMapping):
    """The attention part of the construction for 1/δ = levels, d = dim, n = length. Made by `contextual_mapping`."""

    lowest: int = 1
    removed: tuple[int, ...] = ()
    normalizer: Exact = step()

    def program(self, delta: Number = 1) -> Program:
        """The proof as a text, for tokens that are multiples of delta; real sigmoid heads are its `module(…)`."""
        start = {self.x[0]: self.lowest * delta}
        return replace(super().program(delta), normalizer=self.normalizer, start=start)

    def layers(self, delta: Number) -> list[Sweep | Layer]:
        """The token with id v takes gain times the sum of all above it, v in turn; then all take the sum of all."""
        x, u, half = self.x, self.u, Fraction(delta) / 2

        def jump(v: Number | Form) -> Layer:
            heads = four_heads(u, v * delta - half, v * delta + half, self.gain * x[0], self.removed)
            return Layer(heads, label=f"id {v} takes {self.gain} times the sum of all above it")

        # With positive ids every score is positive, so that every weight is 1.
        total = lambda: Layer(Head(u, u, value=u, write=self.spread * x[0]), label="the sum of all, to all")
        return [Sweep(u / delta, self.targets(), jump), *([total()] if self.spread else [])]

    def targets(self) -> list[int]:
        """The levels l that the sweep visits, in increasing order, in units of δ."""
        return list(range(self.lowest, self.lowest + self.columns))

    def check(self, equivalence: contextual.Equivalence | None = None, *, repeated: bool = False) -> Verdict:
        """Conditions 1 and 2 on all sequences, in exact arithmetic; see `universal.ContextualMapping.check`."""
        statement = THEOREM.under(
            four_heads=not self.removed,
            sigmoid=isinstance(self.normalizer, Step),
            gain=self.gain >= self.columns,
            global_sum=self.spread >= _spread(self.columns, self.length, self.gain),
            positive=self.lowest > 0,
            distinct=not repeated,
            order=equivalence != "identity",
        )
        return replace(super().check(equivalence, repeated=repeated), statement=statement)


def contextual_mapping(
    levels: int,
    dim: int = 1,
    length: int = 3,
    *,
    gain: int | None = None,
    spread: int | None = None,
    lowest: int = 1,
    removed: tuple[int, ...] = (),
    normalizer: Exact = step(),
) -> SigmoidMapping:
    """The construction, with a switch for each of its hypotheses.

    gain:       δ^-d unless given
    spread:     coefficient of the global sum, n δ^-d (1 + gain)^n unless given, which no l̃ reaches; 0 leaves it out
    lowest:     the smallest id;  removed: which of the four heads (0 … 3) are left out
    normalizer: hardmax() puts the limit of softmax into the same heads

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, gain ≥ 1, spread ≥ 0, and for heads that are not there.
    """
    known = hardmax_mapping.contextual_mapping(levels, dim, length, gain=gain, spread=spread)
    spread = _spread(known.columns, length, known.gain) if spread is None else spread
    made = SigmoidMapping(levels, dim, length, False, known.gain, spread, lowest=lowest, removed=tuple(removed))
    return replace(made, normalizer=normalizer)


def _spread(columns: int, length: int, gain: int) -> int:
    return length * columns * (1 + gain) ** length
