"""What a GPU kernel saves when sigmoid takes the place of softmax: state, and the speed of light.

    check_tiles(...)                   `kernels.tiled` with its output deleted before the backward pass
    state(...)                         what disappears, counted on the real kernels
    predict("H100", 64)                softmax against sigmoid by `kernels.instruments.roofline`, before any measurement

| FlashSigmoid (Ramapuram et al. 2024, section 4) | here                                                       |
| ----------------------------------------------- | ---------------------------------------------------------- |
| P_ij = σ(S_ij), O_i += P_ij V_j                 | kernels.tiled.forward, normalizer="sigmoid"                |
| dS_ij = P_ij (1 - P_ij) dP_ij                   | kernels.tiled.backward                                     |
| m, l, L = log-sum-exp, D = rowsum(dO ∘ O)       | what normalizer="softmax" carries and keeps besides        |
| 17.39 %, 18.76 % (forward), 2.7 %, 6.19 %       | PUBLISHED                                                  |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch

import kernels
from kernels import tiled
from kernels.flash.catalogue import default_tiles
from kernels.instruments.ledger import Counts, closed_form
from kernels.instruments.roofline import DEVICES, Roofline, roofline
from kernels.spec import Spec
from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Kind = Literal["sigmoid", "softmax"]
Step = Literal["forward", "backward"]
KINDS: tuple[Kind, Kind] = ("softmax", "sigmoid")
PARTS = {  # the kernels of each step; the third of softmax's backward pass makes rowsum(dO ∘ O)
    ("softmax", "forward"): ("forward",),
    ("sigmoid", "forward"): ("forward",),
    ("softmax", "backward"): ("delta", "dq", "dkdv"),
    ("sigmoid", "backward"): ("dq", "dkdv"),
}
PUBLISHED = {"forward": {False: 0.1739, True: 0.1876}, "backward": {False: 0.027, True: 0.0619}}  # H100, causal or not

TILES = Statement(
    "tiles without row statistics",
    "Ramapuram et al. 2024, section 4",
    "Sigmoid attention and its gradients, tile by tile, need queries, keys, values and the output's gradient: "
    "no output, no statistic of a row.",
    (
        Hypothesis("sigmoid", "the weights are sigmoids"),
        Hypothesis("kept", "the backward pass gets what its normalizer needs"),
    ),
)
LEFT_OUT = (
    "waiting: the maximum and the sum of a row make threads wait for each other, which costs no issue slot",
    "overlap: the speed of light lets all units work at once, and no real kernel does",
    "the two kernels of the paper are CUDA, these are Triton: other tiles, other code around the same arithmetic",
    "launch overhead and the last wave of programs, which decide at a few hundred tokens",
)


def check_tiles(*, softmax_weights: bool = False, delete_output: bool = True, seed: int = 0) -> Verdict:
    """The tiles of `kernels.tiled` against autograd through `seqlab.attention`, in float64: output and gradients.

    600 tokens of 8 entries; a tile has 256 queries and 512 keys.
    delete_output: the output is gone before the backward pass, all that is left of it are zeros. Sigmoid does not
    notice, softmax does.
    The margin is 1e-12 less the largest difference. The witness carries (name of the tensor, difference).
    """
    draw = torch.Generator().manual_seed(seed)
    q, k, v, grad = torch.randn(4, 1, 1, 600, 8, generator=draw, dtype=torch.float64)
    normalizer = softmax() if softmax_weights else sigmoid()
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    want = attention(*inputs, normalizer=normalizer)
    wanted = {"output": want, **dict(zip(("dQ", "dK", "dV"), torch.autograd.grad(want, inputs, grad)))}
    name, _, shift = normalizer.kernel(600)
    spec = Spec(name, 8**-0.5, shift)
    out, lse = tiled.forward(q, k, v, spec)
    left = torch.zeros_like(out) if delete_output else out
    got = (out, *tiled.backward(grad, q, k, v, left, lse, spec, False))
    errors = {name: (a - b).abs().max().item() for (name, a), b in zip(wanted.items(), got)}
    name = max(errors, key=errors.get)
    text, lacking = f"{name} is off by {errors[name]:.3g}", softmax_weights and delete_output
    text += ": dS = P (dP - rowsum(dO ∘ O)) needs the output" * lacking
    statement = TILES.under(sigmoid=not softmax_weights, kept=not lacking)
    return judge(1e-12 - errors[name], statement, witness=Witness(text, (name, errors[name])), checked=4 * q.numel())


@dataclass(frozen=True)
class Prediction:
    """Speed-of-light times of both normalizers: one Roofline a kernel, softmax's third backward kernel included.

    A gain is the share of softmax's time that sigmoid does not need.
    """

    device: str
    dim: int
    causal: bool
    step: Step
    softmax: tuple[Roofline, ...]
    sigmoid: tuple[Roofline, ...]

    @property
    def gain(self) -> float:
        """By the speed of light: all units at once, the slowest decides, kernels one after another."""
        return self._saved(lambda line: line.seconds)

    @property
    def gain_without_overlap(self) -> float:
        """If no two units ever worked at the same time: the sum of all limits in place of the largest."""
        return self._saved(lambda line: sum(line.limits.values()))

    @property
    def gains(self) -> dict[str, float]:
        """For each unit of the device by itself, as if it alone set the time."""
        return {unit: self._saved(lambda line: line.limits.get(unit, 0.0)) for unit in self.sigmoid[0].limits}

    @property
    def binds(self) -> dict[str, str]:
        """Which unit sets the time of each kernel."""
        return {line.kernel: line.binds for line in (*self.softmax, *self.sigmoid)}

    @property
    def published(self) -> float:
        """What the paper measured on an H100 for this step, at the lengths and head dims of its own figure."""
        return PUBLISHED[self.step][self.causal]

    def _saved(self, seconds: Callable[[Roofline], float]) -> float:
        return 1 - sum(map(seconds, self.sigmoid)) / sum(map(seconds, self.softmax))


def predict(
    device: str = "H100", dim: int = 64, *, causal: bool = False, step: Step = "forward", n: int = 8192
) -> Prediction:
    """The prediction for 16-bit inputs and the kernels' own default tiles. Compiles (about a second a kernel, cached).

    Raises ValueError for a device that the roofline does not know.
    """
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}, wanted one of {', '.join(DEVICES)}")
    lines = (tuple(_line(kind, part, device, n, dim, causal) for part in PARTS[kind, step]) for kind in KINDS)
    return Prediction(device, dim, causal, step, *lines)


def table(
    devices: tuple[str, ...] = ("A100", "H100"), dims: tuple[int, ...] = (64, 128), *, step: Step = "forward"
) -> list[Prediction]:
    """Predictions for every device and head dim, full and causal."""
    cells = product(devices, dims, (False, True))
    return [predict(device, dim, causal=causal, step=step) for device, dim, causal in cells]


def state(n: int = 8192, dim: int = 64) -> dict[str, dict[Kind, int]]:
    """What softmax has and sigmoid has not, for one head with 16-bit inputs on an H100: counts of the real kernels."""
    report = {kind: kernels.xray(f"{kind}_forward", arch="sm_90", dtype="fp16", dim=dim) for kind in KINDS}
    work = {(kind, part): _work(kind, part, "sm_90", n, dim) for (kind, _), parts in PARTS.items() for part in parts}
    rows = {
        "maxima and sums a tile": lambda kind: report[kind].reductions,
        "shuffles in the loop": lambda kind: report[kind].loop["shuffle"],
        "instructions in the loop, matrix ones aside": lambda kind: (
            report[kind].loop.total() - report[kind].loop["matrix"]
        ),
        "registers of a thread": lambda kind: report[kind].registers,
        "bytes stored forward beside the output": lambda kind: work[kind, "forward"].stored - 2 * n * dim,
        "kernels in the backward pass": lambda kind: len(PARTS[kind, "backward"]),
        "bytes moved by the kernel for rowsum(dO ∘ O)": lambda kind: (
            work[kind, "delta"].moved if "delta" in PARTS[kind, "backward"] else 0
        ),
        "bytes of row statistics loaded backward": lambda kind: sum(
            work[kind, part].loaded - work["sigmoid", part].loaded for part in ("dq", "dkdv")
        ),
    }
    return {name: {kind: count(kind) for kind in KINDS} for name, count in rows.items()}


def _line(kind: Kind, part: str, device: str, n: int, dim: int, causal: bool) -> Roofline:
    """One kernel's limits for one head; every tensor crosses the memory bus once."""
    arch = DEVICES[device].arch
    work, tiles = _work(kind, part, arch, n, dim, causal), default_tiles(part, arch, "fp16", dim)
    tensors, statistics = {"forward": (4, 1), "delta": (2, 1), "dq": (5, 2), "dkdv": (6, 2)}[part]
    once = n * (2 * tensors * dim + 4 * statistics * (kind == "softmax"))
    if part == "delta":
        return replace(roofline(None, work, device, compulsory=once), kernel="softmax_delta")
    even = n % tiles.block_q == n % tiles.block_k == 0
    report = kernels.xray(f"{kind}_{part}", arch=arch, dtype="fp16", dim=dim, causal=causal, even=even)
    return roofline(report, work, device, compulsory=once)


def _work(kind: Kind, part: str, arch: str, n: int, dim: int, causal: bool = False) -> Counts:
    tiles = default_tiles(part, arch, "fp16", dim)
    blocks, shape = dict(block_q=tiles.block_q, block_k=tiles.block_k), dict(batch=1, heads=1, n_query=n, n_key=n)
    return closed_form(part, normalizer=kind, dim=dim, itemsize=2, causal=causal, **blocks, **shape)
