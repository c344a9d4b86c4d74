"""The pattern editor in the browser: mouse and keyboard paint, the verdict follows; how fast it does is reported."""

import json
import statistics

from ci.result import write_text
from tests.places import ROOT

SOURCE = ['from seqlab.sparse.editor import PatternEditor\neditor = PatternEditor(32, "window")\neditor']
TIMES = ROOT / "build" / "report" / "pattern_editor.json"
MEASURE = """async ([row, column]) => {
    const grid = document.querySelector('.seqlab-pattern canvas[tabindex]');
    const told = document.querySelector('[role=status]').parentElement;
    const side = Math.floor(420 / 32), box = grid.getBoundingClientRect();
    const clientX = box.left + (column + 0.5) * side, clientY = box.top + (row + 0.5) * side;
    const at = { bubbles: true, pointerId: 1, clientX, clientY };
    grid.setPointerCapture = () => {};
    const start = performance.now();
    const changed = new Promise((done) => {
        const watch = new MutationObserver(() => {
            watch.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(done));
        });
        watch.observe(told, { childList: true, subtree: true, characterData: true });
    });
    grid.dispatchEvent(new PointerEvent('pointerdown', at));
    grid.dispatchEvent(new PointerEvent('pointerup', at));
    await Promise.race([changed, new Promise((done) => setTimeout(done, 3000))]);
    return performance.now() - start;
}"""


def verdict(page) -> str:
    return page.locator("[role=status]").first.inner_text()


def test_mouse_and_keyboard_paint_and_the_verdict_follows(open_notebook):
    notebook = open_notebook(SOURCE)
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector("[role=status]")
    assert "after s = 31 steps" in verdict(page)

    times = [page.evaluate(MEASURE, [0, column]) for column in range(5, 25)]
    assert "114 of 1,024 connections" in verdict(page)
    write_text(
        TIMES, json.dumps({"brush_to_verdict_ms": {"median": statistics.median(times), "largest": max(times)}}) + "\n"
    )

    grid = page.locator(".seqlab-pattern canvas[tabindex]")
    grid.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    before = grid.get_attribute("aria-label")
    page.keyboard.press(" ")  # token 0 no longer sees itself
    page.wait_for_function("() => document.querySelector('[role=status]').innerText.includes('does not see itself')")
    assert grid.get_attribute("aria-label") != before
    page.keyboard.press(" ")
    page.wait_for_function("() => !document.querySelector('[role=status]').innerText.includes('does not see itself')")
    notebook.screenshot(ROOT / "build" / "screenshots" / "pattern-editor")
    assert notebook.errors() == [] and notebook.console == []


def test_a_stroke_paints_every_cell_that_it_passes(open_notebook):
    notebook = open_notebook([SOURCE[0].replace('"window"', '"own token only"').replace("32", "16")])
    notebook.run_all()
    page = notebook.page
    grid = page.locator(".seqlab-pattern canvas[tabindex]")
    box, side = grid.bounding_box(), 420 // 16
    page.mouse.move(box["x"] + 1.5 * side, box["y"] + 0.5 * side)
    page.mouse.down()
    page.mouse.move(box["x"] + 15.5 * side, box["y"] + 14.5 * side, steps=2)  # faster than the cells
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('[role=status]').innerText.includes('found: the tokens')")
    assert "31 connections painted" in grid.get_attribute("aria-label")
