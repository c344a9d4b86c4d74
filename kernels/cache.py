"""Where compiled kernels are kept between sessions: in a folder that nobody else can write, each file whole or not at
all.

What is loaded from here runs as the user, so what others own or may write is never used.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def folder() -> Path:
    """`seqlab` in the user's cache directory, or a folder of the user's own among temporary files where there is no
    home.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqlab"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"seqlab-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def own(path: Path) -> bool:
    """Whether the file or folder itself, not what a link points to, belongs to this user."""
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()


def private(path: Path) -> bool:
    """Make the folder where it is missing, close it to others where it is open. True when this user can write it, and
    nobody else.
    """
    with suppress(OSError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and own(path) and os.access(path, os.W_OK):
            if mode & 0o022:
                path.chmod(0o700)
            return True
    return False


def write(path: Path, content: bytes) -> None:
    """All of a file or nothing of it, whoever else writes it and whenever the power goes. OSError where the folder is
    not `private`.
    """
    if not private(path.parent):
        raise PermissionError(f"{path.parent} cannot be written, or is somebody else's")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
