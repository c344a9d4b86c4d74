"""seqlab: build and break, paper by paper, why transformers can compute what they compute.

The package stays light: plotly, ipywidgets and triton are imported only by files of figures and widgets
and by `kernels`, and only when something is drawn or dispatched.
"""

__version__ = "0.1.0"

import kernels  # noqa: F401  (before PyTorch loads Triton: where no GPU is, its kernels are to be interpreted)
