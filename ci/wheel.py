"""The wheel takes the notebooks along, inside of the package: `python -m seqlab lab DIR` works without a checkout."""

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

LABS = Path(__file__).parents[1] / "labs"


class BuildPy(build_py):
    """As setuptools builds a package, with labs/ as seqlab/labs; an editable install finds labs/ where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            place = Path(self.build_lib, "seqlab", "labs")
            place.mkdir(exist_ok=True)
            for file in LABS.iterdir():
                if file.match("[0-9][0-9]_*.ipynb") or file.suffix in (".md", ".png"):
                    shutil.copy(file, place)
