"""A notebook that was run elsewhere, opened without trust and without its kernel: pictures instead of widgets."""

import nbformat
import torch

from seqlab.draw.svg import circle, element, picture, text
from seqlab.widgets import AttentionView
from seqlab.widgets.view import View
from tests.browser.conftest import KERNEL

IMAGES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
    .map((image) => [image.alt, image.naturalWidth > 0 && image.checkVisibility()])"""


def executed(*widgets):
    """A notebook that shows these widgets, as it would be saved by whoever ran it."""
    cells = []
    for widget in widgets:
        made = widget._repr_mimebundle_()
        data = made[0] if isinstance(made, tuple) else made
        output = nbformat.v4.new_output("execute_result", data, execution_count=1)
        cells.append(nbformat.v4.new_code_cell("widget", outputs=[output], execution_count=1))
    return nbformat.v4.new_notebook(metadata=KERNEL, cells=cells)


def test_pictures_are_seen_where_the_notebook_is_not_trusted(open_notebook):
    view = View({})
    drawing = picture("a circle and its name", 200, 60, circle(30, 30, 20), text(120, 30, "a name in the drawing"))
    view.picture.value = drawing + element("p", "a line below it")
    notebook = open_notebook(executed(view, AttentionView(torch.eye(4))))
    notebook.page.wait_for_selector(".jp-OutputArea-output img")
    images = dict(notebook.page.evaluate(IMAGES))
    assert images["a circle and its name"] and len(images) == 2 and all(images.values())
    said = notebook.page.locator(".jp-OutputArea").first.inner_text()
    assert "a line below it" in said and "run the cell to move it" in said
    assert "a name in the drawing" not in said, "its words alone, run together"
    assert "model not found" not in notebook.page.locator(".jp-Notebook").inner_text()
