"""Is this an ordinary call, here and now?"""

import torch
from torch import Tensor


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether the tensors hold their numbers and nobody looks on: then what is done with them may be done at once, past
    PyTorch's dispatcher. (An imaginary part of what is conjugated lies in memory with the other sign.)
    """
    return unwatched() and all(
        x is None or (type(x) in (Tensor, torch.nn.Parameter) and not x.is_meta and not x.is_neg()) for x in tensors
    )


def unwatched() -> bool:
    """Whether nobody traces, compiles, exports, fakes or transforms what is done here."""
    return (
        not torch.compiler.is_compiling()  # first: what is traced knows nothing of the others
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._functorch.peek_interpreter_stack() is None  # type: ignore
        and torch._C._get_tracing_state() is None
    )
