"""The exercises of lab 02 on names and values: the sweep, the global shift, and one layer of the table."""

import torch
from einops import einsum

from seqlab.attention import hardmax
from seqlab.course.check import Exercise, Mutant
from seqlab.universal.exercises.blocks import _row, two_heads


def sweep_step(ids, level, gain):
    """The ids after one layer of the sweep: gain times the selective shift, for the id `level` alone.
    ids: (token,) -> (token,)

    Ids are whole numbers, so a window half a unit wide on either side holds one id. Use two_heads.
    """
    return ids + gain * two_heads(ids, level - 0.5, level + 0.5)


def global_shift(ids, spread):
    """ids + spread · head(0), a single head: scores ids[key] · ids[query], weights by hardmax, values ids.
    ids: (token,) -> (token,)
    """
    scores = einsum(ids, ids, "query, key -> query key")
    return ids + spread * einsum(hardmax()(scores), ids, "query key, key -> query")


def value_layer(x, u, name, old, new, delta):
    """x + (new − old) φ(uᵀx − name): the token with this name becomes `new`.
    x: (token, dim); u, old, new: (dim,) -> (token, dim)

    φ(t) = 1 for −δ/2 ≤ t < δ/2, and 0 elsewhere. `old` is the token that the sweep gave this name.
    """
    t = x @ u - name
    phi = ((t >= -delta / 2) & (t < delta / 2)).to(x.dtype)
    return x + phi[:, None] * (new - old)


def _plain(values):
    return ", ".join(f"{value:g}" for value in values)


def _sweep_cases():
    return [
        (_row(0, 2), 0, 4),
        (_row(0, 2), 1, 4),
        (_row(8, 2), 2, 4),
        (_row(3, 1, 2), 1, 4),
        (_row(9, 2, 3), 2, 4),
        (_row(9, 30, 5, 7), 5, 9),
    ]


def _others_stay(arguments, result):
    ids, level, gain = arguments
    for value, got in zip(ids, result):
        if value != level and value != got:
            return f"only the id {level} jumps at this layer; yours moves {value:g} to {got:g}."


def _passes_the_maximum(arguments, result):
    ids, level, gain = arguments
    for value, got in zip(ids, result):
        if value == level and not got > ids.max():
            return f"{value:g} must jump past the largest id, {ids.max():g}; yours lands at {got:g}."


def _jump(arguments, result):
    ids, level, gain = arguments
    want = level + gain * (ids.max() - ids.min())
    for value, got in zip(ids, result):
        if value == level and abs(got - want) > 1e-9:
            return f"{level} + {gain} · ({ids.max():g} − {ids.min():g}) = {want:g}; yours lands at {got:g}."


SWEEP = Exercise(
    id="universal.sweep",
    title="One layer of the sweep: the id that it meets jumps past all others.",
    reference=sweep_step,
    cases=_sweep_cases,
    properties=(
        ("moves only the id it has reached", _others_stay),
        ("makes it jump past the maximum", _passes_the_maximum),
        ("jumps by gain · (max − min)", _jump),
    ),
    hints=(
        "Which window holds the id `level` and no other whole number?",
        "The window is from level − 1/2 to level + 1/2. The layer is residual, and the shift is multiplied by `gain`.",
        "return ids + gain * two_heads(ids, level - 0.5, level + 0.5)",
    ),
    mutants=(
        Mutant(
            lambda ids, level, gain: ids + two_heads(ids, level - 0.5, level + 0.5),
            "makes it jump past the maximum",
            "The shift is not multiplied by the gain, so the id lands on the maximum or below it.",
        ),
        Mutant(
            lambda ids, level, gain: ids + gain * (ids.max() - ids.min()),
            "moves only the id it has reached",
            "Every token is moved by the same amount, so no distance changes. Only the id `level` may move.",
        ),
        Mutant(
            lambda ids, level, gain: torch.where(ids == level, ids + gain * ids.max(), ids),
            "jumps by gain · (max − min)",
            "This adds gain · max. The shift is max − min: the minimum matters too, it is how the name learns about the token before.",
        ),
        Mutant(
            lambda ids, level, gain: ids + gain * two_heads(ids, level - 1.5, level + 0.5),
            "moves only the id it has reached",
            "The window is too wide and holds the id below as well.",
        ),
        Mutant(
            lambda ids, level, gain: gain * two_heads(ids, level - 0.5, level + 0.5),
            "moves only the id it has reached",
            "The residual is missing: ids that do not jump must stay, not become 0.",
        ),
    ),
)


def _global_cases():
    return [
        (_row(2, 5), 100),
        (_row(5, 2), 10),
        (_row(1, 40, 12), 1024),
        (_row(3, 3, 8), 64),
        (_row(-8, 2, 5), 100),
    ]


def _same_for_all(arguments, result):
    ids, spread = arguments
    if (ids > 0).all():
        added = result - ids
        if (added - added[0]).abs().max() > 1e-9:
            return f"all tokens of a sequence get the same number; yours adds {_plain(added)} to {_plain(ids)}."


def _largest_times_spread(arguments, result):
    ids, spread = arguments
    at = int(ids.argmax())
    if abs(result[at] - ids[at] - spread * ids.max()) > 1e-9:
        return f"to the largest id {spread} · {ids.max():g} is added; yours adds {result[at] - ids[at]:g}."


GLOBAL = Exercise(
    id="universal.global_shift",
    title="One head that adds the largest id to all tokens.",
    reference=global_shift,
    cases=_global_cases,
    properties=(
        ("moves all tokens of a sequence alike", _same_for_all),
        ("moves them by spread · max", _largest_times_spread),
    ),
    hints=(
        "It is one head of your two_heads, with the threshold 0.",
        "For a positive id the largest key wins; its value is the largest id. What happens for a negative id?",
        'scores = einsum(ids, ids, "query, key -> query key"); return ids + spread * (hardmax()(scores) @ ids)',
    ),
    mutants=(
        Mutant(
            lambda ids, spread: ids + spread * ids,
            "moves all tokens of a sequence alike",
            "Each token gets its own id. It must get the largest one: the number in which all tokens of the sequence have left their mark.",
        ),
        Mutant(
            lambda ids, spread: ids + torch.where(ids > 0, ids.max(), ids.min()),
            "moves them by spread · max",
            "The coefficient is 1, so names of different sequences overlap. Multiply by `spread`.",
        ),
        Mutant(
            lambda ids, spread: ids + spread * ids.min(),
            "moves them by spread · max",
            "This adds the smallest id. Only the largest one knows the whole sequence.",
        ),
        Mutant(
            lambda ids, spread: ids.clone(),
            "moves them by spread · max",
            "Nothing is added, so two sequences can share an id.",
        ),
        Mutant(
            lambda ids, spread: ids + spread * ids.max(),
            "equals the reference",
            "Right for positive ids. A head with threshold 0 gives a negative id, from out of range, the smallest instead: that keeps its name away from the good ones.",
        ),
    ),
)


def _value_cases():
    u1, u2 = _row(1), _row(1, 4)
    return [
        (_row(30)[:, None], u1, 30.0, _row(30), _row(0.7), 0.25),
        (_row(30, 31)[:, None], u1, 30.0, _row(30), _row(0.7), 0.25),
        (_row(30, 30.25)[:, None], u1, 30.0, _row(30), _row(0.7), 0.25),
        (_row(30, 29.875, 30.125)[:, None], u1, 30.0, _row(30), _row(0.7), 0.25),
        (torch.stack([_row(40, 0.5), _row(41, 0.25)]), u2, 42.0, _row(40, 0.5), _row(1, 2), 0.25),
    ]


def _others_keep(arguments, result):
    x, u, name, old, new, delta = arguments
    for row, got in zip(x, result):
        if abs(row @ u - name) > 0.6 * delta and not torch.equal(row, got):
            return f"the token named {row @ u:g} is not the one named {name:g} and must stay; yours changes it."


def _becomes_new(arguments, result):
    x, u, name, old, new, delta = arguments
    for row, got in zip(x, result):
        if torch.equal(row, old) and (got - new).abs().max() > 1e-9:
            return f"the token named {name:g} must become {_plain(new)}; yours is {_plain(got)}."


def _edges(arguments, result):
    x, u, name, old, new, delta = arguments
    for row, got in zip(x, result):
        t = row @ u - name
        moved = not torch.equal(row, got)
        if moved != bool(-delta / 2 <= t < delta / 2):
            return f"uᵀx − name = {t:g} is {'outside' if moved else 'inside'} [−δ/2, δ/2), δ = {delta:g}; yours {'changes' if moved else 'leaves'} that token."


def _wrong_value(*, minus_old=True, low=-0.5, high=0.5, replace=False, everywhere=False):
    def run(x, u, name, old, new, delta):
        t = x @ u - name
        hit = (t >= low * delta) & (t < high * delta) | torch.tensor(everywhere)
        if replace:
            return torch.where(hit[:, None], new, x)
        return x + hit[:, None].to(x.dtype) * (new - old if minus_old else new)

    return run


VALUES = Exercise(
    id="universal.values",
    title="A feed-forward layer that looks one name up.",
    reference=value_layer,
    cases=_value_cases,
    properties=(
        ("leaves tokens with other names alone", _others_keep),
        ("writes the new token", _becomes_new),
        ("has a window of width δ around the name", _edges),
    ),
    hints=(
        "The layer can only add. What must be added to `old` so that `new` comes out?",
        "uᵀx is x @ u, one number a token. φ is 1 where it is within half a δ of the name: a comparison, made a number with .to(x.dtype).",
        "t = x @ u − name; phi = ((t >= −delta/2) & (t < delta/2)).to(x.dtype); return x + phi[:, None] * (new − old)",
    ),
    mutants=(
        Mutant(
            _wrong_value(minus_old=False),
            "writes the new token",
            "This adds `new` on top of the old token. Add the difference, new − old.",
        ),
        Mutant(
            _wrong_value(low=-1, high=1.01),
            "leaves tokens with other names alone",
            "The window is two δ wide, and the neighbour's name lies in it. Half a δ on either side is enough.",
        ),
        Mutant(
            _wrong_value(low=0, high=1),
            "has a window of width δ around the name",
            "The window begins at the name. Centre it: then a name may be off by half a δ either way, by rounding or by softmax.",
        ),
        Mutant(
            _wrong_value(replace=True),
            "equals the reference",
            "The token is replaced. A residual layer adds: a token that was off by a little stays off by as much.",
        ),
        Mutant(
            _wrong_value(everywhere=True),
            "leaves tokens with other names alone",
            "Every token is changed. φ is 1 at the name and 0 elsewhere.",
        ),
    ),
)


EXERCISES = (SWEEP, GLOBAL, VALUES)
