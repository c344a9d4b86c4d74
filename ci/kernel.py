"""Register the notebook kernel of .venv: `python -m ci.kernel` from the repository, run by the set-up.

It is isolated: no PYTHONPATH, no user's packages, no start-up files of IPython, and the notebook's own folder is not
searched before the environment (`course.begin` adds it behind).
"""

import os
import sys
from pathlib import Path

from ipykernel.kernelspec import write_kernel_spec

SHARE = Path(os.environ.get("SEQLAB_SHARE") or Path(sys.prefix) / "share")


def main() -> None:
    argv = [sys.executable, "-I", "-m", "ipykernel_launcher", "--InteractiveShellApp.ignore_cwd=True"]
    spec = {"argv": [*argv, "-f", "{connection_file}"], "display_name": "Python 3 (seqlab)", "language": "python"}
    place = SHARE / "jupyter" / "kernels" / "python3"
    write_kernel_spec(place, overrides={**spec, "env": {"IPYTHONDIR": str(SHARE / "ipython")}})


if __name__ == "__main__":
    main()
