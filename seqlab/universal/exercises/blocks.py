"""The exercises of lab 02: the layers of the universal approximation proof (Yun et al. 2019), one of each kind."""

import torch
from einops import einsum

from seqlab.attention import hardmax
from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant


def round_down(x, i, k, delta):
    """One rounding layer: where coordinate i of a token lies in [kδ, (k+1)δ), it becomes kδ; all else stays.
    x: (token, dim) -> (token, dim)
    """
    unit = torch.eye(x.shape[1], dtype=x.dtype)[i]
    t = x @ unit - k * delta
    phi = torch.where((t >= 0) & (t < delta), -t, torch.zeros_like(t))
    return x + phi[:, None] * unit


def two_heads(ids, low, high):
    """What two hardmax heads of size one make of the ids: max − min where low < id < high, and 0 elsewhere.
    ids: (token,) -> (token,)

    By scores, weights and values: an id on a threshold ties all scores of a head, and its keys share the weight.
    """

    def head(threshold):
        scores = einsum(ids - threshold, ids, "query, key -> query key")
        return einsum(hardmax()(scores), ids, "query key, key -> query")

    return head(low) - head(high)


def _outside_stays(result, x, i, k, delta):
    for value, got in zip(x[:, i], result[:, i]):
        if not 0 <= value - k * delta < delta and value != got:
            interval = f"[{k * delta:g}, {(k + 1) * delta:g})"
            return f"{value:.12g} is outside {interval} and must stay; yours makes it {got:.12g}."


def _inside_rounds(result, x, i, k, delta):
    for value, got in zip(x[:, i], result[:, i]):
        if 0 <= value - k * delta < delta and abs(got - k * delta) > 1e-9:
            return (
                f"{value:.12g} is inside [{k * delta:g}, {(k + 1) * delta:g}) and must become {k * delta:g}; "
                f"yours makes it {got:.12g}."
            )


def _one_coordinate(result, x, i, k, delta):
    others = torch.arange(x.shape[1]) != i
    if not torch.equal(x[:, others], result[:, others]):
        return f"the layer writes along unit vector {i} only; yours changes another coordinate."


QUANTISER = Exercise(
    id="universal.quantiser",
    title="A feed-forward layer that rounds one interval down.",
    reference=round_down,
    cases=lambda: [
        (double([0.3]), 0, 1, 0.25),
        (double([0.3], [0.8]), 0, 1, 0.25),
        (double([0.25], [0.5], [0.45]), 0, 1, 0.25),
        (double([0.6, 0.6]), 1, 1, 0.5),
        (double([0.7, 0.7, 0.7]), 1, 1, 0.5),
        (double([0.0, -0.25, 0.1], [0.2, 0.5, 0.9]), 0, 0, 0.25),
        (double([1.5], [1.5 - 1e-9], [1.75], [2.0 - 1e-9], [2.0], [-1000.0]), 0, 3, 0.5),
        (double([0.3, 750.3], [750.3, 750.2]), 1, 3001, 0.25),
        (normal(5, 3).double().sigmoid(), 2, 1, 0.25),
    ],
    properties=(
        ("leaves what is outside the interval alone", _outside_stays),
        ("rounds the interval down", _inside_rounds),
        ("changes one coordinate", _one_coordinate),
    ),
    draw=lambda random: (
        (8 * drawn(random, 8, dim := random.randint(1, 3))).round() / 16 + 0.5,
        random.randrange(dim),
        random.randint(0, 3),
        random.choice((0.25, 0.5)),
    ),
    hints=(
        "What must be added to a number in [kδ, (k+1)δ) to make it kδ? And what to any other number?",
        "With t = x[:, i] − kδ the answer is −t inside the interval. torch.where chooses between −t and 0.",
        "unit = torch.eye(x.shape[1], dtype=x.dtype)[i]; phi = torch.where((t >= 0) & (t < delta), -t, 0); "
        "return x + phi[:, None] * unit.",
    ),
    mutants=(
        Mutant(
            {"torch.where((t >= 0) & (t < delta), -t, torch.zeros_like(t))": "-t"},
            "leaves what is outside the interval alone",
            "φ is −t everywhere here, so every number becomes kδ. Outside the interval φ is 0.",
        ),
        Mutant(
            {"t < delta": "t <= delta"},
            "leaves what is outside the interval alone",
            "The upper edge (k+1)δ is rounded too. It belongs to the next layer: the interval is 0 ≤ t < δ.",
        ),
        Mutant(
            {" -t,": " torch.where(t < delta / 2, -t, delta - t),"},
            "rounds the interval down",
            "This rounds to the nearest edge. The layer rounds down: −t in the whole interval.",
        ),
        Mutant(
            {"x + phi": "phi"},
            "rounds the interval down",
            "Only the correction is returned. The layer is residual: x plus the correction.",
        ),
        Mutant(
            {"phi[:, None] * unit": "phi[:, None]"},
            "changes one coordinate",
            "The correction is written to all coordinates. Multiply it by the unit vector.",
        ),
        Mutant(
            {"[i]": "[-1]"},
            "rounds the interval down",
            "The last coordinate is rounded, whatever i is: e is the i-th unit vector.",
        ),
        Mutant(
            {"k * delta": "delta"},
            "rounds the interval down",
            "The interval begins at δ, whatever k is. The k-th layer has the interval from kδ.",
        ),
    ),
)


def _nothing_outside(result, ids, low, high):
    for value, got in zip(ids, result):
        if (value < low or value > high) and abs(got) > 1e-9:
            return f"id {value:g} is not in ({low:g}, {high:g}), so nothing may be added to it; yours adds {got:g}."


def _spread_inside(result, ids, low, high):
    want = ids.max() - ids.min()
    for value, got in zip(ids, result):
        if low < value < high and abs(got - want) > 1e-9:
            return f"id {value:g} is in ({low:g}, {high:g}): wanted max − min = {want:g}, yours is {got:g}."


def _shared_on_threshold(result, ids, low, high):
    for value, got, want in zip(ids, result, two_heads(ids, low, high)):
        if value in (low, high) and abs(got - want) > 1e-9:
            return (
                f"id {value:g} is on a threshold: all its scores in that head are 0, so all keys share the weight. "
                f"Wanted {want:g}, yours is {got:g}."
            )


SHIFT = Exercise(
    id="universal.selective_shift",
    mark="••",
    title="Two heads of size one that pick out a window of ids.",
    reference=two_heads,
    cases=lambda: [
        (double(3), 2.5, 3.5),
        (double(1, 3), 0.5, 1.5),
        (double(1, 3), 1.5, 3.5),
        (double(0, 2, 7), 1.5, 2.5),
        (double(2, 2, 5), 1.5, 2.5),
        (double(1, 4, 4), 3.5, 4.5),
        (double(6, 9, 7, 11), 6.5, 9.5),
        (double(3, 5), 6.5, 8.5),
        (double(1, 2, 3), 0.5, 1.5),
        (double(-8, 2, 5), 1.5, 5.5),
        (double(2, 4, 9), 2.0, 4.0),
        (double(2, 7), 2 - 1e-9, 2.5),
        (double(4096, 4097, 2**25 + 1), 4095.5, 4096.5),
    ],
    properties=(
        ("adds nothing outside the window", _nothing_outside),
        ("adds max − min inside the window", _spread_inside),
        ("shares the weight where all scores tie", _shared_on_threshold),
    ),
    draw=lambda random: (
        double(*(ids := random.choices(range(1, 9), k=4))),
        low := random.choice(ids) - random.choice((0, 0.5, 1e-9)),
        low + random.choice((1, 2.5, 4)),
    ),
    hints=(
        "One head: all scores of a query share the factor ids[query] − b. "
        "If it is positive, which key wins? If it is negative?",
        'Scores: the outer product of ids − b (queries) and ids (keys), "query, key -> query key". '
        "hardmax()(scores) makes the weights; the values are the ids.",
        'def head(b): scores = einsum(ids − b, ids, "query, key -> query key"); return hardmax()(scores) @ ids. '
        "Then head(low) − head(high).",
    ),
    mutants=(
        Mutant(
            {" - head(high)": ""},
            "adds max − min inside the window",
            "One head adds the maximum to all above its threshold and the minimum to all below. "
            "The second must subtract that outside the window.",
        ),
        Mutant(
            {"- head(high)": "+ head(high)"},
            "adds max − min inside the window",
            "The second head is added. Subtract it: above and below the window the two must cancel.",
        ),
        Mutant(
            {"hardmax()(scores)": "(scores == scores.amax(-1, keepdim=True)).to(ids.dtype)"},
            "adds max − min inside the window",
            "Tied keys count once each here. Under hardmax they share the weight 1: divide by how many there are.",
        ),
        Mutant(
            {"ids - threshold": "ids", "hardmax()(scores)": "hardmax()(scores - threshold)"},
            "adds max − min inside the window",
            "The threshold moves all scores of a query alike, which changes nothing. "
            "Subtract it from the query's id before the product.",
        ),
        Mutant(
            {"head(low) - head(high)": "torch.where((ids > low) & (ids < high), ids.max(), 0)"},
            "adds max − min inside the window",
            "Inside the window the second head contributes −min; here it is lost.",
        ),
        Mutant(
            {"head(low) - head(high)": "head(high) - head(low)"},
            "adds max − min inside the window",
            "The sign is turned round: it is head(low) − head(high).",
        ),
        Mutant(
            {"hardmax()(scores)": "torch.softmax(scores, -1)"},
            "adds nothing outside the window",
            "These are softmax weights, and they leak to the other keys. The proof needs hardmax.",
        ),
        Mutant(
            {"hardmax()(scores)": "torch.softmax(1000 * scores, -1)"},
            "adds max − min inside the window",
            "However steep, softmax still mixes keys where the scores nearly tie. The proof needs hardmax.",
        ),
        Mutant(
            {"head(low) - head(high)": "torch.where((ids > low) & (ids < high), ids.max() - ids.min(), 0)"},
            "shares the weight where all scores tie",
            "This is the closed form, which says nothing of an id on a threshold. Write the heads: scores, weights, "
            "values.",
        ),
        Mutant(
            {"hardmax()(scores)": "torch.eye(len(ids)).to(ids)[scores.argmax(-1)]"},
            "shares the weight where all scores tie",
            "argmax picks one key. On a threshold all scores are 0, and under hardmax all keys share the weight.",
        ),
    ),
)
