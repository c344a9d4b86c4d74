"""Small real data that travels with seqlab. What each file is, and under which terms: SOURCES.md beside this file."""

from __future__ import annotations

import gzip
from pathlib import Path

FOLDER = Path(__file__).parent


def austen() -> str:
    """*Pride and Prejudice* (Jane Austen, 1813): about 685,000 characters, paragraphs parted by blank lines."""
    return _read("austen_pride_and_prejudice.txt.gz")


def split(text: str, test: float = 0.1) -> tuple[str, str]:
    """(training part, test part): the test part is the last `test` share of the text, never shuffled."""
    if not 0 < test < 1:
        raise ValueError(f"test: got {test}, wanted a share between 0 and 1")
    cut = int(len(text) * (1 - test))
    return text[:cut], text[cut:]


def _read(name: str) -> str:
    path = FOLDER / name
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: missing; it belongs to the installation, so install seqlab anew (make setup)"
        ) from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: damaged ({error}); restore it with git checkout, or install seqlab anew") from error
