"""Executed notebooks as HTML pages that open without a network: plotly.js inside, MathML, static twins for widgets."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from plotly.offline import get_plotlyjs

from ci.result import write_text

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
_REMOTE = re.compile(r"<script[^>]+src=[\"']https?:[^>]*>\s*</script>|<link[^>]+href=[\"']https?:[^>]*>", re.I)
_MATHJAX = re.compile(r"<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->", re.S)
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+?)\$(?!\w)", re.S
)

_ALIGNED = re.compile(r"(?<=\{)aligned(?=\})")  # the converter knows the starred form only


def export(notebook_path: Path, page: Path, title: str) -> None:
    """Write one executed notebook as one HTML file, plotly.js inside it if there are figures."""
    notebook = nbformat.read(notebook_path, as_version=4)
    figures = sum(_plain(cell) for cell in notebook.cells)
    exporter = HTMLExporter(template_name="lab")
    notebook.metadata["title"] = title
    body, _ = exporter.from_notebook_node(notebook)
    body = _REMOTE.sub("", _MATHJAX.sub("", body))
    body = re.sub(r'<script type="module">\s*(?:(?!</script>).)*?mermaid.*?</script>', "", body, flags=re.S)
    if figures:
        body = body.replace("</head>", f"<script>{get_plotlyjs()}</script></head>", 1)
    write_text(page, body)


def _plain(cell: nbformat.NotebookNode) -> int:
    """Turn what needs a live front end into plain HTML, in place; returns the number of plotly figures."""
    if cell.cell_type == "markdown":
        cell.source = _MATH.sub(_mathml, cell.source)
    figures = 0
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if WIDGET in data:
            del data[WIDGET]
            if "text/html" not in data:
                data["text/plain"] = ""
        if "text/latex" in data:
            data["text/markdown"] = data.pop("text/latex")
        if "text/markdown" in data:
            data["text/markdown"] = _MATH.sub(_mathml, data["text/markdown"])
        if PLOTLY in data:
            figures += 1
            data["text/html"] = _plotly_div(data.pop(PLOTLY), f"figure-{cell.id}-{figures}")
    return figures


def _plotly_div(figure: dict, id: str) -> str:
    layout = figure.get("layout", {})
    alt = (layout.get("meta") or {}).get("alt", "") if isinstance(layout.get("meta"), dict) else ""
    height = layout.get("height", 420)
    content = json.dumps({"data": figure["data"], "layout": layout}).replace("</", "<\\/")
    return (
        f'<div id="{id}" role="img" aria-label="{html.escape(alt)}" style="height:{height}px"></div>'
        f"<script>{{const f={content};Plotly.newPlot('{id}',f.data,f.layout,{{responsive:true,displaylogo:false}});}}</script>"
    )


def _mathml(match: re.Match) -> str:
    if match["code"]:
        return match[0]
    block = match["block"]
    try:
        made = convert(_ALIGNED.sub("align*", block or match["inline"]).strip(), display="block" if block else "inline")
    except Exception:  # a formula that the converter cannot read stays as it was written
        return match[0]
    return made.replace("\n", "")
