"""Who computes the same on a GPU: our kernels, PyTorch's, FlexAttention, triton-sigmoid; and how they are timed."""

import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

import kernels
from kernels.flash import launch
from kernels.layout import BlockLayout

Run = Callable[[], object]


def race(runs: dict[str, Run], device: str, seconds: float) -> dict[str, dict[str, float]]:
    """Median and quartiles in milliseconds, contestants taking turns: CUDA events, each after its L2 cache was
    overwritten, or a wall clock where no GPU is.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    if device == "cuda":
        size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
        room = torch.empty(size, dtype=torch.int8, device="cuda")
    started = time.perf_counter()
    while min(map(len, times.values()), default=5) < 5 or time.perf_counter() - started < seconds * len(runs):
        for name, run in runs.items():
            if device == "cuda":
                before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                room.zero_()
                before.record()
                run()
                after.record()
                torch.cuda.synchronize()
                times[name].append(before.elapsed_time(after))
            else:
                at = time.perf_counter()
                run()
                times[name].append(1e3 * (time.perf_counter() - at))
    quartiles = {name: statistics.quantiles(took) for name, took in times.items()}
    return {name: dict(zip(("low_ms", "median_ms", "high_ms"), three)) for name, three in quartiles.items()}


def contestants(q: Tensor, causal: bool, layout: BlockLayout | None, impl: str) -> dict[str, Callable[[], Callable]]:
    """By name, what makes the forward function of everyone who computes this problem."""

    def own(normalizer: str, form: str | None = None) -> Callable:
        def run(q, k, v):
            with launch.setting(form=form):
                return kernels.attention(q, k, v, normalizer=normalizer, causal=causal, layout=layout, impl=impl)

        run.form = form
        return run

    def fused(backend: SDPBackend) -> Callable:
        def run(q, k, v):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

        return run

    found = {f"seqlab {name}": lambda name=name: own(name) for name in ("softmax", "sigmoid")}
    if q.is_cuda:  # as FlashSigmoid does, whatever the length
        found["seqlab sigmoid, tanh"] = lambda: own("sigmoid", "tanh")
    if layout is None and q.is_cuda:
        found["SDPA FlashAttention"] = lambda: fused(SDPBackend.FLASH_ATTENTION)
        found["SDPA cuDNN"] = lambda: fused(SDPBackend.CUDNN_ATTENTION)
        if importlib.util.find_spec("triton_sigmoid"):
            found["triton-sigmoid"] = lambda: _triton_sigmoid(causal)
    elif layout is None:
        found["SDPA"] = lambda: fused(SDPBackend.MATH)
    if q.is_cuda:
        found["FlexAttention compiled"] = lambda: _flex(q, causal, layout)
    return found


def _triton_sigmoid(causal: bool) -> Callable:
    from triton_sigmoid import sigmoid_attention

    def run(q, k, v):
        return sigmoid_attention(q, k, v, is_causal=causal)

    run.turned = True  # it wants (batch, token, head, dim), and gets it so, contiguous, outside of the timing
    return run


def _flex(q: Tensor, causal: bool, layout: BlockLayout | None) -> Callable:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch._dynamo.reset()  # after eight problems it would silently run uncompiled
    n, mask = q.shape[2], None
    if layout is not None:
        grid, block = layout.blocks()[0].to(q.device), layout.block
        listed = lambda b, h, i, j: grid[i // block, j // block]
        mask = create_block_mask(listed, None, None, n, n, device=q.device, BLOCK_SIZE=block)
    elif causal:
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, n, n, device=q.device)
    compiled = torch.compile(flex_attention, dynamic=False)
    return lambda q, k, v: compiled(q, k, v, block_mask=mask)
