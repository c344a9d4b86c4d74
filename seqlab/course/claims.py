"""Claims: every number that a notebook states, on record.

`claim("id", value)` shows the number beside what the paper says and attaches a machine-readable record to the cell's
output. The room's `claims.toml` holds, per id, the statement of the paper and the expected relation:

    ["names.average.separation"]
    statement = "Average attention gives every token of a sequence the same context."
    source = "Yun et al. 2019, Definition 3.1"
    equals = 0.0            # with `tolerance`, or `at_least` and/or `at_most`
    modes.smoke.at_most = 1.0     # a mode may have bounds of its own
    not_tested = ["smoke"]        # a mode too small to test it shows the number and gives no tick
    how = "read"                  # one of HOW; "computed" where it is left out

Nothing here needs a notebook: the runner in CI uses the same parser and the same judge.
"""

import hashlib
import json
import math
import numbers
import sys
import tomllib
from collections import namedtuple
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from seqlab.course.rooms import PACKAGE

MIME = "application/vnd.seqlab.claim+json"
MODES = ("smoke", "lab", "full")
HOW = {
    "computed": "computed",
    "arithmetic": "arithmetic",
    "read": "read from a shipped run",
    "read, or trained in full": "read from a shipped run (mode full trains it here)",
    "read, or measured": "read from a shipped run (measured here where the English model is installed)",
    "read, or compiled": "read from kernels compiled before (in mode lab the slider compiles its own)",
}
NOT_TESTED = "not tested in this mode"
_BOUNDS = {"equals", "tolerance", "at_least", "at_most"}


# Whether a claim holds, None where the mode does not test it; and by how much: the distance to the nearest bound,
# negative where it fails.
Judgement = namedtuple("Judgement", "ok margin")


@dataclass(frozen=True)
class Expectation:
    """What one claim must satisfy, read from the claims file."""

    id: str
    statement: str
    source: str = ""
    bounds: Mapping[str, float] = field(default_factory=dict)
    by_mode: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    how: str = "computed"
    not_tested: tuple[str, ...] = ()

    @property
    def room(self) -> str:
        return self.id.partition(".")[0]

    def bounds_in(self, mode: str) -> Mapping[str, float]:
        """The bounds that hold in `mode`: the mode's own where it has any, else the common ones."""
        return self.by_mode.get(mode) or self.bounds

    def expected(self, mode: str = "lab") -> str:
        """The relation in words, such as `= 0 ± 1e-12` or `≥ 0.9`, or that this mode does not test it."""
        if mode in self.not_tested:
            return NOT_TESTED
        bounds = self.bounds_in(mode)
        if isinstance(bounds.get("equals"), bool):
            return "yes" if bounds["equals"] else "no"
        spread = f" ± {_shown(bounds['tolerance'])}" if bounds.get("tolerance") else ""
        words = {"equals": f"= {{}}{spread}", "at_least": "≥ {}", "at_most": "≤ {}"}
        return " and ".join(text.format(_shown(bounds[each])) for each, text in words.items() if each in bounds)

    def judge(self, value: float | int | bool, mode: str = "lab") -> Judgement:
        """Compare `value` with the bounds of `mode`, if it tests the claim. NaN never passes, infinity as `equals`."""
        if mode in self.not_tested:
            return Judgement(None, math.inf)
        bounds, value = self.bounds_in(mode), _float(value)
        if not math.isfinite(value):
            return Judgement(bounds.get("equals") == value, -math.inf)
        margins = {
            "equals": lambda bound: bounds.get("tolerance", 0) - abs(value - bound),
            "at_least": lambda bound: value - bound,
            "at_most": lambda bound: bound - value,
        }
        margin = min(of(bounds[relation]) for relation, of in margins.items() if relation in bounds)
        return Judgement(margin >= 0, margin)


def _float(value: float | int | bool) -> float:
    """As a float; an integer beyond its range counts as the largest one."""
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _shown(bound: float | int) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def load_expectations(path: Path | str | None = None) -> dict[str, Expectation]:
    """The claims of all rooms, or of one file. Raises ValueError, naming the claim, where an entry is malformed."""
    if path is not None:
        return _read(Path(path))
    found = {}
    for file in sorted(PACKAGE.glob("*/claims.toml")):
        found |= (listed := _read(file))
        if strange := [id for id, claim in listed.items() if claim.room != file.parent.name]:
            raise ValueError(
                f"{file}: claim {strange[0]!r}: ids in this file begin with {file.parent.name!r}, its room"
            )
    return found


def expectation(id: str) -> Expectation | None:
    """What the claim must satisfy; None where its room does not list it."""
    file = PACKAGE / id.partition(".")[0] / "claims.toml"
    return _read(file).get(id) if file.exists() else None


def _read(path: Path) -> dict[str, Expectation]:
    return dict(_parsed(path, path.stat().st_mtime_ns))


@cache
def _parsed(path: Path, changed: int) -> dict[str, Expectation]:
    """What stands in the file at `path`, parsed once after each change: every claim of a lab asks."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    return {id: _expectation(id, entry, path) for id, entry in table.items()}


def _expectation(id: str, entry: object, path: Path) -> Expectation:
    def wrong(what: str) -> ValueError:
        return ValueError(f"{path}: claim {id!r}: {what}")

    if not isinstance(entry, dict):
        raise wrong('not a table; quote ids that contain dots: ["room.claim"]')
    if unknown := set(entry) - _BOUNDS - {"statement", "source", "how", "modes", "not_tested"}:
        raise wrong(f"unknown keys {sorted(unknown)}")
    if not isinstance(entry.get("statement"), str) or not entry["statement"]:
        raise wrong("needs a non-empty 'statement'")
    bounds = {key: entry[key] for key in _BOUNDS if key in entry}
    by_mode = entry.get("modes", {})
    if not isinstance(by_mode, dict) or set(by_mode) - set(MODES):
        raise wrong(f"modes must be a table with some of {', '.join(MODES)}")
    for where, group in {"": bounds, **by_mode}.items():
        if not isinstance(group, dict) or set(group) - _BOUNDS:
            raise wrong(f"modes.{where} must be a table with some of {sorted(_BOUNDS)}")
        for key, value in group.items():
            if not isinstance(value, int | float) or isinstance(value, bool) and key != "equals":
                raise wrong(f"{f'modes.{where}.' if where else ''}{key} must be a number, got {value!r}")
    how, not_tested = entry.get("how", "computed"), tuple(entry.get("not_tested", ()))
    if how not in HOW:
        raise wrong(f"how: got {how!r}, wanted one of {', '.join(HOW)}")
    if strange := set(not_tested) - {"smoke", "full"} | set(not_tested) & set(by_mode):
        raise wrong(f"not_tested: got {sorted(strange)}, wanted smoke or full, where no bounds are given for it")
    relations = {"equals", "at_least", "at_most"}
    missing = [mode for mode in MODES if not relations & set(by_mode.get(mode) or bounds)]
    if missing:
        raise wrong(f"no bound (equals, at_least, at_most) in mode {', '.join(missing)}")
    return Expectation(id, entry["statement"], entry.get("source", ""), bounds, by_mode, how, not_tested)


def plain(value: Any, id: str = "value") -> int | float | bool:
    """`value` as a plain Python number; TypeError with the likely cause otherwise."""
    if hasattr(value, "item") and getattr(value, "numel", lambda: getattr(value, "size", 1))() == 1:
        value = value.item()
    if isinstance(value, Fraction):
        value = value.numerator if value.denominator == 1 else float(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, numbers.Real):
        return float(value)
    shape = getattr(value, "shape", None)
    got = f"{type(value).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
    raise TypeError(f"claim {id!r}: wanted one number, got {got}; reduce it first (.max(), .item(), len(...))")


def fingerprint(values: Mapping[str, float | int | bool] | Iterable[tuple[str, float | int | bool]]) -> str:
    """A short hash of (id, value) pairs, independent of their order; floats count to six significant digits."""
    lines = sorted(
        f"{id}={value if isinstance(value, bool | int) else format(value, '.6g')}" for id, value in dict(values).items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def record(id: str, value: object, expectation: Expectation | None, mode: str) -> dict:
    """The JSON record that travels with the cell's output (infinities and NaN as strings, as JSON has none)."""
    value = plain(value, id)
    judgement = expectation.judge(value, mode) if expectation else None
    return {
        "id": id,
        "value": value if isinstance(value, int) else _number(value),
        "mode": mode,
        "ok": judgement.ok if judgement else None,
        "margin": None if judgement is None or not math.isfinite(judgement.margin) else judgement.margin,
    }


def records_in(notebook: Mapping) -> list[dict]:
    """All claim records in an executed notebook (nbformat dict), in order, with the index of their cell.

    An output holds one record, or a list of those that a table shows. A record that `claim` did not write (no id, or a
    value that is no number) has "odd": what stands there instead.
    """
    found = []
    for index, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", ()):
            data = output.get("data", {}).get(MIME, [])
            found += [_checked(made) | {"cell": index} for made in (data if isinstance(data, list) else [data])]
    return found


def _checked(data: Any) -> dict:
    try:
        entry = json.loads(data) if isinstance(data, str) else dict(data)
        if isinstance(entry["id"], str) and isinstance(entry["value"], int | float | str):
            return entry | {"value": entry["value"] if isinstance(entry["value"], int) else _number(entry["value"])}
    except (ValueError, TypeError, KeyError):
        pass
    return {"id": "", "value": None, "odd": repr(data)[:200]}


def _number(value: float | str) -> float | str:
    """A float as JSON has it: infinities and NaN stay the words that `record` made of them. ValueError for others."""
    return float(value) if math.isfinite(float(value)) else repr(float(value))
