"""On a GPU: every case that `make bench-gpu` demands before it times anything."""

import pytest
import torch

from ci.bench import gpu as bench_gpu
from kernels.flash import versions


def why_not() -> str | None:
    return versions.trouble(torch.device("cuda")) if torch.cuda.is_available() else "no GPU is here"


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_every_kernel_agrees_with_float64_on_the_gpu():
    assert bench_gpu.verify("cuda", "triton", tiny=False) == []
