"""The image: a linter reads its recipe; where buildah is, it is built from Debian's packages, and runs a lab."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

RECIPE = ROOT / "ci" / "image" / "Dockerfile"
MIRROR = "http://deb.debian.org/debian"
TOOLS = ("buildah", "debootstrap")
CHECK = """
set -e
python -m pip check
python -m seqlab release labs --labs 00
cd labs
python -m papermill --no-progress-bar -k python3 -p mode smoke 00_start_here.ipynb run.ipynb
"""


def test_the_linter_has_nothing_to_say_of_the_image():
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), RECIPE], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_linter_would_say_it(tmp_path):
    (tmp_path / "Dockerfile").write_text(RECIPE.read_text().replace("USER 1000", "USER root"))
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), tmp_path / "Dockerfile"], capture_output=True)
    assert done.returncode == 1 and b"DL3002" in done.stdout


def test_image_dev_container_and_binder_use_the_one_lock():
    assert "-r requirements.lock" in RECIPE.read_text()
    copied = re.findall(r"^COPY (.+) \S+$", RECIPE.read_text(), re.M)
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"
    assert not (ROOT / "Dockerfile").exists(), "Binder would take it in place of environment.yml"


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason="needs root, buildah and debootstrap",
)
def test_the_image_is_built_and_runs_a_lab():
    """From an empty root and Debian's packages, since no registry of images may be reached."""
    folder = Path(f"/var/tmp/seqlab-image-{os.getpid()}")
    storage = ["--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs"]
    wheels = folder / "wheels"
    pip = ["--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro", "--volume", f"{wheels}:/wheels:ro"]

    def buildah(verb, *words):
        done = subprocess.run(["buildah", *storage, verb, *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"buildah {verb}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    try:
        folder.mkdir()
        (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        lock = ["--no-deps", "-r", ROOT / "requirements.lock"]  # by this machine's pip, wherever it finds them
        subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", *lock, "-w", wheels], check=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder / "base", MIRROR], check=True)
        empty = buildah("from", "scratch")
        buildah("add", "--quiet", empty, str(folder / "base"), "/")
        buildah("commit", "--quiet", "--rm", empty, "seqlab-base")
        shutil.rmtree(folder / "base")
        how = ["--isolation", "chroot", "--network", "host", "--layers=false", *pip]
        buildah("build", *how, "--build-arg", "BASE=localhost/seqlab-base", "-f", str(RECIPE), "-t", "seqlab", ".")
        made = buildah("from", "--pull-never", "seqlab")
        buildah("run", "--isolation", "chroot", made, "--", "sh", "-c", CHECK)
    finally:
        subprocess.run(["buildah", *storage, "rm", "--all"], capture_output=True)
        subprocess.run(["buildah", *storage, "rmi", "--all", "--force"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
