"""The wheel where no checkout is, beside another torch than the lock's: labs run, and nothing of that torch moves.

Which torch that is: SEQLAB_OTHER_TORCH, or what stands here. It is as large as torch is, hence slow.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from seqlab.course.handout import release
from tests.places import ROOT

pytestmark = pytest.mark.slow
TORCH = os.environ.get("SEQLAB_OTHER_TORCH", "2.14.1")
LABS = ("00", "01", "08")


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory(prefix="seqlab-wheel-") as folder:  # gigabytes: pytest would keep three of them
        yield Path(folder)


@pytest.fixture(scope="module")
def run(place):
    """Run a command in the environment, far from the checkout: what it prints."""
    subprocess.run([sys.executable, "-m", "venv", place / "env"], check=True)
    (place / "work").mkdir()
    python = place / "env" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEQLAB"))}
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"

    def run(*words):
        done = subprocess.run(
            [python, "-m", *words], cwd=place / "work", env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    run("pip", "install", "-q", f"torch=={TORCH}")
    return run


def test_labs_run_in_an_environment_of_somebody_elses(place, run):
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place, ROOT]
    subprocess.run(build, check=True)
    [wheel] = place.glob("*.whl")
    run("pip", "install", "-q", "papermill", "nbconvert", "ipykernel")  # as a hosted notebook has them
    release(place / "colab", labs=LABS, for_="colab", wheel=str(wheel))
    before = run("pip", "list", "--format=freeze").splitlines()
    for number, path in enumerate(sorted((place / "colab").glob("*.ipynb"))):
        shutil.copy(path, place / "work")
        run(
            "papermill",
            "--no-progress-bar",
            "-k",
            "python3",
            "-p",
            "mode",
            "smoke",
            path.name,
            f"papermill-{path.name}",
        )
        execute = ("--to", "notebook", "--execute", "--output", f"nbconvert-{path.name}", path.name)
        run("nbconvert", "--log-level=ERROR", *execute)
        for executed in (place / "work").glob(f"*-{path.name}"):
            cells = json.loads(executed.read_text())["cells"]
            outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
            assert not [output for output in outputs if output["output_type"] == "error"]
            [held, of] = re.search(r"(\d+) of (\d+) claims hold", json.dumps(outputs[-1])).groups()
            assert held == of, executed.name
    after = run("pip", "list", "--format=freeze").splitlines()
    held = [pin for pin in before if pin.split("==")[0] in ("torch", "triton", "numpy")]
    assert held and set(held) <= set(after) and any(pin.startswith("seqlab==") for pin in after)
    assert "No broken requirements" in run("pip", "check")
    assert f"torch {TORCH}" in run("seqlab")  # the doctor
