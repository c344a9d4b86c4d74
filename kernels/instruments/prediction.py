"""What sigmoid should save of softmax's time on a device, before any measurement: one prediction for all labs.

    estimate("H100", 64, tile=TILE).gain        the share of softmax's time that sigmoid does not need

The instructions are those of compiled kernels. A compilation takes seconds, so what each gave once comes along in
predictions.json, with a hash of the kernel's source and Triton's version: where they differ now, it is compiled again.
`python -m kernels.instruments.prediction` compiles everything that is listed there.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

from kernels.flash import versions
from kernels.flash.catalogue import KERNELS, Tiles, default_tiles
from kernels.instruments.ledger import Counts, closed_form
from kernels.instruments.roofline import DEVICES, Roofline, roofline
from kernels.instruments.source import sources
from kernels.instruments.xray import Summary, xray

Kind = Literal["sigmoid", "softmax"]
Step = Literal["forward", "backward"]
KINDS: tuple[Kind, Kind] = ("softmax", "sigmoid")
TILE = Tiles(128, 128, 8, 2)  # the one that labs 06 and 08 share
GRID = tuple(
    Tiles(q, k, warps, 7 - warps if warps == 4 else 2)
    for k, q, warps in product((32, 64, 128), (64, 128), (4, 8))
    if warps == 4 or q * k >= 64 * 128
)
PARTS = {  # the kernels of each step; the third of softmax's backward pass makes rowsum(dO ∘ O)
    ("softmax", "forward"): ("forward",),
    ("sigmoid", "forward"): ("forward",),
    ("softmax", "backward"): ("delta", "dq", "dkdv"),
    ("sigmoid", "backward"): ("dq", "dkdv"),
}
PUBLISHED = {  # Ramapuram et al. 2024: H100 against FlashAttention-2; causal or not
    "forward": {False: 0.1739, True: 0.1876},
    "backward": {False: 0.027, True: 0.0619},
}
FILE = Path(__file__).with_name("predictions.json")


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
        """What the paper measured on an H100 for this step, at the lengths, head dims and tiles of its own kernels."""
        return PUBLISHED[self.step][self.causal]

    def _saved(self, seconds: Callable[[Roofline], float]) -> float:
        return 1 - sum(map(seconds, self.sigmoid)) / sum(map(seconds, self.softmax))


def estimate(
    device: str = "H100",
    dim: int = 64,
    *,
    tile: Tiles | None = None,
    causal: bool = False,
    step: Step = "forward",
    n: int = 8192,
    fresh: bool = False,
) -> Prediction:
    """The prediction for 16-bit inputs, one head of n tokens.

    tile:   of the forward kernels; the kernels' own default for this device and head when None
    fresh:  compile, whatever predictions.json says

    Raises ValueError for a device that the roofline does not know.
    """
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}, wanted one of {', '.join(DEVICES)}")
    lines = ((_line(kind, part, device, n, dim, causal, tile, fresh) for part in PARTS[kind, step]) for kind in KINDS)
    return Prediction(device, dim, causal, step, *map(tuple, lines))


def summary(name: str, arch: str, tile: Tiles | None = None, *, fresh: bool = False, **config: Any) -> Summary:
    """The numbers of a kernel's X-ray: read, or compiled where they are not listed or `fresh`; config as for `xray`."""
    config = {"dtype": "fp16", "dim": 64, "causal": False, "even": True} | config
    config |= vars(tile or default_tiles(KERNELS[name].step, arch, config["dtype"], config["dim"]))
    key = " ".join([name, arch, *(f"{option}={config[option]}" for option in sorted(config))])
    kept = _kept().get(key)
    if kept is None or fresh or (versions.installed() and kept["source"] != source(name)):
        made = xray(name, arch, **config).summary
        _kept()[key] = kept = {"source": source(name), **made._asdict()}
        return made
    return Summary(**{field: kept[field] for field in Summary._fields} | {"loop": Counter(kept["loop"]), "read": True})


@cache
def source(name: str) -> str:
    """A hash of what makes a kernel: its text, that of its helpers, and Triton's version."""
    told = [part["text"] for part in sources(KERNELS[name].function)] + [str(versions.installed())]
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


def work(kind: Kind, part: str, arch: str, n: int, dim: int, causal: bool = False, tile: Tiles | None = None) -> Counts:
    """What one kernel of one head moves and multiplies, by the ledger's closed form."""
    tile = tile or default_tiles(part, arch, "fp16", dim)
    shape: Any = dict(batch=1, heads=1, n_query=n, n_key=n, block_q=tile.block_q, block_k=tile.block_k)
    return closed_form(part, normalizer=kind, dim=dim, itemsize=2, causal=causal, **shape)


def _line(
    kind: Kind, part: str, device: str, n: int, dim: int, causal: bool, tile: Tiles | None, fresh: bool
) -> Roofline:
    """One kernel's limits for one head; every tensor crosses the memory bus once."""
    arch = DEVICES[device].arch
    tile = tile if tile and part == "forward" else default_tiles(part, arch, "fp16", dim)
    counts = work(kind, part, arch, n, dim, causal, tile)
    tensors, statistics = {"forward": (4, 1), "delta": (2, 1), "dq": (5, 2), "dkdv": (6, 2)}[part]
    once = n * (2 * tensors * dim + 4 * statistics * (kind == "softmax"))
    if part == "delta":
        return replace(roofline(None, counts, device, compulsory=once), kernel="softmax_delta")
    even = n % tile.block_q == n % tile.block_k == 0
    report = summary(f"{kind}_{part}", arch, tile, fresh=fresh, dim=dim, causal=causal, even=even)
    return roofline(report, counts, device, compulsory=once)


@cache
def _kept() -> dict[str, dict]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def main() -> None:
    """Compile what the labs ask for, and write predictions.json."""
    _kept().clear()
    for tile in GRID:
        estimate(tile=tile)
    for device, dim, causal in product(("A100", "H100"), (64, 128), (False, True)):
        estimate(device, dim, causal=causal)
        estimate(device, dim, causal=causal, step="backward")
    estimate(tile=TILE, causal=True)
    estimate(n=196)
    estimate("MI300X")
    rows = (f"{json.dumps(key)}: {json.dumps(_kept()[key])}" for key in sorted(_kept()))
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
