"""Where things are, for tests."""

from pathlib import Path

from seqlab.course.rooms import lab_files

ROOT = Path(__file__).parents[1]
LAB_FILES = lab_files(ROOT / "labs")
