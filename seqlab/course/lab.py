"""The frame of a lab: begin, claim, receipts."""

import html
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import claims
from seqlab.course import progress as saved
from seqlab.course.show import KEYS, in_notebook, note, say
from seqlab.draw.svg import Markup, element, table

PACKAGES = ("torch", "numpy", "einops", "plotly", "ipywidgets", "anywidget", "jupyterlab")


@dataclass
class Session:
    """The lab that runs in this kernel."""

    lab: str = ""
    mode: str = "lab"
    seed: int = 0
    made: dict[str, float | int | bool] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)  # questions of `course.teach`, by id
    outcomes: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)


_session = Session()


def begin(lab: str, mode: str, seed: int, *, progress: str | Path | None = None) -> None:
    """Start a lab: check the parameters, seed torch, and use one thread (small tensors, equal results everywhere).

    progress: the file that keeps the learner's ticks; progress.json beside the notebook, or SEQLAB_PROGRESS, when None.

    In a notebook Triton interprets, on a machine with a GPU too, unless TRITON_INTERPRET is set: what a lab says of its
    kernels was counted there. Programs of your own, and `make bench-gpu`, compile them for the GPU.
    """
    global _session
    if mode not in claims.MODES:
        raise ValueError(f"mode: got {mode!r}, wanted one of {', '.join(claims.MODES)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed: got {seed!r}, wanted a whole number ≥ 0")
    _session = Session(lab, mode, seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    saved.keep_in(progress)
    if in_notebook():
        say((KEYS, ""))
        os.environ.setdefault("TRITON_INTERPRET", "1")
        if "" not in sys.path and os.getcwd() not in sys.path:  # a learner's own modules, behind the environment's
            sys.path.append(os.getcwd())
        if torch.cuda.is_available():
            note("A GPU is here: cells count in Triton's interpreter and time on the GPU; each says what ran.")
    if notice := saved.notice():
        note(notice)


def choose(**by_mode: Any) -> object:
    """The value for the mode that runs: `steps = choose(smoke=5, lab=200, full=2000)`."""
    if set(by_mode) != set(claims.MODES):
        raise ValueError(
            f"choose: got values for {', '.join(by_mode)}, wanted one for each of {', '.join(claims.MODES)}"
        )
    return by_mode[_session.mode]


def has_triton() -> bool:
    """Whether Triton is installed. Where it is not, a line says that the cell goes on without it."""
    from kernels.flash.versions import installed

    if installed() is None:
        note("Triton is not installed (it exists for Linux on x86-64): this cell leaves out what needs it.")
    return installed() is not None


def session() -> Session:
    """The lab that runs in this kernel."""
    return _session


def claim(id: str, value: object) -> None:
    """State a number: show it beside what is expected, and put it on record for CI.

    `value` is one number or truth value (a one-element tensor will do). What is expected, and how it was got, stands in
    the room's claims.toml; a claim that is not listed there is shown alone, and one that this mode does not test gets
    no tick.
    """
    record, sign, colour, shown, said, wanted = _stated(id, value)
    head = f"{said} · {wanted}" if said else ""
    page = (
        f"<div style='padding:.1em .8em;border-left:4px solid {colour}'><b><span style='color:{colour}'>{sign}</span>"
        f" {html.escape(shown)}</b> <code>{html.escape(id)}</code> {html.escape(head)}</div>"
    )
    say((page, f"{sign} {shown}  {id}  {head}".rstrip()), **{claims.MIME: record})


def claim_table(values: Mapping[str, object], caption: str = "") -> None:
    """Several claims as one table: {id: value}. More than six claims of one cell belong into one."""
    stated = {id: _stated(id, value) for id, value in values.items()}
    rows = {
        Markup(f"<b style='color:{colour}'>{sign}</b> <code>{html.escape(id)}</code>"): [
            element("b", shown),
            wanted,
            said,
        ]
        for id, (_, sign, colour, shown, said, wanted) in stated.items()
    }
    page = table(["claim", "value", "expected", "what it says"], rows, caption, "left")
    lines = [f"{sign} {shown}  {id}  {said} · {wanted}" for id, (_, sign, _, shown, said, wanted) in stated.items()]
    records = [record for record, *_ in stated.values()]
    say((page, "\n".join(filter(None, [caption, *lines]))), **{claims.MIME: records})


def _stated(id: str, value: object) -> tuple[dict, str, str, str, str, str]:
    """Put a claim on record: (record, sign, colour, value, statement, expectation)."""
    expectation = claims.expectation(id)
    record = claims.record(id, value, expectation, _session.mode)
    _session.made[id] = claims.plain(value, id)
    shown = number(_session.made[id])
    if expectation is None:
        return record, "•", GREY, shown, "", ""
    sign, colour = {True: ("✓", BLUE), False: ("✗", RED), None: ("•", GREY)}[record["ok"]]
    said = expectation.statement + (f" ({expectation.source})" if expectation.source else "")
    wanted = ("" if record["ok"] is None else "expected ") + expectation.expected(_session.mode)
    return record, sign, colour, shown, said, f"{claims.HOW[expectation.how]}, {wanted}"


def receipts() -> None:
    """The end of a lab: versions, seed, claims and their hash. Two runs on one machine give the same hash."""
    versions = [f"Python {platform.python_version()}"] + [f"{name} {version(name) or '–'}" for name in PACKAGES]
    seconds = time.perf_counter() - _session.started
    verdicts = [_kept(id, value) for id, value in _session.made.items()]
    tested = [ok for ok in verdicts if ok is not None]
    rest = f" · {len(verdicts) - len(tested)} {claims.NOT_TESTED}" if len(tested) < len(verdicts) else ""
    lines = (
        f"mode {_session.mode} · seed {_session.seed} · {seconds:.0f} s",
        f"{sum(tested)} of {len(tested)} claims hold{rest} · hash {claims.fingerprint(_session.made)}",
        " · ".join(versions),
        *_handed_in(),
    )
    page = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
    say((f"<div style='padding:.1em .8em;border-left:4px solid {GREY}'>{page}</div>", "\n".join(lines)))


def _handed_in() -> list[str]:
    """The receipt of this lab's notebook as it was saved last; the grader finds the same."""
    from seqlab.course.rooms import labs
    from seqlab.course.submission import read

    saved = Path.cwd() / f"{_session.lab}.ipynb"
    found = read(saved, labs()) if saved.exists() else None
    return [f"receipt {found.receipt} (of the notebook as saved)"] if found and found.lab else []


def _kept(id: str, value: float | int | bool) -> bool | None:
    expectation = claims.expectation(id)
    return expectation.judge(value, _session.mode).ok if expectation else True


def number(value: float | int | bool) -> str:
    """A value as the labs write it: yes, 1,234 or 0.1235."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    return f"{value:.4g}"


def version(name: str) -> str | None:
    """The version of a package, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
