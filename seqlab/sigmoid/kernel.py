"""What state disappears when sigmoid takes the place of softmax in a GPU kernel: in the backward pass, and counted.

    check_tiles(...)                   `kernels.tiled` with its output deleted before the backward pass
    state(...)                         what disappears, counted on the real kernels

| FlashSigmoid (Ramapuram et al. 2024, section 4) | here                                                       |
| ----------------------------------------------- | ---------------------------------------------------------- |
| P_ij = σ(S_ij), O_i += P_ij V_j                 | kernels.tiled.forward, normalizer="sigmoid"                |
| dS_ij = P_ij (1 - P_ij) dP_ij                   | kernels.tiled.backward                                     |
| m, l, L = log-sum-exp, D = rowsum(dO ∘ O)       | what normalizer="softmax" carries and keeps besides        |
| how much time that saves                        | kernels.instruments.prediction                             |
"""

import torch

from kernels import tiled
from kernels.instruments.prediction import KINDS, PARTS, TILE, Kind, summary, work
from kernels.spec import Spec
from seqlab.attention import attention, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

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
    got = (out, *tiled.backward(grad, q, k, v, left, lse, spec, (True, True, True, False)))
    errors = {name: (a - b).abs().max().item() for (name, a), b in zip(wanted.items(), got)}
    name = max(errors, key=errors.get)
    text, lacking = f"{name} is off by {errors[name]:.3g}", softmax_weights and delete_output
    text += ": dS = P (dP - rowsum(dO ∘ O)) needs the output" * lacking
    statement = TILES.under(sigmoid=not softmax_weights, kept=not lacking)
    return judge(1e-12 - errors[name], statement, witness=Witness(text, (name, errors[name])), checked=4 * q.numel())


def state(n: int = 8192, dim: int = 64) -> dict[str, dict[Kind, int]]:
    """What softmax has and sigmoid has not, for one head with 16-bit inputs on an H100: counts of the real kernels.

    The forward kernels have the tile that labs 06 and 08 share.
    """
    report = {kind: summary(f"{kind}_forward", "sm_90", TILE, dim=dim) for kind in KINDS}
    moved = {
        (kind, part): work(kind, part, "sm_90", n, dim, tile=TILE if part == "forward" else None)
        for (kind, _), parts in PARTS.items()
        for part in parts
    }
    rows = {
        "maxima and sums a tile": lambda kind: report[kind].reductions,
        "shuffles in the loop": lambda kind: report[kind].loop["shuffle"],
        "instructions in the loop, matrix ones aside": lambda kind: (
            report[kind].loop.total() - report[kind].loop["matrix"]
        ),
        "registers of a thread": lambda kind: report[kind].registers,
        "bytes stored forward beside the output": lambda kind: moved[kind, "forward"].stored - 2 * n * dim,
        "kernels in the backward pass": lambda kind: len(PARTS[kind, "backward"]),
        "bytes moved by the kernel for rowsum(dO ∘ O)": lambda kind: (
            moved[kind, "delta"].moved if "delta" in PARTS[kind, "backward"] else 0
        ),
        "bytes of row statistics loaded backward": lambda kind: sum(
            moved[kind, part].loaded - moved["sigmoid", part].loaded for part in ("dq", "dkdv")
        ),
    }
    return {name: {kind: count(kind) for kind in KINDS} for name, count in rows.items()}
