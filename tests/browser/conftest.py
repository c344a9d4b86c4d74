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


@pytest.fixture(scope="package")
def pages(running_browser):
    """Those that show a JupyterLab without a notebook: to load one anew takes longer than most tests."""
    return []


@pytest.fixture
def open_notebook(lab_server, running_browser, pages):
    """A function that saves a notebook (or a list of cell sources) as labs/<name>.ipynb and opens it."""
    opened = []

    def open_one(source, name: str = "toy", theme: str = "JupyterLab Light") -> Notebook:
        if isinstance(source, list):
            source = nbformat.v4.new_notebook(
                metadata=KERNEL, cells=[nbformat.v4.new_code_cell(cell) for cell in source]
            )
        folder = Path(lab_server.root) / "labs"
        shutil.rmtree(folder, ignore_errors=True)  # nobody else's progress.json
        folder.mkdir()
        nbformat.write(source, folder / f"{name}.ipynb")
        page = pages.pop() if pages else running_browser.new_page(viewport={"width": 1280, "height": 900})
        page.mouse.move(0, 0)
        notebook = Notebook(page, lab_server)
        opened.append(notebook)
        notebook.open(f"labs/{name}.ipynb")
        page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        return notebook

    yield open_one
    for notebook in opened:
        notebook.close()
        pages += [] if notebook.page.is_closed() else [notebook.page]
