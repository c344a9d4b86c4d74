"""What every benchmark shares: a row of the report, and times that meet the same load.

A row says what was measured, what came out in words, and the numbers behind the words.
"""

import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Row = dict[str, object]
Run = Callable[[], object]
PROGRAM = """
import json, torch
from {module} import {name}
torch.set_num_threads(1)
print(json.dumps({name}(*{arguments!r})))
"""


def medians(runs: Mapping[str, Run], repeats: int = 9) -> dict[str, float]:
    """Median seconds of each, taking turns, so that other load meets all of them, after one call that warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(took) for name, took in times.items()}


def row(what: str, says: str, **numbers: object) -> Row:
    return {"what": what, "says": says, **numbers}


def against(what: str, ours: float, peer_name: str, peer: float, **numbers: object) -> Row:
    """Our seconds beside a peer's; further numbers follow in the words as well."""
    ratio = ours / peer
    says = f"{1e3 * ours:9.1f} ms   {peer_name:22} {1e3 * peer:9.1f} ms   ratio {ratio:.3f} ({1 / ratio:.2f} × as fast)"
    says += "".join(f"   {name} {number:.2f}" for name, number in numbers.items())
    return row(what, says, ours_ms=1e3 * ours, peer=peer_name, peer_ms=1e3 * peer, ratio=ratio, **numbers)


def versus(what: str, ours: Run, peer_name: str, peer: Run, repeats: int = 9) -> Row:
    took = medians({"ours": ours, "peer": peer}, repeats)
    return against(what, took["ours"], peer_name, took["peer"])


def left_out(what: str, peer: str, why: str) -> Row:
    return row(what, f"against {peer}: left out, {why}", peer=peer, left_out=why)


def exponent(values: Mapping[int, float]) -> float:
    """The exponent of growth over the length: least squares on logarithms."""
    slope, _ = statistics.linear_regression([math.log(n) for n in values], [math.log(v) for v in values.values()])
    return slope


def in_child(function: Callable, *arguments: object, **environment: str) -> object:
    """What a function of one of our modules returns in a fresh process with one thread, by way of JSON."""
    program = PROGRAM.format(module=function.__module__, name=function.__name__, arguments=arguments)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def grown(run: Callable[[], float]) -> tuple[int, float]:
    """Bytes by which this process grew at its highest during one run, and what that returned. Linux only."""
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    returned = run()
    return max(_memory("VmHWM") - before, 0), returned


def _memory(field: str) -> int:
    """Bytes that this process holds ("VmRSS") or held at most ("VmHWM"; ru_maxrss is the parent's)."""
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def growth(what: str, seconds: Mapping[int, float], says: str = "", **numbers: object) -> Row:
    """How seconds grow with the length."""
    slope = exponent(seconds)
    took = ", ".join(f"{n}: {1e3 * s:.0f} ms" for n, s in seconds.items())
    seconds = {str(n): s for n, s in seconds.items()}
    return row(what, f"time ~ n^{slope:.2f} ({took}){says}", time_exponent=slope, seconds=seconds, **numbers)


def told(rows: Iterator[Row]) -> list[Row]:
    """All rows, printed as they come."""
    kept = []
    for one in rows:
        print(f"{one['what']:62} {one['says']}", flush=True)
        kept.append(one)
    return kept
