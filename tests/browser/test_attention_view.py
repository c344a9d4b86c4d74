"""AttentionView in a real JupyterLab: what the hand does and what the eye sees."""

import pytest

from tests.places import ROOT

SHOTS = ROOT / "build" / "screenshots" / "attention_view"
CELL = """
import torch
from seqlab.widgets import AttentionView
torch.manual_seed(0)
words = "the quick brown fox jumps over a lazy dog and then it sleeps under the old tree".split()
tokens = [words[i % len(words)] for i in range(64)]
view = AttentionView(torch.softmax(2 * torch.randn(2, 4, 64, 64), -1), tokens, title="A random layer")
view
"""


@pytest.fixture
def notebook(open_notebook):
    notebook = open_notebook([CELL])
    notebook.run_all()
    notebook.page.wait_for_selector("canvas[data-frame]")
    yield notebook
    assert notebook.errors() == [] and notebook.console == []


def canvas(notebook):
    return notebook.page.query_selector(".seqlab-attention canvas")


def readout(notebook) -> str:
    return notebook.page.inner_text(".seqlab-readout")


def digest(notebook) -> str:
    return canvas(notebook).get_attribute("data-digest")


def press(notebook, *keys: str) -> None:
    for key in keys:
        notebook.page.keyboard.press(key)
    notebook.settle()


def python(notebook, expression: str) -> str:
    """What the kernel says that an expression is."""
    return notebook.page.evaluate(
        """async (code) => {
        const future = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
        let text = '';
        future.onIOPub = (message) => { text += message.content.text ?? message.content.evalue ?? ''; };
        await future.done;
        return text.trim();
    }""",
        f"print({expression})",
    )


def test_arrow_keys_move_and_the_readout_is_exact(notebook):
    canvas(notebook).focus()
    press(notebook, "ArrowDown", *["ArrowDown"] * 3, *["ArrowRight"] * 5)  # the first press starts at the corner
    weight = float(python(notebook, "float(view.map[3, 5])"))
    assert "3 “fox”" in readout(notebook) and "5 “over”" in readout(notebook)
    assert f"{weight:.6g}" in readout(notebook) and "≈" not in readout(notebook)
    assert "row sum\n1\n" in readout(notebook) and "of 64 keys" in readout(notebook)
    notebook.screenshot(SHOTS / "light", full=False)


def test_hover_names_the_cell_under_the_pointer(notebook):
    box = canvas(notebook).bounding_box()
    seen = notebook.page.evaluate("""() => {
        const style = getComputedStyle(document.querySelector('.seqlab-attention canvas'));
        return [parseFloat(style.width), parseFloat(style.height)];
    }""")
    assert seen == [box["width"], box["height"]]
    notebook.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    notebook.settle()
    lines = readout(notebook).split("\n")
    query, key = (int(lines[1 + 2 * i].split()[0]) for i in (0, 1))
    assert f"{float(python(notebook, f'float(view.map[{query}, {key}])')):.6g}" == lines[5]


def test_sliders_and_page_keys_change_layer_and_head(notebook):
    layer, head = notebook.page.query_selector_all(".seqlab-slider input")
    seen = [digest(notebook)]
    head.focus()
    press(notebook, "ArrowRight")
    seen.append(digest(notebook))
    assert "head 1 of 0 to 3" in notebook.page.inner_text(".seqlab-side") and python(notebook, "view.head") == "1"
    layer.focus()
    press(notebook, "End")
    seen.append(digest(notebook))
    canvas(notebook).focus()
    press(notebook, "PageDown")
    seen.append(digest(notebook))
    press(notebook, "Shift+PageUp")
    seen.append(digest(notebook))
    assert len(set(seen)) == 5 and python(notebook, "(view.layer, view.head)") == "(0, 2)"


def test_zoom_and_pan(notebook):
    first = digest(notebook)
    canvas(notebook).focus()
    press(notebook, "+")
    assert python(notebook, "view.window") == "[16.0, 48.0, 16.0, 48.0]" and digest(notebook) != first
    box = canvas(notebook).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + 64, y, steps=4)
    notebook.page.mouse.up()
    notebook.settle()
    assert python(notebook, "view.window[2] < 16 and view.window[0] == 16") == "True"
    notebook.page.mouse.wheel(0, -400)
    notebook.settle()
    assert python(notebook, "view.window[1] - view.window[0] < 32") == "True"
    notebook.screenshot(SHOTS / "zoom", full=False)
    press(notebook, "0")
    assert digest(notebook) == first and python(notebook, "view.window") == "[0.0, 64.0, 0.0, 64.0]"


def test_the_page_scrolls_where_the_picture_has_no_focus(notebook):
    box = canvas(notebook).bounding_box()
    notebook.page.mouse.move(box["x"] + 300, box["y"] + 300)
    notebook.page.mouse.wheel(0, -300)
    notebook.settle()
    assert python(notebook, "view.window") == "[0.0, 64.0, 0.0, 64.0]"


def test_legend_switches_the_scale(notebook):
    first, legend = digest(notebook), notebook.page.query_selector(".seqlab-legend")
    top = float(legend.inner_text().split()[-1])
    assert abs(top - float(python(notebook, "float(view.map.max())"))) < 1e-3
    legend.focus()
    press(notebook, "Enter")
    assert (
        digest(notebook) != first
        and legend.inner_text().split() == ["0", "1"]
        and python(notebook, "view.scale") == "one"
    )


def test_new_weights_repaint_two_displays_of_one_view(open_notebook):
    notebook = open_notebook([CELL, "view"])
    notebook.run_all()
    pictures = notebook.page.query_selector_all(".seqlab-attention canvas")
    assert len(pictures) == 2
    python(notebook, "setattr(view, 'weights', torch.eye(9))")
    notebook.settle()
    assert len({picture.get_attribute("data-digest") for picture in pictures}) == 1
    assert notebook.page.inner_text(".seqlab-legend").split() == ["0", "1"]
    notebook.page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    notebook.run_all()
    assert len(notebook.page.query_selector_all(".seqlab-attention canvas")) == 2
    assert notebook.errors() == [] and notebook.console == []


def test_a_lost_kernel_leaves_the_last_picture(open_notebook):
    notebook = open_notebook([CELL])
    notebook.run_all()
    before = digest(notebook)
    notebook.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    notebook.page.wait_for_selector(".seqlab-attention.seqlab-lost", timeout=10_000)
    canvas(notebook).focus()
    press(notebook, "ArrowDown", "ArrowRight")
    assert digest(notebook) == before and "≈" in readout(notebook)
    notebook.screenshot(SHOTS / "lost", full=False)
    assert notebook.console == []


def test_dark_theme(open_notebook):
    notebook = open_notebook([CELL], theme="JupyterLab Dark")
    notebook.run_all()
    canvas(notebook).focus()
    press(notebook, "ArrowDown", *["ArrowDown"] * 30, *["ArrowRight"] * 30)
    notebook.screenshot(SHOTS / "dark", full=False)
    ink, paper = notebook.page.evaluate("""() => [document.querySelector('.seqlab-attention'), document.body]
        .map((node, i) => getComputedStyle(node)[i ? 'backgroundColor' : 'color'].match(/[0-9.]+/g).slice(0, 3))
        .map((channels) => channels.reduce((a, b) => a + Number(b), 0))""")
    assert ink > paper + 300 and notebook.errors() == [] and notebook.console == []
