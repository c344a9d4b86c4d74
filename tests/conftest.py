"""Shapes and types of public functions are enforced while tests run; one torch thread; equal random numbers in every run."""

import os
import time
from collections import defaultdict

import pytest
from jaxtyping import install_import_hook

import tests.typecheck  # noqa: E402, F401  (the hook looks it up by name)

install_import_hook(["seqlab"], "tests.typecheck.checked")

import torch  # noqa: E402

torch.set_num_threads(1)
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

_seconds: dict[str, float] = defaultdict(float)
_started = time.perf_counter()


@pytest.fixture(autouse=True)
def seeded():
    """A test that passes today passes tomorrow, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    """No test touches a learner's progress."""
    monkeypatch.setenv("SEQLAB_PROGRESS", str(tmp_path / "progress.json"))


def pytest_runtest_logreport(report):
    _seconds["/".join(report.nodeid.split("::")[0].split("/")[:2])] += report.duration


def pytest_terminal_summary(terminalreporter):
    """Say where the time goes."""
    terminalreporter.section("where the time goes")
    for place, seconds in sorted(_seconds.items(), key=lambda item: -item[1])[:12]:
        terminalreporter.write_line(f"{seconds:7.1f} s  {place}")
    terminalreporter.write_line(f"{time.perf_counter() - _started:7.1f} s  in all")
