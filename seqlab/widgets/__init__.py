"""Pictures that move under the mouse. Importing this package imports ipywidgets; `import seqlab` alone does not."""

from seqlab.widgets.attention_view import AttentionView

__all__ = ["AttentionView"]
