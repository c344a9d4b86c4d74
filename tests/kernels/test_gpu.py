"""On a GPU: every case that `make bench-gpu` demands before it times anything."""

import pytest
import torch

from ci.bench.gpu_cases import cases, verify
from kernels.flash import versions


def why_not() -> str | None:
    return versions.trouble(torch.device("cuda")) if torch.cuda.is_available() else "no GPU is here"


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("case", cases(tiny=False), ids=lambda case: case.key)
def test_every_kernel_agrees_with_float64_on_the_gpu(case):
    assert verify(case, "cuda", "triton") is None
