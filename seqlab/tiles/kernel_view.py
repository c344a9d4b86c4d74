"""KernelView: a kernel as Python, TTIR, PTX and machine code side by side; a line lights what it became."""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from kernels.instruments.instructions import CLASSES
from kernels.instruments.xray import Xray, XrayError
from seqlab.colours import BLUE, ORANGE

HERE = Path(__file__).parent
LETTERS = dict(zip(CLASSES, "MSFCHGXBLI·"))
BUDGET = 260_000  # characters of code in one view
CUTS = {  # what tells a reader nothing
    "ttir": (r"^#loc", r" loc\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"),
    "ptx": (r"^\s*(\.|//|\$L__|$|[{}()]|\)$)", r"\s*//.*$"),
    "sass": (r"^$", r"/\*[0-9a-f]+\*/\s*"),
    "amdgcn": (r"^\s*[.;]|^$|^(?!\.LBB|\t[a-z])", r"\s*;.*$"),
}
TITLES = {"ttir": "TTIR", "ptx": "PTX", "sass": "SASS", "amdgcn": "AMDGCN"}
SCOPES = ("main loop", "whole kernel")


class KernelColumns(anywidget.AnyWidget):
    """The columns alone. `lines`: for each kernel the line of Python, from 0, that is lit; -1 for none."""

    _esm = HERE / "kernel_view.js"
    _css = HERE / "kernel_view.css"

    groups = traitlets.List(help="one for each kernel: title and columns").tag(sync=True)
    lines = traitlets.List(traitlets.Int()).tag(sync=True)


class KernelView(ipywidgets.VBox):
    """One kernel as Python | TTIR | PTX | machine code, or two as Python | machine code each, and their instruction mix.

    Pointing at a line, or moving the cursor over it, lights the lines it came from and became in the other columns.
    `view.columns.lines = [11]` does so from Python. Raises XrayError for two kernels of different architectures.
    """

    def __init__(self, report: Xray, other: Xray | None = None):
        if other is not None and other.arch != report.arch:
            raise XrayError(
                f"{report.name} is for {report.arch} and {other.name} for {other.arch}: take one architecture"
            )
        self.reports = [report] if other is None else [report, other]
        self.names = _names(self.reports)
        looped = all(one.loops for one in self.reports)
        self.scope = ipywidgets.ToggleButtons(
            options=SCOPES if looped else SCOPES[1:], description="count the", style={"button_width": "8em"}
        )
        self.columns = KernelColumns(groups=_groups(self.reports, self.names), lines=[*map(_busiest, self.reports)])
        self.facts = ipywidgets.HTML(f"<div>{'<br>'.join(map(_facts, self.reports, self.names))}</div>")
        self.mix = ipywidgets.HTML()
        self.scope.observe(self._count, "value")
        super().__init__([self.facts, self.columns, self.scope, self.mix])
        self._count()

    def twin(self) -> str:
        """A static HTML figure: what was compiled, lines of each stage for each line of Python, and the mix."""
        body = "".join(map(_traced, self.reports, self.names))
        title = escape(" and ".join(self.names))
        return (
            f'<figure style="margin:0.5em 0"><figcaption><strong>{title}</strong>: what each line became</figcaption>'
            f"{self.facts.value}{body}{_mix(self.reports, self.names, self.scope.value)}</figure>"
        )

    def _count(self, _: object = None) -> None:
        self.mix.value = _mix(self.reports, self.names, self.scope.value)

    def _repr_mimebundle_(self, **options: object) -> dict:
        text = "\n\n".join(map(str, self.reports))
        return super()._repr_mimebundle_(**options) | {"text/plain": text, "text/html": self.twin()}


def _names(reports: list[Xray]) -> list[str]:
    names = [one.name for one in reports]
    return names if len(set(names)) == len(names) else [f"{name} ({at})" for at, name in enumerate(names, 1)]


def _busiest(report: Xray) -> int:
    """The line of the kernel that became most of the main loop (of the whole kernel, where it has none)."""
    chains = report.lines[report.machine]
    chains = [chains[at] for at in report.main] or chains
    lines = Counter(chain[-1] for chain in chains if chain)
    return lines.most_common(1)[0][0] if lines else 0


def _groups(reports: list[Xray], names: list[str]) -> list[dict]:
    stages = ("ttir", "ptx") if len(reports) == 1 else ()
    groups = [
        {"title": name, "columns": [_python(one)] + [_stage(one, s) for s in (*stages, one.machine) if getattr(one, s)]}
        for one, name in zip(reports, names)
    ]
    columns = [column for group in groups for column in group["columns"]]
    while sum(map(_size, columns)) > BUDGET:
        _shorten(max(columns, key=_size), sum(map(_size, columns)) - BUDGET)
    return groups


def _size(column: dict) -> int:
    return sum(len(text) + 12 for text in column["text"])


def _shorten(column: dict, excess: int) -> None:
    """Leave off the end of a column, and say so in its last line."""
    kept, size = 0, max(_size(column) - excess - 200, _size(column) // 2)
    while size > 0 and kept < len(column["text"]) - 1:
        size -= len(column["text"][kept]) + 12
        kept += 1
    gone = len(column["text"]) - kept
    column["chains"] = [*column["chains"], []]
    ends = {
        "text": [f"… {gone} more lines"],
        "from": [len(column["chains"]) - 1],
        "kinds": " ",
        "loop": "0",
        "numbers": [""],
    }
    for name, end in ends.items():
        if name in column:
            column[name] = column[name][:kept] + end


def _python(report: Xray) -> dict:
    lines = report.python.split("\n")
    return {
        "name": "Python",
        "text": lines,
        "numbers": [str(at) for at in range(1, len(lines) + 1)],
        "from": list(range(len(lines))),
        "chains": [[at] for at in range(len(lines))],
    }


def _stage(report: Xray, stage: str) -> dict:
    drop, cut = map(re.compile, CUTS[stage])
    main, chains = set(report.main), {(): 0}
    column: dict = {"name": TITLES[stage], "text": [], "from": [], "numbers": []}
    kinds, loop = [], []
    text = getattr(report, stage).split("\n")
    for at, (line, chain) in enumerate(zip(text, report.lines[stage])):
        if drop.match(line):
            continue
        column["text"].append(cut.sub("", line).replace("\t", "  ").rstrip(" ;"))
        column["from"].append(chains.setdefault(chain, len(chains)))
        column["numbers"].append(str(len(column["text"])))
        kinds.append(LETTERS[report.kinds[at]] if at in report.kinds else " ")
        loop.append("01"[at in main])
    column["chains"] = [list(chain) for chain in chains]
    if stage == report.machine:
        del column["numbers"]
        column |= {"kinds": "".join(kinds), "loop": "".join(loop)}
    return column


def _facts(report: Xray, name: str) -> str:
    config = ", ".join(f"{key} {value}" for key, value in report.config.items())
    return (
        f"<strong>{escape(name)}</strong> for {report.arch} ({escape(config)}): {report.registers} registers, "
        f"{report.spills} B spilled, {report.shared / 1024:.4g} KiB shared memory, {report.occupancy}, "
        f"{report.reductions} reductions in the loop"
    )


CELL = 'style="text-align:right;padding:0 8px"'
LEFT = 'style="text-align:left;padding:0 8px;font-weight:normal"'


def _mix(reports: list[Xray], names: list[str], scope: str) -> str:
    """The classes as a table with a bar for each count and, for two kernels, the difference."""
    counts = [one.loop if scope == SCOPES[0] else one.instructions for one in reports]
    longest = max([1, *(value for counted in counts for value in counted.values())])
    looks = (f"background:{BLUE}", f"background:repeating-linear-gradient(45deg,{ORANGE} 0 4px,transparent 4px 6px)")
    rows = []
    for kind in (*CLASSES, "total"):
        values = [counted.total() if kind == "total" else counted[kind] for counted in counts]
        if not any(values):
            continue
        bars = "".join(
            f'<div style="height:7px;margin:1px 0;width:{240 * value / longest:.0f}px;{look}"></div>'
            for value, look in zip(values, looks)
        )
        cells = "".join(f"<td {CELL}>{value:,}</td>" for value in values)
        change = f"<td {CELL}>{values[1] - values[0]:+,}</td>" if len(values) == 2 else ""
        bars = "" if kind == "total" else bars
        rows.append(
            f"<tr><td {LEFT}>{LETTERS.get(kind, '')}</td><th scope='row' {LEFT}>{kind}</th>{cells}{change}"
            f'<td style="text-align:left">{bars}</td></tr>'
        )
    keys = "".join(
        f'<th scope="col" {CELL}><span style="display:inline-block;width:10px;height:10px;{look}"></span> {escape(name)}</th>'
        for name, look in zip(names, looks)
    )
    change = f'<th scope="col" {CELL}>difference</th>' if len(names) == 2 else ""
    return (
        f"<table><caption style='text-align:left;caption-side:top'>Instructions in the {scope}, by class</caption>"
        f"<tr><td></td><td></td>{keys}{change}<td></td></tr>{''.join(rows)}</table>"
    )


def _traced(report: Xray, name: str) -> str:
    """Each line of Python and how many lines of each stage it became."""
    stages = [stage for stage in ("ttir", "ptx", "sass", "amdgcn") if getattr(report, stage)]
    became = {stage: Counter(at for chain in report.lines[stage] for at in chain) for stage in stages}
    head = "".join(f'<th scope="col" {CELL}>{TITLES[stage]}</th>' for stage in stages)
    rows = "".join(
        f"<tr><td {CELL}>{at + 1}</td><td style='text-align:left'><code style='white-space:pre'>{escape(text)}</code></td>"
        + "".join(f"<td {CELL}>{became[stage][at] or ''}</td>" for stage in stages)
        + "</tr>"
        for at, text in enumerate(report.python.split("\n"))
    )
    return (
        f"<table><caption style='text-align:left;caption-side:top'>{escape(name)}: lines that each line became</caption>"
        f"<tr><td></td><th scope='col' {LEFT}>Python</th>{head}</tr>{rows}</table>"
    )
