"""The type checker that tests put on every function of seqlab: an int is welcome where a float is."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def plain(function):
    """The function as a notebook calls it: without the checks that tests add."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function
