"""Progress: one JSON file beside the notebooks, written atomically, never thrown away.

    {"version": 1, "exercises": {"names.softmax": {"state": "right", "tries": 3, "hints": 1, "solution": false, "at":
    "…"}}}

A file that cannot be read, or that a newer seqlab wrote, is kept aside under a name that says so, and a fresh one is
begun with the states that can still be found in it. An older version is carried over, its original kept aside as well.
"""

import json
import math
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from filelock import FileLock, Timeout

from seqlab.course.rooms import current

VERSION = 1
STATES = ("open", "wrong", "right")
SOUND = {  # what a value must be to be used; others are left out, and fields of other names are let alone
    "state": lambda value: value in STATES,
    "tries": lambda value: type(value) is int and value >= 0,
    "hints": lambda value: type(value) is int and value >= 0,
    "solution": lambda value: type(value) is bool,
    "at": lambda value: type(value) is str,
}
NESTING, DEEPEST = {"[": 1, "{": 1, "]": -1, "}": -1}, 50


_begun: list[Path] = []  # the folder at `course.begin`: a %cd afterwards changes nothing
_unsaved: dict[str, dict] = {}  # records that could not be written; the lab goes on with them
_trouble: list[str] = []  # why, as long as it lasts


def path() -> Path:
    """Where SEQLAB_PROGRESS points, or beside the notebook: in the kernel's folder when the lab began."""
    return Path(os.environ.get("SEQLAB_PROGRESS") or (_begun or [Path.cwd()])[0] / "progress.json")


def keep_in(file: str | Path | None) -> None:
    """Fix the place for the rest of this session, and see whether it can be written."""
    _begun[:] = [Path.cwd()]
    if file is not None:
        os.environ["SEQLAB_PROGRESS"] = str(Path(file).absolute())
    _trouble.clear()
    try:
        with FileLock(f"{path()}.lock", timeout=5):
            pass
    except (OSError, Timeout) as error:
        _trouble[:] = [_words(error)]


def notice() -> str:
    """A steady line while nothing can be saved, or ""."""
    if not _trouble:
        return ""
    cure = (
        "Set SEQLAB_PROGRESS to a file of yours, or begin with course.begin(...,"
        ' progress="/your/folder/progress.json").'
    )
    return (
        f"Your progress is not saved: {path()} cannot be written ({_trouble[0]}). Everything works until the kernel"
        f" stops. {cure}"
    )


def read() -> dict:
    """All recorded exercises, {id: record}; a file that cannot be used is put aside and counts as empty."""
    try:
        return _stored() | _unsaved
    except OSError as error:
        _trouble[:] = [_words(error)]
        return dict(_unsaved)


def _stored() -> dict:
    file = _file()
    try:
        text = file.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        return _aside(file, "unreadable", str(error))
    try:
        if (depth := max(accumulate(NESTING.get(sign, 0) for sign in text), default=0)) > DEEPEST:
            raise ValueError(f"nested {depth} deep")
        stored = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 16 else math.inf)
        version = stored["version"] if "version" in stored else 0
        if version > VERSION:
            return _aside(file, f"version-{version}", f"a newer seqlab wrote version {version}")
        exercises = _clean(stored["exercises"] if version or "exercises" in stored else stored)
        if version < VERSION and not any(file.parent.glob(f"{file.stem}.version-{version}*")):
            _free(file, f"version-{version}").write_text(text, encoding="utf-8")
        return exercises
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return _aside(file, "corrupt", f"it is not a progress file ({type(error).__name__}: {error})", _found(text))


def update(id: str, change: Callable[[dict], dict]) -> dict:
    """Replace the record of exercise `id` by `change(record)`, safe against a second notebook doing the same."""
    file = _file()
    try:
        with FileLock(f"{file}.lock", timeout=5):
            exercises = _stored() | _unsaved
            exercises[id] = {
                **change(dict(exercises.get(id, {}))),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            _write(file, {"version": VERSION, "exercises": exercises})
        _unsaved.clear()
        _trouble.clear()
        return exercises[id]
    except (OSError, Timeout) as error:
        _trouble[:] = [_words(error)]
        _unsaved[id] = change(dict(read().get(id, {})))
        return _unsaved[id]


def _words(error: OSError | Timeout) -> str:
    return "another process holds its lock" if isinstance(error, Timeout) else str(error)


def _file() -> Path:
    """The file itself, where its place is a link to it."""
    return Path(os.path.realpath(path()))


def _clean(exercises: object) -> dict:
    """The records without what is odd in them; a bare state, as version 0 had them, becomes a record."""
    if not isinstance(exercises, dict):
        raise TypeError("it holds no table of exercises")
    records = [
        (current(id), record if isinstance(record, dict) else {"state": record})
        for id, record in exercises.items()
        if id != "version"
    ]
    records.sort(key=lambda pair: pair[1].get("state") == "right")  # of an id that comes twice, under an older name
    any_value = lambda value: True
    return {id: {key: v for key, v in record.items() if SOUND.get(key, any_value)(v)} for id, record in records}


def _found(text: str) -> dict:
    """The states that a damaged file still shows."""
    found = re.findall(r'"(\w+\.[\w.]+)"\s*:\s*(?:\{[^{}]*?"state"\s*:\s*)?"(open|wrong|right)"', text)
    return {current(id): {"state": state} for id, state in sorted(found, key=lambda pair: STATES.index(pair[1]))}


def _write(file: Path, content: dict) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, file)


def _aside(file: Path, reason: str, why: str, found: dict | None = None) -> dict:
    """Rename the file, and begin a fresh one with what was found in it."""
    kept = _free(file, reason)
    try:
        os.replace(file, kept)
    except OSError as error:
        raise OSError(f"{file}: {why}, and it cannot be moved aside ({error}); move it by hand") from error
    print(f"The progress file could not be used: {why}. It is kept as {kept.name}; a fresh one begins.")
    if found:
        _write(file, {"version": VERSION, "exercises": found})
    return found or {}


def _free(file: Path, reason: str) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    names = (f"{file.stem}.{reason}-{stamp}{f'-{n}' if n else ''}{file.suffix}" for n in range(1000))
    return next(file.with_name(name) for name in names if not file.with_name(name).exists())
