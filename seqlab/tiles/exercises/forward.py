"""The exercises of lab 08 on the forward pass: softmax and sigmoid attention, one tile of keys at a time."""

import copy
import math

import torch
from einops import einsum

from seqlab.course.cases import normal
from seqlab.course.check import Exercise, Mutant


def online_softmax(tiles):
    """softmax(scores) v over all tiles together.
    tiles: [(scores (query, key), values (key, dim)), …] -> (query, dim)

    The tiles come one after another: carry a maximum and a sum for each row, and correct what you have when they grow.
    """
    highest, total, out = -math.inf, 0.0, 0.0
    for scores, values in tiles:
        new = torch.maximum(torch.as_tensor(highest), scores.amax(-1, keepdim=True))
        shrink = torch.exp(highest - new)
        weights = torch.exp(scores - new)
        total = total * shrink + weights.sum(-1, keepdim=True)
        out = out * shrink + einsum(weights, values, "query key, key dim -> query dim")
        highest = new
    return out / total


def sigmoid_tiles(tiles, bias):
    """σ(scores + bias) v over all tiles together.
    tiles: [(scores (query, key), values (key, dim)), …] -> (query, dim)
    """
    out = 0.0
    for scores, values in tiles:
        out = out + einsum(torch.sigmoid(scores + bias), values, "query key, key dim -> query dim")
    return out


class Stream:
    """Tiles that come one after another into one place in memory: each overwrites the one before.

    That holds for a copy, which is what an answer is called with; the original can be read again and again.
    """

    def __init__(self, tiles, once=False):
        self.tiles, self.once, self.at = tiles, once, 0

    def __deepcopy__(self, memo):
        return Stream(copy.deepcopy(self.tiles, memo), once=True)

    def __eq__(self, other):
        return isinstance(other, Stream)

    def __repr__(self):
        return f"tiles that come one after another, each in the place of the one before: {self.tiles}"

    def __len__(self):
        return len(self.tiles)

    def __getitem__(self, at):
        at = range(len(self))[at]
        if isinstance(at, range):
            return map(self.__getitem__, at)
        if self.once and at < self.at:
            raise RuntimeError(f"tile {at} is gone: the tiles come one after another, and each can be read only once")
        while self.once and self.at < at:
            for part in self.tiles[self.at]:
                part.zero_()
            self.at += 1
        return self.tiles[at]

    def __iter__(self):
        return self[:]


def _forgets(result, tiles, *bias):
    if isinstance(tiles, Stream) and not torch.allclose(result, _dense(tiles, *bias), atol=1e-4):
        return (
            "the tiles come one after another, each in the place of the one before, as on a GPU. "
            "What you need of a tile, compute before the next one comes; yours keeps the tiles themselves."
        )


def _dense(tiles, bias=None):
    """Attention by the whole rows at once: softmax, or sigmoid where there is a bias."""
    scores, values = _whole(tiles)
    return (torch.softmax(scores, -1) if bias is None else torch.sigmoid(scores + bias)) @ values


def _tiles(*widths, queries=2, dim=2, size=1.0):
    """Tiles of these widths, from one row of scores and one column of values."""
    scores, values = size * normal(queries, sum(widths)), normal(sum(widths), dim, seed=1)
    return list(zip(scores.split(widths, 1), values.split(widths)))


def _whole(tiles):
    scores, values = zip(*tiles)
    return torch.cat(scores, -1), torch.cat(values)


def _between(result, tiles):
    values = _whole(tiles)[1]
    if ((result < values.amin(0) - 1e-4) | (result > values.amax(0) + 1e-4)).any():
        return (
            "a row of softmax weights sums to 1, so the result lies between the smallest and the largest value; "
            "yours does not."
        )


def _same_as_whole(result, tiles):
    if not torch.allclose(result, _dense(tiles), atol=1e-4):
        return "split into tiles the result must be that of the whole row; it is not."


def _far(*sizes):
    """Tiles whose scores lie far from each other, or from 0."""
    return [(scores + size, values) for (scores, values), size in zip(_tiles(2, 1, 2), sizes)]


def _rows(*rows):
    """Tiles of one key, with these scores."""
    return list(zip(torch.tensor(rows).split(1, dim=1), normal(len(rows[0]), 3).split(1)))


def _online_cases():
    rising = [(torch.tensor([[0.0]]), torch.tensor([[1.0]])), (torch.tensor([[2.0]]), torch.tensor([[5.0]]))]
    return [
        (rising[:1],),
        (rising,),
        (rising[::-1],),
        (_tiles(3, 3, 2),),
        ([(scores + 300, values) for scores, values in _tiles(2, 2)],),
        (_tiles(4, 4, 4, queries=3, dim=5, size=30.0),),
        (_far(300, -300, 300),),
        (_far(-300, -300, -301),),
        (_rows([1e4, -1e4, 9e3], [-30200.0, -3e4, -30400.0]),),
        (Stream(_tiles(3, 3, 2)),),
    ]


ONLINE = Exercise(
    id="tiles.online",
    title="Softmax attention that sees one tile of keys at a time.",
    reference=online_softmax,
    cases=_online_cases,
    properties=(
        ("needs each tile once", _forgets),
        ("mixes the values", _between),
        ("gives the same for tiles as for the whole row", _same_as_whole),
    ),
    hints=(
        "Start with one tile: subtract the row's maximum, exponentiate, sum, mix, divide at the very end. "
        "Then ask what a second tile with a larger maximum changes.",
        "With a new maximum m', every weight so far was computed with the old m. "
        "They all shrink by the same factor, exp(m - m').",
        "Per tile: new = max(m, tile's max); shrink = exp(m - new); total = total·shrink + Σ exp(s - new); "
        "out = out·shrink + exp(s - new) v; m = new.",
    ),
    mutants=(
        Mutant(
            {"out * shrink": "out"},
            "mixes the values",
            "The sum is corrected when the maximum grows; the output so far must shrink by the same factor.",
        ),
        Mutant(
            {"total * shrink": "total"},
            "gives the same for tiles as for the whole row",
            "The output is corrected when the maximum grows; the sum so far must shrink by the same factor.",
        ),
        Mutant(
            {"out / total": "out"},
            "mixes the values",
            "The weights are not normalized: divide by the sum, once, after the last tile.",
        ),
        Mutant(
            {"torch.exp(highest - new)": "1", "scores - new": "scores"},
            "is never NaN",
            "Without a maximum subtracted, exp overflows for large scores.",
        ),
        Mutant(
            {"torch.exp(highest - new)": "1", "torch.exp(scores - new)": "torch.softmax(scores, -1)"},
            "gives the same for tiles as for the whole row",
            "Each tile is normalized by itself, so a tile of small scores counts as much as one of large scores. "
            "Normalize at the end.",
        ),
        Mutant(
            {"torch.maximum(torch.as_tensor(highest), scores.amax(-1, keepdim=True))": "scores.amax(-1, keepdim=True)"},
            "is never NaN",
            "The maximum is that of the newest tile. Where it falls, exp(m - m') overflows: keep the larger one.",
        ),
        Mutant(
            {"highest, total, out = -math.inf": "highest, total, out = torch.tensor(0.0)"},
            "is never NaN",
            "The maximum starts at 0. Where all scores lie far below, every exp is 0, and 0/0 is NaN: start at -∞.",
        ),
        Mutant(
            _dense,
            "needs each tile once",
            "This puts the tiles together again and does the whole row at once. "
            "Carry a maximum, a sum and an output from tile to tile instead; nothing else is kept.",
        ),
    ),
)


def _alone(result, tiles, bias):
    first, *others = (torch.sigmoid(scores + bias) @ values for scores, values in tiles)
    if others and not torch.allclose(result, first + sum(others), atol=1e-4):
        return (
            f"tiles simply add up; for query 0 the first gives {first[0, 0]:.3f} and the rest "
            f"{sum(others)[0, 0]:.3f}, together {(first + sum(others))[0, 0]:.3f}, and yours is {result[0, 0]:.3f}."
        )


def _half_at_zero(result, tiles, bias):
    if len(tiles) == 1 and bias == 0 and not torch.allclose(result, torch.full_like(result, 1.0)):
        return f"σ(0) = 1/2, so the value 2 must come out as 1; yours is {result.item():.3g}."


def _sigmoid_cases():
    one = [(torch.tensor([[0.0]]), torch.tensor([[2.0]]))]
    return [
        (one, 0.0),
        (one * 2, 0.0),
        (one * 4, -math.log(4)),
        (_tiles(3, 3, 2), -math.log(8)),
        (_tiles(4, 4, queries=3, dim=5, size=20.0), 1.5),
        (_tiles(3, 2, size=1e4), 0.5),
        (Stream(_tiles(3, 3, 2)), -math.log(8)),
    ]


SIGMOID = Exercise(
    id="tiles.sigmoid",
    title="Sigmoid attention that sees one tile of keys at a time.",
    reference=sigmoid_tiles,
    cases=_sigmoid_cases,
    properties=(
        ("needs each tile once", _forgets),
        ("weighs a score of 0 with 1/2", _half_at_zero),
        ("adds the tiles up", _alone),
    ),
    hints=(
        "Take your online softmax and ask of each variable: does a sigmoid weight depend on it?",
        "A weight is σ(score + bias), and knows nothing of the rest of its row. "
        "So there is no maximum, no sum and no correction.",
        "out = out + torch.sigmoid(scores + bias) @ values, for every tile. That is all.",
    ),
    mutants=(
        Mutant(
            {"return out": "return out / sum(torch.sigmoid(s + bias).sum(-1, keepdim=True) for s, _ in tiles)"},
            "weighs a score of 0 with 1/2",
            "This divides by the sum of the row. Sigmoid weights are not normalized.",
        ),
        Mutant(
            {" + bias": ""},
            "adds the tiles up",
            "The bias is not added to the scores.",
        ),
        Mutant(
            {"+ bias": "- math.log(scores.shape[-1])"},
            "adds the tiles up",
            "The bias here is -log of a tile's width. "
            "It belongs to the length of the whole row, and comes as an argument.",
        ),
        Mutant(
            {"out + einsum": "einsum"},
            "adds the tiles up",
            "Only the last tile is left: add each tile's part to what is there.",
        ),
        Mutant(
            {"torch.sigmoid": "torch.exp"},
            "weighs a score of 0 with 1/2",
            "That is exp, softmax's weight before normalizing. The sigmoid is 1 / (1 + exp(-x)).",
        ),
        Mutant(
            {"torch.sigmoid(scores + bias)": "(lambda e: e / (1 + e))(torch.exp(scores + bias))"},
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. torch.sigmoid knows both ends.",
        ),
        Mutant(
            _dense,
            "needs each tile once",
            "This puts the tiles together again. Each tile's part can be added at once, and the tile forgotten.",
        ),
    ),
)
