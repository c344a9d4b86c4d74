"""An executed lab as a page: widgets play their films, exercises unfold, links to notebooks lead to pages."""

import inspect
import json
import re
import textwrap
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ci.lint import ROOT
from ci.pages import PLOTLY, WIDGET, with_mathml
from kernels.instruments.source import plain
from seqlab.course import editions, gate, lab
from seqlab.course.rooms import MINUTES
from seqlab.draw.svg import Markup, element
from seqlab.widgets import ask, still
from seqlab.widgets.film import playing

NOTEBOOK = re.compile(r"(href=['\"][^'\":]*?\w)\.ipynb")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
BOLD = re.compile(r"\*\*(.+?)\*\*")
LEFT_OUT = (
    "<p class='seqlab-left-out'>Some positions of the controls were not recorded; the lab itself has them all.</p>"
)


def anchor(name: str) -> str:
    """An id of a page."""
    return re.sub(r"[^\w]+", "-", name).strip("-").lower()


def number(value: float | str | None) -> str:
    """A claim's value as a lab writes it; infinities come as words."""
    return "–" if value is None else lab.number(float(value) if isinstance(value, str) else value)


templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), trim_blocks=True)
templates.globals["minutes"] = MINUTES
templates.filters |= {"anchor": anchor, "number": number, "cell": lambda text: text.replace("|", "\\|")}


def page(executed: nbformat.NotebookNode, films: dict, about: str) -> nbformat.NotebookNode:
    """The notebook to show. films: what `seqlab.widgets.film.shoot` kept;  about: HTML below the title"""
    made = nbformat.v4.new_notebook(metadata=executed.metadata)
    for cell, done in zip(executed.cells, editions.solve(executed).cells):
        if cell.cell_type == "code":
            more = [f"<div class='seqlab-solved'>{code(done.source)}</div>"] if done.source != cell.source else []
            more += [unfolded(id) for id, _ in editions.stubs(cell.source)] if "@exercise" in cell.source else []
            cell.outputs = [shown for output in cell.outputs if (shown := _plain(output, films))]
            cell.outputs += map(_html, more)
        elif name := boxed(cell):
            cell.source = f'<span id="{anchor(name)}"></span>\n\n{cell.source}'
        made.cells += [] if "injected-parameters" in cell.metadata.get("tags", ()) else [cell]
    made.cells.insert(1, nbformat.v4.new_markdown_cell(about, id="about"))
    return made


def code(source: str) -> str:
    """Python with its colours, as the theme has them."""
    drawn = highlight(source.strip("\n"), PythonLexer(), HtmlFormatter())
    return f"<div class='highlight-python notranslate'>{drawn}</div>"


def slug(heading: str) -> str:
    """The anchor that JupyterLab gives a heading, which the labs link to."""
    return heading.replace(" ", "-")


def boxed(cell: nbformat.NotebookNode) -> str:
    """The name of a theorem box; empty for other cells."""
    return BOLD.search(cell.source)[1].strip(" .") if "theorem" in cell.metadata.get("tags", ()) else ""


def unfolded(id: str) -> str:
    """What an exercise keeps back: hints one at a time, each inside the one before, and the solution behind a click."""
    task = gate.find(id)
    source = code(textwrap.dedent(inspect.getsource(plain(task.reference))))
    return templates.get_template("exercise.html.j2").render(task=task, source=source)


def _plain(output: nbformat.NotebookNode, films: dict) -> nbformat.NotebookNode | None:
    """An output as a page shows it; None for one that only a notebook needs."""
    data = output.get("data", {})
    if PLOTLY in data:
        return _html(_figure(data[PLOTLY]))
    if "text/html" not in data:
        return None if WIDGET in data else output
    shown = data["text/html"].replace(still.HINT, "").replace(ask.HINT, "")
    if film := films.get(data.get(WIDGET, {}).get("model_id")):
        shown = playing(film["film"], shown) + LEFT_OUT * (film["missing"] > 0)
    return None if shown.startswith("<script>") else _html(NOTEBOOK.sub(r"\1.html", with_mathml(shown)))


def _html(shown: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {"text/html": shown})


def _figure(figure: dict) -> Markup:
    """A plotly figure that the page's own script draws, with its alt text."""
    layout = figure["layout"]
    look = {"aria_label": layout.get("meta", {}).get("alt", ""), "style": f"height:{layout.get('height', 420)}px"}
    data = Markup(json.dumps(figure, separators=(",", ":")).replace("</", "<\\/"))
    script = element("script", data, type="application/json")
    return element("div", element("div", role="img", **look), script, class_="seqlab-plot")


def linked(text: str, place: Path, pages: set[Path], sources: set[str], home: str) -> str:
    """Markdown of the file `place` whose links lead to pages, to the source of a module, or to the repository.

    Where a file has none of them, its name stays as text.
    """

    def found(link: re.Match) -> str:
        target = (place.parent / link[3]).resolve()
        near = target.relative_to(ROOT) if target.is_relative_to(ROOT) else Path(link[3])
        module = near.with_suffix("").as_posix()
        if link[1] or near in pages:
            return link[0]
        if near.suffix == ".py" and module.replace("/", ".") in sources:
            up = "../" * (len(place.relative_to(ROOT).parts) - 1)
            return f'<a href="{up}_modules/{module}.html">{link[2]}</a>'
        return f"[{link[2]}]({home}/blob/HEAD/{near})" if home else link[2]

    return LINK.sub(found, text)
