"""The exercises of lab 02 on names and values: the sweep, the global shift, and one layer of the table."""

import torch
from einops import einsum

from seqlab.attention import hardmax
from seqlab.course.cases import double, drawn, plain
from seqlab.course.check import Exercise, Mutant
from seqlab.universal.exercises.blocks import two_heads


def sweep_step(ids, level, gain):
    """The ids after one layer of the sweep: gain times the selective shift, for the id `level` alone.
    ids: (token,) -> (token,)

    Ids are whole numbers, so a window half a unit wide on either side holds one id. Use two_heads.
    """
    return ids + gain * two_heads(ids, level - 0.5, level + 0.5)


def global_shift(ids, spread):
    """The ids, and on top of each, times `spread`, what one hardmax head with the threshold 0 makes of them.
    ids: (token,) -> (token,)
    """
    scores = einsum(ids, ids, "query, key -> query key")
    return ids + spread * einsum(hardmax()(scores), ids, "query key, key -> query")


def value_layer(x, u, name, old, new, delta):
    """One layer of the table: a token whose uᵀx lies in [name − δ/2, name + δ/2) has new − old added to it.
    x: (token, dim); u, old, new: (dim,) -> (token, dim)

    `old` is the token that carries this name, so that it becomes `new`. All other tokens stay.
    """
    t = x @ u - name
    phi = ((t >= -delta / 2) & (t < delta / 2)).to(x.dtype)
    return x + phi[:, None] * (new - old)


def _others_stay(result, ids, level, gain):
    for value, got in zip(ids, result):
        if value != level and value != got:
            return f"only the id {level} jumps at this layer; yours moves {value:g} to {got:g}."


def _passes_the_maximum(result, ids, level, gain):
    for value, got in zip(ids, result):
        if value == level and ids.max() > ids.min() and not got > ids.max():
            return f"{value:g} must jump past the largest id, {ids.max():g}; yours lands at {got:g}."


def _jump(result, ids, level, gain):
    want = level + gain * (ids.max() - ids.min())
    for value, got in zip(ids, result):
        if value == level and abs(got - want) > 1e-9:
            return f"{level} + {gain} · ({ids.max():g} − {ids.min():g}) = {want:g}; yours lands at {got:g}."


SWEEP = Exercise(
    id="universal.sweep",
    title="One layer of the sweep: the id that it meets jumps past all others.",
    reference=sweep_step,
    cases=lambda: [
        (double(0, 2), 0, 4),
        (double(0, 2), 1, 4),
        (double(8, 2), 2, 4),
        (double(3, 1, 2), 1, 4),
        (double(9, 2, 3), 2, 4),
        (double(9, 30, 5, 7), 5, 9),
        (double(3, 1, 2), 2, 4),
        (double(5, 2), 5, 4),
        (double(2, 2, 5), 2, 4),
        (double(4, 4), 4, 6),
        (double(3), 3, 4),
        (double(2999, 3000, 7001), 3000, 4096),
        (double(2**25 + 1, 2**25, 2**26), 2**25 + 1, 8),
    ],
    draw=lambda random: (double(*(ids := random.choices(range(9), k=5))), random.choice(ids), random.randint(4, 9)),
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
            {"gain * ": ""},
            "makes it jump past the maximum",
            "The shift is not multiplied by the gain, so the id lands on the maximum or below it.",
        ),
        Mutant(
            {"two_heads(ids, level - 0.5, level + 0.5)": "(ids.max() - ids.min())"},
            "moves only the id it has reached",
            "Every token is moved by the same amount, so no distance changes. Only the id `level` may move.",
        ),
        Mutant(
            {"two_heads(ids, level - 0.5, level + 0.5)": "(ids == level) * ids.max()"},
            "jumps by gain · (max − min)",
            "This adds gain · max. The shift is max − min: "
            "the minimum matters too, it is how the name learns about the token before.",
        ),
        Mutant(
            {"level - 0.5": "level - 1.5"},
            "moves only the id it has reached",
            "The window is too wide and holds the id below as well.",
        ),
        Mutant(
            {"ids + ": ""},
            "moves only the id it has reached",
            "The residual is missing: ids that do not jump must stay, not become 0.",
        ),
        Mutant(
            {"two_heads(ids, level - 0.5, level + 0.5)": "(ids == level) * (ids.max() - level)"},
            "jumps by gain · (max − min)",
            "This adds gain · (max − level). The id that jumps need not be the smallest: the shift is max − min.",
        ),
        Mutant(
            {"level + 0.5)": "level + 0.5) * (torch.arange(len(ids)) == (ids == level).int().argmax())"},
            "makes it jump past the maximum",
            "Only the first token with this id jumps. Two heads cannot tell equal ids apart: all of them jump.",
        ),
    ),
)


def _same_for_all(result, ids, spread):
    added = result - ids
    if (ids > 0).all() and (added - added[0]).abs().max() > 1e-9:
        return f"all tokens of a sequence get the same number; yours adds {plain(added)} to {plain(ids)}."


def _largest_times_spread(result, ids, spread):
    at = ids.argmax()
    if ids[at] > 0 and abs(result[at] - ids[at] - spread * ids.max()) > 1e-9:
        return f"to the largest id {spread} · {ids.max():g} is added; yours adds {result[at] - ids[at]:g}."


def _tie_at_zero(result, ids, spread):
    for value, got in zip(ids, result):
        if value == 0 and abs(got - spread * ids.mean()) > 1e-9:
            return (
                f"all scores of an id of 0 tie, so its keys share the weight and it gets the mean, {spread} · "
                f"{ids.mean():g}; yours gets {got:g}."
            )


GLOBAL = Exercise(
    id="universal.global_shift",
    title="One head that adds the largest id to all tokens.",
    reference=global_shift,
    cases=lambda: [
        (double(2, 5), 100),
        (double(5, 2), 10),
        (double(1, 40, 12), 1024),
        (double(3, 3, 8), 64),
        (double(-8, 2, 5), 100),
        (double(8, 8, 3), 64),
        (double(0, 2, 7), 100),
        (double(-3, -1), 10),
        (double(1e-9, 2, 5), 100),
        (double(2**25 + 1, 3), 1024),
    ],
    draw=lambda random: (
        double(*random.sample(range(1, 200), 4), random.choice((0, 1e-9, -3, -250))),
        random.choice((64, 100, 1024)),
    ),
    properties=(
        ("moves all tokens of a sequence alike", _same_for_all),
        ("moves them by spread · max", _largest_times_spread),
        ("shares the weight where all scores tie", _tie_at_zero),
    ),
    hints=(
        "It is one head of your two_heads, with the threshold 0.",
        "For a positive id the largest key wins; its value is the largest id. What happens for a negative id?",
        'scores = einsum(ids, ids, "query, key -> query key"); return ids + spread * (hardmax()(scores) @ ids)',
    ),
    mutants=(
        Mutant(
            {"hardmax()(scores)": "torch.eye(len(ids)).to(ids)"},
            "moves all tokens of a sequence alike",
            "Each token gets its own id. It must get the largest one: "
            "the number in which all tokens of the sequence have left their mark.",
        ),
        Mutant(
            {"spread * ": ""},
            "moves them by spread · max",
            "The coefficient is 1, so names of different sequences overlap. Multiply by `spread`.",
        ),
        Mutant(
            {"hardmax()(scores)": "hardmax()(-ids.expand_as(scores))"},
            "moves them by spread · max",
            "This adds the smallest id. Only the largest one knows the whole sequence.",
        ),
        Mutant(
            {"spread": "0"},
            "moves them by spread · max",
            "Nothing is added, so two sequences can share an id.",
        ),
        Mutant(
            {"hardmax()(scores)": "hardmax()(ids.expand_as(scores))"},
            "equals the reference",
            "Right for positive ids. A head with threshold 0 gives a negative id, from out of range, "
            "the smallest instead: that keeps its name away from the good ones.",
        ),
        Mutant(
            {"hardmax()(scores)": "torch.eye(len(ids)).to(ids)[scores.argmax(-1)]"},
            "shares the weight where all scores tie",
            "argmax picks one key. All scores of an id of 0 tie, and under hardmax all keys share the weight.",
        ),
        Mutant(
            {"hardmax()(scores)": "torch.softmax(1000 * scores, -1)"},
            "moves all tokens of a sequence alike",
            "However steep, softmax still mixes keys for an id near 0, where the scores nearly tie. Use hardmax.",
        ),
    ),
)


def _others_keep(result, x, u, name, old, new, delta):
    for row, got in zip(x, result):
        if abs(row @ u - name) > 0.6 * delta and not torch.equal(row, got):
            return f"the token named {row @ u:g} is not the one named {name:g} and must stay; yours changes it."


def _becomes_new(result, x, u, name, old, new, delta):
    for row, got in zip(x, result):
        if torch.equal(row, old) and (got - new).abs().max() > 1e-9:
            return f"the token named {name:g} must become {plain(new)}; yours is {plain(got)}."


def _edges(result, x, u, name, old, new, delta):
    for row, got in zip(x, result):
        t, moved = row @ u - name, not torch.equal(row, got)
        if moved != bool(-delta / 2 <= t < delta / 2):
            return (
                f"uᵀx − name = {t:g} is {'outside' if moved else 'inside'} [−δ/2, δ/2), δ = {delta:g}; "
                f"yours {'changes' if moved else 'leaves'} that token."
            )


VALUES = Exercise(
    id="universal.values",
    title="A feed-forward layer that looks one name up.",
    reference=value_layer,
    cases=lambda: [
        (double([30]), double(1), 30.0, double(30), double(0.7), 0.25),
        (double([30], [31]), double(1), 30.0, double(30), double(0.7), 0.25),
        (double([30], [30.25]), double(1), 30.0, double(30), double(0.7), 0.25),
        (double([30], [29.875], [30.125]), double(1), 30.0, double(30), double(0.7), 0.25),
        (double([40, 0.5], [41, 0.25]), double(1, 4), 42.0, double(40, 0.5), double(1, 2), 0.25),
        (double([30.1], [29.8], [29.9], [30.2], [10]), double(1), 30.0, double(30), double(0.7), 0.25),
        (double([2.5], [2.2], [2.7], [2.25], [2.75], [2.1], [2.5]), double(1), 2.5, double(2.5), double(-1), 0.5),
        (double([2**25 + 1], [2**25 + 1.25]), double(1), 2.0**25 + 1, double(2**25 + 1), double(0.75), 0.25),
    ],
    properties=(
        ("leaves tokens with other names alone", _others_keep),
        ("writes the new token", _becomes_new),
        ("has a window of width δ around the name", _edges),
    ),
    draw=lambda random: (
        (old := double(*random.choices(range(20), k=2)))
        + double(*([k / 16, 0] for k in random.sample(range(-12, 13), 7))),
        u := double(random.choice((1, -1)), random.randint(2, 5)),
        (old @ u).item(),
        old,
        drawn(random, 2),
        random.choice((0.5, 1.0)),
    ),
    hints=(
        "The layer can only add. What must be added to `old` so that `new` comes out?",
        "uᵀx is x @ u, one number a token. φ is 1 where it is within half a δ of the name: "
        "a comparison, made a number with .to(x.dtype).",
        "t = x @ u − name; phi = ((t >= −delta/2) & (t < delta/2)).to(x.dtype); return x + phi[:, None] * (new − old)",
    ),
    mutants=(
        Mutant(
            {"(new - old)": "new"},
            "writes the new token",
            "This adds `new` on top of the old token. Add the difference, new − old.",
        ),
        Mutant(
            {"-delta / 2": "-delta", "t < delta / 2": "t <= delta"},
            "leaves tokens with other names alone",
            "The window is two δ wide, and the neighbour's name lies in it. Half a δ on either side is enough.",
        ),
        Mutant(
            {"-delta / 2": "0", "t < delta / 2": "t < delta"},
            "has a window of width δ around the name",
            "The window begins at the name. "
            "Centre it: then a name may be off by half a δ either way, by rounding or by softmax.",
        ),
        Mutant(
            {"new - old": "new - x"},
            "equals the reference",
            "The token is replaced. A residual layer adds: a token that was off by a little stays off by as much.",
        ),
        Mutant(
            {"phi[:, None] * ": ""},
            "leaves tokens with other names alone",
            "Every token is changed. φ is 1 at the name and 0 elsewhere.",
        ),
        Mutant(
            {"(t >= -delta / 2) & ": ""},
            "leaves tokens with other names alone",
            "The window is open below, so all smaller names are in it as well. It ends at −δ/2.",
        ),
        Mutant(
            {"-delta / 2": "-0.125", "t < delta / 2": "t < 0.125"},
            "has a window of width δ around the name",
            "The window is 1/4 wide, whatever δ is.",
        ),
    ),
)
