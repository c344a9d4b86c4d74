"""Is `kernels.attention` ever slower than PyTorch's own? Shapes of daily use, a ratio each, the worst first.

A ratio is the median over turns of ours / SDPA, each turn measured back to back, so that other load meets both. Below 1
is faster. `python -m ci.bench.shapes [words of a name]` measures these alone.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

import kernels
from ci.bench.rows import Row, row

SECONDS = 0.6  # for one shape


@dataclass(frozen=True)
class Shape:
    """One problem. bias, padding, views: what else it has; train: with backward."""

    name: str
    n_query: int
    n_key: int = 0
    batch: int = 1
    heads: int = 8
    kv_heads: int = 0
    dim: int = 64
    value: int = 0
    dtype: torch.dtype = torch.float32
    causal: bool = False
    train: bool = False
    bias: tuple[int, ...] = ()
    padding: bool = False
    views: bool = False

    def inputs(self) -> list[Tensor]:
        n_key, kv_heads = self.n_key or self.n_query, self.kv_heads or self.heads
        sizes = ((self.heads, self.n_query, self.dim), (kv_heads, n_key, self.dim), (kv_heads, n_key, self.value))
        made = []
        for heads, n, dim in sizes:
            x = torch.randn(self.batch, heads, n, dim or self.dim, dtype=self.dtype)
            x = x.transpose(1, 2).contiguous().transpose(1, 2) if self.views else x  # token by token in memory
            made.append(x.requires_grad_(self.train))
        return made

    def contestants(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Ours and SDPA on the same numbers."""
        q, k, v = self.inputs()
        bias = torch.randn(self.bias, dtype=self.dtype, requires_grad=self.train) if self.bias else None
        real = torch.arange(k.shape[2]).expand(self.batch, -1) < 3 * k.shape[2] // 4 if self.padding else None
        mask = bias if real is None else real[:, None, None]
        theirs = {"attn_mask": mask, "is_causal": self.causal, "enable_gqa": bool(self.kv_heads)}

        def ours() -> Tensor:
            return kernels.attention(q, k, v, bias=bias, key_padding=real, causal=self.causal)

        def peer() -> Tensor:
            return F.scaled_dot_product_attention(q, k, v, **theirs)

        if not self.train:
            return torch.no_grad()(ours), torch.no_grad()(peer)
        grad = torch.randn_like(peer())
        return lambda: ours().backward(grad), lambda: peer().backward(grad)


BF16, F64 = torch.bfloat16, torch.float64
SHAPES = (
    Shape("1 token, training", 1, train=True),
    Shape("5 tokens, training", 5, train=True),
    Shape("17 tokens", 17),
    Shape("17 tokens, training", 17, train=True),
    Shape("17 tokens, padding, training", 17, batch=4, padding=True, train=True),
    Shape("17 tokens, dense bias", 17, bias=(1, 8, 17, 17)),
    Shape("64 tokens, 1 head", 64, heads=1),
    Shape("64 tokens, 1 head, training", 64, heads=1, train=True),
    Shape("64 tokens", 64),
    Shape("16 × 128 tokens", 128, batch=16),
    Shape("256 rows of 16", 16, batch=256),
    Shape("256 rows of 32", 32, batch=256),
    Shape("ViT, 197 tokens, training", 197, heads=12, train=True),
    Shape("512, causal, training", 512, causal=True, train=True),
    Shape("bf16 1,024, causal, training", 1024, dtype=BF16, causal=True, train=True),
    Shape("1,024", 1024),
    Shape("1,024, causal", 1024, causal=True),
    Shape("bf16 1,024", 1024, dtype=BF16),
    Shape("float64, 1,024", 1024, dtype=F64),
    Shape("float64, 512, training", 512, dtype=F64, train=True),
    Shape("dense bias, 1,024", 1024, bias=(1, 8, 1024, 1024)),
    Shape("key bias, 1,024", 1024, bias=(1, 1, 1, 1024)),
    Shape("bias, 256, training", 256, bias=(1, 8, 256, 256), train=True),
    Shape("padding, 4 × 512", 512, batch=4, padding=True),
    Shape("1,000 × 777, dim 80", 1000, 777, dim=80),
    Shape("dim 256, 512", 512, dim=256, heads=4),
    Shape("value 128, dim 64, 512", 512, value=128),
    Shape("grouped queries, 512", 512, kv_heads=2),
    Shape("token-major views, 512", 512, views=True),
    Shape("cross, 4,096 × 77", 4096, 77),
    Shape("chunk, 128 × 4,096", 128, 4096),
    Shape("decode, 1 × 8,192", 1, 8192),
    Shape("decode, bias, 1 × 128", 1, 128, bias=(1, 8, 1, 128)),
    Shape("decode, bias, 1 × 2,048", 1, 2048, bias=(1, 1, 1, 2048)),
    Shape("decode, 8 × 1 × 2,048", 1, 2048, batch=8),
    Shape("one query, 1 × 2,048, training", 1, 2048, train=True),
    Shape("one query, bf16, 8 × 1 × 1,024, training", 1, 1024, batch=8, dtype=BF16, train=True),
    Shape("decode, bf16, 1 × 16,384", 1, 16384, dtype=BF16),
    Shape("decode, grouped, 1 × 8,192", 1, 8192, heads=32, kv_heads=8),
    Shape("4,096", 4096),
)


def ratio(shape: Shape, seconds: float = SECONDS) -> tuple[float, float, float]:
    """The median ratio of turns, and the least milliseconds of ours and the peer."""
    ours, peer = shape.contestants()
    pairs, end = [], 0.0
    while len(pairs) < 6 or perf_counter() < end:
        times = []
        for run in (ours, peer) if len(pairs) % 2 else (peer, ours):
            started = perf_counter()
            run()
            times.append(perf_counter() - started)
        pairs.append(times if len(pairs) % 2 else times[::-1])
        if len(pairs) == 1:
            end = perf_counter() + seconds
    own, other = zip(*pairs[1:])  # the first turn warms up
    return statistics.median(a / b for a, b in zip(own, other)), 1e3 * min(own), 1e3 * min(other)


def measure(quick: bool, words: str = "") -> Iterator[Row]:
    """quick: what is short, one thread."""
    for threads in (1,) if quick else (1, 2):
        torch.set_num_threads(threads)
        found = []
        for shape in SHAPES:
            if words in shape.name and not (quick and max(shape.n_query, shape.n_key) > 1024):
                found.append((*ratio(shape), shape.name))
        for median, own, other, name in sorted(found, reverse=True):
            numbers = {"ratio": median, "ours_ms": own, "peer": "PyTorch SDPA", "peer_ms": other, "least": own / other}
            says = f"ratio {median:5.2f}   least times {own:8.3f} ms against {other:8.3f} ms: {own / other:5.2f}"
            yield row(f"{name}, {threads} thread{'s' * (threads > 1)}", says, **numbers)


if __name__ == "__main__":
    from ci.bench.rows import told

    told(measure(False, " ".join(sys.argv[1:])))
