"""Every lab as a learner meets it: Run All in JupyterLab, then every control moved.

In smoke mode every open lab, and a solved one, another each day; all of them in lab mode are slow.
"""

import json
import os

import nbformat
import pytest

from ci.result import write_text
from seqlab.course.editions import solve
from tests.places import LAB_FILES, ROOT

TIMES = ROOT / "build" / "report" / "browser.json"
LIMIT = 900  # seconds, for a run that hangs; how long it takes is written into the report, not judged here
TODAY = LAB_FILES[int(os.environ["SEQLAB_DAY"]) % len(LAB_FILES)]


def check(notebook, stem, timeout: float = 5) -> list[str]:
    """Run an open notebook and move its controls. Returns what a learner would stumble over; nothing if all is well.

    timeout: seconds in which a control must change something while the kernel is idle
    """
    seconds = notebook.run_all(timeout=LIMIT)
    note(stem, seconds, notebook.picture_times())
    found = [f"cell {index} did not run" for index in notebook.unfinished()]
    notebook.screenshot(stem)
    found += notebook.errors()
    if not found:
        found += [f"{control} changes nothing" for control in notebook.controls() if not control.move(timeout)]
        found += notebook.errors()
    return found + [f"console: {text}" for text in notebook.console]


def note(stem, seconds: float, pictures: dict[int, float]) -> None:
    """Keep the times of a lab for the report: Run All, and the slowest first picture after its cell began."""
    if not stem.is_relative_to(ROOT):
        return
    stored = json.loads(TIMES.read_text()) if TIMES.exists() else {}
    stored[f"{stem.name} ({stem.parent.name})"] = {
        "run_all_s": round(seconds, 1),
        "slowest_first_picture_s": round(max(pictures.values(), default=0), 1),
    }
    write_text(TIMES, json.dumps(stored, indent=1) + "\n")


def stumbles(open_notebook, path, edition, mode) -> list[str]:
    """What a learner would stumble over in one lab."""
    source = nbformat.read(path, as_version=4)
    for cell in source.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = cell.source.replace('mode = "lab"', f'mode = "{mode}"')
    notebook = open_notebook(solve(source) if edition == "solved" else source, path.stem)
    return check(notebook, ROOT / "build" / "screenshots" / f"{edition}-{mode}" / path.stem)


@pytest.mark.parametrize("path", LAB_FILES[::-1], ids=lambda path: path.stem)
def test_open_lab_in_smoke_mode(path, open_notebook):
    """Backwards, as another worker executes the labs forwards, and what one compiles serves the other."""
    assert stumbles(open_notebook, path, "open", "smoke") == []


def test_the_solved_lab_of_the_day(open_notebook):
    assert stumbles(open_notebook, TODAY, "solved", "smoke") == []


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["open", "solved"])
@pytest.mark.parametrize("path", LAB_FILES, ids=lambda path: path.stem)
def test_lab_in_lab_mode(path, edition, open_notebook):
    assert stumbles(open_notebook, path, edition, "lab") == []
