"""What this machine offers, what is known bad, and what each lab will be able to use: `python -m seqlab`."""

import os
import platform
import shutil
from collections.abc import Iterator

import torch

from kernels.flash import versions
from seqlab.course.lab import version
from seqlab.course.rooms import labs
from seqlab.draw.svg import element, table

WANTED = ("torch", "triton", "numpy", "einops", "jupyterlab", "ipywidgets", "anywidget", "plotly", "papermill")
SIGNS = {"good": "✓", "note": "•", "bad": "✗"}


class Report(dict):
    """{subject: lines} that shows itself as text or HTML."""

    def __repr__(self) -> str:
        return "\n\n".join("\n  ".join((subject, *lines)) for subject, lines in self.items())

    def _repr_html_(self) -> str:
        rows = {subject: [[element("div", line) for line in lines]] for subject, lines in self.items()}
        return table([], rows, "What this machine offers", "left")


def report() -> Report:
    """Look, without loading anything heavy: Triton is not imported.

    Each line is marked as good, as a note (fine, worth knowing) or as bad (something will not work).
    """
    looks = {"Versions": _versions, "Machine": _machine, "Triton": _triton, "Labs": _labs}
    return Report({subject: [f"{SIGNS[level]} {text}" for level, text in look()] for subject, look in looks.items()})


def _versions() -> Iterator[tuple[str, str]]:
    found = {name: version(name) for name in WANTED}
    have = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    missing = [name for name, version in found.items() if not version and name != "triton"]
    yield "good", f"Python {platform.python_version()}, {have}"
    if missing:
        level = "note" if missing == ["jupyterlab"] else "bad"  # a hosted notebook has another
        yield level, f"not installed: {', '.join(missing)}; make setup brings them, or pip install 'seqlab[lab]'"


def _machine() -> Iterator[tuple[str, str]]:
    cores = f"{os.cpu_count() or 1} cores, {_memory()}; torch uses {torch.get_num_threads()} threads (the labs: 1)"
    yield "good", f"{platform.system()} {platform.machine()}, {cores}"
    if torch.cuda.is_available():
        yield "good", f"GPU: {_gpus()}"
    else:
        kernels = "GPU kernels run in Triton's interpreter and are compiled for reading"
        yield "note", f"no CUDA GPU: every lab runs on the CPU; {kernels}"
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        yield "note", "no Chromium: only the browser tests need it (apt-get install chromium)"


def _triton() -> Iterator[tuple[str, str]]:
    found = versions.installed()
    if found is None:
        yield "note", "not installed (it exists for Linux on x86-64): Triton cells say so, everything else works"
        return
    name = ".".join(map(str, found))
    yield "good", f"{name}; without a GPU it runs in its interpreter (TRITON_INTERPRET=1) or only compiles"
    for where in ("hopper", "interpret"):
        if problem := versions.known_bad(found, where):
            yield "bad", problem
    yield "note", "bf16 in Triton's interpreter is silently wrong: use fp32 or fp16 there"


def _labs() -> Iterator[tuple[str, str]]:
    have = {"Triton": versions.installed() is not None}
    cure = {"Triton": "it exists for Linux on x86-64; read the lab's page in the book instead"}
    for lab in labs():
        lacks = "; ".join(f"lacks the {need} ({cure[need]})" for need in lab.needs if not have[need])
        yield "bad" if lacks else "good", f"{lab.number} {lab.title}: {lacks or 'everything it uses is here'}"


def _gpus() -> str:
    names = (torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count()))
    return ", ".join(f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in names)


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
    return f"{total / 2**30:.0f} GiB memory"
