"""Shapes and types of functions are enforced while tests run; one torch thread; equal random numbers in every run.

`make test` runs what is not marked slow, `make test-all` everything; both on all cores, the longest files first.
"""

import gc
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from datetime import date

import pytest
from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401  (the hook looks it up by name)
from ci.jupyter_browser import INSTALL, chromium
from tests.places import ROOT

LONGEST = (
    "tests/browser/test_labs",
    "tests/labs/test_labs",
    "tests/browser",
    "tests/labs",
    "tests/kernels",
    "tests/test_bench_gpu",
)

_seconds: Counter[str] = Counter()
_started = time.perf_counter()


def is_unchecked(module: str) -> bool:
    """Whether a module counts exactly and knows no shapes: checks of its small functions would outlast a test.
    Or holds Triton kernels, which are read and not called.
    """
    place = ROOT.joinpath(*module.split("."))
    sources = [file.read_text() for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    imported = {name for source in sources for name in re.findall(r"^(?:from|import) (\w+)", source, re.M)}
    kernels = any(re.search(r"^@triton\.jit", source, re.M) for source in sources)
    exact = "torch" not in imported and any("from seqlab.exact import" in source for source in sources)
    return kernels or (("fractions" in imported or exact) and "jaxtyping" not in imported)


hook = install_import_hook("seqlab", "tests.typecheck.checked").hook
of_seqlab = hook.should_instrument
hook.should_instrument = lambda module: of_seqlab(module) and not is_unchecked(module)

import torch  # noqa: E402

torch.set_num_threads(1)
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")


@pytest.fixture(autouse=True)
def seeded():
    """A test that passes today passes tomorrow, whatever ran before it.

    `torch.manual_seed` keeps, where there is no GPU, a traceback for each kind of device that may be initialized yet.
    """
    (torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed)(0)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    """No test touches a learner's progress."""
    monkeypatch.setenv("SEQLAB_PROGRESS", str(tmp_path / "progress.json"))


@pytest.fixture(autouse=True)
def alone():
    """A sweep moves every widget of the process: no test leaves one behind for the next."""
    yield
    if "ipywidgets" in sys.modules:
        sys.modules["ipywidgets"].Widget.close_all()


def pytest_configure(config):
    """Workers inherit what a session agrees on: the day, which chooses a lab, and where compiled kernels are kept."""
    os.environ.setdefault("SEQLAB_DAY", str(date.today().toordinal()))
    if "SEQLAB_XRAY_CACHE" not in os.environ:
        folder = os.environ["SEQLAB_XRAY_CACHE"] = tempfile.mkdtemp(prefix="seqlab-xray-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What collecting makes stays: the garbage collector does not look at modules and tests again and again."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()
    return collected


def pytest_collection_modifyitems(items):
    """What takes longest begins first; one worker runs all of a file."""
    items.sort(key=lambda item: [not item.nodeid.startswith(long) for long in LONGEST])


def pytest_runtest_logreport(report):
    _seconds["/".join(report.nodeid.split("::")[0].split("/")[:2])] += report.duration
    _seconds[getattr(report, "worker_id", "")] += report.duration


def pytest_terminal_summary(terminalreporter):
    """Say where the time went, and what did not run."""
    if chromium() is None:
        terminalreporter.section("BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.write_line(INSTALL)
    terminalreporter.section("where the time goes")
    workers = {name: _seconds.pop(name) for name in sorted(_seconds) if name.startswith("gw") or not name}
    for place, seconds in _seconds.most_common(16):
        terminalreporter.write_line(f"{seconds:7.1f} s  {place}")
    busy = ", ".join(f"{seconds:.0f} s" for seconds in workers.values())
    terminalreporter.write_line(f"{time.perf_counter() - _started:7.1f} s  in all; busy: {busy}")
