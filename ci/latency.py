"""How long a slider takes to repaint, in a real JupyterLab: `python -m ci.latency` writes build/report/latency.json.

A sample runs from the key press to the second animation frame after the picture changed. The peer is the same heatmap
as a plotly FigureWidget.
"""

import json
import os
import platform
import tempfile
from pathlib import Path

import nbformat
import numpy as np

from ci.jupyter_browser import JupyterLab, Notebook, browser

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


def measure() -> dict:
    """Run everything once. Returns the report: figures of name, size, median_ms, p95_ms, n, peer; and the machine."""
    figures = []
    with tempfile.TemporaryDirectory() as root, JupyterLab(root) as lab, browser() as chromium:
        for name, cell, pressed, watched, sizes, peer in RUNS:
            for size, n in sizes.items():
                source = nbformat.v4.new_notebook(
                    metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
                )
                source.cells = [nbformat.v4.new_code_cell(cell.format(size=size) + "display(slider, view)")]
                path = f"{len(figures)}.ipynb"
                nbformat.write(source, Path(root) / path)
                page = chromium.new_page(viewport={"width": 1280, "height": 1200})
                notebook = Notebook(page, lab).open(path)
                notebook.run_all()
                if notebook.errors():
                    raise RuntimeError(f"{name} at {size}: {notebook.errors()}")
                page.wait_for_selector(f".jp-OutputArea {watched}")
                page.wait_for_timeout(1000)
                times = sample(notebook, pressed, watched, n)
                notebook.close()
                figures.append(
                    {
                        "name": name,
                        "size": size,
                        "median_ms": round(float(np.median(times)), 1),
                        "p95_ms": round(float(np.percentile(times, 95)), 1),
                        "n": n,
                        "peer": peer,
                    }
                )
    return {"figures": figures, "machine": machine()}


def machine() -> str:
    """Processor, cores and system in one line."""
    info = Path("/proc/cpuinfo")
    models = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return f"{models[0] if models else platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def table(report: dict) -> str:
    """The report as text; the last column is the time of the peer at that size over this one."""
    peers = {figure["size"]: figure["median_ms"] for figure in report["figures"] if figure["peer"]}
    lines = [
        f"{'milliseconds from key press to paint':42}{'size':>6}{'median':>9}{'p95':>9}{'n':>5}{'peer ÷ this':>13}"
    ]
    for figure in report["figures"]:
        ratio = f"{peers[figure['size']] / figure['median_ms']:.1f}" if figure["size"] in peers else ""
        lines.append(
            f"{figure['name']:42}{figure['size']:6}{figure['median_ms']:9}{figure['p95_ms']:9}{figure['n']:5}{ratio:>13}"
        )
    return "\n".join([*lines, report["machine"]])


def main(path: Path = REPORT) -> dict:
    """Measure, print the table, and write the report in one step."""
    report = measure()
    print(table(report))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(draft, path)
    return report


if __name__ == "__main__":
    main()
