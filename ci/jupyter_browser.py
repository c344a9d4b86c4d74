"""A real JupyterLab in a real Chromium, for the browser tests and the latency benchmark."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from ci.browser_control import Control

INSTALL = "Chromium is missing: `apt-get install chromium`, or name one in SEQLAB_CHROMIUM"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HARMLESS = {  # text in a console error: why it says nothing about a lab
    "/api/me?": "the identity request of a page that is just closing",
    "favicon": "the browser asks for an icon that a bare server does not have",
}
EXTENT = """(node) => {  // the page scrolls past its end: stop at the last cell. Its place is a guess until it is seen
    const cells = [...node.querySelectorAll('.jp-Cell')].map((cell) => cell.getBoundingClientRect().bottom);
    return [node.clientHeight, node.scrollTop + Math.max(...cells) - node.getBoundingClientRect().top];
}"""
TALL = 2400  # pixels, of a screenshot
PICTURE = "canvas[data-frame], .js-plotly-plot .main-svg, img, svg:not(.jp-icon3 svg)"
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"recordTiming": True},
}


def chromium() -> str | None:
    """The path of a Chromium, from SEQLAB_CHROMIUM or the PATH; None where there is none."""
    names = (os.environ.get("SEQLAB_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, filter(None, names)) if path), None)


@contextmanager
def browser():
    """A headless Chromium driven by Playwright. Raises FileNotFoundError that says how to install one."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        raise FileNotFoundError(INSTALL)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


class JupyterLab:
    """A `jupyter lab` server of this interpreter that serves `root` on a free port, with settings of its own."""

    def __init__(self, root: Path | str, theme: str = "JupyterLab Light", start_timeout: float = 90):
        self.root, self.theme, self.start_timeout = Path(root), theme, start_timeout

    def __enter__(self) -> "JupyterLab":
        self._home = tempfile.TemporaryDirectory(prefix="seqlab-jupyter-")
        home = Path(self._home.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {**SETTINGS, "@jupyterlab/apputils-extension:themes": {"theme": self.theme}}
        (home / "config" / "labconfig").mkdir(parents=True)  # read once, when the server starts
        (home / "config" / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(settings))
        (home / "ipython" / "profile_default").mkdir(parents=True)
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": f"{home}/config",
            "JUPYTER_DATA_DIR": f"{home}/data",
            "JUPYTER_RUNTIME_DIR": f"{home}/runtime",
            "IPYTHONDIR": f"{home}/ipython",
            "JUPYTERLAB_SETTINGS_DIR": f"{home}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{home}/workspaces",
        }
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.disable_check_xsrf=True",
            "--expose-app-in-browser",
        ]
        self.url, self.log = f"http://127.0.0.1:{port}", home / "server.log"
        self._output = self.log.open("w")
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=self.root,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                with urlopen(f"{self.url}/api/status", timeout=5):
                    return
            except (URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"jupyter lab did not start:\n{self.log.read_text()[-2000:]}") from None
                time.sleep(0.2)

    def __exit__(self, *_) -> None:
        import psutil  # kernels lead process groups of their own

        family = []
        if self._process.poll() is None:
            server = psutil.Process(self._process.pid)
            family = [server, *server.children(recursive=True)]
            server.terminate()
        _, alive = psutil.wait_procs(family, timeout=5)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)
        self._process.wait()
        self._output.close()
        self._home.cleanup()


class Notebook:
    """One notebook of a `JupyterLab` on a Playwright page, which may have shown another before.

    console: error messages of the page, without the known harmless ones.
    """

    def __init__(self, page, lab: JupyterLab):
        self.page, self.lab, self.console = page, lab, []
        self._heard = {
            "console": lambda message: (
                message.type == "error" and self._note(f"{message.text} {message.location.get('url', '')}")
            ),
            "pageerror": lambda error: self._note(str(error)),
        }
        for event, hear in self._heard.items():
            page.on(event, hear)

    def _note(self, text: str) -> None:
        if not any(known in text for known in HARMLESS):
            self.console.append(text)

    def open(self, path: str, timeout: float = 90) -> "Notebook":
        """Load `path` (relative to the server's root) and wait until its kernel is idle."""
        if self.page.url.startswith(self.lab.url):
            self.page.evaluate(
                "async (path) => { await jupyterapp.commands.execute('docmanager:open', { path }); }", path
            )
        else:
            self.page.goto(f"{self.lab.url}/lab/tree/{path}?reset", timeout=timeout * 1000)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=timeout * 1000)
        self.page.wait_for_function(  # a Run All before the websocket is connected would be lost
            """() => {
                const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
                return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }""",
            timeout=timeout * 1000,
        )
        self.page.evaluate("""async () => {
            const app = window.jupyterapp;
            if (!app.shell.leftCollapsed) await app.commands.execute('application:toggle-left-area');
            window.notebook = app.shell.currentWidget.content;
        }""")
        return self

    def run_all(self, timeout: float = 60) -> float:
        """Run all cells, wait until the last is done, and return the seconds that it took."""
        self.page.evaluate(
            """(picture) => {
            window.firstPicture = {};  // cell index -> when its output first held a picture
            clearInterval(window.pictureTimer);
            window.pictureTimer = setInterval(() => notebook.widgets.forEach((cell, index) => {
                const drawn = cell.outputArea?.node.querySelector(picture);
                if (drawn && !(index in firstPicture)) firstPicture[index] = Date.now();
            }), 30);
            window.ranAll = jupyterapp.commands.execute('notebook:run-all-cells').then(() => window.ranAll = 'done');
        }""",
            PICTURE,
        )
        start = time.monotonic()
        self.page.wait_for_function(
            """() => window.ranAll === 'done'
                && jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'""",
            timeout=timeout * 1000,
            polling=50,
        )
        seconds = time.monotonic() - start
        self.settle()
        return seconds

    def settle(self) -> None:
        """Wait until what was done has been answered: the kernel is through with it, and the page has painted."""
        self.page.wait_for_timeout(300)
        self.page.evaluate("""async () => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
            if (kernel?.connectionStatus === 'connected') await kernel.requestExecute({ code: '', silent: true }).done;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""")

    def close(self) -> None:
        """Shut the kernel down, so that its memory is free, and leave the page to the next notebook.

        A page that shows anything but an empty JupyterLab afterwards, such as a dialog, is closed.
        """
        empty = self.page.evaluate("""async () => {
            clearInterval(window.pictureTimer);
            const panel = jupyterapp.shell.currentWidget;
            await panel.sessionContext.shutdown();
            panel.dispose();
            return document.querySelector('.jp-NotebookPanel, .jp-Dialog') === null;
        }""")
        for event, hear in self._heard.items():
            self.page.remove_listener(event, hear)
        if not empty:
            self.page.close()

    def unfinished(self) -> list[int]:
        """Indices of code cells with text that have no execution count."""
        return self.page.evaluate("""() => notebook.widgets.flatMap((cell, index) => cell.model.type === 'code'
            && cell.model.sharedModel.source.trim() && cell.model.executionCount === null ? [index] : [])""")

    def errors(self) -> list[str]:
        """What cells, and Output widgets inside their outputs, show as errors; one string each."""
        return self.page.evaluate("""() => notebook.widgets.flatMap((cell, index) => {
            if (cell.model.type !== 'code') return [];
            const saved = cell.model.outputs.toJSON().filter((output) => output.output_type === 'error')
                .map((output) => `cell ${index}: ${output.ename}: ${output.evalue}`);
            const shown = [...cell.outputArea.node.querySelectorAll('.jp-OutputArea-output[data-mime-type*="stderr"],'
                + ' .jp-OutputArea-output[data-mime-type*="error"], .jupyter-widgets-error-widget')]
                .filter((node) => /Traceback|Error displaying|Error:/.test(node.textContent)
                    || node.matches('.jupyter-widgets-error-widget'))
                .map((node) => `cell ${index}: ${node.textContent.slice(-600)}`);
            return saved.length ? saved : shown;
        })""")

    def picture_times(self) -> dict[int, float]:
        """Seconds from the start of a cell to the first picture in its output, by cell index."""
        return {
            int(index): seconds
            for index, seconds in self.page.evaluate("""() => notebook.widgets.flatMap((cell, index) => {
            const started = cell.model.sharedModel.metadata.execution?.['iopub.execute_input'];
            if (!started || !(index in firstPicture)) return [];
            return [[index, Math.max(0, firstPicture[index] - Date.parse(started)) / 1000]];
        })""")
        }

    def controls(self) -> list[Control]:
        """Every slider, dropdown, checkbox and button in the outputs, in reading order; buttons come last."""
        handles = self.page.query_selector_all(
            ".jp-OutputArea :is(input[type=range], .noUi-handle, select, input[type=checkbox], button):not(:disabled)"
        )
        found = [control for handle in handles if (control := Control(self.page, handle)).kind]
        return sorted(
            found, key=lambda control: control.kind == "button"
        )  # stable: what moves comes before what resets

    def screenshot(self, stem: Path | str, full: bool = True) -> list[Path]:
        """The notebook as `<stem>-1.png`, `-2.png`, …, one tall screen each, as each scroll makes all editors of the
        page measure themselves; only what is in view unless `full`.
        """
        Path(stem).parent.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        if full:
            self.page.set_viewport_size(before | {"height": TALL})
        panel = self.page.query_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer")
        paths, top = [], 0
        while True:
            if full:
                panel.evaluate("(node, top) => { node.scrollTop = top; }", top)
                self.page.wait_for_timeout(150)
            paths.append(Path(f"{stem}-{len(paths) + 1}.png"))
            self.page.screenshot(path=paths[-1])
            height, end = panel.evaluate(EXTENT)
            top += height - 60
            if not full or top >= end - 60:
                break
        self.page.set_viewport_size(before)
        return paths
