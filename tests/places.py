"""Where things are, for tests."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
LAB_FILES = sorted((ROOT / "labs").glob("[0-9]*.ipynb"))
