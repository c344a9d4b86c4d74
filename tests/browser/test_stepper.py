"""The stepper in the browser: arrow keys, Home, End and the buttons walk through the layers, and the words follow."""

import pytest

SOURCE = [
    "from seqlab.written import Head, Layer, Program, Unit, coordinates\n"
    "from seqlab.written.stepper import Stepper\n"
    'x, y, z = coordinates("x y z")\n'
    'layers = [Layer(Head(1, x, x, y), label="the largest, to all"), Layer([], Unit(y - x, z), "how far below it")]\n'
    "Stepper(Program(x, z, layers), [1, 3, 0])"
]
LAST = "Step 2 of 2: how far below it. 0 heads; z of token 0, z of token 2 moved."


@pytest.fixture
def page(open_notebook):
    notebook = open_notebook(SOURCE)
    notebook.run_all()
    notebook.page.wait_for_selector("[role=status]")
    yield notebook.page
    assert notebook.errors() == []


def says(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('[role=status]').textContent.startsWith(words)", arg=words, timeout=10_000
    )
    assert page.locator("svg[role=img]").last.get_attribute("aria-label").startswith(words)


def test_keys_walk_through_the_layers(page):
    says(page, "Step 1 of 2: the largest, to all. 1 head; y of token 0, y of token 1, y of token 2 moved.")
    handle = page.locator(".noUi-handle").first
    handle.focus()
    for key, words in (
        ("ArrowRight", LAST),
        ("ArrowRight", LAST),
        ("Home", "Step 0 of 2: start."),
        ("ArrowLeft", "Step 0 of 2"),
        ("ArrowUp", "Step 1 of 2"),
        ("End", LAST),
        ("ArrowDown", "Step 1 of 2"),
    ):
        handle.press(key)
        says(page, words)


def test_buttons_walk_too_and_what_moved_is_marked(page):
    page.get_by_role("button", name="layer ▶").click()
    says(page, LAST)
    assert page.locator("svg text", has_text="←").count() == 2
    page.get_by_role("button", name="◀ layer").press("Enter")
    says(page, "Step 1 of 2")
    assert page.locator("svg[role=img] line").count() == 3
    page.get_by_role("button", name="◀ layer").press("Space")
    says(page, "Step 0 of 2")
