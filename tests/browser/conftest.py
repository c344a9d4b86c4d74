"""One JupyterLab and one Chromium for all browser tests; without a Chromium they are skipped.

Both close with the package: Playwright keeps an event loop running in this thread, which other tests must not meet.
"""

import shutil
from pathlib import Path

import nbformat
import pytest

from ci.jupyter_browser import INSTALL, JupyterLab, Notebook, browser, chromium

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@pytest.fixture(scope="package")
def running_browser():
    if chromium() is None:
        pytest.skip(INSTALL)
    with browser() as running:
        yield running


@pytest.fixture(scope="package")
def lab_server(running_browser, tmp_path_factory):
    with JupyterLab(tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab


@pytest.fixture
def open_notebook(lab_server, running_browser, request):
    """A function that saves a notebook (or a list of cell sources) as labs/<name>.ipynb and opens it."""
    opened = []

    def open_one(source, name: str = "toy", theme: str | None = None) -> Notebook:
        if isinstance(source, list):
            source = nbformat.v4.new_notebook(
                metadata=KERNEL, cells=[nbformat.v4.new_code_cell(cell) for cell in source]
            )
        folder = Path(lab_server.root) / "labs"
        shutil.rmtree(folder, ignore_errors=True)  # nobody else's progress.json
        folder.mkdir()
        nbformat.write(source, folder / f"{name}.ipynb")
        page = running_browser.new_page(viewport={"width": 1280, "height": 900})
        notebook = Notebook(page, lab_server)
        opened.append(notebook)
        notebook.open(f"labs/{name}.ipynb")
        if theme:
            page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        return notebook

    yield open_one
    for notebook in opened:
        notebook.close()
