"""seqlab: build and break, paper by paper, why transformers can compute what they compute.

The package stays light: plotly, ipywidgets and triton are imported only by files of figures and widgets and by
`kernels`, and only when something is drawn or dispatched.
"""

from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"

USED = ("kernels", "torch", "triton", "numpy", "einops", "plotly", "ipywidgets", "anywidget", "IPython")


def in_the_way(folder: Path) -> str:
    """One sentence on a file that Python takes for a module of seqlab's, or "".

    Python looks into `folder`, where a notebook or script runs, before it looks into the environment; and Hugging Face
    has a package of the name `kernels`, too.
    """
    home = Path(__file__).resolve().parents[1]
    for name in USED:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found = Path(spec.origin).resolve()
        place = found.parent if found.name != "__init__.py" else found.parents[1]
        if (place != home) if name == "kernels" else place == folder.resolve():
            wanted = f"the one in {home}" if name == "kernels" else "the installed one"
            cure = "rename it, or where a package of that name is installed, pip uninstall it; then restart the kernel"
            return f"seqlab needs {wanted} when it imports {name!r}, and Python finds {found} first: {cure}."
    return ""


if problem := in_the_way(Path.cwd()):
    raise ImportError(problem)

import kernels  # noqa: E402, F401  (before PyTorch loads Triton: where no GPU is, its kernels are to be interpreted)


def __getattr__(name: str) -> object:
    """`seqlab.inspect` comes when it is asked for."""
    if name != "inspect":
        raise AttributeError(f"module 'seqlab' has no attribute {name!r}")
    from seqlab.microscope.inspect import inspect

    return inspect
