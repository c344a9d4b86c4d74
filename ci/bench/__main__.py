"""`make bench`: all rows that a CPU and a browser can give, into build/report/bench.json.

    python -m ci.bench [--quick] [--no-browser]

Timings are medians; other load on the machine shows up in both columns.
"""

import argparse
import json
from pathlib import Path

import torch

import kernels
from ci import latency
from ci.bench import big_bird, core, cpu, shapes
from ci.bench.rows import told
from ci.jupyter_browser import INSTALL, chromium
from ci.result import write_text
from kernels import native


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure against peers in the same run.")
    parser.add_argument("--no-browser", action="store_true", help="leave out the widget latencies")
    parser.add_argument(
        "--quick", action="store_true", help="shorter sequences, a quarter of the memory, no FlexAttention"
    )
    arguments = parser.parse_args()
    kernels.attention(*cpu.inputs(64))  # built here, not in the middle of a measurement
    print(native.status())
    rows = []
    for part in (core, shapes, cpu, big_bird):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        rows += told(part.measure(arguments.quick))
    write_text(Path("build/report/bench.json"), json.dumps(rows, indent=1) + "\n")
    if arguments.no_browser:
        return
    if chromium() is None:
        print(f"Widget latencies left out. {INSTALL}")
        return
    latency.main()


if __name__ == "__main__":
    main()
