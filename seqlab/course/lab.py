"""The frame of a lab: begin, claim, receipts."""

from __future__ import annotations

import html
import math
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import claims
from seqlab.course import progress as saved
from seqlab.course.show import in_notebook, keep_keys, say

PACKAGES = ("torch", "numpy", "einops", "plotly", "ipywidgets", "anywidget", "jupyterlab")


@dataclass
class Session:
    """The lab that runs in this kernel."""

    lab: str = ""
    mode: str = "lab"
    seed: int = 0
    made: dict[str, float | int | bool] = field(default_factory=dict)
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
    keep_keys()
    if in_notebook():
        os.environ.setdefault("TRITON_INTERPRET", "1")
        if "" not in sys.path and os.getcwd() not in sys.path:  # a learner's own modules, behind the environment's
            sys.path.append(os.getcwd())
    if notice := saved.notice():
        say((f"<div role='status' style='opacity:.75'>• {html.escape(notice)}</div>", f"• {notice}"))


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
        text = "Triton is not installed (it exists for Linux on x86-64): this cell leaves out what needs it."
        say((f"<div role='status' style='opacity:.75'>• {text}</div>", f"• {text}"))
    return installed() is not None


def claim(id: str, value: object) -> None:
    """State a number: show it beside what is expected, and put it on record for CI.

    `value` is one number or truth value (a one-element tensor will do). What is expected, and how it was got, stands in
    the room's claims.toml; a claim that is not listed there is shown alone, and one that this mode does not test gets
    no tick.
    """
    expectation = claims.load_expectations().get(id)
    record = claims.record(id, value, expectation, _session.mode)
    _session.made[id] = claims.plain(value, id)
    shown = _number(_session.made[id])
    if expectation is None:
        head, sign, colour = "", "•", GREY
    else:
        sign, colour = {True: ("✓", BLUE), False: ("✗", RED), None: ("•", GREY)}[record["ok"]]
        source = f" ({expectation.source})" if expectation.source else ""
        wanted = ("" if record["ok"] is None else "expected ") + expectation.expected(_session.mode)
        head = f"{expectation.statement}{source} · {claims.HOW[expectation.how]}, {wanted}"
    text = f"{sign} {shown}  {id}  {head}".rstrip()
    page = (
        f"<div style='padding:.1em .8em;border-left:4px solid {colour}'><b><span style='color:{colour}'>{sign}</span>"
        f" {html.escape(shown)}</b> <code>{html.escape(id)}</code> {html.escape(head)}</div>"
    )
    if in_notebook():
        from IPython.display import display

        display({claims.MIME: record, "text/html": page, "text/plain": text}, raw=True)
    else:
        print(text)


def receipts() -> None:
    """The end of a lab: versions, seed, claims and their hash. Two runs on one machine give the same hash."""
    versions = [f"Python {platform.python_version()}"] + [f"{name} {_version(name)}" for name in PACKAGES]
    seconds = time.perf_counter() - _session.started
    verdicts = [_kept(id, value) for id, value in _session.made.items()]
    tested = [ok for ok in verdicts if ok is not None]
    rest = f" · {len(verdicts) - len(tested)} {claims.NOT_TESTED}" if len(tested) < len(verdicts) else ""
    lines = (
        f"mode {_session.mode} · seed {_session.seed} · {seconds:.0f} s",
        f"{sum(tested)} of {len(tested)} claims hold{rest} · hash {claims.fingerprint(_session.made)}",
        " · ".join(versions),
    )
    page = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
    say((f"<div style='padding:.1em .8em;border-left:4px solid {GREY}'>{page}</div>", "\n".join(lines)))


def _kept(id: str, value: float | int | bool) -> bool | None:
    expectation = claims.load_expectations().get(id)
    return expectation.judge(value, _session.mode).ok if expectation else True


def _number(value: float | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    return f"{value:.4g}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "–"
