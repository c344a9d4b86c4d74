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
    """Head(low) − head(high). Head(b): scores ids[key] · (ids[query] − b), weights by hardmax, values ids.
    ids: (token,) -> (token,)
    """

    def head(threshold):
        scores = einsum(ids - threshold, ids, "query, key -> query key")
        return einsum(hardmax()(scores), ids, "query key, key -> query")

    return head(low) - head(high)


def _row(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


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


EXERCISES = (QUANTISER, SHIFT)
