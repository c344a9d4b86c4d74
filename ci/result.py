"""What became of one notebook: a result that is kept on disk, and the failures in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat

from seqlab.course.claims import fingerprint


@dataclass
class Failure:
    """One thing that is wrong. `cell` is the index in the source notebook, None where no cell is to blame."""

    kind: str
    text: str
    cell: int | None = None
    line: str = ""

    def __str__(self) -> str:
        place = f"cell {self.cell} ({self.line}): " if self.cell is not None else ""
        return f"{place}{self.kind}: {self.text}"


@dataclass
class Result:
    """What became of one notebook in one edition and mode."""

    lab: str
    edition: str
    mode: str
    seed: int
    ok: bool = False
    seconds: float = 0.0
    kilobytes: float = 0.0
    digest: str = ""
    cells: list[dict] = field(default_factory=list)
    claims: list[dict] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)  # claim id -> where the paper says it
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what happened on the way and is no failure

    @property
    def name(self) -> str:
        return f"{self.lab}, {self.edition}, {self.mode}"

    @property
    def good(self) -> int:
        """How many of its claims hold."""
        return sum(claim["ok"] is True for claim in self.claims)

    @property
    def tested(self) -> int:
        """How many of its claims this mode tests."""
        return sum(claim["ok"] is not None for claim in self.claims)

    @property
    def page(self) -> str:
        """Where its page lies in the report."""
        return f"{self.edition}-{self.mode}/{self.lab}.html"

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Result:
        return cls.of(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, stored: dict) -> Result:
        """From what `asdict` made of one."""
        return cls(**{**stored, "failures": [Failure(**failure) for failure in stored["failures"]]})


@dataclass
class Run:
    """One call of the runner. Exit status, table, page, JUnit and JSON all read their verdict off it.

    problems: what is wrong beside the notebooks: one that never ran, a stale output in git, a page that is not written.
    """

    results: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems and all(result.ok for result in self.results)

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Run:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls([Result.of(result) for result in stored["results"]], stored["problems"])


def claims_hash(results: list[Result], edition: str, mode: str) -> str:
    """One hash over all claims of an edition; two runs on one machine give the same."""
    chosen = [c for r in results if (r.edition, r.mode) == (edition, mode) for c in r.claims if c["value"] is not None]
    return fingerprint({c["id"]: float(c["value"]) if isinstance(c["value"], str) else c["value"] for c in chosen})


def write_text(path: Path, text: str) -> None:
    """Write `path` in one step: the old content or the new, never half of it. Lone surrogates become their escapes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def first_line(cell: nbformat.NotebookNode) -> str:
    """The first line of a cell that says something, shortened."""
    line = next((line.strip() for line in cell.source.split("\n") if line.strip()), "")
    return line if len(line) <= 60 else line[:57] + "…"
