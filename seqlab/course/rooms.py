"""The house, read off its folders: rooms of `seqlab/`, notebooks of `labs/`. Nothing lists them; adding one is enough.

A folder of `seqlab/` that holds claims or exercises is a room. A notebook `NN_word….ipynb` is a lab; its room is the
one whose name its own begins with, and what else there is to know stands in the notebook's metadata under "seqlab":

    minutes, difficulty    of reading and playing
    needs                  what its machine must offer beside a CPU
    rooms                  where it uses more than one
    after                  where its number is not its place in the order of reading: the number of the lab before it
    paper                  short, title, pattern, normalizer, depth, sentence: its place on the map of lab 00
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
INSTALLED = (PACKAGE / "labs").is_dir()  # from a wheel, which carries the notebooks inside of the package
LABS = PACKAGE / "labs" if INSTALLED else PACKAGE.parent / "labs"
MINUTES = {"•": 5, "••": 10, "•••": 20}  # that an exercise takes, by its difficulty mark
SIGNS = ("claims.toml", "exercises.py", "exercises/__init__.py")
NAME = re.compile(r"\d\d_\w+")
GATE = re.compile(r"^@exercise\(\s*[\"']([\w.]+)[\"']", re.M)
ALIASES = {  # rooms, and exercises, that had another name when somebody's notebook or progress was written
    "kernels": "tiles",
    "looped.block": "looped_training.block",
    "looped.modulated": "looped_training.modulated",
    "turing.relay": "big_bird.relay",
}


@dataclass(frozen=True)
class Lab:
    """One notebook of `labs/`, as it describes itself."""

    slug: str
    title: str
    exercises: tuple[str, ...]
    rooms: tuple[str, ...]
    minutes: int = 0
    difficulty: str = ""
    needs: tuple[str, ...] = ()
    after: str = ""
    paper: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        return self.slug[:2]


def rooms() -> list[str]:
    """The names of all rooms."""
    return sorted(path.name for path in PACKAGE.iterdir() if any((path / sign).exists() for sign in SIGNS))


def current(id: str) -> str:
    """The id that an exercise has today; ids of before a room was renamed or divided are still understood."""
    room, _, name = id.partition(".")
    return ALIASES.get(id) or (f"{ALIASES.get(room, room)}.{name}" if name else id)


def answer(id: str) -> str:
    """What stands under an id in its room's `answers.toml`. Raises ValueError where nothing does."""
    file = PACKAGE / current(id).partition(".")[0] / "answers.toml"
    known = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if current(id) not in known:
        raise ValueError(f"{id!r}: {file} has no answer with this id")
    return known[current(id)]


def rooms_of(slug: str, metadata: Mapping) -> tuple[str, ...]:
    """The rooms that a notebook uses; for one that belongs to no room, its own name without the number."""
    word = re.sub(r"^\d\d_", "", slug)
    begins = [room for room in rooms() if f"{word}_".startswith(f"{room}_")]
    return tuple(metadata.get("seqlab", {}).get("rooms") or [max(begins, key=len, default=word)])


def lab_files(folder: Path) -> list[Path]:
    """The labs in a folder, in order; a learner's copies and other notebooks are none."""
    return sorted(path for path in folder.glob("*.ipynb") if NAME.fullmatch(path.stem))


def labs(folder: Path | None = None) -> list[Lab]:
    """The labs of `folder` as they are to be read; without one, of where the notebook runs, or all of seqlab's."""
    files = lab_files(folder or Path.cwd()) or lab_files(LABS)
    return sorted(map(read, files), key=lambda lab: (lab.after or lab.number, lab.number))


def read(path: Path) -> Lab:
    """What the notebook at `path` says of itself; a damaged one goes by its file's name, and the others are read on."""
    try:
        return describe(path.stem, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Lab(path.stem, f"{path.name} (damaged)", (), rooms_of(path.stem, {}))


def describe(slug: str, notebook: Mapping) -> Lab:
    """What a notebook (nbformat dict) says of itself."""
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    said = {key: value for key, value in notebook["metadata"].get("seqlab", {}).items() if key != "rooms"}
    title = next((text.split("\n")[0].lstrip("# ") for kind, text in sources if kind == "markdown"), slug)
    asked = tuple(current(id) for kind, text in sources if kind == "code" for id in GATE.findall(text))
    said["needs"] = tuple(said.get("needs", ()))
    return Lab(slug, title, asked, rooms_of(slug, notebook["metadata"]), **said)
