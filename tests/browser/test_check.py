"""What the check of a lab in the browser finds, and that it finds nothing where all is well."""

from tests.browser.test_labs import check

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
    found = check(open_notebook([DEAD]), tmp_path / "shot", timeout=1)
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
