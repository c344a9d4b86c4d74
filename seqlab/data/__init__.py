"""Small real data that travels with seqlab. What each file is, and under which terms: SOURCES.md beside this file."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent


def austen() -> str:
    """*Pride and Prejudice* (Jane Austen, 1813): about 685,000 characters, paragraphs parted by blank lines."""
    return _read("austen_pride_and_prejudice.txt.gz")


def faqs() -> dict[str, list[tuple[str, str]]]:
    """Frequently asked questions: document → (question, answer) pairs in order. Debian 11.0, Perl 5.36, Python 3.11."""
    sources = [json.loads(_read(f"faq_{name}.json.gz")) for name in ("debian", "perl", "python_docs")]
    return {
        name.partition(".")[0]: [(question, answer) for question, answer in pairs]
        for source in sources
        for name, pairs in source.items()
    }


def fashion() -> dict[str, Tensor]:
    """A slice of Fashion-MNIST: "x_train" (3000, 28, 28), "x_test" (600, 28, 28), grey 0 to 1; "y_…", 0 to 9."""
    arrays = _arrays("fashion_mnist_3600.npz")
    return {name: array.float() / 255 if name[0] == "x" else array.long() for name, array in arrays.items()}


def vowels() -> dict[str, Tensor]:
    """Japanese Vowels: utterances of nine men, 12 cepstrum coefficients a frame, 7 to 29 frames, filled up with zeros.

    "x_train" (270, 29, 12), "x_test" (370, 29, 12); "real_…" (utterance, 29), true where a frame is one; "y_…", who
    spoke.
    """
    arrays, out = _arrays("japanese_vowels.npz"), {}
    for part in ("train", "test"):
        lengths = arrays[f"len_{part}"].long()
        real = torch.arange(29) < lengths[:, None]
        x = torch.zeros(*real.shape, 12)
        x[real] = arrays[f"frames_{part}"]
        out |= {f"x_{part}": x, f"real_{part}": real, f"y_{part}": arrays[f"y_{part}"].long()}
    return out


def shakespeare() -> list[str]:
    """Eight plays, one text each, from the title to the last line; speakers stand in capitals on lines of their own."""
    text = _read("shakespeare_8_plays.txt.gz")
    starts = [text.rfind("\n", 0, at.start()) + 1 for at in re.finditer(r"\n\n ACT I\n", text)]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)])]


def chlamydia() -> tuple[str, list[tuple[str, int, int, str]]]:
    """*Chlamydia trachomatis* D/UW-3/CX: (1,042,519 bases, [(type, start, end, strand), …]); from 0, ends exclusive."""
    lines = _read("c_trachomatis_AE001273.fa.gz").split("\n")
    rows = [line.split("\t") for line in _read("c_trachomatis_features.tsv.gz").splitlines()[1:]]
    return "".join(lines[1:]).upper(), [(row[0], int(row[1]), int(row[2]), row[3]) for row in rows]


def splice_junctions() -> list[tuple[str, str]]:
    """3,186 stretches of 60 bases: (kind "ei", "ie" or "n", bases). 185 are duplicates: remove them before a split."""
    rows = (line.split("\t") for line in _read("splice_junctions_3186.tsv.gz").splitlines()[1:])
    return [(kind, bases) for kind, bases in rows]


def split(text: str, test: float = 0.1) -> tuple[str, str]:
    """(training part, test part): the test part is the last `test` share of the text, never shuffled."""
    if not 0 < test < 1:
        raise ValueError(f"test: got {test}, wanted a share between 0 and 1")
    cut = int(len(text) * (1 - test))
    return text[:cut], text[cut:]


def _arrays(name: str) -> dict[str, Tensor]:
    path = FOLDER / name
    try:
        with np.load(path) as file:
            return {key: torch.from_numpy(file[key]) for key in file}
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: missing; it belongs to the installation, so install seqlab anew (make setup)"
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged ({error}); restore it with git checkout, or install seqlab anew") from error


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
