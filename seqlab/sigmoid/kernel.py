"""What a GPU kernel saves when sigmoid takes the place of softmax: state, and the speed of light.

    tiled_forward, tiled_backward      both normalizers tile by tile, to be read: what is carried, what is kept
    state(...)                         what disappears, counted on the real kernels
    predict("H100", 64)                softmax against sigmoid by `kernels.instruments.roofline`, before any measurement

| FlashSigmoid (Ramapuram et al. 2024, section 4) | here                                           |
| ----------------------------------------------- | ---------------------------------------------- |
| P_ij = σ(S_ij), O_i += P_ij V_j                 | tiled_forward(…, kind="sigmoid")               |
| dS_ij = P_ij (1 - P_ij) dP_ij                   | tiled_backward(…, kind="sigmoid")              |
| m, l, L = log-sum-exp, D = rowsum(dO ∘ O)       | what kind="softmax" carries and keeps besides  |
| 17.39 %, 18.76 % (forward), 2.7 %, 6.19 %       | PUBLISHED                                      |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

import kernels
from kernels.flash.catalogue import default_tiles
from kernels.instruments.ledger import Counts, closed_form
from kernels.instruments.roofline import DEVICES, Roofline, roofline
from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Kind = Literal["sigmoid", "softmax"]
Step = Literal["forward", "backward"]
Queries, Keys = Float[Tensor, "query dim"], Float[Tensor, "key dim"]
Values, Out = Float[Tensor, "key value"], Float[Tensor, "query value"]

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


def tiled_forward(
    q: Queries, k: Keys, v: Values, *, kind: Kind = "sigmoid", bias: float = 0.0, block: int = 16, causal: bool = False
) -> tuple[Out, Float[Tensor, "query 1"] | None]:
    """The output, and what the backward pass will need besides: softmax's log-sum-exp, nothing for sigmoid."""
    out, lse = v.new_zeros(len(q), v.shape[1]), q.new_empty(len(q), 1)
    for rows in _tiles(len(q), block):
        highest = q.new_full((rows.stop - rows.start, 1), -math.inf)  # softmax alone carries these two
        total = torch.zeros_like(highest)
        for columns in _tiles(len(k), block):
            scores = _scores(q, k, rows, columns, bias, causal)
            if kind == "sigmoid":
                out[rows] += torch.sigmoid(scores) @ v[columns]
                continue
            before, highest = highest, torch.maximum(highest, scores.amax(1, keepdim=True))
            weights, shrink = torch.exp(scores - highest), torch.exp(before - highest)
            total = shrink * total + weights.sum(1, keepdim=True)
            out[rows] = shrink * out[rows] + weights @ v[columns]
        if kind == "softmax":
            out[rows] /= total
            lse[rows] = highest + total.log()
    return out, lse if kind == "softmax" else None


def tiled_backward(
    grad: Out,
    q: Queries,
    k: Keys,
    v: Values,
    out: Out | None = None,
    lse: Float[Tensor, "query 1"] | None = None,
    *,
    kind: Kind = "sigmoid",
    bias: float = 0.0,
    block: int = 16,
    causal: bool = False,
) -> tuple[Queries, Keys, Values]:
    """dQ, dK, dV. Sigmoid ignores `out` and `lse`; softmax without its output takes the row term rowsum(dO ∘ O) as 0.

    Raises ValueError for softmax without its log-sum-exp.
    """
    if kind == "softmax" and lse is None:
        raise ValueError("lse: got None; softmax makes its weights again from the log-sum-exp of tiled_forward")
    dq, dk, dv = (torch.zeros_like(x) for x in (q, k, v))
    scale = 1 / math.sqrt(q.shape[1])
    delta = torch.zeros_like(grad[:, :1]) if out is None else (grad * out).sum(1, keepdim=True)
    for rows in _tiles(len(q), block):
        for columns in _tiles(len(k), block):
            scores = _scores(q, k, rows, columns, bias, causal)
            dp = grad[rows] @ v[columns].T
            if kind == "sigmoid":
                p = torch.sigmoid(scores)
                ds = p * (1 - p) * dp
            else:
                p = torch.exp(scores - lse[rows])
                ds = p * (dp - delta[rows])
            dq[rows] += scale * ds @ k[columns]
            dk[columns] += scale * ds.T @ q[rows]
            dv[columns] += p.T @ grad[rows]
    return dq, dk, dv


def check_tiles(
    n: int = 50,
    dim: int = 8,
    block: int = 16,
    *,
    softmax_weights: bool = False,
    delete_output: bool = True,
    causal: bool = False,
    seed: int = 0,
) -> Verdict:
    """Tiles against autograd through `seqlab.attention`, in float64: output and all three gradients.

    delete_output: the output is gone before the backward pass. Sigmoid does not notice, softmax does.
    The margin is 1e-12 less the largest difference. The witness carries (name of the tensor, difference).
    """
    draw = torch.Generator().manual_seed(seed)
    q, k, v, grad = torch.randn(4, n, dim, generator=draw, dtype=torch.float64)
    kind, bias = ("softmax", 0.0) if softmax_weights else ("sigmoid", -math.log(n))
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    want = attention(*inputs, normalizer=softmax() if softmax_weights else sigmoid(bias), causal=causal)
    wanted = {"output": want, **dict(zip(("dQ", "dK", "dV"), torch.autograd.grad(want, inputs, grad)))}
    options = dict(kind=kind, bias=bias, block=block, causal=causal)
    out, lse = tiled_forward(q, k, v, **options)
    got = (out, *tiled_backward(grad, q, k, v, None if delete_output else out, lse, **options))
    errors = {name: (a - b).abs().max().item() for (name, a), b in zip(wanted.items(), got)}
    name = max(errors, key=errors.get)
    text, lacking = f"{name} is off by {errors[name]:.3g}", softmax_weights and delete_output
    if lacking:
        text += ": dS = P (dP - rowsum(dO ∘ O)) needs the output"
    statement = TILES.under(sigmoid=not softmax_weights, kept=not lacking)
    return judge(1e-12 - errors[name], statement, witness=Witness(text, (name, errors[name])), checked=4 * n * dim)


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

    @property
    def short_of_published(self) -> float:
        """How much of the published gain the speed of light does not explain."""
        return self.published - self.gain

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


def _tiles(n: int, block: int) -> Iterator[slice]:
    for start in range(0, n, block):
        yield slice(start, min(start + block, n))


def _scores(q: Queries, k: Keys, rows: slice, columns: slice, bias: float, causal: bool) -> Tensor:
    scores = q[rows] @ k[columns].T / math.sqrt(q.shape[1]) + bias
    if causal:
        i = torch.arange(rows.start, rows.stop)[:, None] + len(k) - len(q)
        scores = scores.masked_fill(torch.arange(columns.start, columns.stop) > i, -math.inf)
    return scores
