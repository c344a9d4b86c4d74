"""Plain keys that are pressed in a widget never reach the notebook: no cell is cut, deleted or changed."""

WIDGETS = """
from seqlab import course
course.begin("toy", "lab", 0)
import ipywidgets as w, torch
from seqlab.widgets import AttentionView
from seqlab.widgets.file_input import FileInput
display(w.IntSlider(2), w.Dropdown(options=["a", "b"]), w.Checkbox(), w.Button(description="press"), w.Play(),
        w.ToggleButtons(options=["a", "b"]), w.RadioButtons(options=["a", "b"]), w.SelectionSlider(options=["a", "b"]),
        FileInput(print, print), AttentionView(torch.ones(1, 2, 2) / 2))
"""
EXERCISE = """
from seqlab.course import exercise

@exercise("start.mix")
def mix(weights, values):
    ...
"""
KEYS = [
    "x",
    "c",
    "v",
    "z",
    "Shift+z",
    "a",
    "b",
    "y",
    "m",
    "r",
    "1",
    "d",
    "d",
    "0",
    "0",
    "Shift+m",
    "Shift+l",
    "o",
    "i",
    "i",
]
CELLS = "() => notebook.widgets.map((cell) => [cell.model.type, cell.model.sharedModel.source])"
FOCUS = ".jp-OutputArea :is(button, select, input, [tabindex]):not(:disabled):not([tabindex='-1'])"


def test_no_key_pressed_in_a_control_changes_the_cells(open_notebook):
    notebook = open_notebook([WIDGETS, EXERCISE, "x = 1"])
    notebook.run_all()
    before = notebook.page.evaluate(CELLS)
    controls = [handle for handle in notebook.page.query_selector_all(FOCUS) if handle.is_visible()]
    kinds = {handle.evaluate("(node) => node.type || node.getAttribute('role') || node.tagName") for handle in controls}
    assert len(kinds) >= 5 and len(controls) >= 10, kinds
    for handle in controls:
        notebook.page.evaluate("() => jupyterapp.commands.execute('notebook:enter-command-mode')")
        handle.focus()
        for key in KEYS:
            notebook.page.keyboard.press(key)
        assert notebook.page.evaluate(CELLS) == before, handle.evaluate("(node) => node.outerHTML.slice(0, 200)")
    assert notebook.errors() == []


def test_saving_and_running_work_from_within_a_widget(open_notebook):
    notebook = open_notebook([WIDGETS, "x = 1"])
    notebook.run_all()
    notebook.page.query_selector(".jp-OutputArea button").focus()
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.wait_for_function("() => notebook.widgets[0].model.executionCount === 3")
