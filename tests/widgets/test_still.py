"""What stays of a widget where no kernel answers: images, which every viewer of notebooks shows."""

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import ipywidgets
import pytest
import torch

from seqlab.draw.svg import circle, element, picture, table, text
from seqlab.theorem import Verdict, Witness
from seqlab.widgets import AttentionView
from seqlab.widgets.contract import ContractError, sweep
from seqlab.widgets.still import still
from seqlab.widgets.theorem_view import TheoremView
from seqlab.widgets.view import View

DRAWING = picture('a & b, it\'s "c"', 300, 100, circle(10, 10, 5), text(3, 4, "x < y"))


def parsed(bundle):
    return ElementTree.fromstring(bundle["image/svg+xml"])


def test_a_drawing_becomes_a_file_of_its_own_and_an_image_in_the_html():
    kept = still(element("div", "before") + DRAWING + element("p", "after"))
    root = parsed(kept)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and (root.get("width"), root.get("height")) == ("300", "100")
    assert root.get("aria-label") == 'a & b, it\'s "c"'
    assert "<svg" not in kept["text/html"], "a viewer that does not trust the notebook would strip it to its words"
    source = re.search("src='data:image/svg\\+xml,([^']*)'", kept["text/html"])[1]
    assert unquote(source.replace("&#x27;", "'")) == kept["image/svg+xml"]
    assert "alt='a &amp; b, it&#x27;s &quot;c&quot;'" in kept["text/html"]
    assert "before" in kept["text/html"] and "after" in kept["text/html"]
    assert kept["text/html"].count("run the cell to move it") == 1


def test_several_drawings_stand_below_one_another():
    root = parsed(still(DRAWING + DRAWING))
    assert [child.get("y") for child in root] == ["0", "112"] and root.get("viewBox") == "0 0 300 224"


def test_words_alone_are_drawn():
    root = parsed(still(element("div", "one < two") + table(["a", "b"], {"row": ["1", "2"]}) + element("p", "x " * 99)))
    lines = [line.text for line in root]
    assert lines[0] == "one < two" and re.fullmatch(r"row +1 +2", lines[2]) and len(lines) == 6


def test_every_kind_of_widget_leaves_one():
    judged = TheoremView(lambda off: Verdict(not off, 0.0, Witness("a & b") if off else None), {"off": "break it"})
    assert "run the cell" in judged._repr_mimebundle_()["text/html"] and parsed(judged._repr_mimebundle_()) is not None
    data, _ = AttentionView(torch.eye(4))._repr_mimebundle_()
    assert data["image/png"] in data["text/html"] and "run the cell to move it" in data["text/html"]
    sweep()


def test_the_contract_finds_a_picture_that_no_viewer_can_draw():
    view = View({"box": ipywidgets.Checkbox()})
    view.picture.value = "<svg viewBox='0 0 9 9' style=''><text>a & b</text></svg>"
    with pytest.raises(ContractError, match="View .*no picture stays"):
        sweep()
