"""Slides open without a network, pictures and formulas included, and go by keys."""

import nbformat
import plotly.graph_objects as go

from ci.slides import slides


def test_slides_open_without_a_network(running_browser, tmp_path):
    new, data = nbformat.v4, {"application/vnd.plotly.v1+json": go.Figure(go.Bar(y=[1, 3])).to_plotly_json()}
    drawn = [new.new_code_cell("show()", outputs=[new.new_output("display_data", data=data)]) for _ in range(2)]
    cells = [new.new_markdown_cell("# A lab"), new.new_markdown_cell("## One\n\n$e^x$"), *drawn]
    nbformat.write(new.new_notebook(cells=[*cells, new.new_markdown_cell("## Two")]), tmp_path / "lab.ipynb")
    slides(tmp_path / "lab.ipynb", tmp_path / "lab.html", "A lab")
    asked, errors = [], []
    context = running_browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "lab.html").as_uri())
    assert page.locator(".slide").count() == 4 and page.locator(".slide.shown").inner_text().strip().startswith("A lab")
    page.keyboard.press("ArrowRight")
    assert page.locator(".slide.shown math").is_visible()
    box = page.locator(".slide.shown .main-svg").first.bounding_box()
    assert box["width"] > 400 and box["y"] < 720
    page.keyboard.press("End")
    assert page.locator("#place").inner_text() == "4 of 4"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".slide.shown .main-svg").first.is_visible()
    context.close()
    assert errors == [] and [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
