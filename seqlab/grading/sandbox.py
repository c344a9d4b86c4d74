"""Starting a student's process: behind bubblewrap where there is one, without network, home, references or tests."""

import compileall
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch

from kernels.instruments.source import plain
from seqlab.course.gate import exercises
from seqlab.course.rooms import PACKAGE

LIMITS = ("--nproc=32", "--as=6000000000", "--fsize=50000000", "--cpu=180", "--nofile=256", "--core=0")
HIDDEN = ("exercises*", "claims.toml", "answers.toml", "*.pt")  # references, what checks them; models

MISSING = (
    "bubblewrap is not installed (on Debian or Ubuntu: apt-get install bubblewrap), so nothing would keep a student's "
    "code from your files and the network: install it, or say --trust to grade without it."
)


@cache
def isolated() -> bool:
    """Whether bubblewrap is installed and starts here."""
    return (
        all(map(shutil.which, ("bwrap", "setpriv", "prlimit", "choom")))
        and subprocess.run([*_walls(), "true"], capture_output=True).returncode == 0
    )


@cache
def _house() -> tempfile.TemporaryDirectory:
    place = tempfile.TemporaryDirectory(prefix="seqlab-house-")
    for package in (PACKAGE, PACKAGE.parent / "kernels"):
        shutil.copytree(package, Path(place.name, package.name), ignore=shutil.ignore_patterns(*HIDDEN))
    for reference in (inspect.unwrap(plain(task.reference)) for task in exercises().values()):
        file = Path(place.name, Path(str(inspect.getsourcefile(reference))).relative_to(PACKAGE.parent))
        if file.exists():  # it stands in the library itself
            _, body = inspect.getsource(reference).split("\n", 1)
            file.write_text(file.read_text().replace(body, "    raise NotImplementedError\n"))
            for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
                compiled.unlink()
    compileall.compile_dir(place.name, quiet=2)
    Path(place.name).chmod(0o755)
    return place


def house() -> Path:
    """A copy of the library without references, compiled once, gone when this process ends."""
    return Path(_house().name)


def start(house: Path, trust: bool = False) -> subprocess.Popen:
    """A student's process; its ends of the pipe are stdin and stdout. trust: without walls where there are none."""
    python, site = Path(sys.base_prefix), Path(torch.__file__).parents[1]
    if isolated():
        inside = [*_walls(python=python, site=site, house=house), *_drop(), "/python/bin/python3"]
        paths = {"PYTHONHOME": "/python", "PYTHONPATH": "/house:/site", "HOME": "/tmp", "PATH": "/usr/bin:/bin"}
    elif trust:
        inside = [sys.executable]
        paths = {"PYTHONPATH": f"{house}:{site}", "HOME": "/tmp", "PATH": os.environ["PATH"]}
    else:
        raise RuntimeError(MISSING)
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [*inside, "-s", "-m", "seqlab.grading.box"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=paths | quiet,
        cwd="/",
        start_new_session=True,
    )


def _walls(**bound: Path) -> list[str]:
    """bubblewrap: system and `bound` (name=folder, at the top level) read-only, a small place to write, nothing else.

    As root no user namespace is made: in one, the limit on processes would not hold. Where this library is installed
    within one of the folders, an empty one hides it.
    """
    root = os.geteuid() == 0
    spaces = ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"] if root else ["--unshare-all"]
    seen = {Path(place): place for place in ("/usr", "/bin", "/lib", "/lib64")}
    seen |= {folder.resolve(): f"/{name}" for name, folder in bound.items()}
    binds = [word for folder, place in seen.items() for word in ("--ro-bind-try", str(folder), place)]
    homes = [(folder, place) for folder, place in seen.items() if PACKAGE.is_relative_to(folder)]
    hidden = [word for folder, place in homes for word in ("--tmpfs", f"{place}/{PACKAGE.relative_to(folder)}")]
    writes = ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    writes += ["--size", "64000000", "--perms", "1777", "--tmpfs", "/tmp"]
    ends = ["--die-with-parent", "--new-session"]
    return ["bwrap", *spaces, *ends, *binds, *hidden, *writes, "--chdir", "/tmp", "--"]


def _drop() -> list[str]:
    """Limits for what runs inside, which is the first to go where memory is short; root becomes somebody else first.

    Everybody who grades at a time has a user of their own, so that one student's processes do not count for another.
    """
    user = 60_000 + os.getpid() % 5_000
    other = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    return ["choom", "-n", "1000", "--", *(other if os.geteuid() == 0 else []), "prlimit", *LIMITS, "--"]
