"""A configuration: a TOML file beside this one, or elsewhere, and what the command line changes of it."""

import inspect
import tomllib
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
KNOWN = sorted(file.stem for file in FOLDER.glob("*.toml") if file.stem != "defaults")


def named(place: str) -> Callable[..., Any]:
    """The function at "module:function"."""
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)


def read(name: str, changes: Sequence[str] = ()) -> Namespace:
    """The configuration `name`, one of the files here or a path, with changes such as "lr=1e-3", "data=shipped".

    Every key of defaults.toml is an attribute; all others, the sizes of the model, are in `sizes`. "data=shipped" puts
    the table [shipped] of the file in place: data that comes with seqlab, and sizes for a laptop.

    Raises ValueError with the nearest name where a key is none, or what was wanted where a value is of another type.
    """
    path = FOLDER / f"{name}.toml" if name in KNOWN else Path(name)
    if not path.is_file():
        raise ValueError(f"{name}: no such configuration; wanted one of {', '.join(KNOWN)}, or the path of a TOML file")
    defaults, table = (tomllib.loads(file.read_text(encoding="utf-8")) for file in (FOLDER / "defaults.toml", path))
    shipped, given = table.pop("shipped", {}), {}
    for key, _, value in (change.partition("=") for change in changes):
        given[key] = value
        with suppress(tomllib.TOMLDecodeError):  # what is no TOML is a word
            given[key] = tomllib.loads(f"it = {value}")["it"]
    if given.get("data") == "shipped":
        given = shipped | given | {"data": shipped["data"]}
    table = {"out": f"build/scale/{path.stem}"} | table | given
    known = [*defaults, *list(inspect.signature(named(table["model"])).parameters)[3:]]
    for key, value in table.items():
        if key not in known:
            near = get_close_matches(key, known, 1, 0)[0]
            raise ValueError(f"{key}: no key of {path.name}; did you mean {near}? Known are {', '.join(known)}")
        if type(value) not in (type(defaults.get(key, value)), int):
            raise ValueError(f"{key}: got {value!r}, wanted a value like {defaults[key]!r}")
    sizes = {key: value for key, value in table.items() if key not in defaults}
    return Namespace(**defaults | {key: table[key] for key in table.keys() - sizes}, sizes=sizes)
