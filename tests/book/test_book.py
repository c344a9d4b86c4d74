"""A book of one small lab: it builds, opens from disk without a network, and its widgets move as Python's do."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from ci import run_labs
from ci.book.__main__ import write
from ci.jupyter_browser import INSTALL, browser, chromium
from seqlab.widgets import AttentionView
from tests.book.pages import Disk, digest

CELLS = [
    "# A small lab\n\nWeights $w_{ij} \\ge 0$.",
    'mode = "lab"\nseed = 0',
    "import torch\n\nfrom seqlab import course\nfrom seqlab.widgets import AttentionView\n\n"
    'course.begin("00_toy", mode, seed)',
    "from IPython.display import HTML\n\nHTML(\"<a href='00_toy.ipynb'>this lab</a>\")",
    'weights = torch.arange(24.0).reshape(2, 3, 4) / 24\nAttentionView(weights, key_tokens=list("abcd"))',
    "from seqlab.theorem import Verdict, Witness\nfrom seqlab.widgets.theorem_view import TheoremView\n\n"
    'judge = lambda **off: Verdict(False, -1, Witness("it broke")) if any(off.values()) else Verdict(True, 1)\n'
    'TheoremView(judge, {"cold": "too cold", "few": "too few"})',
    'from seqlab.course import exercise\n\n\n@exercise("start.mix")\ndef mix(weights, values):\n'
    '    """Each query\'s mix of the values.    weights: (query, key), values: (key, dim) -> (query, dim)"""\n    ...',
    "from seqlab.draw.figures import figure, show\nimport plotly.graph_objects as go\n\n"
    'show(figure("A line", "x", "y", "a line that rises", go.Scatter(y=[1, 2, 3])))',
    'from seqlab.sparse.editor import PatternEditor\n\nPatternEditor(5, "window")',
]


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The folder of a book of one lab."""
    folder = tmp_path_factory.mktemp("book")
    make = lambda at, text: (nbformat.v4.new_code_cell if at else nbformat.v4.new_markdown_cell)(text, id=f"cell-{at}")
    notebook = nbformat.v4.new_notebook(cells=[make(at, text) for at, text in enumerate(CELLS)])
    notebook.cells[1].metadata["tags"] = ["parameters"]
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "seqlab": {"minutes": 5, "difficulty": "gentle", "rooms": ["toy"]},
    }
    source = folder / "00_toy.ipynb"
    nbformat.write(notebook, source)
    how = ["--mode", "smoke", "--edition", "open", "--films", "--resume", "--build", str(folder)]
    assert run_labs.main([str(source), *how]) == 0
    assert write(folder, "smoke", [source], {"seqlab.theorem": ["seqlab.theorem"]}) == 0
    return folder / "book" / "html"


@pytest.fixture(scope="module")
def disk():
    if chromium() is None:
        pytest.skip(INSTALL)
    with browser() as running:
        yield Disk(running)


def test_the_page_holds_what_the_lab_says(book):
    page = (book / "labs" / "00_toy.html").read_text()
    assert "<math" in page and "$w_" not in page and "\\ge" not in page
    assert page.count("<div class='seqlab-film'") == 3 and "run the cell to move it" not in page
    assert "Hint 1 of 3" in page and "seqlab-solved" in page and "favicon.svg" in page
    assert "href='00_toy.html'>this lab" in page
    source = (book / "_modules/seqlab/theorem.html").read_text()
    assert "class Verdict" in re.sub("<.*?>", "", source) and "viewcode-back" not in source


def test_widgets_move_from_disk_and_show_what_python_says(book, disk):
    with disk.open(book / "labs" / "00_toy.html") as page:
        disk.play(page)
        canvas = page.locator(".seqlab-attention canvas").first
        view = AttentionView((np.arange(24).reshape(2, 3, 4) / 24).astype(np.float16))
        assert canvas.get_attribute("data-digest") == digest(view)
        canvas.focus()
        page.keyboard.press("PageDown")
        view.head = 1
        assert canvas.get_attribute("data-digest") == digest(view)
        page.keyboard.press("ArrowDown")
        page.wait_for_function("document.querySelector('.seqlab-readout').innerText.includes('row sum')")
        weight = page.locator(".seqlab-readout dd").nth(2).inner_text()
        assert float(weight) == pytest.approx(float(view.map[0, 0]), rel=1e-5)

        theorem = page.locator(".seqlab-film", has=page.get_by_text("too cold", exact=True)).first
        assert "holds" in theorem.inner_text()
        box = theorem.get_by_role("checkbox").first
        box.focus()
        page.keyboard.press("Space")
        theorem.get_by_text("fails").first.wait_for()
        assert "seqlab-missing" not in theorem.locator(".seqlab-playing").get_attribute("class")

        page.locator(".seqlab-plot .main-svg").first.wait_for(state="attached")
    assert disk.asked == [] and disk.console == []


def test_what_was_not_recorded_says_so_and_comes_back(book, disk):
    with disk.open(book / "labs" / "00_toy.html") as page:
        disk.play(page)
        editor = page.locator(".seqlab-film", has=page.locator(".seqlab-pattern"))
        before = editor.locator("[role=status]").first.inner_text()
        page.locator(".seqlab-pattern canvas").focus()
        page.keyboard.press("Space")
        editor.get_by_text("You painted this").wait_for()
        slider = editor.get_by_role("slider", name="heard of")
        slider.focus()
        page.keyboard.press("ArrowRight")
        editor.get_by_text("You painted this").wait_for(state="detached")
        assert editor.locator("[role=status]").first.inner_text() == before
        assert "heard of token 1" in editor.locator("svg[role=img]").get_attribute("aria-label")


def test_the_solved_text_and_hints_stand_behind_a_click(book, disk):
    with disk.open(book / "labs" / "00_toy.html") as page:
        stub, solved = page.locator(".cell_input", has_text="start.mix"), page.locator(".seqlab-solved")
        assert stub.is_visible() and not solved.is_visible()
        page.get_by_role("button", name="Show the solved text").click()
        assert solved.is_visible() and not stub.is_visible() and "einsum" in solved.inner_text()
        hints = page.locator(".seqlab-exercise summary", has_text="Hint")
        assert hints.count() == 3 and hints.nth(0).is_visible() and not hints.nth(1).is_visible()
        hints.nth(0).click()
        assert hints.nth(1).is_visible() and not hints.nth(2).is_visible()


def test_a_second_book_executes_nothing_and_writes_what_has_changed(book):
    source = book.parents[1] / "00_toy.ipynb"
    executed = next(book.parents[1].glob("labs/open-smoke/00_toy.ipynb"))
    before = executed.stat().st_mtime_ns
    how = ["--mode", "smoke", "--edition", "open", "--films", "--resume", "--build", str(book.parents[1])]
    assert run_labs.main([str(source), *how]) == 0 and executed.stat().st_mtime_ns == before


def test_workflow_has_pinned_actions_and_no_secrets():
    text = Path(__file__).parents[2].joinpath(".github/workflows/pages.yml").read_text()
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert "secrets" not in text and "make book" in text
