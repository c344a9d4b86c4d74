"""`make lab`: JupyterLab on 127.0.0.1 with its own token, opened at the first lab."""

import argparse
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = "labs/00_start_here.ipynb"
DEFAULT_PORT = 8888


def check_port(text: str) -> int:
    """The port to serve on; ends with one sentence when it is no port or already taken."""
    try:
        port = int(text or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        sys.exit(f"PORT must be a number from 1 to 65535, got {text!r}: try make lab PORT=8889.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            sys.exit(f"Port {port} needs administrator rights: choose one above 1023, such as make lab PORT=8889.")
        except OSError:
            cure = f"stop that, or choose another with make lab PORT={port + 1}"
            sys.exit(f"Port {port} is taken, perhaps by another JupyterLab: {cure}.")
    return port


def command(port: int, extra: list[str]) -> list[str]:
    """The JupyterLab command line; `extra` comes last and wins."""
    has_screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        *([] if has_screen else ["--no-browser"]),
        *extra,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make lab", description=__doc__)
    parser.add_argument("--port", default="")
    parser.add_argument("extra", nargs="*", help="passed on to JupyterLab")
    arguments = parser.parse_args()
    port = check_port(arguments.port)
    try:
        import seqlab  # noqa: F401
    except ImportError as error:
        sys.exit(str(error))
    print(
        f"Starting JupyterLab on 127.0.0.1:{port}; the address with its token follows. Ctrl-C twice stops it.",
        flush=True,
    )
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.chdir(ROOT)
    line = command(port, arguments.extra)
    os.execv(line[0], line)


if __name__ == "__main__":
    main()
