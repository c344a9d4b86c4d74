"""Attention kernels and the instruments to look inside them, with or without a GPU.

    attention(q, k, v, normalizer="sigmoid", layout=layout)     one operation, several implementations
    choose(q)                                                   which one "auto" runs, and why
    BlockLayout                                                 a block-sparse pattern
    xray, ledger, audit, roofline       compile without a GPU, count bytes, watch addresses, speed of light

Nothing is imported until it is used, so that `import kernels` costs no more than PyTorch. Where no GPU is, Triton is
told to interpret its kernels (TRITON_INTERPRET=1), which it must know before it is imported.
"""

import os
import sys
from importlib import import_module

_HOME = {
    "attention": "kernels.api",
    "choose": "kernels.choice",
    "Choice": "kernels.choice",
    "BlockLayout": "kernels.layout",
    "xray": "kernels.instruments.xray",
    "ledger": "kernels.instruments.ledger",
    "audit": "kernels.instruments.audit",
    "roofline": "kernels.instruments.roofline",
}

__all__ = sorted(_HOME)

if "TRITON_INTERPRET" not in os.environ and "triton" not in sys.modules:
    import torch

    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'kernels' has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOME[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
