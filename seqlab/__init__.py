"""seqlab: build and break, paper by paper, why transformers can compute what they compute.

The package stays light: plotly, ipywidgets and triton are imported only by `seqlab.figures`, `seqlab.widgets`
and `kernels`, and only when something is drawn or dispatched.
"""

__version__ = "0.1.0"
