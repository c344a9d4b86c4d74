"""What a list of blocks saves as time, where a kernel is meant to be fast: on the GPU, if one is here, else on the CPU.

The process of a notebook interprets Triton's kernels, so that they can be counted; what is timed has one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import torch

import kernels
from kernels.instruments.roofline import seconds


@dataclass(frozen=True)
class Timed:
    """Seconds of one forward pass, two heads of 64, with listed blocks and with PyTorch's dense attention."""

    where: str
    sparse: float
    dense: float

    @property
    def on_gpu(self) -> bool:
        return self.where.startswith("triton")


def bigbird(count: int, seed: int) -> Timed:
    """Time Big Bird's pattern on `count` tokens in a new process, which compiles for a GPU what it runs there.

    Raises RuntimeError with the last line of what that process said where it fails.
    """
    words = [sys.executable, "-m", __name__, str(count), str(seed)]
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"timing {count} tokens: {done.stderr.strip().rpartition(chr(10))[2] or 'it was ended'}")
    return Timed(**json.loads(done.stdout.splitlines()[-1]))


def _measure(count: int, seed: int) -> Timed:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    device, dtype = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.float32)
    big = [torch.randn(1, 2, count, 64, device=device, dtype=dtype) for _ in range(3)]
    layout = kernels.BlockLayout.bigbird(count, block=64, seed=seed)
    with torch.no_grad():
        sparse = seconds(lambda: kernels.attention(*big, layout=layout))
        dense = seconds(lambda: torch.nn.functional.scaled_dot_product_attention(*big), repeats=1)
    return Timed(str(kernels.choose(*big, layout=layout)), sparse, dense)


if __name__ == "__main__":
    print(json.dumps(vars(_measure(*map(int, sys.argv[1:])))))
