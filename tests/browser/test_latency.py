"""The latencies of the report are measured here once; how fast is fast enough is not a test's to say."""

import json
import subprocess
import sys

import pytest

from ci import latency
from ci.jupyter_browser import INSTALL, chromium
from tests.places import ROOT


@pytest.mark.slow
def test_latencies_go_into_the_report():
    if chromium() is None:
        pytest.skip(INSTALL)
    done = subprocess.run([sys.executable, "-m", "ci.latency"], cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(latency.REPORT.read_text())["figures"]
    assert {figure["size"] for figure in figures if not figure["peer"]} == {64, 1024, 4096}
    assert [figure["size"] for figure in figures if figure["peer"]] == [1024]
    assert all(0 < figure["median_ms"] <= figure["p95_ms"] and figure["n"] >= 8 for figure in figures)
