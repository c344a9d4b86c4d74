"""What `make bench-gpu` measured, beside what was predicted and what was published: one table.

Each run leaves `ci/results/gpu-<device>.json`. Where there is none, the table says so and nothing else.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from kernels.instruments.prediction import PUBLISHED, TILE, Step, estimate
from seqlab.course.rooms import PACKAGE
from seqlab.draw.svg import Markup, table

RESULTS = PACKAGE.parent / "ci" / "results"
NOT_YET = "not measured yet"
STEPS: tuple[Step, Step] = ("forward", "backward")


def gains(folder: Path = RESULTS) -> dict[tuple[str, str, bool], float]:
    """(device, step, causal) → the share of softmax's time that sigmoid did not need, head dim 64, 4,096 tokens and
    more: the median over lengths. Files that are none of bench-gpu's are passed over.
    """
    found: dict[tuple[str, str, bool], list[float]] = {}
    for device, row, other in _pairs(folder):
        for step in STEPS:
            gain = 1 - row[step]["median_ms"] / other[step]["median_ms"]
            found.setdefault((device, step, row["pattern"] == "causal"), []).append(gain)
    return {key: median(values) for key, values in found.items()}


def _pairs(folder: Path) -> Iterator[tuple[str, dict, dict]]:
    """A device, and its rows of sigmoid and of softmax for the same problem."""
    for file in sorted(folder.glob("gpu-*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        timed = {
            (row["who"], row["n"], row["pattern"]): row
            for row in result.get("rows", ())
            if row["dim"] == 64 and row["n"] >= 4096 and row["pattern"] != "bigbird" and "left_out" not in row
        }
        for (who, n, pattern), row in timed.items():
            if who == "seqlab sigmoid" and ("seqlab softmax", n, pattern) in timed:
                row = timed.get(("seqlab sigmoid, tanh", n, pattern), row)  # the form that was predicted
                yield result["about"]["device"], row, timed["seqlab softmax", n, pattern]


def beside(folder: Path = RESULTS) -> Markup:
    """The table: predicted for the tile that labs 06 and 08 share and for the kernels' own, published, measured."""
    known = gains(folder)
    devices = list(dict.fromkeys(device for device, *_ in known)) or ["any GPU"]
    rows = {}
    for step in STEPS:
        for causal in (False, True):
            shared = f"{estimate(tile=TILE, causal=causal).gain:.1%}" if step == "forward" else "–"
            own = f"{estimate(causal=causal, step=step).gain:.1%}"
            seen = [known.get((device, step, causal)) for device in devices]
            measured = [NOT_YET if gain is None else f"{gain:.1%}" for gain in seen]
            published = f"{PUBLISHED[step][causal]:.2%}"
            rows[f"{step}, {'causal' if causal else 'full'}"] = [shared, own, published, *measured]
    tile = f"predicted, {TILE.block_q} × {TILE.block_k}"
    head = ["", tile, "predicted, own tiles", "published, H100", *(f"measured, {device}" for device in devices)]
    return table(head, rows, "Of softmax's time, sigmoid saves (head dim 64)")
