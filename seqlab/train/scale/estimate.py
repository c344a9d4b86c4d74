"""What a training costs, said before it starts: memory of a process, and the time that a step takes at least.

The step is made once with tensors that hold no numbers. So every product is counted, loops included, and every tensor
that autograd keeps; attention by the pairs that its blocks list. The time is the roofline's (`kernels.instruments`):
what the device could do at best, without waiting for data, slow kernels, or other processes.
"""

from datetime import timedelta
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

import kernels.operator  # noqa: F401  registers the operation that is counted
from kernels.instruments.ledger import Counts
from kernels.instruments.roofline import DEVICES, roofline, this_cpu


def cost(model: nn.Module, inputs: Tensor, targets: Tensor, *, narrow: bool, parts: int = 1) -> tuple[int, int, int]:
    """FLOP of a step, bytes of weights, gradients and AdamW's two means, and bytes kept for the gradient.

    model:   on "meta";  narrow: it computes with 16 bits;  parts: processes that share the weights
    """
    weights, kept = 4 * sum(p.nbytes for p in model.parameters()), dict[int, Tensor]()
    model = model.to(torch.bfloat16 if narrow else torch.float32)
    own = {p.untyped_storage()._cdata for p in model.parameters()}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage()._cdata] = x
        return x

    rules: Any = {torch.ops.seqlab.attention: _forward, torch.ops.seqlab.attention_backward: _backward}
    with FlopCounterMode(display=False, custom_mapping=rules) as flop, saved_tensors_hooks(keep, lambda x: x):
        logits = model(inputs.to("meta"))
        F.cross_entropy(logits.flatten(0, -2), targets.flatten().to("meta")).backward()
    size = sum(x.untyped_storage().nbytes() for at, x in kept.items() if at not in own)
    return flop.get_total_flops(), weights // parts, size


def told(flop: int, weights: int, kept: int, *, device: torch.device, steps: int, narrow: bool) -> str:
    """Two lines for who is about to start."""
    text = f"A process needs about {weights / 2**30:.3g} GiB for weights, gradients and AdamW, {kept / 2**30:.3g} for"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peaks = next((DEVICES[known] for known in DEVICES if known in name), None) if name else this_cpu()
    if peaks is None:
        return f"{text} a step; how long that takes is not known for {name}."
    work = Counts(matmul_flop=flop if narrow else round(flop * peaks.matrix / peaks.fp32))
    # weights are read forwards and backwards, gradients written and read, AdamW reads and writes three numbers
    limit = roofline(None, work, peaks, compulsory=10 * weights // 4 + 2 * kept)
    bound = f"{limit.seconds:.2g} s on {peaks.name}, bound by {limit.binds}"
    return f"{text} a step,\nwhich takes at least {bound}: {timedelta(seconds=round(limit.seconds * steps))} for all."


def _forward(q, k, v, bias, key_padding, alibi, tables, block, normalizer, causal, *rest: Any, **more: Any) -> int:
    """Two products for every pair of a query and a key that the kernel meets."""
    pairs = tables[1][0] * block**2 / tables[0][0] if tables else q[2] * k[2] / (1 + causal)
    return round(2 * q[0] * q[1] * pairs * (q[3] + v[3]))


def _backward(grad, q, k, v, out, lse, *rest: Any, **more: Any) -> int:
    """Seven products in place of two: dq makes three of them, dk and dv four."""
    return _forward(q, k, v, *rest) * 7 // 2
