"""The decoder against the plain simulator, step by step and look-up by look-up (Zaheer et al. 2020, Theorem 3)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
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


def check(
    machine: Machine,
    word: str | Sequence[str],
    steps: int = 60,
    *,
    printed_sign: bool = False,
    no_random: bool = False,
    no_local: bool = False,
    arithmetic: str = "exact",
) -> Verdict:
    """State, head, symbol, write and move are the simulator's at every step, and every look-up ends at ℓ(j).

    The margin is the smallest difference of the two absolute scores that a row compares (different candidates only;
    infinite where no row compares two). Where a look-up fails it is minus what the right candidate's score was too
    large by, or 0 if that was not the cause.
    The witness names the first wrong step and the first row of its block that has seen the right candidate and does
    not keep it; its objects are (step, row, wanted, got): two numbers and two `Step`s.
    The options break the look-up and are those of `decode`, as is what is raised.
    """
    switches = dict(printed_sign=printed_sign, no_random=no_random, no_local=no_local, arithmetic=arithmetic)
    run = decode(machine, word, steps, **switches)
    wanted, got = machine.simulate(word, steps), run.steps
    statement = TURING.under(
        minus=not printed_sign, random=not no_random, local=not no_local, exact=arithmetic == "exact"
    )
    wrong, total = look_ups(run)
    differ = next((f"from step {j} on" for j in range(steps) if wanted[j] != got[j]), "nowhere")
    notes = [
        f"{machine.name}: {steps} steps, {len(run.rows):,} rows",
        f"{wrong} of {total} look-ups wrong; the two runs differ {differ}",
    ]
    options = dict(statement=statement, checked=steps, unit="of look-up score", notes=notes)
    # Up to the first wrong look-up the decoder's heads are the simulator's, so ℓ(j) is the same in both.
    for j in range(steps):
        visit = last_visit(wanted, j)
        lost = None if visit is None else _lost(run.block(j), visit)
        if wanted[j] == got[j] and lost is None:
            continue
        row = lost or run.block(j)[-1]
        luck = " all the same" if wanted[j] == got[j] else ""
        text = f"{machine.name} on {''.join(run.word)!r}, step {j}: wanted {_say(wanted[j])}, got {_say(got[j])}{luck}"
        if lost:
            kept = "a mixture" if lost.kept is None else f"step {lost.kept} (cell {wanted[lost.kept].head})"
            text += f"; row {row.index} keeps the write of {kept}, not of step {visit}, the last visit to that cell"
        shortfall = _shortfall(run, row, wanted, j, visit) if lost else Fraction(0)
        return Verdict(False, float(min(-shortfall, 0)), Witness(text, (j, row.index, wanted[j], got[j])), **options)
    gaps = [gap for row in run.rows if (gap := _gap(row))]
    return Verdict(True, float(min(gaps)) if gaps else float("inf"), **options)


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


def _gap(row: Row) -> Fraction | None:
    """Difference of the absolute scores of the two edges; None where they are one edge or show one candidate."""
    if len(row.scores) < 2 or row.scores[0] == row.scores[1]:
        return None
    return abs(abs(row.scores[0]) - abs(row.scores[1]))


def _shortfall(run: Run, row: Row, wanted: Sequence[Step], j: int, visit: int) -> Fraction:
    """How much larger the last visit's absolute score is than the one that won, by the formula."""
    sign = 1 if run.printed_sign else -1
    here, there = wanted[j].head, wanted[visit].head
    e, e_m = Fraction(1, j + 1), Fraction(1, visit + 1)
    right = abs(e * e_m * (here + sign * there + e * e_m / 3))
    return right - min(abs(s) for s in row.scores)


def _say(step: Step) -> str:
    return f"state {step.state}, cell {step.head}, symbol {step.symbol}"
