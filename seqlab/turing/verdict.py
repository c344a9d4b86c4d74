"""The decoder against the plain simulator, step by step and look-up by look-up (Zaheer et al. 2020, Theorem 3)."""

from collections.abc import Sequence
from fractions import Fraction
from math import inf

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.turing.decoder import Row, Run, decode
from seqlab.turing.machine import Machine, Step

TURING = Statement(
    id="zaheer2020.theorem3",
    source="Zaheer et al. 2020, appendix B, Theorem 3 (after Pérez et al. 2019)",
    text="A decoder with two edges a row runs the machine: T steps in T(T+1)/2 rows, every look-up right",
    hypotheses=(
        Hypothesis("minus", "the key carries -c/(m+1), so that the score holds the difference of two cells"),
        Hypothesis("random", "every row sees a past compute row"),
        Hypothesis("local", "every row sees its best candidate so far"),
        Hypothesis("exact", "scores are exact rationals"),
    ),
)


def last_visit(steps: Sequence[Step], j: int) -> int | None:
    """ℓ(j): the last step before j with the head where it is at step j; None if there was none."""
    return next((m for m in range(j - 1, -1, -1) if steps[m].head == steps[j].head), None)


def check(machine: Machine, word: str | Sequence[str], steps: int = 60, **switches: bool | str) -> Verdict:
    """State, head, symbol, write and move are the simulator's at every step, and every look-up ends at ℓ(j).

    The margin is the smallest difference of the two absolute scores that a row compares (different candidates only;
    infinite where no row compares two). Where a look-up fails it is minus what the right candidate's score was too
    large by, or 0 if that was not the cause.
    The witness names the first wrong step and the first row of its block that has seen the right candidate and does
    not keep it; its objects are (step, row, wanted, got): two numbers and two `Step`s.
    The switches break the look-up and are those of `decode`, as is what is raised.
    """
    run = decode(machine, word, steps, **switches)
    wanted, got = machine.simulate(word, steps), run.steps
    statement = TURING.under(
        minus=not run.printed_sign,
        random=not run.no_random,
        local=not run.no_local,
        exact=run.arithmetic == "exact",
    )
    wrong, total = look_ups(run)
    differ = next((f"from step {j} on" for j in range(steps) if wanted[j] != got[j]), "nowhere")
    notes = [
        f"{machine.name}: {steps} steps, {len(run.rows):,} rows",
        f"{wrong} of {total} look-ups wrong; the two runs differ {differ}",
    ]
    margin, witness = min(map(_gap, run.rows)), None
    # Up to the first wrong look-up the decoder's heads are the simulator's, so ℓ(j) is the same in both.
    for j, visit in enumerate(last_visit(wanted, j) for j in range(steps)):
        lost = None if visit is None else _lost(run.block(j), visit)
        if lost or wanted[j] != got[j]:
            margin, witness = _failure(run, wanted, j, visit, lost)
            break
    return judge(
        margin, statement, holds=witness is None, witness=witness, checked=steps, unit="of look-up score", notes=notes
    )


def _failure(
    run: Run, wanted: Sequence[Step], j: int, visit: int | None, lost: Row | None
) -> tuple[Fraction | int, Witness]:
    """The margin, at most 0, and the witness of step j, whose look-up of `visit` the row `lost` loses, if any does."""
    got, row, margin = run.steps[j], lost or run.block(j)[-1], 0
    say = lambda step: f"state {step.state}, cell {step.head}, symbol {step.symbol}"
    luck = " all the same" if wanted[j] == got else ""
    text = f"{run.machine.name} on {''.join(run.word)!r}, step {j}: wanted {say(wanted[j])}, got {say(got)}{luck}"
    if lost:
        kept = "a mixture" if lost.kept is None else f"step {lost.kept} (cell {wanted[lost.kept].head})"
        text += f"; row {row.index} keeps the write of {kept}, not of step {visit}, the last visit to that cell"
        # How much larger the last visit's absolute score is than the one that won, by the formula.
        between = wanted[j].head + (1 if run.printed_sign else -1) * wanted[visit].head
        both = Fraction(1, (j + 1) * (visit + 1))
        margin = min(min(map(abs, lost.scores)) - abs(both * (between + both / 3)), 0)
    return margin, Witness(text, (j, row.index, wanted[j], got))


def look_ups(run: Run) -> tuple[int, int]:
    """How many look-ups went wrong, of how many that had a last visit to find (by the decoder's own heads)."""
    steps = run.steps
    visits = {j: visit for j in range(1, len(steps)) if (visit := last_visit(steps, j)) is not None}
    return sum(run.block(j)[-2].kept != visit for j, visit in visits.items()), len(visits)


def _lost(rows: Sequence[Row], visit: int) -> Row | None:
    """The first row of a block that keeps another step although `visit` has been seen: row k sees steps k-1 and j-1."""
    j = rows[0].step
    seen_at = 0 if visit == j - 1 else visit
    return next((row for row in rows[seen_at:-1] if row.kept != visit), None)


def _gap(row: Row) -> Fraction | float:
    """Difference of the absolute scores of the two edges; infinite where they are one edge or show one candidate."""
    one, *other = map(abs, row.scores)
    return abs(one - other[0]) if other and row.scores[0] != row.scores[1] else inf
