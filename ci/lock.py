"""Write requirements.lock: resolve pyproject.toml in a fresh environment and pin everything that came.

    python -m ci.lock

No hashes: torch's CPU and CUDA builds share a version and not a file. The CUDA libraries that torch pulls on a machine
with a GPU are pinned by torch's own metadata.
"""

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINUX_X86 = 'sys_platform == "linux" and platform_machine == "x86_64"'
MARKERS = {
    "triton": LINUX_X86,
    "pexpect": 'sys_platform != "win32"',
    "ptyprocess": 'sys_platform != "win32"',
}
ELSEWHERE = {  # what the same requirements pull on other systems
    "appnope==1.0.0": 'sys_platform == "darwin"',
    "colorama==0.4.6": 'sys_platform == "win32"',
    "pywinpty==3.1.2": 'sys_platform == "win32"',
}
BY_HAND = ("huggingface",)  # extras that no lab, test or CI step needs
HEADER = """\
# Every package that seqlab's labs, tests and CI use, direct and transitive. Written by `python -m ci.lock`.
# torch comes as its CPU build where the index offers one; on a CUDA machine torch's own metadata pins the CUDA libraries.
"""


def requirements() -> list[str]:
    """All direct requirements of pyproject.toml, build system included, and its extras but for those put in by hand."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        table = tomllib.load(file)
    project = table["project"]
    groups = project["optional-dependencies"].items()
    extras = [line for name, group in groups if name not in BY_HAND for line in group]
    return project["dependencies"] + extras + table["build-system"]["requires"]


def resolve() -> list[str]:
    """`name==version` of everything that a fresh environment needs."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements()], check=True)
        freeze = [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
        lines = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.split()
    return [line.split("+")[0] for line in lines if not line.startswith("pip==")]


def main() -> None:
    pins = {line: MARKERS.get(line.split("==")[0].lower()) for line in resolve()} | ELSEWHERE
    lines = [
        f"{pin} ; {marker}" if marker else pin for pin, marker in sorted(pins.items(), key=lambda item: item[0].lower())
    ]
    target = ROOT / "requirements.lock"
    fresh = target.with_suffix(".lock.new")
    fresh.write_text(HEADER + "\n".join(lines) + "\n")
    fresh.replace(target)
    print(f"{target.name}: {len(lines)} pins")


if __name__ == "__main__":
    sys.exit(main())
