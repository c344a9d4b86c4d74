"""Speed of `kernels.attention` on this CPU: 8 heads, dim 64, batch 1.

`share` is the speed-up over the ratio of multiplications: 1 when nothing is lost to sparsity.
"""

import sys
from collections.abc import Callable, Iterator
from inspect import signature
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

import kernels
from ci.bench import rows
from ci.bench.rows import Row, Run, against, exponent, in_child, left_out, medians, versus
from kernels import BlockLayout

HEADS, DIM = 8, 64


def measure(quick: bool) -> Iterator[Row]:
    """quick: shorter sequences, one thread, no FlexAttention to compile."""
    n, long, repeats = (1024, 4096, 3) if quick else (4096, 16384, 7)
    for threads in (1,) if quick else (1, 2):
        torch.set_num_threads(threads)
        yield from dense(n, torch.float32, False, repeats)
        yield from dense(n, torch.bfloat16, False, repeats)
        yield from dense(n, torch.float32, True, repeats)
        yield from sparse(long, 3)
        for length in (n, long):
            yield transformers_bigbird(length, 3)
        if not quick:
            yield flex(n, repeats)
    yield growth((1024, 4096) if quick else (4096, 16384, 65536))


def inputs(n: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> list[Tensor]:
    return [torch.randn(1, HEADS, n, DIM, dtype=dtype).requires_grad_(grad) for _ in range(3)]


def dense(n: int, dtype: torch.dtype, backward: bool, repeats: int) -> Iterator[Row]:
    """Softmax and sigmoid against SDPA, and the matrix products alone as the limit."""
    q, k, v = inputs(n, dtype, backward)
    weight = torch.randn(1, HEADS, n, DIM, dtype=dtype)

    def run(function: Callable[..., Tensor], **options: object) -> Run:
        if backward:
            return lambda: function(q, k, v, **options).backward(weight)
        return torch.no_grad()(lambda: function(q, k, v, **options))

    square = torch.randn(2048, 2048, dtype=dtype)
    took = medians(
        {
            "SDPA": run(F.scaled_dot_product_attention),
            "softmax": run(kernels.attention),
            "sigmoid": run(kernels.attention, normalizer="sigmoid"),
            "product": lambda: square @ square,
        },
        repeats,
    )
    way = "with backward" if backward else "forward"
    what = f"attention, {str(dtype)[6:]}, {n} tokens, {way}, {torch.get_num_threads()} threads"
    for name in ("softmax", "sigmoid"):
        yield against(f"{name} {what}", took[name], "PyTorch SDPA", took["SDPA"])
    products = (7 if backward else 2) * HEADS * n * n * DIM / 2048**3
    yield against(f"sigmoid {what}", took["sigmoid"], "torch.mm of that size", products * took["product"])


def sparse(n: int, repeats: int) -> Iterator[Row]:
    """BigBird blocks against dense SDPA."""
    q, k, v = inputs(n)
    layout = BlockLayout.bigbird(n, block=64)
    runs = {"SDPA": lambda: F.scaled_dot_product_attention(q, k, v)}
    for name in ("softmax", "sigmoid"):
        runs[name] = lambda name=name: kernels.attention(q, k, v, normalizer=name, layout=layout)
    with torch.no_grad():
        took = medians(runs, repeats)
    what = f"{n} tokens, density {layout.density:.3f}, {torch.get_num_threads()} threads"
    for name in ("softmax", "sigmoid"):
        share = took["SDPA"] * layout.density / took[name]
        yield against(f"BigBird {name}, {what}", took[name], "dense SDPA", took["SDPA"], share=share)


def big_bird_softmax(n: int, peer_name: str, peer: Callable[..., object], repeats: int, **options: object) -> Row:
    """Our BigBird softmax attention against a peer that takes q, k and v."""
    q, k, v = inputs(n)
    layout = BlockLayout.bigbird(n, block=64)
    what = f"BigBird softmax, {n} tokens, {torch.get_num_threads()} threads"
    with torch.no_grad():
        ours = lambda: kernels.attention(q, k, v, layout=layout)
        return versus(what, ours, peer_name, lambda: peer(q, k, v, **options), repeats)


def flex(n: int, repeats: int) -> Row:
    """The same blocks in compiled FlexAttention."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    grid = BlockLayout.bigbird(n, block=64).blocks()[0]

    def listed(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return grid[query // 64, key // 64]

    mask = create_block_mask(listed, None, None, n, n, device="cpu", BLOCK_SIZE=64)
    return big_bird_softmax(n, "compiled FlexAttention", torch.compile(flex_attention), repeats, block_mask=mask)


def transformers_bigbird(n: int, repeats: int) -> Row:
    """The block-sparse core of transformers' BigBird, its own pattern of 3 random blocks per row."""
    try:
        from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention
    except ImportError:
        what = f"BigBird softmax, {n} tokens, {torch.get_num_threads()} threads"
        return left_out(what, "transformers", "transformers is not installed")
    config = {"max_position_embeddings": n, "num_attention_heads": HEADS, "num_random_blocks": 3, "block_size": 64}
    config |= {"hidden_size": HEADS * DIM, "use_bias": False}
    core = BigBirdBlockSparseAttention(SimpleNamespace(**config), seed=0).eval()
    ones = torch.ones(1, n)
    blocks = ones.view(1, n // 64, 64)
    band = torch.ones(1, 1, n // 64 - 4, 64, 3 * 64)
    rows, columns = ones.view(1, 1, n, 1), ones.view(1, 1, 1, n)
    run = core.bigbird_block_sparse_attention
    options = {"seed": 0, "plan_from_length": None, "plan_num_rand_blocks": None, "output_attentions": False}
    options = {name: option for name, option in options.items() if name in signature(run).parameters}  # of its version

    def peer(q: Tensor, k: Tensor, v: Tensor) -> object:
        return run(q, k, v, band, rows, columns, blocks, blocks, HEADS, 3, DIM, 64, 64, 1, n, n, **options)

    return big_bird_softmax(n, "transformers BigBird", peer, repeats)


def growth(lengths: tuple[int, ...]) -> Row:
    """Exponents of time and memory of BigBird sigmoid attention over the length, each length in its own process."""
    what = f"BigBird sigmoid from {lengths[0]} to {lengths[-1]} tokens"
    if sys.platform != "linux":
        return left_out(what, "itself", "the peak of memory is read from /proc")
    found = {n: in_child(peak_and_seconds, n) for n in lengths}
    peak = {n: peak for n, (peak, _) in found.items()}
    peaks = ", ".join(f"{n} tokens {bytes_ / 1e9:.2f} GB" for n, bytes_ in peak.items())
    return rows.growth(
        what,
        {n: seconds for n, (_, seconds) in found.items()},
        f", memory ~ n^{exponent(peak):.2f} (peak: {peaks})",
        memory_exponent=exponent(peak),
        peak_gb={str(n): bytes_ / 1e9 for n, bytes_ in peak.items()},
    )


def peak_and_seconds(n: int) -> tuple[int, float]:
    """The bytes by which calls and their inputs make this process grow, and the median seconds of a call."""
    bigbird_seconds(64)  # what is loaded on first use is no part of it
    return rows.grown(lambda: bigbird_seconds(n))


def bigbird_seconds(n: int) -> float:
    q, k, v = inputs(n)
    layout = BlockLayout.bigbird(n, block=64)
    with torch.no_grad():
        return medians({"ours": lambda: kernels.attention(q, k, v, normalizer="sigmoid", layout=layout)}, 3)["ours"]
