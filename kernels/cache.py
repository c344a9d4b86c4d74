"""Where compiled kernels are kept between sessions."""

import os
import tempfile
from pathlib import Path


def folder() -> Path:
    """`seqlab` in the user's cache directory, or among temporary files where there is no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqlab"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "seqlab"
