"""How long a slider takes to repaint, in a real JupyterLab: `python -m ci.latency` writes build/report/latency.json.

A sample runs from the key press to the second animation frame after the picture changed. The peer is the same heatmap
as a plotly FigureWidget.
"""

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np

from ci.jupyter_browser import JupyterLab, Notebook, browser
from ci.result import write_text

REPORT = Path(__file__).parents[1] / "build" / "report" / "latency.json"
WARM_UP = 3
SETUP = """
import ipywidgets, torch
torch.manual_seed(0)
scores = 3 * torch.randn({size}, {size})
weights = lambda t: torch.softmax(scores * t, -1)
slider = ipywidgets.FloatSlider(1.0, min=0.1, max=4.0, step=0.1, description="scale")
"""
SWITCHED = (
    SETUP
    + """
from seqlab.widgets import AttentionView
view = AttentionView(torch.stack([weights(1.0), weights(2.0)]), title="Attention")
"""
)
REPAINTED = (
    SETUP
    + """
from seqlab.widgets import AttentionView
view = AttentionView(weights(1.0), title="Attention")
slider.observe(lambda change: setattr(view, "weights", weights(change["new"])), "value")
"""
)
PEER = (
    SETUP
    + """
import plotly.graph_objects as go
view = go.FigureWidget(go.Heatmap(z=weights(1.0).numpy(), colorscale="Cividis"), layout={{"title": {{"text": "1.0"}}}})
def update(change):
    with view.batch_update():
        view.data[0].z = weights(change["new"]).numpy()
        view.layout.title.text = f"{{change['new']:.1f}}"
slider.observe(update, "value")
"""
)
RUNS = [  # name, cell, what is pressed, what changes, sizes and samples, peer
    (
        "AttentionView, its head slider",
        SWITCHED,
        ".seqlab-slider:not([hidden]) input",
        "canvas",
        {64: 30, 1024: 30, 4096: 15},
        False,
    ),
    ("AttentionView, ipywidgets slider", REPAINTED, ".noUi-handle", "canvas", {64: 30, 1024: 30, 4096: 15}, False),
    ("plotly FigureWidget, ipywidgets slider", PEER, ".noUi-handle", ".infolayer .g-gtitle", {1024: 10}, True),
]


def sample(notebook: Notebook, pressed: str, watched: str, n: int) -> list[float]:
    """Milliseconds from key press to paint, n times, after a warm-up."""
    page, times = notebook.page, []
    for count in range(n + WARM_UP):
        page.query_selector(f".jp-OutputArea {pressed}").focus()
        page.evaluate(
            """(watched) => { window.painted = new Promise((done, fail) => addEventListener('keydown', (event) => {
            setTimeout(fail, 20000, new Error(`${watched} did not change`));
            const observer = new MutationObserver(() => {
                observer.disconnect();
                requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - event.timeStamp)));
            });
            const node = document.querySelector(`.jp-OutputArea ${watched}`);
            if (watched === 'canvas') observer.observe(node, { attributeFilter: ['data-frame'] });
            else observer.observe(node, { childList: true, characterData: true, subtree: true });
        }, { capture: true, once: true })); }""",
            watched,
        )
        page.keyboard.press("ArrowLeft" if count % 2 else "ArrowRight")
        times.append(page.evaluate("() => window.painted"))
        page.wait_for_timeout(120)  # a person does not press in step with the frames
    return times[WARM_UP:]


def measure() -> Iterator[dict]:
    """Run everything once: name, size, median_ms, p95_ms, n and peer of every figure."""
    with tempfile.TemporaryDirectory() as root, JupyterLab(root) as lab, browser() as chromium:
        for name, cell, pressed, watched, sizes, peer in RUNS:
            for size, n in sizes.items():
                code = nbformat.v4.new_code_cell(cell.format(size=size) + "display(slider, view)")
                kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
                nbformat.write(nbformat.v4.new_notebook(metadata=kernel, cells=[code]), Path(root) / "one.ipynb")
                page = chromium.new_page(viewport={"width": 1280, "height": 1200})
                notebook = Notebook(page, lab).open("one.ipynb")
                notebook.run_all()
                if notebook.errors():
                    raise RuntimeError(f"{name} at {size}: {notebook.errors()}")
                page.wait_for_selector(f".jp-OutputArea {watched}")
                page.wait_for_timeout(1000)
                times = sample(notebook, pressed, watched, n)
                notebook.close()
                page.close()
                median, late = (round(float(np.percentile(times, q)), 1) for q in (50, 95))
                yield {"name": name, "size": size, "median_ms": median, "p95_ms": late, "n": n, "peer": peer}


def machine() -> str:
    """Processor, cores and system in one line."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return f"{[*models, platform.processor()][0]}, {os.cpu_count()} cores, {platform.system()}"


def table(report: dict) -> str:
    """The report as text; the last column is the time of the peer at that size over this one."""
    peers = {figure["size"]: figure["median_ms"] for figure in report["figures"] if figure["peer"]}
    lines = [f"{'milliseconds from key press to paint':42}  size   median      p95    n  peer ÷ this"]
    for f in report["figures"]:
        ratio = f"{peers[f['size']] / f['median_ms']:.1f}" if f["size"] in peers else ""
        lines.append(f"{f['name']:42}{f['size']:6}{f['median_ms']:9}{f['p95_ms']:9}{f['n']:5}{ratio:>13}")
    return "\n".join([*lines, report["machine"]])


def main() -> None:
    """Measure, print the table, and write the report."""
    report = {"figures": list(measure()), "machine": machine()}
    print(table(report))
    write_text(REPORT, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
