"""KernelView: a kernel as Python, TTIR, PTX and machine code side by side; a line lights what it became."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from kernels.instruments.instructions import CLASSES
from kernels.instruments.xray import Xray, XrayError
from seqlab.colours import BLUE, ORANGE
from seqlab.draw.svg import Markup, element, joined, table
from seqlab.widgets.still import Saved
from seqlab.widgets.view import BREAK, View, bold

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


class KernelColumns(Saved, anywidget.AnyWidget):
    """The columns alone. `lines`: for each kernel the line of Python, from 0, that is lit; -1 for none."""

    _esm = HERE / "kernel_view.js"
    _css = HERE / "kernel_view.css"
    alone = "columns"

    groups = traitlets.List(help="one for each kernel: title and columns").tag(sync=True)
    lines = traitlets.List(traitlets.Int()).tag(sync=True)

    def film(self) -> dict:
        """What a page needs to show them."""
        return {"groups": self.groups, "lines": self.lines}

    def twin(self) -> str:
        """The first column of each kernel, the Python, as text."""
        return joined(element("pre", "\n".join(group["columns"][0]["text"])) for group in self.groups)


class KernelView(View):
    """One kernel as Python | TTIR | PTX | machine code, or two as Python | machine code each, and the mix.

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
        facts = [(_facts(one, name), BREAK) for one, name in zip(self.reports, self.names)]
        look = {"style": {"button_width": "8em"}, "layout": {} if looped else {"display": "none"}}  # of one, no choice
        super().__init__(
            dict(
                facts=ipywidgets.HTML(element("div", facts)),
                columns=KernelColumns(groups=_groups(self.reports, self.names), lines=[*map(_busiest, self.reports)]),
                scope=ipywidgets.ToggleButtons(
                    options=SCOPES if looped else SCOPES[1:], description="count the", **look
                ),
            )
        )
        self.watch(self._count, self.scope)
        self._count()

    def twin(self) -> str:
        """A static HTML figure: what was compiled, lines of each stage for each line of Python, and the mix."""
        caption = element("figcaption", bold(" and ".join(self.names)), ": what each line became")
        body = Markup(self.facts.value), map(_traced, self.reports, self.names), Markup(self.picture.value)
        return element("figure", caption, body, style="margin:0.5em 0")

    def _count(self) -> None:
        self.picture.value = _mix(self.reports, self.names, self.scope.value)

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/plain": "\n\n".join(map(str, self.reports))}


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
    gone, last = len(column["text"]) - kept, len(column["chains"])
    ends = {"text": [f"… {gone} more lines"], "from": [last], "kinds": " ", "loop": "0", "numbers": [""]}
    cut = {name: column[name][:kept] + end for name, end in ends.items() if name in column}
    column |= cut | {"chains": [*column["chains"], []]}


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
    chains: dict[tuple, int] = {(): 0}
    kept = [
        (at, line, chain)
        for at, (line, chain) in enumerate(zip(getattr(report, stage).split("\n"), report.lines[stage]))
        if not drop.match(line)
    ]
    column = {
        "name": TITLES[stage],
        "text": [cut.sub("", line).replace("\t", "  ").rstrip(" ;") for _, line, _ in kept],
        "from": [chains.setdefault(chain, len(chains)) for _, _, chain in kept],
    }
    column["chains"] = [list(chain) for chain in chains]
    if stage != report.machine:
        return column | {"numbers": [str(at) for at in range(1, len(kept) + 1)]}
    main = set(report.main)
    kinds = "".join(LETTERS[report.kinds[at]] if at in report.kinds else " " for at, *_ in kept)
    return column | {"kinds": kinds, "loop": "".join("01"[at in main] for at, *_ in kept)}


def _facts(report: Xray, name: str) -> Markup:
    config = ", ".join(f"{key} {value}" for key, value in report.config.items())
    told = (
        f" for {report.arch} ({config}): {report.registers} registers, {report.spills} B spilled, "
        f"{report.shared / 1024:.4g} KiB shared memory, {report.occupancy}, {report.reductions} reductions in the loop"
    )
    return joined((bold(name), told))


def _mix(reports: list[Xray], names: list[str], scope: str) -> Markup:
    """The classes as a table with a bar for each count and, for two kernels, the difference."""
    counts = [one.loop if scope == SCOPES[0] else one.instructions for one in reports]
    longest = max([1, *(value for counted in counts for value in counted.values())])
    looks = (f"background:{BLUE}", f"background:repeating-linear-gradient(45deg,{ORANGE} 0 4px,transparent 4px 6px)")
    both = len(names) == 2
    rows = {}
    for kind in (*CLASSES, "total"):
        values = [counted.total() if kind == "total" else counted[kind] for counted in counts]
        if not any(values):
            continue
        bars = [
            element("div", style=f"height:7px;margin:1px 0;width:{240 * value / longest:.0f}px;{look}")
            for value, look in zip(values, looks)
            if kind != "total"
        ]
        change = [f"{values[1] - values[0]:+,}"] if both else []
        rows[f"{LETTERS.get(kind, '')} {kind}"] = [*(f"{value:,}" for value in values), *change, bars]
    keys = [
        (element("span", style=f"display:inline-block;width:10px;height:10px;{look}"), f" {name}")
        for name, look in zip(names, looks)
    ]
    return table(["", *keys, *["difference"] * both, ""], rows, f"Instructions in the {scope}, by class")


def _traced(report: Xray, name: str) -> Markup:
    """Each line of Python that became machine code, and how many lines of each stage."""
    stages = [stage for stage in ("ttir", "ptx", "sass", "amdgcn") if getattr(report, stage)]
    became = [Counter(at for chain in report.lines[stage] for at in chain) for stage in stages]
    look = "display:block;text-align:left;white-space:pre"
    rows = {
        str(at + 1): [element("code", line, style=look), *(str(of[at] or "") for of in became)]
        for at, line in enumerate(report.python.split("\n"))
        if became[-1][at]
    }
    return table(["", "Python", *(TITLES[stage] for stage in stages)], rows, f"{name}: lines that each line became")
