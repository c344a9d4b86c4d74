"""`python -m seqlab lab DIR`, and `make lab`: JupyterLab on 127.0.0.1 with its own token, opened at the first lab."""

import os
import shlex
import socket
import sys
from pathlib import Path
from typing import NoReturn

import jupyterlab  # noqa: F401  (where it is missing, __main__ says which extra brings it)
from jupyter_core.paths import jupyter_config_path, jupyter_runtime_dir
from traitlets.config import Application

from seqlab.course.handout import release
from seqlab.course.rooms import INSTALLED, LABS, lab_files

FIRST = "00_start_here.ipynb"
SETTINGS = Path(__file__).with_name("settings")  # asks for no news, no updates, no extensions
ANOTHER = "--port " if INSTALLED else "make lab PORT="
DEFAULT_PORT = 8888
HIDDEN = ("__pycache__", "*.pyc", "*~", "*.lock", "*.png", "progress*.json", "*.egg-info")  # from the file browser


def check_port(text: str) -> int:
    """The port to serve on; ends with one sentence when it is no port or already taken."""
    try:
        port = int(text or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        sys.exit(f"PORT must be a number from 1 to 65535, got {text!r}: try {ANOTHER}8889.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            sys.exit(f"Port {port} needs administrator rights: choose one above 1023, such as {ANOTHER}8889.")
        except OSError:
            cure = f"stop that, or choose another with {ANOTHER}{port + 1 if port < 65535 else port - 1}"
            sys.exit(f"Port {port} is taken, perhaps by another JupyterLab: {cure}.")
    return port


def check_configuration() -> None:
    """Ends with one sentence where somebody's own Jupyter configuration would let everybody in: ours has a token."""
    for name in ("jupyter_config", "jupyter_server_config", "jupyter_lab_config"):
        for config, file in Application._load_config_files(name, jupyter_config_path()):
            if any(config.get(section, {}).get("token") == "" for section in ("IdentityProvider", "ServerApp")):
                sys.exit(
                    f"{file} starts Jupyter without a token, so that everybody on this machine could run code as you: "
                    "take the line with token out, or start with JUPYTER_CONFIG_DIR set to an empty folder."
                )


def check_home() -> None:
    """Ends with one sentence where Jupyter has no place to write to."""
    place = Path(jupyter_runtime_dir())
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "seqlab-probe").touch()
        (place / "seqlab-probe").unlink()
    except OSError as error:
        sys.exit(
            f"Jupyter notes its servers in {place}, which cannot be written ({error.strerror}): name a folder of yours "
            "with JUPYTER_RUNTIME_DIR=/tmp/me before the command."
        )


def command(port: int, root: Path, extra: list[str], first: str = FIRST) -> list[str]:
    """The JupyterLab command line for the files below `root`; `extra` comes last and wins."""
    has_screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{first}",
        f"--LabServerApp.app_settings_dir={SETTINGS}",
        "--LabApp.extension_manager=readonly",
        *(f"--ContentsManager.hide_globs={pattern}" for pattern in HIDDEN),
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        *([] if has_screen else ["--no-browser"]),
        *extra,
    ]


def lab(folder: Path, *, port: str = "", jupyter: str = "") -> NoReturn:
    """Copy the labs that are missing there into a folder, and start JupyterLab on them.

    folder: where you work; what is there stays as it is
    port: 8888 when left out
    jupyter: words that are passed on to JupyterLab, as in --jupyter="--no-browser"
    """
    chosen = check_port(port)
    check_configuration()
    check_home()
    folder.mkdir(parents=True, exist_ok=True)
    if missing := [path.stem for path in lab_files(LABS) if not (folder / path.name).exists()]:
        release(folder, labs=missing)
    print(
        f"Starting JupyterLab on 127.0.0.1:{chosen}; the address with its token follows. Ctrl-C twice stops it.",
        flush=True,
    )
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    root, first = folder.absolute(), FIRST
    if not INSTALLED and folder.samefile(LABS):  # the whole checkout is to be read
        root, first = root.parent, f"{root.name}/{FIRST}"
    os.chdir(root)
    line = command(chosen, root, shlex.split(jupyter), first)
    os.execv(line[0], line)
