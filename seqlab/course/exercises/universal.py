"""The exercises of lab 02: the layers of the universal approximation proof (Yun et al. 2019), one of each kind."""

import torch
from einops import einsum

from seqlab.attention import hardmax
from seqlab.course.check import Exercise, Mutant


def round_down(x, i, k, delta):
    """x + e φ(eᵀx − kδ), e the i-th unit vector: one rounding layer.    x: (token, dim) -> (token, dim)

    φ(t) = −t for 0 ≤ t < δ, and 0 elsewhere.
    """
    unit = torch.eye(x.shape[1], dtype=x.dtype)[i]
    t = x @ unit - k * delta
    phi = torch.where((t >= 0) & (t < delta), -t, torch.zeros_like(t))
    return x + phi[:, None] * unit


def two_heads(ids, low, high):
    """Head(low) − head(high). Head(b): scores ids[key] · (ids[query] − b), weights by hardmax, values ids.    ids: (token,) -> (token,)"""

    def head(threshold):
        scores = einsum(ids - threshold, ids, "query, key -> query key")
        return einsum(hardmax()(scores), ids, "query key, key -> query")

    return head(low) - head(high)


def sweep_step(ids, level, gain):
    """The ids after one layer of the sweep: gain times the selective shift, for the id `level` alone.    ids: (token,) -> (token,)

    Ids are whole numbers, so a window half a unit wide on either side holds one id. Use two_heads.
    """
    return ids + gain * two_heads(ids, level - 0.5, level + 0.5)


def global_shift(ids, spread):
    """ids + spread · head(0), a single head: scores ids[key] · ids[query], weights by hardmax, values ids.    ids: (token,) -> (token,)"""
    scores = einsum(ids, ids, "query, key -> query key")
    return ids + spread * einsum(hardmax()(scores), ids, "query key, key -> query")


def value_layer(x, u, name, old, new, delta):
    """x + (new − old) φ(uᵀx − name): the token with this name becomes `new`.    x: (token, dim); u, old, new: (dim,) -> (token, dim)

    φ(t) = 1 for −δ/2 ≤ t < δ/2, and 0 elsewhere. `old` is the token that the sweep gave this name.
    """
    t = x @ u - name
    phi = ((t >= -delta / 2) & (t < delta / 2)).to(x.dtype)
    return x + phi[:, None] * (new - old)


def _row(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def _plain(values):
    return ", ".join(f"{value:g}" for value in values)


def _quantiser_cases():
    column = lambda *numbers: _row(*numbers)[:, None]
    draw = torch.Generator().manual_seed(2)
    wide = torch.rand(5, 3, generator=draw, dtype=torch.float64)
    return [
        (column(0.3), 0, 1, 0.25),
        (column(0.3, 0.8), 0, 1, 0.25),
        (column(0.25, 0.5, 0.45), 0, 1, 0.25),
        (_row(0.6, 0.6)[None], 1, 1, 0.5),
        (wide, 2, 0, 0.25),
    ]


def _outside_stays(arguments, result):
    x, i, k, delta = arguments
    t = x[:, i] - k * delta
    outside = (t < 0) | (t >= delta)
    for value, got in zip(x[outside, i], result[outside, i]):
        if value != got:
            return f"{value:g} is outside [{k * delta:g}, {(k + 1) * delta:g}) and must stay; yours makes it {got:g}."


def _inside_rounds(arguments, result):
    x, i, k, delta = arguments
    t = x[:, i] - k * delta
    inside = (t >= 0) & (t < delta)
    for value, got in zip(x[inside, i], result[inside, i]):
        if abs(got - k * delta) > 1e-9:
            return f"{value:g} is inside [{k * delta:g}, {(k + 1) * delta:g}) and must become {k * delta:g}; yours makes it {got:g}."


def _one_coordinate(arguments, result):
    x, i, k, delta = arguments
    others = [j for j in range(x.shape[1]) if j != i]
    if not torch.equal(x[:, others], result[:, others]):
        return f"the layer writes along unit vector {i} only; yours changes another coordinate."


def _wrong_rounding(*, everywhere=False, closed=False, nearest=False, residual=True, all_coordinates=False):
    def run(x, i, k, delta):
        unit = torch.eye(x.shape[1], dtype=x.dtype)[i]
        t = x @ unit - k * delta
        inside = (t > 0) & (t <= delta) if closed else (t >= 0) & (t < delta)
        moved = torch.where(t < delta / 2, -t, delta - t) if nearest else -t
        phi = moved if everywhere else torch.where(inside, moved, torch.zeros_like(t))
        write = phi[:, None] * (torch.ones_like(unit) if all_coordinates else unit)
        return x + write if residual else write

    return run


QUANTISER = Exercise(
    id="universal.quantiser",
    title="A feed-forward layer that rounds one interval down.",
    reference=round_down,
    cases=_quantiser_cases,
    properties=(
        ("leaves what is outside the interval alone", _outside_stays),
        ("rounds the interval down", _inside_rounds),
        ("changes one coordinate", _one_coordinate),
    ),
    hints=(
        "What must be added to a number in [kδ, (k+1)δ) to make it kδ? And what to any other number?",
        "With t = x[:, i] − kδ the answer is −t inside the interval. torch.where chooses between −t and 0.",
        "unit = torch.eye(dim)[i]; phi = torch.where((t >= 0) & (t < delta), -t, 0); return x + phi[:, None] * unit.",
    ),
    mutants=(
        Mutant(
            _wrong_rounding(everywhere=True),
            "leaves what is outside the interval alone",
            "φ is −t everywhere here, so every number becomes kδ. Outside the interval φ is 0.",
        ),
        Mutant(
            _wrong_rounding(closed=True),
            "leaves what is outside the interval alone",
            "The upper edge (k+1)δ is rounded too. It belongs to the next layer: the interval is 0 ≤ t < δ.",
        ),
        Mutant(
            _wrong_rounding(nearest=True),
            "rounds the interval down",
            "This rounds to the nearest edge. The layer rounds down: −t in the whole interval.",
        ),
        Mutant(
            _wrong_rounding(residual=False),
            "rounds the interval down",
            "Only the correction is returned. The layer is residual: x plus the correction.",
        ),
        Mutant(
            _wrong_rounding(all_coordinates=True),
            "changes one coordinate",
            "The correction is written to all coordinates. Multiply it by the unit vector.",
        ),
    ),
)


def _shift_cases():
    return [
        (_row(3), 2.5, 3.5),
        (_row(1, 3), 0.5, 1.5),
        (_row(1, 3), 1.5, 3.5),
        (_row(0, 2, 7), 1.5, 2.5),
        (_row(2, 2, 5), 1.5, 2.5),
        (_row(1, 4, 4), 3.5, 4.5),
        (_row(6, 9, 7, 11), 6.5, 9.5),
        (_row(3, 5), 6.5, 8.5),
    ]


def _nothing_outside(arguments, result):
    ids, low, high = arguments
    for value, got in zip(ids, result):
        if not low < value < high and abs(got) > 1e-9:
            return f"id {value:g} is not in ({low:g}, {high:g}), so nothing may be added to it; yours adds {got:g}."


def _spread_inside(arguments, result):
    ids, low, high = arguments
    for value, got in zip(ids, result):
        if low < value < high and abs(got - (ids.max() - ids.min())) > 1e-9:
            return f"id {value:g} is in ({low:g}, {high:g}): wanted max − min = {ids.max() - ids.min():g}, yours is {got:g}."


def _wrong_heads(*, heads=2, sign=-1, ties="average", threshold="query", normalizer="hardmax", order=1):
    def run(ids, low, high):
        def head(b):
            if threshold == "score":
                scores = ids[:, None] * ids[None] - b
            else:
                scores = (ids[:, None] - b) * ids[None]
            if normalizer == "softmax":
                return torch.softmax(scores, -1) @ ids
            weights = (scores == scores.amax(-1, keepdim=True)).to(ids.dtype)
            if ties == "average":
                weights = weights / weights.sum(-1, keepdim=True)
            return weights @ ids

        if heads == 1:
            return head(low)
        return order * (head(low) + sign * head(high))

    return run


def _max_only(ids, low, high):
    return torch.where((ids > low) & (ids < high), ids.max(), torch.zeros_like(ids))


SHIFT = Exercise(
    id="universal.selective_shift",
    title="Two heads of size one that pick out a window of ids.",
    reference=two_heads,
    cases=_shift_cases,
    properties=(
        ("adds nothing outside the window", _nothing_outside),
        ("adds max − min inside the window", _spread_inside),
    ),
    hints=(
        "One head: all scores of a query share the factor ids[query] − b. If it is positive, which key wins? If it is negative?",
        'Scores: the outer product of ids − b (queries) and ids (keys), "query, key -> query key". hardmax()(scores) makes the weights; the values are the ids.',
        'def head(b): scores = einsum(ids − b, ids, "query, key -> query key"); return hardmax()(scores) @ ids. Then head(low) − head(high).',
    ),
    mutants=(
        Mutant(
            _wrong_heads(heads=1),
            "adds max − min inside the window",
            "One head adds the maximum to all above its threshold and the minimum to all below. The second must subtract that outside the window.",
        ),
        Mutant(
            _wrong_heads(sign=1),
            "adds max − min inside the window",
            "The second head is added. Subtract it: above and below the window the two must cancel.",
        ),
        Mutant(
            _wrong_heads(ties="sum"),
            "adds max − min inside the window",
            "Tied keys count once each here. Under hardmax they share the weight 1: divide by how many there are.",
        ),
        Mutant(
            _wrong_heads(threshold="score"),
            "adds max − min inside the window",
            "The threshold moves all scores of a query alike, which changes nothing. Subtract it from the query's id before the product.",
        ),
        Mutant(
            _max_only,
            "adds max − min inside the window",
            "Inside the window the second head contributes −min; here it is lost.",
        ),
        Mutant(
            _wrong_heads(order=-1),
            "adds max − min inside the window",
            "The sign is turned round: it is head(low) − head(high).",
        ),
        Mutant(
            _wrong_heads(normalizer="softmax"),
            "adds nothing outside the window",
            "These are softmax weights, and they leak to the other keys. The proof needs hardmax.",
        ),
    ),
)


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


EXERCISES = (QUANTISER, SHIFT, SWEEP, GLOBAL, VALUES)
