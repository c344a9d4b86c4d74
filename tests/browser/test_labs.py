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


def check(notebook, stem) -> list[str]:
    """Run an open notebook and move its controls. Returns what a learner would stumble over; nothing if all is well."""
    seconds = notebook.run_all(timeout=LIMIT)
    note(stem, seconds, notebook.picture_times())
    found = [f"cell {index} did not run" for index in notebook.unfinished()]
    notebook.screenshot(stem)
    found += notebook.errors()
    if not found:
        found += [f"{control} changes nothing" for control in notebook.controls() if not control.move()]
        notebook.screenshot(f"{stem}-moved")
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


@pytest.mark.parametrize("path", LAB_FILES, ids=lambda path: path.stem)
def test_open_lab_in_smoke_mode(path, open_notebook):
    assert stumbles(open_notebook, path, "open", "smoke") == []


def test_the_solved_lab_of_the_day(open_notebook):
    assert stumbles(open_notebook, TODAY, "solved", "smoke") == []


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["open", "solved"])
@pytest.mark.parametrize("path", LAB_FILES, ids=lambda path: path.stem)
def test_lab_in_lab_mode(path, edition, open_notebook):
    assert stumbles(open_notebook, path, edition, "lab") == []


GOOD = """
import ipywidgets, torch
from seqlab.widgets import AttentionView
view = AttentionView(torch.softmax(torch.arange(12.0).reshape(3, 2, 2), -1))
tall = ipywidgets.IntSlider(2, 1, 9, description="rows")
tall.observe(lambda change: setattr(view, "weights", torch.ones(change["new"], 4) / 4), "value")
kind = ipywidgets.Dropdown(options=["a", "b"], description="kind")
told = ipywidgets.HTML("a")
kind.observe(lambda change: setattr(told, "value", change["new"]), "value")
display(tall, kind, told, view)
"""
DEAD = """
import ipywidgets
display(ipywidgets.IntSlider(description="dead slider"), ipywidgets.Button(description="dead button"))
"""
BROKEN = """
import ipywidgets
ipywidgets.interactive(lambda depth: 1 / (depth - 5), depth=ipywidgets.IntSlider(4, 0, 9, description="depth"))
"""


def test_a_good_stand_in_passes(open_notebook, tmp_path):
    assert check(open_notebook([GOOD, "1 + 1"]), tmp_path / "shot") == []


def test_controls_that_change_nothing_fail_by_name(open_notebook, tmp_path):
    found = check(open_notebook([DEAD]), tmp_path / "shot")
    assert found == ["slider “dead slider” in cell 0 changes nothing", "button “dead button” in cell 0 changes nothing"]


def test_an_error_in_a_cell_or_a_callback_is_found(open_notebook, tmp_path):
    assert any("ZeroDivisionError" in text for text in check(open_notebook([BROKEN]), tmp_path / "shot"))
    assert check(open_notebook(["1 + 1", "1 / 0", "2"]), tmp_path / "shot")[-1:] == [
        "cell 1: ZeroDivisionError: division by zero"
    ]


LIVE = """
from seqlab.train.live import LiveLoss
from seqlab.train.fit import History
import time
history, watch = History(), LiveLoss(30)
for step in range(1, 31):
    history.step.append(step); history.loss.append(4 / step)
    time.sleep(0.05)
    watch(history)
"""


def test_a_live_loss_ends_with_all_its_points(open_notebook):
    notebook = open_notebook([LIVE])
    notebook.run_all()
    notebook.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert notebook.page.evaluate("document.querySelector('.js-plotly-plot').data[0].x.length") == 30
    assert notebook.errors() == [] == notebook.console
