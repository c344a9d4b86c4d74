"""Executed notebooks as HTML pages that open without a network: plotly.js inside, MathML, static twins for widgets."""

import html
import re
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from ci.result import write_text

TEMPLATES = Path(__file__).parent / "templates"
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^$\n]+?)\$(?!\w)", re.S
)
_SPAN = re.compile(r'<(span|div) class="math">(?:\\\(|\$\$)\s*(.+?)\s*(?:\\\)|\$\$)</\1>', re.S)  # by mistune
_ALIGNED = re.compile(r"(?<=\{)aligned(?=\})")  # the converter knows the starred form only


def export(notebook_path: Path, page: Path, title: str) -> None:
    """Write one executed notebook as one HTML file, plotly.js inside it if there are figures."""
    notebook = nbformat.read(notebook_path, as_version=4)
    figures = sum(_plain(cell) for cell in notebook.cells)
    notebook.metadata["title"] = title
    exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(TEMPLATES)])
    body, _ = exporter.from_notebook_node(notebook, {"plotly": get_plotlyjs() if figures else ""})
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
        if "text/html" in data:
            data["text/html"] = with_mathml(data["text/html"])
        if PLOTLY in data:
            figures += 1
            data["text/html"] = _drawn(data.pop(PLOTLY), f"figure-{cell.id}-{figures}")
    return figures


def with_mathml(page: str) -> str:
    """A widget's HTML with its formulas as MathML."""
    return _SPAN.sub(lambda found: formula(html.unescape(found[2]), block=found[1] == "div") or found[0], page)


def _drawn(figure: dict, id: str) -> str:
    """One plotly figure as HTML, with its alt text."""
    meta = figure.get("layout", {}).get("meta")
    alt = meta.get("alt", "") if isinstance(meta, dict) else ""
    height = figure.get("layout", {}).get("height", 420)
    options = {"config": {"responsive": True, "displaylogo": False}, "default_height": f"{height}px", "div_id": id}
    plot = to_html(figure, include_plotlyjs=False, full_html=False, validate=False, **options)
    return f'<div role="img" aria-label="{html.escape(alt)}">{plot}</div>'


def _mathml(match: re.Match) -> str:
    made = None if match["code"] else formula(match["block"] or match["inline"], block=bool(match["block"]))
    return made or match[0]


def formula(tex: str, block: bool = False) -> str | None:
    """A formula as MathML; None where the converter cannot read it, so that it stays as it was written."""
    try:
        made = convert(_ALIGNED.sub("align*", tex).strip(), display="block" if block else "inline")
    except Exception:
        return None
    return made.replace("\n", "")
