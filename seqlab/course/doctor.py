"""What this machine offers, what is known bad, and what each lab will be able to use: `python -m seqlab`."""

from __future__ import annotations

import html
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata

import torch

from kernels.flash import versions
from seqlab.course.rooms import labs

WANTED = ("torch", "triton", "numpy", "einops", "jupyterlab", "ipywidgets", "anywidget", "plotly", "papermill")
SIGNS = {"good": "✓", "note": "•", "bad": "✗"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: `level` is good, note (fine, worth knowing) or bad (something will not work)."""

    group: str
    level: str
    text: str


class Report(list):
    """A list of findings that shows itself as text or HTML."""

    def __repr__(self) -> str:
        lines, group = [], None
        for finding in self:
            if finding.group != group:
                group = finding.group
                lines.append(f"\n{group}" if lines else group)
            lines.append(f"  {SIGNS[finding.level]} {finding.text}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows, groups = [], list(dict.fromkeys(finding.group for finding in self))
        for group in groups:
            lines = "".join(f"<div>{SIGNS[f.level]} {html.escape(f.text)}</div>" for f in self if f.group == group)
            rows.append(
                f"<tr style='vertical-align:top'><th style='text-align:left'>{group}</th><td style='text-align:left'>{lines}</td></tr>"
            )
        return f"<table aria-label='What this machine offers'>{''.join(rows)}</table>"


def report() -> Report:
    """Look, without loading anything heavy: Triton is not imported."""
    return Report([*_versions(), *_machine(), *_triton(), *_labs()])


def _versions() -> list[Finding]:
    found = {name: _version(name) for name in WANTED}
    have = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    missing = [name for name, version in found.items() if not version and name != "triton"]
    lines = [Finding("Versions", "good", f"Python {platform.python_version()}, {have}")]
    if missing:
        lines.append(Finding("Versions", "bad", f"not installed: {', '.join(missing)}; make setup brings them"))
    return lines


def _machine() -> list[Finding]:
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    lines = [
        Finding(
            "Machine",
            "good",
            f"{platform.system()} {platform.machine()}, {cores} cores, {_memory()}; torch uses {threads} threads (the labs: 1)",
        ),
        Finding("Machine", "good", f"GPU: {_gpus()}")
        if torch.cuda.is_available()
        else Finding(
            "Machine",
            "note",
            "no CUDA GPU: every lab runs on the CPU; GPU kernels run in Triton's interpreter and are compiled for reading",
        ),
    ]
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        lines.append(
            Finding("Machine", "note", "no Chromium: only the browser tests need it (apt-get install chromium)")
        )
    return lines


def _triton() -> list[Finding]:
    version = _version("triton")
    if version is None:
        return [
            Finding(
                "Triton",
                "note",
                "not installed (it exists for Linux on x86-64): Triton cells say so, everything else works",
            )
        ]
    lines = [
        Finding(
            "Triton",
            "good",
            f"{version}; without a GPU it runs in its interpreter (TRITON_INTERPRET=1) or only compiles",
        )
    ]
    numbers = _numbers(version)[:3]
    for where in ("hopper", "interpret"):
        if problem := versions.known_bad(numbers, where):
            lines.append(Finding("Triton", "bad", problem))
    lines.append(Finding("Triton", "note", "bf16 in Triton's interpreter is silently wrong: use fp32 or fp16 there"))
    return lines


def _labs() -> list[Finding]:
    have = {
        "chemistry model": importlib.util.find_spec("rxnmapper") is not None,
        "Triton": _version("triton") is not None,
    }
    cure = {
        "chemistry model": "pip install --no-deps -r requirements-models.lock",
        "Triton": "it exists for Linux on x86-64; read the lab's page in build/report instead",
    }
    lines = []
    for lab in labs():
        missing = [need for need in lab.needs if not have[need]]
        text = f"{lab.number} {lab.title}: " + ("everything it uses is here" if not missing else "")
        text += "; ".join(f"lacks the {need} ({cure[need]})" for need in missing)
        lines.append(Finding("Labs", "bad" if missing else "good", text))
    return lines


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    digits = []
    for part in version.split("+")[0].split("."):
        if not part.isdigit():
            break
        digits.append(int(part))
    return tuple(digits)


def _gpus() -> str:
    names = (torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count()))
    return ", ".join(f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in names)


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
    return f"{total / 2**30:.0f} GiB memory"
