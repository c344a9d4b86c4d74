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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Kind = Literal["sigmoid", "softmax"]
Step = Literal["forward", "backward"]
Queries, Keys = Float[Tensor, "query dim"], Float[Tensor, "key dim"]
Values, Out = Float[Tensor, "key value"], Float[Tensor, "query value"]

PUBLISHED = {"forward": {False: 0.1739, True: 0.1876}, "backward": {False: 0.027, True: 0.0619}}  # H100, causal or not

TILES = Statement(
    "tiles without row statistics",
    "Ramapuram et al. 2024, section 4",
    "Sigmoid attention and its gradients, tile by tile, need queries, keys, values and the output's gradient: no output, "
    "no statistic of a row.",
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
    _known(kind)
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
    _known(kind)
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
    _positive(n=n, dim=dim, block=block)
    draw = torch.Generator().manual_seed(seed)
    q, k, v, grad = torch.randn(4, n, dim, generator=draw, dtype=torch.float64)
    kind, bias = ("softmax", 0.0) if softmax_weights else ("sigmoid", -math.log(n))
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    normalizer = softmax() if softmax_weights else sigmoid(bias)
    want_out = attention(*inputs, normalizer=normalizer, causal=causal)
    want = torch.autograd.grad(want_out, inputs, grad)
    options = dict(kind=kind, bias=bias, block=block, causal=causal)
    out, lse = tiled_forward(q, k, v, **options)
    got = tiled_backward(grad, q, k, v, None if delete_output else out, lse, **options)
    errors = {
        name: (a - b).abs().max().item()
        for name, a, b in zip(("output", "dQ", "dK", "dV"), (out, *got), (want_out.detach(), *want))
    }
    name = max(errors, key=errors.get)
    statement = TILES.under(sigmoid=not softmax_weights, kept=not (softmax_weights and delete_output))
    text = f"{name} is off by {errors[name]:.3g}"
    if softmax_weights and delete_output:
        text += ": dS = P (dP - rowsum(dO ∘ O)) needs the output"
    return Verdict(
        errors[name] < 1e-12,
        1e-12 - errors[name],
        Witness(text, (name, errors[name])) if errors[name] >= 1e-12 else None,
        statement,
        4 * n * dim,
    )


@dataclass(frozen=True)
class Prediction:
    """Speed-of-light times of both normalizers: one Roofline a kernel, softmax's third backward kernel included.

    A gain is the share of softmax's time that sigmoid does not need.
    """

    device: str
    dim: int
    n: int
    causal: bool
    step: Step
    softmax: tuple[object, ...]
    sigmoid: tuple[object, ...]

    @property
    def gain(self) -> float:
        """By the speed of light: all units at once, the slowest decides, kernels one after another."""
        return 1 - _total(self.sigmoid) / _total(self.softmax)

    @property
    def gain_without_overlap(self) -> float:
        """If no two units ever worked at the same time: the sum of all limits in place of the largest."""
        total = lambda lines: sum(sum(line.limits.values()) for line in lines)
        return 1 - total(self.sigmoid) / total(self.softmax)

    @property
    def gains(self) -> dict[str, float]:
        """For each unit of the device by itself, as if it alone set the time."""
        total = lambda lines, unit: sum(line.limits.get(unit, 0.0) for line in lines)
        units = [unit for unit in self.sigmoid[0].limits if total(self.softmax, unit)]
        return {unit: 1 - total(self.sigmoid, unit) / total(self.softmax, unit) for unit in units}

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

    def __str__(self) -> str:
        what = (
            f"{self.device}, head dim {self.dim}, {self.n:,} tokens, {'causal' if self.causal else 'full'}, {self.step}"
        )
        binds = ", ".join(f"{kernel}: {unit}" for kernel, unit in self.binds.items())
        told = f"{100 * self.gain:.1f} % by the speed of light, {100 * self.gain_without_overlap:.1f} % without overlap"
        return f"{what}: {told}, published {100 * self.published:.2f} % (H100); {binds}"


def predict(
    device: str = "H100",
    dim: int = 64,
    *,
    causal: bool = False,
    step: Step = "forward",
    n: int = 8192,
    batch: int = 4,
    heads: int = 16,
) -> Prediction:
    """The prediction for 16-bit inputs and the kernels' own default tiles. Compiles (about a second a kernel, cached).

    Raises ValueError for a device that the roofline does not know, another step, or sizes below 1.
    """
    from kernels.instruments.roofline import DEVICES

    if step not in PUBLISHED:
        raise ValueError(f"step: got {step!r}, wanted 'forward' or 'backward'")
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}, wanted one of {', '.join(DEVICES)}")
    _positive(dim=dim, n=n, batch=batch, heads=heads)
    shape = {"batch": batch, "heads": heads, "n_query": n, "n_key": n, "dim": dim, "itemsize": 2, "causal": causal}
    lines = {
        kind: tuple(_line(kind, part, device, shape) for part in _kernels(kind, step))
        for kind in ("softmax", "sigmoid")
    }
    return Prediction(device, dim, n, causal, step, lines["softmax"], lines["sigmoid"])


def table(
    devices: tuple[str, ...] = ("A100", "H100"),
    dims: tuple[int, ...] = (64, 128),
    steps: tuple[Step, ...] = ("forward",),
) -> list[Prediction]:
    """Predictions for every device, head dim and step, full and causal."""
    return [
        predict(device, dim, causal=causal, step=step)
        for step in steps
        for device in devices
        for dim in dims
        for causal in (False, True)
    ]


def state(n: int = 8192, dim: int = 64, *, arch: str = "sm_90") -> dict[str, dict[Kind, int]]:
    """What softmax has and sigmoid has not, for one head with 16-bit inputs: counts of the real kernels."""
    import kernels
    from kernels.instruments.ledger import closed_form

    found: dict[str, dict[Kind, int]] = {}
    for kind in ("softmax", "sigmoid"):
        report = kernels.xray(f"{kind}_forward", arch=arch, dtype="fp16", dim=dim)
        work = {
            part: closed_form(
                part,
                normalizer=kind,
                batch=1,
                heads=1,
                n_query=n,
                n_key=n,
                dim=dim,
                itemsize=2,
                **_size(part, arch, dim),
            )
            for part in ("forward", *_kernels(kind, "backward"))
        }
        rows = {
            "maxima and sums a tile": report.reductions,
            "shuffles in the loop": report.loop["shuffle"],
            "instructions in the loop, matrix ones aside": report.loop.total() - report.loop["matrix"],
            "registers of a thread": report.registers,
            "bytes stored forward beside the output": work["forward"].stored - 2 * n * dim,
            "kernels in the backward pass": len(work) - 1,
            "bytes moved by the kernel for rowsum(dO ∘ O)": work["delta"].moved if "delta" in work else 0,
            "bytes of row statistics loaded backward": sum(
                work[part].loaded - _loaded_by_sigmoid(part, n, dim, arch) for part in ("dq", "dkdv")
            ),
        }
        for name, count in rows.items():
            found.setdefault(name, {})[kind] = count
    return found


def memory_bound_lengths(
    device: str = "H100", dim: int = 64, lengths: tuple[int, ...] = (64, 128, 196, 256, 512, 1024, 2048)
) -> list[int]:
    """The lengths at which memory, not arithmetic, sets the time of sigmoid's forward pass."""
    return [n for n in lengths if predict(device, dim, n=n).sigmoid[0].binds == "memory"]


def _kernels(kind: Kind, step: Step) -> tuple[str, ...]:
    if step == "forward":
        return ("forward",)
    return ("delta", "dq", "dkdv") if kind == "softmax" else ("dq", "dkdv")


def _line(kind: Kind, part: str, device: str, shape: dict) -> object:
    """One kernel's limits; every tensor crosses the memory bus once."""
    import kernels
    from kernels.instruments.ledger import closed_form
    from kernels.instruments.roofline import DEVICES, roofline

    arch, n, dim = DEVICES[device].arch, shape["n_query"], shape["dim"]
    size = _size(part, arch, dim)
    work = closed_form(part, normalizer=kind, **shape, **size)
    rows = shape["batch"] * shape["heads"] * n
    tensors, statistics = {"forward": (4, 1), "delta": (2, 1), "dq": (5, 2), "dkdv": (6, 2)}[part]
    once = rows * (tensors * dim * shape["itemsize"] + 4 * statistics * (kind == "softmax"))
    if part == "delta":
        return replace(roofline(None, work, device, compulsory=once), kernel="softmax_delta")
    even = n % size["block_q"] == 0 and n % size["block_k"] == 0
    report = kernels.xray(f"{kind}_{part}", arch=arch, dtype="fp16", dim=dim, causal=shape["causal"], even=even)
    return roofline(report, work, device, compulsory=once)


def _size(part: str, arch: str, dim: int) -> dict[str, int]:
    from kernels.flash.catalogue import default_tiles

    tiles = default_tiles(part, arch, "fp16", dim)
    return {"block_q": tiles.block_q, "block_k": tiles.block_k}


def _loaded_by_sigmoid(part: str, n: int, dim: int, arch: str) -> int:
    from kernels.instruments.ledger import closed_form

    options = dict(batch=1, heads=1, n_query=n, n_key=n, dim=dim, itemsize=2)
    return closed_form(part, normalizer="sigmoid", **options, **_size(part, arch, dim)).loaded


def _total(lines: tuple) -> float:
    return sum(line.seconds for line in lines)


def _known(kind: str) -> None:
    if kind not in ("sigmoid", "softmax"):
        raise ValueError(f"kind: got {kind!r}, wanted 'sigmoid' or 'softmax'")


def _positive(**sizes: int) -> None:
    for name, got in sizes.items():
        if got < 1:
            raise ValueError(f"{name}: got {got}, wanted at least 1")


def _tiles(n: int, block: int) -> Iterator[slice]:
    for start in range(0, n, block):
        yield slice(start, min(start + block, n))


def _scores(q: Queries, k: Keys, rows: slice, columns: slice, bias: float, causal: bool) -> Tensor:
    scores = q[rows] @ k[columns].T / math.sqrt(q.shape[1]) + bias
    if causal:
        i = torch.arange(rows.start, rows.stop)[:, None] + len(k) - len(q)
        scores = scores.masked_fill(torch.arange(columns.start, columns.stop) > i, -math.inf)
    return scores
