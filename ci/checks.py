"""What can be wrong with an executed notebook beside an exception: quiet ends, warnings, callback errors, claims."""

import json
import math
import os
import re
from collections.abc import Collection
from pathlib import Path

import nbformat

from ci.result import Failure, Result, first_line
from seqlab.course import claims
from seqlab.course.claims import Expectation
from seqlab.course.rooms import rooms_of

ROOT = Path(__file__).parents[1]
OWN = tuple(f"{ROOT / package}{os.sep}" for package in ("seqlab", "kernels", "ci"))
WARNING = re.compile(r"^(.+?):\d+: (\w*Warning: .*)$", re.M)
TOLD = "[told to the runner]"  # begins a line on stderr of what would otherwise pass without a word
WIDGET = re.compile(r"widget ([0-9a-f]{32})")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def unfinished(executed: nbformat.NotebookNode) -> list[Failure]:
    """A cell that left quietly, such as by sys.exit(0), which papermill takes for a good end."""
    code = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    ran = [cell for cell in code if cell.execution_count is not None]
    if len(ran) == len(code):
        return []
    known = [(cell.metadata.source_index, first_line(cell)) for cell in ran if "source_index" in cell.metadata]
    words = "the notebook ended here, as by sys.exit(); the cells after it never ran"
    return [Failure("exception", words, *(known[-1] if known else ()))]


def output_failures(executed: nbformat.NotebookNode, known: Collection[int | None] = ()) -> list[Failure]:
    """Warnings of our own code, what the runner was told, tracebacks on stderr, where errors of callbacks end up, and
    errors in cells that were executed all the same. known: cells of which the error is known.
    """
    failures: list[Failure] = []
    for cell in executed.cells:
        place = (cell.metadata.get("source_index"), first_line(cell))
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stderr":
                found, said = stderr_failures(output.text, *place), {failure.text for failure in failures}
                failures += [f for f in found if f.text not in said and (f.kind == "warning" or f.cell not in known)]
            if output.output_type == "error" and place[0] not in {None, *known}:
                failures.append(Failure("exception", ANSI.sub("", f"{output.ename}: {output.evalue}"), *place))
    return failures


def stderr_failures(text: str, index: int | None, line: str) -> list[Failure]:
    """Warnings that come from seqlab, kernels, ci or a cell, and tracebacks."""
    found = dict.fromkeys(
        words
        for path, words in WARNING.findall(text)
        if path.startswith(OWN) or re.search(r"ipykernel_\d+|<ipython-input", path)
    )
    failures = [Failure("warning", words, index, line) for words in found]
    told = [words.removeprefix(TOLD).strip() for words in text.splitlines() if words.startswith(TOLD)]
    failures += [Failure("told", words, index, line) for words in dict.fromkeys(told)]
    if "Traceback (most recent call last)" in text and not told:
        failures.append(Failure("widget callback", ANSI.sub("", text)[-2000:], index, line))
    return failures


def widget_failures(executed: nbformat.NotebookNode) -> list[Failure]:
    """Errors and warnings that Output widgets (`interactive`, `@output.capture()`) caught and showed."""
    failures = []
    for id, model in _models(executed).items():
        for output in model.get("state", {}).get("outputs", ()) or ():
            place = cell_of_widget(f"widget {id}", executed)
            if output.get("output_type") == "error":
                failures.append(
                    Failure("widget callback", ANSI.sub("", f"{output['ename']}: {output['evalue']}"), *place)
                )
            elif output.get("name") == "stderr":
                failures += stderr_failures(output.get("text", ""), *place)
    return failures


def _models(executed: nbformat.NotebookNode) -> dict:
    """The state of each widget, by its id."""
    return executed.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})


def cell_of_widget(text: str, executed: nbformat.NotebookNode) -> tuple[int | None, str]:
    """The cell that shows the widget that `text` names, or one that contains it."""
    models, family = _models(executed), set(WIDGET.findall(text)[:1])
    while (
        more := {
            outer
            for outer, model in models.items()
            for child in model.get("state", {}).get("children", ()) or ()
            if child.removeprefix("IPY_MODEL_") in family
        }
        - family
    ):
        family |= more
    for cell in executed.cells:
        shown = {
            output.get("data", {}).get("application/vnd.jupyter.widget-view+json", {}).get("model_id")
            for output in cell.get("outputs", ())
        }
        if shown & family:
            return cell.metadata.get("source_index"), first_line(cell)
    return None, ""


def crowded(executed: nbformat.NotebookNode) -> list[Failure]:
    """Cells that show more claims than one reads."""
    return [
        Failure("claim", f"{lines} lines of claims; more than six are a course.claim_table", index, first_line(cell))
        for cell in executed.cells
        if (lines := sum(claims.MIME in output.get("data", {}) for output in cell.get("outputs", ()))) > 6
        for index in [cell.metadata.get("source_index")]
    ]


def shorten(executed: nbformat.NotebookNode, limit: int) -> None:
    """Cut the outputs of a notebook that has become too large to keep: each to its share of `limit` characters."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    share = limit // max(len(outputs), 1)
    for output in outputs:
        for holder in (output, output.get("data", {})):
            for name in {"text", *holder} - {"data", "metadata", "output_type", "name"}:
                text = holder.get(name, "")
                text = text if isinstance(text, str) else json.dumps(text)
                if len(text) > share:
                    kept = f"{text[:share]}\n… cut here, of {len(text) / 1000:,.0f} kB"
                    holder[name] = [kept] if name == "traceback" else kept


def judge_claims(
    records: list[dict], expectations: dict[str, Expectation], result: Result, executed: nbformat.NotebookNode
) -> tuple[list[dict], list[Failure]]:
    """The report's entries for one notebook, and what is missing, unlisted, misplaced or out of bounds."""
    entries, failures, rooms = {}, [], rooms_of(result.lab, executed.metadata)

    def enter(id: str, value: object, wrong: str | None, margin: float = math.inf, *place: object) -> None:
        listed = expectations.get(id)
        said = (listed.statement, listed.expected(result.mode)) if listed else ("", "")
        entry = {"lab": result.lab, "edition": result.edition, "id": id, "statement": said[0], "value": value}
        entries[id] = entry | {
            "expected": said[1],
            "margin": margin if math.isfinite(margin) else None,
            "ok": None if wrong is None else not wrong,  # None: this mode does not test it
        }
        if wrong:
            failures.append(Failure("claim", f"{id} {wrong}", *place))

    stated: dict[str, object] = {}
    for record in records:
        id, value = record["id"], record["value"]
        cell = executed.cells[record["cell"]]
        place = (cell.metadata.get("source_index"), first_line(cell))
        if odd := record.get("odd"):
            failures.append(Failure("record", f"a claim needs an id and a number, and here stands {odd}", *place))
            continue
        listed = expectations.get(id)
        if listed is None or listed.room not in rooms:
            where = "not in the claims file" if listed is None else f"belongs to {listed.room}"
            enter(id, value, f"is stated here and {where}", math.inf, *place)
            continue
        found = listed.judge(value if isinstance(value, int) else float(value), result.mode)
        wrong = f"is {value}, expected {listed.expected(result.mode)} (margin {found.margin:.3g})"
        wrong = {True: "", None: None, False: wrong}[found.ok]
        if (first := stated.setdefault(id, value)) != value:
            wrong = f"is stated as {first} and then as {value}"
        enter(id, value, wrong, found.margin, *place)
    for id, listed in expectations.items():
        if listed.room in rooms and id not in entries:
            enter(id, None, "is in the claims file and was never stated")
    return list(entries.values()), failures
