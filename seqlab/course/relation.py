"""What a wrong result has to do with the right one: the first sentence of some tables that is true throughout.

Each case that fails says of each sentence whether it is true there, or nothing where it is too small to tell. Told is
one of which some case says yes and none says no: so what a learner reads is true of all that was tried.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from seqlab.course.compare import agree, numbers

Given = Mapping[str, Any]  # the arguments of a case, by name
Wrong = Sequence[tuple[Given, Any, Any]]  # of each case that fails: its arguments, the result, what the reference gives
Truth = tuple[str, bool | None]

ENTRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "with its sign turned": torch.neg,
    "without its signs": torch.abs,
    "taken from 1": lambda w: 1 - w,
    "squared": torch.square,
    "under a root": torch.sqrt,
    "in the denominator, 1 over it": torch.reciprocal,
    "as a logarithm": torch.log,
    "in an exponential": torch.exp,
    "rounded down": torch.floor,
    "rounded": torch.round,
}
NAMED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Yours is the reference times {}": torch.mul,
    "Yours is the reference divided by {}": torch.div,
    "Yours is the reference plus {}": torch.add,
    "Yours is the reference minus {}": torch.sub,
    "Yours is {} minus the reference": lambda w, v: v - w,
    "Yours is {} itself": lambda w, v: v.expand_as(w),
}


def _after(v: Tensor, d: int) -> Tensor:
    return v.narrow(d, 1, v.shape[d] - 1)


def _before(v: Tensor, d: int) -> Tensor:
    return v.narrow(d, 0, v.shape[d] - 1)


# What is said of an axis d where a view of yours, g, and one of the reference, w, agree.
ALONG: dict[str, Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]] = {
    "reversed along": lambda g, w, d: (g, w.flip(d)),
    "one place later along": lambda g, w, d: (_after(g, d), _before(w, d)),
    "one place earlier along": lambda g, w, d: (_before(g, d), _after(w, d)),
    "without its first entry along": lambda g, w, d: (g, _after(w, d)),
    "without its last entry along": lambda g, w, d: (g, _before(w, d)),
    "with one entry too many in front, along": lambda g, w, d: (_after(g, d), w),
    "with one entry too many at the end, along": lambda g, w, d: (_before(g, d), w),
    "summed along": lambda g, w, d: (g.squeeze(), w.sum(d).squeeze()),
    "averaged along": lambda g, w, d: (g.squeeze(), w.mean(d).squeeze()),
    "at its largest along": lambda g, w, d: (g.squeeze(), w.amax(d).squeeze()),
    "at the first entry along": lambda g, w, d: (g.squeeze(), w.select(d, 0).squeeze()),
    "at the last entry along": lambda g, w, d: (g.squeeze(), w.select(d, -1).squeeze()),
    "accumulated along": lambda g, w, d: (g, w.cumsum(d)),
    "divided by its sums along": lambda g, w, d: (g, w / w.sum(d, keepdim=True)),
    "not divided by the sums along": lambda g, w, d: (g / g.sum(d, keepdim=True), w),
    "in another order along": lambda g, w, d: (g.sort(d).values, w.sort(d).values),
    "plus something that does not change along": lambda g, w, d: (g - g.mean(d, True), w - w.mean(d, True)),
    "times something that does not change along": lambda g, w, d: (g / g.norm(2, d, True), w / w.norm(2, d, True)),
}
SPECIAL: dict[str, Callable[[Tensor], Tensor]] = {  # entries of arguments where a mistake may show
    "equal to another": lambda v: ((v.flatten()[:, None] == v.flatten()).sum(1) > 1).view_as(v),
    "tied for the largest": lambda v: (v == v.amax(-1, True)) & ((v == v.amax(-1, True)).sum(-1, True) > 1),
    "0": lambda v: v == 0,
    "beyond ±80": lambda v: v.abs() > 80,
    "negative": lambda v: v < 0,
    "no whole number": lambda v: v != v.floor(),
    "the largest": lambda v: v == v.amax(-1, True),
}


def relation(wrong: Wrong, right: Sequence[Given], axes: Sequence[str] = ()) -> str:
    """One sentence that is true of every wrong result, or ""; `right` are the arguments for which nothing is wrong.

    axes: the names of the reference's axes, if it has any
    """
    tried = [(given, numbers(got), numbers(want)) for given, got, want in wrong]
    seen = [(a, g, w) for a, g, w in tried if g is not None and w is not None and g.numel() and w.numel()]
    if len(seen) < len(wrong):
        return _of_a_part(wrong, right)
    clear = {words for given in right for words, _, mask in _special(given) if mask.any()}
    said = [dict(_sentences(given, g, w, axes, clear if right else None)) for given, g, w in seen]
    for sentence in dict.fromkeys(sentence for truths in said for sentence in truths):
        truth = [truths.get(sentence, False) for truths in said]
        if True in truth and False not in truth:
            return f"{sentence}."
    return ""


def _of_a_part(wrong: Wrong, right: Sequence[Given]) -> str:
    """The relation of that entry of a list in which alone the results differ."""
    lists = [(g, w) for _, g, w in wrong if isinstance(g, list | tuple) and isinstance(w, list) and len(g) == len(w)]
    off = {at for got, want in lists for at, (a, b) in enumerate(zip(got, want)) if a != b}
    if len(off) != 1 or len(lists) < len(wrong):
        return ""
    (at,) = off
    known = relation([(given, got[at], want[at]) for given, got, want in wrong], right)
    return f"Only entry {at} is wrong{': ' + known if known else '.'}"


def _sentences(given: Given, g: Tensor, w: Tensor, axes: Sequence[str], clear: set[str] | None) -> Iterator[Truth]:
    """What may be said of one case, most telling first, and whether it is true; None where it cannot be told."""
    named = [f"axis {d} ({axes[d]})" if len(axes) == w.ndim else f"axis {d}" for d in range(w.ndim)]
    yield "It agrees to four digits and no further: is something float32, or an eps, or a small step", agree(g, w, 1e-4)
    yield from ((f"Yours is the reference {words}", agree(g, view(w))) for words, view in ENTRIES.items())
    for a, b in combinations(range(w.ndim), 2):
        words = f"Yours is the reference transposed: {named[a]} and {named[b]} are exchanged"
        yield words, agree(g, w.transpose(a, b))
    for name, value in _values(given, g, w):
        yield from ((words.format(name), agree(g, view(w, value))) for words, view in NAMED.items())
        if value.shape == w.shape == g.shape and (factor := _constant((g - value) / (w - value))) is not None:
            yield f"What yours adds to {name} is {factor} times what it should be", w.ndim > 0
    for d, axis in enumerate(named):
        for words, views in ALONG.items():
            tells = w.shape[d] > 1 and g.ndim in (w.ndim, w.ndim - 1)
            yield f"Yours is the reference {words} {axis}", _same(views, g, w, d) if tells else None
    off = ~torch.isclose(g, w, rtol=1e-5, atol=1e-8) if g.shape == w.shape else torch.tensor(True)
    for words, place in (*_places(w, named), *((words, mask) for _, words, mask in _special(given))):
        if off.ndim and (place := _aligned(place, w)) is not None:
            yield f"It is wrong only {words}", None if place.all() else not (off & ~place).any().item()
    for words in [words for words, _, mask in _special(given) if mask.any() and clear is not None]:
        yield f"It is wrong only in cases in which {words}", words not in (clear or ())


def _same(views: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]], g: Tensor, w: Tensor, d: int) -> bool:
    try:
        return agree(*views(g, w, d))
    except (IndexError, RuntimeError):  # yours lacks that axis
        return False


def _values(given: Given, g: Tensor, w: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Numbers by which a result may be off, with their names: arguments, lengths, one constant."""
    for name, value in given.items():
        v = numbers(value)
        if v is not None and (v.ndim == 0 or v.shape == w.shape):
            yield name, v
        for d, length in enumerate(v.shape if v is not None else ()):
            yield f"the length of {name} along axis {d}", torch.tensor(length).double()
            yield f"the root of the length of {name} along axis {d}", torch.tensor(length).double().sqrt()
    for v in (g / w, g - w) if g.shape == w.shape else ():
        if (number := _constant(v)) is not None:
            yield number, v.flatten()[0]


def _constant(v: Tensor) -> str | None:
    """The number that all entries are, if they are one; of a single entry only a whole or half one is telling."""
    first = v.flatten()[0]
    same = agree(v, first.expand_as(v)) and (v.numel() > 1 or bool(2 * first == (2 * first).round()))
    return f"{first:.4g}" if same else None


def _places(w: Tensor, named: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Parts of a result in which it may be off."""
    at = [torch.arange(n).view(-1, *(w.ndim - d - 1) * [1]).expand_as(w) for d, n in enumerate(w.shape)]
    for i, axis in zip(at, named):
        yield from ((f"in the {end} place along {axis}", i == i.max() * k) for k, end in enumerate(("first", "last")))
    if w.ndim == 2:
        yield from (("on the diagonal", at[0] == at[1]), ("off the diagonal", at[0] != at[1]))
        yield from (("above the diagonal", at[0] < at[1]), ("below the diagonal", at[0] > at[1]))


def _special(given: Given) -> Iterator[tuple[str, str, Tensor]]:
    """What may be special about arguments: in words for a case and for an entry, and in which entries it is."""
    limits = {f"equal to {name}": float(value) for name, value in given.items() if isinstance(value, int | float)}
    for name, value in given.items():
        v = numbers(value)
        if callable(value):
            yield f"{name} is {getattr(value, '__name__', 'a function')}", "", torch.tensor(True)
        masks = {what: v == limit for what, limit in limits.items() if name not in what} if v is not None else {}
        masks |= {what: mask(v) for what, mask in SPECIAL.items()} if v is not None and v.numel() else {}
        for what, mask in masks.items():
            yield f"{'an entry of ' if mask.ndim else ''}{name} is {what}", f"where {name} is {what}", mask


def _aligned(place: Tensor, w: Tensor) -> Tensor | None:
    """The places of arguments as places of a result, where they go together entry by entry or row by row."""
    if place.ndim and place.shape != w.shape and len(place) == len(w):
        place = place.view(len(w), -1).any(1).view(-1, *(w.ndim - 1) * [1]).expand_as(w)
    return place if place.shape == w.shape else None
