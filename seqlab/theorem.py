"""A theorem as a program: hypotheses that can be broken, a verdict with a margin, a witness where it fails."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from seqlab.colours import BLUE, RED


@dataclass(frozen=True)
class Hypothesis:
    """One assumption of a statement, and whether it holds in the case at hand; `holds` is what a switch sets."""

    name: str
    text: str
    holds: bool = True


@dataclass(frozen=True)
class Statement:
    """What a paper says: a name for it, its source (paper and number), its text, and its hypotheses."""

    id: str
    source: str
    text: str
    hypotheses: tuple[Hypothesis, ...] = ()

    def under(self, **holds: bool) -> Statement:
        """The same statement with some hypotheses set by name: `statement.under(no_positions=False)`."""
        known = {h.name for h in self.hypotheses}
        if unknown := set(holds) - known:
            raise ValueError(f"{self.id}: no hypothesis named {sorted(unknown)}; it has {sorted(known)}")
        chosen = tuple(Hypothesis(h.name, h.text, holds.get(h.name, h.holds)) for h in self.hypotheses)
        return Statement(self.id, self.source, self.text, chosen)


@dataclass(frozen=True)
class Witness:
    """Why a verdict fails, in one sentence, with the objects that show it."""

    text: str
    objects: tuple[object, ...] = ()

    @classmethod
    def of(cls, text: str, *objects: object) -> Witness:
        """The objects, and a sentence with a pair of braces for each: `Witness.of("{} is named {:,}", token, name)`."""
        return cls(text.format(*objects), objects)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Verdict:
    """Whether a statement held, by how much, and what refutes it where it did not.

    holds:    the statement was true in everything that was checked
    margin:   distance from failing, in `unit`; at most zero when it fails
    checked:  how many cases stand behind the verdict
    """

    holds: bool
    margin: float
    witness: Witness | None = None
    statement: Statement | None = None
    checked: int = 0
    unit: str = ""
    notes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if not self.holds and self.witness is None:
            raise ValueError("witness: a verdict that fails must show why; got None")

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        parts = ["holds" if self.holds else "fails"]
        if self.statement:
            parts.insert(0, f"{self.statement.id}:")
        parts.append(f"margin {self.margin:.3g}{' ' + self.unit if self.unit else ''}")
        if self.checked:
            parts.append(f"{self.checked:,} checked")
        parts += [f"broken: {h.text}" for h in self._broken()]
        parts += [f"witness: {self.witness}"] if self.witness else []
        return " · ".join(parts).replace(": · ", ": ")

    def _broken(self) -> list[Hypothesis]:
        return [h for h in self.statement.hypotheses if not h.holds] if self.statement else []

    def _repr_html_(self) -> str:
        sign, word, colour = ("✓", "holds", BLUE) if self.holds else ("✗", "fails", RED)
        escape = html.escape
        rows = []
        if self.statement:
            rows.append(f"<div>{escape(self.statement.text)} <small>({escape(self.statement.source)})</small></div>")
            for h in self.statement.hypotheses:
                rows.append(f"<div>{'✓' if h.holds else '✗ broken:'} {escape(h.text)}</div>")
        facts = [f"margin {self.margin:.3g}{' ' + escape(self.unit) if self.unit else ''}"]
        if self.checked:
            facts.append(f"{self.checked:,} cases checked")
        rows.append(f"<div><b><span style='color:{colour}'>{sign}</span> {word}</b> · {' · '.join(facts)}</div>")
        if self.witness:
            rows.append(f"<div><b>Witness</b> {escape(str(self.witness))}</div>")
        rows += [f"<div><small>{escape(note)}</small></div>" for note in self.notes]
        return f"<div style='border-left:4px solid {colour};padding:.2em .8em;margin:.4em 0'>{''.join(rows)}</div>"


def judge(
    margin: int | float | Fraction,
    statement: Statement | None,
    *,
    witness: Witness | str | Callable[[], Witness | str] | None = None,
    holds: bool | None = None,
    checked: int = 0,
    unit: str = "",
    notes: Sequence[str] = (),
) -> Verdict:
    """The verdict on a statement: it holds where the margin is above zero, or by the rule that `holds` states instead.

    margin:   compared as it is, so that a Fraction is compared exactly, and kept as a float
    witness:  what refutes the statement: a Witness, a sentence, or a function that makes one and runs on failure only
    """
    if margin > 0 if holds is None else holds:
        return Verdict(True, float(margin), None, statement, checked, unit, notes)
    found = witness() if callable(witness) else witness
    found = Witness(found) if isinstance(found, str) else found
    return Verdict(False, float(margin), found, statement, checked, unit, notes)
