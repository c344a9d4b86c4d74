"""The exercises of lab 05 on the construction: a direction, the head of rank one, the table of labels."""

import torch

from seqlab.course.check import Exercise, Mutant
from seqlab.one_layer.exercises.boltzmann import _row


def score_gap(tokens, candidates):
    """min |v·c| · min |v·(a − b)| for every candidate v: the smallest gap of scores at κ = 1.
    (token, dim), (candidate, dim) -> (candidate,)

    c runs over the tokens, a and b over the pairs of different tokens.
    """
    t = candidates @ tokens.T
    gaps = torch.sort(t, dim=-1).values.diff(dim=-1)
    return t.abs().amin(dim=-1) * gaps.amin(dim=-1)


def rank_one_head(x, v, kappa, shift):
    """x_k + shift · m_k v, with m_k = Σ_j w_kj (v·x_j) and w_k = softmax over j of κ (v·x_k)(v·x_j).
    x: (token, dim), v: (dim,) -> (token, dim)
    """
    t = x @ v
    weights = torch.softmax(kappa * torch.outer(t, t), dim=-1)
    return x + shift * torch.outer(weights @ t, v)


def look_up(z, ids, labels):
    """labels[0] + Σ_k (labels[k+1] − labels[k]) · ramp_k(z), ids increasing.
    z: (place,), ids and labels: (name,) -> (place,)

    ramp_k(z) = ReLU(s_k (z − ids[k])) − ReLU(s_k (z − ids[k+1])), s_k = 1 / (ids[k+1] − ids[k]): from 0 to 1 between two ids.
    """
    slope = 1 / ids.diff()
    ramps = torch.relu(slope * (z[:, None] - ids[:-1])) - torch.relu(slope * (z[:, None] - ids[1:]))
    return labels[0] + ramps @ labels.diff()


def _table(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def _projection_cases():
    draw = torch.Generator().manual_seed(7)
    tokens = torch.randn(6, 3, generator=draw, dtype=torch.float64)
    candidates = torch.nn.functional.normalize(torch.randn(5, 3, generator=draw, dtype=torch.float64), dim=-1)
    return [
        (_table([1], [2]), _table([1])),
        (_table([2, 1], [3, 0]), _table([1, 0], [0, 1])),
        (_table([1, 2], [3, 1], [1, 4]), _table([1, 0], [0, 1], [0.6, 0.8])),
        (_table([-1, 2], [1, 5], [4, 3]), _table([1, 0], [0, 1], [0.6, 0.8])),
        (tokens, candidates),
    ]


def _facts(arguments):
    tokens, candidates = arguments
    t = torch.sort(candidates @ tokens.T, dim=-1).values
    return (t.abs() < 1e-12).any(-1), (t.diff(dim=-1) < 1e-12).any(-1)


def _token_at_zero(arguments, result):
    for k, (zero, got) in enumerate(zip(_facts(arguments)[0], result)):
        if zero and abs(got) > 1e-9:
            return f"along candidate {k} a token has v·c = 0, so all its scores are 0; yours says {got:.4g}."


def _shared(arguments, result):
    for k, (shared, got) in enumerate(zip(_facts(arguments)[1], result)):
        if shared and abs(got) > 1e-9:
            return f"along candidate {k} two tokens have the same v·x, so two scores agree; yours says {got:.4g}."


def _positive(arguments, result):
    zero, shared = _facts(arguments)
    for k, got in enumerate(result):
        if not zero[k] and not shared[k] and not got > 0:
            return f"along candidate {k} all tokens are apart and none is at 0, so the gap is positive; yours says {got:.4g}."


def _wrong_gap(kind):
    def run(tokens, candidates):
        t = candidates @ tokens.T
        gaps = torch.sort(t, dim=-1).values.diff(dim=-1).amin(dim=-1)
        if kind == "gap":
            return gaps
        if kind == "zero":
            return t.abs().amin(dim=-1)
        if kind == "self":
            return t.abs().amin(dim=-1) * (t[:, :, None] - t[:, None, :]).abs().amin(dim=(-1, -2))
        if kind == "neighbours":
            return t.abs().amin(dim=-1) * t.diff(dim=-1).abs().amin(dim=-1)
        return t.amin(dim=-1) * gaps

    return run


PROJECTION = Exercise(
    id="one_layer.projection",
    title="How far apart a direction keeps the scores.",
    reference=score_gap,
    cases=_projection_cases,
    properties=(
        ("is zero where a token lies at zero", _token_at_zero),
        ("is zero where two tokens coincide", _shared),
        ("is positive everywhere else", _positive),
    ),
    hints=(
        "A score is (v·c)(v·x). Two scores of the query c differ by |v·c| · |v·(a − b)|. When is that smallest?",
        "t = candidates @ tokens.T has a row per candidate. The closest two numbers of a row are neighbours once it is sorted.",
        "torch.sort(t, dim=-1).values.diff(dim=-1).amin(dim=-1) is the smallest gap; multiply by t.abs().amin(dim=-1).",
    ),
    mutants=(
        Mutant(
            _wrong_gap("gap"),
            "is zero where a token lies at zero",
            "Only the tokens' distances count here. The query's own v·c multiplies them: at 0 it sees nothing.",
        ),
        Mutant(
            _wrong_gap("zero"),
            "is zero where two tokens coincide",
            "Only the distance from zero counts here. The scores of two keys must differ too.",
        ),
        Mutant(
            _wrong_gap("self"),
            "is positive everywhere else",
            "Every token is compared with itself as well, and that distance is always 0.",
        ),
        Mutant(
            _wrong_gap("neighbours"),
            "is zero where two tokens coincide",
            "Only tokens that follow each other in the list are compared. Sort each row first.",
        ),
        Mutant(
            _wrong_gap("signed"),
            "is positive everywhere else",
            "v·c may be negative: take its absolute value before the minimum.",
        ),
    ),
)


def _head_cases():
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(5, 3, generator=draw, dtype=torch.float64)
    v = torch.nn.functional.normalize(torch.randn(3, generator=draw, dtype=torch.float64), dim=-1)
    return [
        (_table([1], [3]), _row(1), 1.0, 0.25),
        (_table([1], [2], [4]), _row(1), 0.5, 1.0),
        (_table([1, 2], [3, 1]), _row(0.6, 0.8), 0.0, 0.5),
        (_table([1, 2], [3, -1], [-2, 2]), _row(0.6, 0.8), 1.0, 0.5),
        (x, v, 2.0, 0.1),
    ]


def _along_v(arguments, result):
    x, v, kappa, shift = arguments
    moved = result - x
    away = moved - torch.outer(moved @ v, v)
    if away.abs().max() > 1e-9:
        return "W_O writes along v, so result − x is a multiple of v; yours has a part across v."


def _within(arguments, result):
    x, v, kappa, shift = arguments
    m, t = (result - x) @ v / shift, x @ v
    for k, value in enumerate(m):
        if not t.min() - 1e-9 <= value <= t.max() + 1e-9:
            return f"m is an average of the v·x, which run from {t.min():.3g} to {t.max():.3g}; for token {k} yours is {value:.3g}."


def _wrong_head(*, residual=True, axis=-1, root=False, kappa_of=lambda kappa: kappa, hard=False, value="t", write="v"):
    def run(x, v, kappa, shift):
        t = x @ v
        scores = kappa_of(kappa) * torch.outer(t, t)
        if root:
            scores = scores / x.shape[1] ** 0.5
        weights = torch.softmax(scores, dim=axis)
        if hard:
            winners = (scores == scores.amax(-1, keepdim=True)).to(x.dtype)
            weights = winners / winners.sum(-1, keepdim=True)
        m = weights @ t if value == "t" else (weights * scores).sum(-1)
        moved = shift * (torch.outer(m, v) if write == "v" else m[:, None].expand(-1, len(v)))
        return x + moved if residual else moved

    return run


HEAD = Exercise(
    id="one_layer.head",
    title="A head in which every matrix has rank one.",
    reference=rank_one_head,
    cases=_head_cases,
    properties=(
        ("moves tokens along v only", _along_v),
        ("moves them by an average of the v·x", _within),
    ),
    hints=(
        "W_K, W_Q and W_V all read v·x and nothing else. What is left of a token is one number t.",
        "Scores: the outer product of t with itself, times κ. Weights: softmax over the keys, the last axis. Values: t again.",
        "t = x @ v; weights = torch.softmax(kappa * torch.outer(t, t), dim=-1); return x + shift * torch.outer(weights @ t, v)",
    ),
    mutants=(
        Mutant(
            _wrong_head(residual=False),
            "moves them by an average of the v·x",
            "The residual is missing: the id is the token plus what the head adds.",
        ),
        Mutant(
            _wrong_head(axis=0),
            "moves them by an average of the v·x",
            "softmax runs over the queries. Each query's weights sum to 1 over the keys: dim=-1.",
        ),
        Mutant(
            _wrong_head(value="scores"),
            "moves them by an average of the v·x",
            "The scores are averaged, which is boltz of the scores. The values are t: boltz divided by κ t_k.",
        ),
        Mutant(
            _wrong_head(hard=True),
            "equals the reference",
            "These are hardmax weights. They keep the winner alone, and with it no trace of the rest of the set.",
        ),
        Mutant(
            _wrong_head(kappa_of=lambda kappa: 1.0),
            "equals the reference",
            "κ is not used. It is the scale that puts the scores far enough apart.",
        ),
        Mutant(
            _wrong_head(write="all"),
            "moves tokens along v only",
            "m is added to every coordinate. W_O writes along v: torch.outer(m, v).",
        ),
    ),
)


def _table_cases():
    return [
        (_row(1, 2), _row(1, 2), _row(5, 7)),
        (_row(0, 1.5, 4), _row(1, 1.5), _row(5, 7)),
        (_row(1, 1.5, 4), _row(1, 1.5, 4), _row(1, 0, 1)),
        (_row(-1, -0.75, 0, 3, 3.5), _row(-1, -0.5, 3), _row(2, 2, -1)),
        (_row(0.1, 0.3, 0.2), _row(0.1, 0.2, 0.3, 0.30001), _row(0, 3, 1, 2)),
    ]


def _known_ids(arguments, result):
    z, ids, labels = arguments
    for place, got in zip(z, result):
        for name, label in zip(ids, labels):
            if place == name and abs(got - label) > 1e-6:
                return f"id {name:g} has the label {label:g}; yours gives {got:.4g}."


def _flat_outside(arguments, result):
    z, ids, labels = arguments
    for place, got in zip(z, result):
        end = labels[0] if place < ids[0] else labels[-1] if place > ids[-1] else None
        if end is not None and abs(got - end) > 1e-6:
            return f"{place:g} lies outside the ids, where the table keeps the label at its end, {end:g}; yours gives {got:.4g}."


def _wrong_table(*, start=True, down=True, slopes=True, steps=True, nearest=False):
    def run(z, ids, labels):
        slope = 1 / ids.diff() if slopes else torch.ones_like(ids.diff())
        ramps = torch.relu(slope * (z[:, None] - ids[:-1]))
        if down:
            ramps = ramps - torch.relu(slope * (z[:, None] - ids[1:]))
        if nearest:
            return labels[(z[:, None] - ids).abs().argmin(dim=-1)]
        heights = labels.diff() if steps else labels[1:]
        return (labels[0] if start else 0) + ramps @ heights

    return run


MEMORISER = Exercise(
    id="one_layer.memoriser",
    title="A table as a layer of hinges.",
    reference=look_up,
    cases=_table_cases,
    properties=(
        ("gives every id its label", _known_ids),
        ("stays flat outside the ids", _flat_outside),
    ),
    hints=(
        "Walk from the smallest id to the largest. By how much must the output change between two ids?",
        "z[:, None] − ids[:-1] has a row per place and a column per ramp. One ReLU starts the ramp, a second one ends it.",
        "slope = 1 / ids.diff(); ramps = relu(slope * (z[:, None] − ids[:-1])) − relu(slope * (z[:, None] − ids[1:])); return labels[0] + ramps @ labels.diff()",
    ),
    mutants=(
        Mutant(
            _wrong_table(start=False),
            "gives every id its label",
            "The first label is missing: before all ramps the output is labels[0].",
        ),
        Mutant(
            _wrong_table(down=False),
            "stays flat outside the ids",
            "The ramps are never ended. The second ReLU of each pair stops it at the next id.",
        ),
        Mutant(
            _wrong_table(slopes=False),
            "gives every id its label",
            "All ramps have slope 1. Each must climb from 0 to 1 between its two ids: divide by their distance.",
        ),
        Mutant(
            _wrong_table(steps=False),
            "gives every id its label",
            "Every ramp climbs to a label. It has to climb by the difference of two: labels.diff().",
        ),
        Mutant(
            _wrong_table(nearest=True),
            "equals the reference",
            "This takes the nearest id's label, which jumps. A ReLU layer is continuous: between two ids it is a straight line.",
        ),
    ),
)


EXERCISES = (PROJECTION, HEAD, MEMORISER)
