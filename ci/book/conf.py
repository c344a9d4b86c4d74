"""The book's settings, and the little that Sphinx lacks: formulas as MathML, docstrings as they are written here."""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from ci.lint import ROOT
from ci.pages import formula

HERE = Path(__file__).parent
REPOSITORY = os.environ.get("SEQLAB_REPOSITORY", "")  # https://github.com/owner/name, where there is one
COLUMNS = re.compile(r"^\s*(\||\S+ +\S.* {2,}\S|[→⇒] )|^ {2,}\S", re.M)  # a table or a listing, and no prose

project, author, language, copyright = "seqlab", "seqlab", "en", "MIT licence"
extensions, templates_path = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"], ["templates"]
nb_execution_mode, nb_merge_streams = "off", True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors, myst_heading_slug_func = 4, "ci.book.stage.slug"
html_math_renderer = "mathml"
html_theme, html_title, html_favicon = "sphinx_book_theme", "seqlab", str(HERE / "favicon.svg")
html_static_path = [
    str(HERE / "static"),
    *(str(ROOT / "seqlab/widgets" / name) for name in ("player.js", "player.css")),
]
html_css_files, html_js_files = ["player.css", "book.css"], [("book.js", {"defer": "defer"})]
html_baseurl = os.environ.get("SEQLAB_PAGES", "")
html_copy_source = html_show_sourcelink = html_show_search_summary = False  # a page from disk may fetch no other
html_context = {"default_mode": "auto"}
html_theme_options = {
    "repository_url": REPOSITORY,
    "use_repository_button": bool(REPOSITORY),
    "use_download_button": False,
    "show_toc_level": 2,
    "max_navbar_depth": 1,  # its unfolding arrows have no name
    "home_page_in_toc": True,
    "navigation_with_keys": False,  # arrow keys belong to the widgets
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
suppress_warnings = ["ref.python"]  # one class, in its module and in its package


def _math(self, node: nodes.Node) -> None:
    tex = node.astext()
    self.body.append(formula(tex, isinstance(node, nodes.math_block)) or self.encode(tex))
    raise nodes.SkipNode


def _paragraph(text: str) -> str:
    """A paragraph of a docstring as reStructuredText: what is set in columns stays as it stands, `code` is code."""
    if COLUMNS.search(text) or text.count("`") % 2:
        return "::\n\n" + "\n".join(f"   {line}" for line in text.splitlines())
    words = re.sub(r"([\\*_|:<>])", r"\\\1", text.strip()).split("`")
    return "``".join(word.replace("\\", "") if at % 2 else word for at, word in enumerate(words))


def _docstring(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    lines[:] = "\n\n".join(map(_paragraph, "\n".join(lines).split("\n\n"))).split("\n") + [""]


def _source(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """A page of source has no links back: a name with two homes stands in one of them."""
    if page.startswith("_modules/"):
        context["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", context["body"])


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", inline_renderers=(_math, None), block_renderers=(_math, None))
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("html-page-context", _source)
