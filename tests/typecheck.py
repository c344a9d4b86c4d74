"""The type checker that tests put on every function of seqlab: an int is welcome where a float is."""

import builtins
import inspect
import re
import typing
from functools import partial

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def is_shapeless(function) -> bool:
    """Whether all its annotations are of classes that are known here and are no shapes: there is nothing to agree on
    between them, and binding the arguments of each call anew, as for shapes, would outlast what small functions do.
    """
    names = {**vars(builtins), **function.__globals__}
    said = (kind.__name__ if isinstance(kind, type) else str(kind) for kind in function.__annotations__.values())
    words = {word for kind in said for word in re.findall(r"\w+", kind)}
    kinds = [names.get(word) for word in words - {"None"}]
    shapes = (jaxtyping.AbstractArray, jaxtyping.AbstractDtype)
    return all(isinstance(kind, type) and not issubclass(kind, shapes) or kind is typing.Any for kind in kinds)


def jaxtyped(*function, known=jaxtyping.jaxtyped, **options):
    """In place of jaxtyping's: functions that are told no shape are checked without its bookkeeping."""
    if not function:
        return partial(jaxtyped, **options)
    plain_one = inspect.isfunction(*function) and is_shapeless(*function)
    return checked(*function) if plain_one else known(*function, **options)


jaxtyping.jaxtyped = jaxtyped


def plain(function):
    """The function as a notebook calls it: without the checks that tests add."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function
