"""The exercises of lab 13: the distance of names, the kind of a head, its directions, its connections, its test."""

import torch
from torch import inf

from seqlab.course.cases import coins, double, drawn, normal
from seqlab.course.check import Exercise, Mutant
from seqlab.microscope.measures import apart, directions, fewest, near, p_value


def _alike(*labels):
    """Which two of these are the same."""
    return torch.tensor([[a == b for b in labels] for a in labels])


def _itself(result, names, same):
    far = torch.cdist(names, names)
    if torch.allclose(result, far[same].mean() / far[~same].mean()) and not torch.allclose(result, apart(names, same)):
        return "a name is at distance 0 from itself, which says nothing: only pairs of two names count."


APART = Exercise(
    id="microscope.apart",
    title="How far apart are the names of one token?",
    differentiable=False,
    mark="•",
    reference=apart,
    cases=lambda: [
        (double([0], [1], [4], [5]), _alike("C", "C", "O", "O")),
        (double([0, 0], [3, 4], [3, 0]), _alike("C", "C", "N")),
        (double([0, 0], [0, 0], [0, 1], [2, 2]), _alike("C", "C", "O", "O")),
        (double([0, 1], [5, 1], [2, 2], [0, 9], [4, 4]), _alike("C", "O", "C", "C", "N")),
        (normal(7, 3).double(), _alike(*"CCNCONN")),
    ],
    properties=(("compares no name with itself", _itself),),
    draw=lambda random: (drawn(random, 6, random.randint(2, 4)), _alike(*random.sample("CCCNNO", 6))),
    hints=(
        "Two means: over pairs of the same token, and over pairs of different ones. The second is the unit.",
        "torch.cdist(names, names) holds each pair twice, and zeros on the diagonal, which are no pairs.",
        "pairs = torch.ones_like(same).triu(1), then distances[pairs & same].mean() / distances[pairs & ~same].mean().",
    ),
    mutants=(
        Mutant(
            {".triu(1)": ""},
            "compares no name with itself",
            "Each name is compared with itself here, and these zeros make the mean small.",
        ),
        Mutant(
            {"distances[pairs & ~same].mean()": "distances[pairs].mean()"},
            "equals the reference",
            "The unit is the distance between different tokens; here it has those of the same token among them.",
        ),
        Mutant(
            {"distances[pairs & ~same].mean()": "1"},
            "equals the reference",
            "That is a distance in the stream's own unit, which differs from layer to layer.",
        ),
        Mutant(
            {"distances[pairs & same].mean()": "distances[pairs & same].max()"},
            "equals the reference",
            "The largest distance says what one pair does. Take the mean of all of them.",
        ),
        Mutant(
            {"return distances": "return 1 / distances", "/ distances[pairs & ~same]": "* distances[pairs & ~same]"},
            "equals the reference",
            "Upside down: the same token above, different ones below.",
        ),
    ),
)


def _shares(result, scores, bias):
    if (result < -1e-6).any() or (result[:2] > 1 + 1e-6).any():
        return "of a row that sums to 1 at most all can move to another that does: the first two lie from 0 to 1."


def _hard(result, scores, bias):
    want = 1 - scores.softmax(-1).amax(-1).mean()
    if not torch.allclose(result[0], want.to(result), atol=1e-5):
        return "to become hardmax a row moves all that does not lie on its largest weight, once."


def _flat(result, scores, bias):
    seen = scores.isfinite()
    if all(row[see].unique().numel() <= 1 for row, see in zip(scores, seen)) and result[1].abs() > 1e-5:
        return "a row with equal scores is an average already, over the keys that it sees."


NEAR = Exercise(
    id="microscope.near",
    title="Softmax, or nearly something else?",
    differentiable=False,
    tolerance=1e-6,  # a boolean row over its sum is float32
    mark="••",
    reference=near,
    cases=lambda: [
        (double([0, 1]), 0.0),
        (double([0, 2, 1], [3, 0, 0]), -1.0),
        (double([0, -inf, -inf], [1, 0.5, -inf], [0, 1, 4]), -0.5),
        (double([30, 0, 1, 2]), -29.0),
        (double([800, 0, 1], [2, 1, 0]), 0.0),
        (normal(5, 4).double(), -1.4),
    ],
    properties=(
        ("gives shares of a row's weight", _shares),
        ("moves what is not on the largest weight to make a row hard", _hard),
        ("leaves out keys that a query may not look at", _flat),
    ),
    draw=lambda random: (
        drawn(random, n := random.randint(2, 5), n).masked_fill(~torch.ones(n, n, dtype=torch.bool).tril(), -inf),
        -random.random(),
    ),
    hints=(
        "Make the three other rows of weights first, then compare each with softmax in the same way.",
        "Hardmax: a 1 at the argmax. Average: 1 over the number of finite scores, there. Sigmoid: as it stands.",
        "(weights - other).abs().sum(-1).mean() / 2 for each of the three, then torch.stack.",
    ),
    mutants=(
        Mutant(
            {".sum(-1).mean() / 2": ".sum(-1).mean()"},
            "moves what is not on the largest weight to make a row hard",
            "What leaves one key arrives at another, so each share is counted twice. Take half.",
        ),
        Mutant(
            {".sum(-1).mean() / 2": ".mean() / 2"},
            "moves what is not on the largest weight to make a row hard",
            "The mean goes over keys as well. Over the keys it is a sum; long rows would look alike otherwise.",
        ),
        Mutant(
            {"seen / seen.sum(-1, keepdim=True)": "torch.ones_like(weights) / scores.shape[-1]"},
            "equals the reference",
            "The average gives weight to keys that the query may not look at.",
        ),
        Mutant(
            {"scores + bias": "scores"},
            "equals the reference",
            "The bias is missing: it is what makes a sigmoid's rows small.",
        ),
        Mutant(
            {"torch.sigmoid(scores + bias)": "torch.sigmoid(weights + bias)"},
            "equals the reference",
            "The sigmoid reads scores, not weights that softmax has made already.",
        ),
        Mutant(
            {"scores.argmax(-1)": "scores.argmax(-1) * 0"},
            "moves what is not on the largest weight to make a row hard",
            "Hardmax puts its 1 at the largest score of each row.",
        ),
    ),
)


def _bounds(result, w_q, w_k):
    if not 1 - 1e-5 <= result <= min(w_q.shape) + 1e-5:
        return f"it lies between 1 and the {min(w_q.shape)} of the smaller side; yours is {result:.4g}."


DIRECTIONS = Exercise(
    id="microscope.directions",
    title="How many directions does a head use?",
    differentiable=False,
    mark="•",
    reference=directions,
    cases=lambda: [
        (double([1, 0]), double([1, 2])),
        (double([1, 0], [0, 1]), double([1, 0], [0, 1])),
        (double([1, 0], [0, 1]), double([3, 0], [0, 1])),
        (double([1, 1, 0], [1, -1, 0]), double([0, 0, 2], [0, 2, 0])),
        (normal(3, 5).double(), normal(3, 5, seed=1).double()),
    ],
    properties=(("lies between 1 and the rank", _bounds),),
    draw=lambda random: (drawn(random, k := random.randint(2, 4), 5), drawn(random, k, 5)),
    hints=(
        "The score of x and y is ⟨W_q x, W_k y⟩ = yᵀ (W_kᵀ W_q) x. Take the singular values of the matrix between.",
        "torch.linalg.svdvals(w_k.T @ w_q); as shares of their sum they are a distribution, and most of them are 0.",
        "The entropy -Σ p log p, with 0 log 0 = 0, is torch.special.entr(p).sum(); the effective rank is its exp().",
    ),
    mutants=(
        Mutant(
            {"w_k.T @ w_q": "w_q"},
            "equals the reference",
            "These are the directions of the queries. The head compares them with keys.",
        ),
        Mutant(
            {"values / values.sum()": "values**2 / (values**2).sum()"},
            "equals the reference",
            "Those are shares of the squares. Effective rank takes the singular values themselves.",
        ),
        Mutant(
            {".sum().exp()": ".sum()"},
            "lies between 1 and the rank",
            "That is the entropy. Its exponential counts directions.",
        ),
        Mutant(
            {"w_k.T @ w_q": "w_k @ w_q.T"},
            "equals the reference",
            "W_k W_qᵀ of these shapes is (size, size): it is not what stands between two tokens.",
        ),
        Mutant(
            {"values / values.sum()": "values"},
            "lies between 1 and the rank",
            "The values must be shares of their sum.",
        ),
    ),
)


def _enough(result, weights, share):
    for head, count in zip(weights.double().flatten(1), result.tolist()):
        best = head.sort(descending=True).values
        if not 1 <= count <= len(best) or best[:count].sum() < share * best.sum() - 1e-9:
            return f"with {count} connections the head does not keep {share:.0%} of its weight."


FEWEST = Exercise(
    id="microscope.fewest",
    title="The fewest connections that keep a share of the weight.",
    mark="•",
    reference=fewest,
    cases=lambda: [
        (double([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 2), 0.9),
        (double([0.5, 0.5], [0.25, 0.75]).view(1, 2, 2), 0.6),
        (double([0.5, 0.5], [1, 0], [0.125, 0.875], [0.25, 0.75]).view(2, 2, 2), 0.99),
        (double([0.5, 0.5], [1, 0]).view(1, 2, 2), 0.5),
        (normal(3, 4, 4).double().softmax(-1), 0.8),
        (normal(2, 3, 3).double().sigmoid(), 0.5),
    ],
    properties=(("keeps the share", _enough),),
    draw=lambda random: (
        (2 * drawn(random, 2, n := random.randint(3, 5), n)).softmax(-1),
        random.choice((0.33, 0.61, 0.87)),
    ),
    hints=(
        "If you may choose freely, which connection do you take first?",
        "Flatten each head, sort with the largest first, and add up: weights.flatten(1).sort(descending=True).values.",
        "Count the partial sums that are still below share · the whole sum, and take one more.",
    ),
    mutants=(
        Mutant({") + 1": ")"}, "keeps the share", "One too few: that many are still below the share."),
        Mutant(
            {"descending=True": "descending=False"}, "equals the reference", "This takes the smallest weights first."
        ),
        Mutant(
            {"share * kept[:, -1:]": "share"},
            "keeps the share",
            "The whole weight of a head is as large as it has queries, not 1. Compare with its share.",
        ),
        Mutant(
            {".flatten(1)": ".mean(1)"},
            "keeps the share",
            "Each query chooses its own keys; you add their weights up first.",
        ),
    ),
)


def _lucky(result, weights, hits, orders):
    if not 1 / (1 + len(orders)) - 1e-9 <= result <= 1:
        return f"the head itself is one of {1 + len(orders)} draws, and does as well as it does: not {result:.4g}."


def _shuffles(count, keys, seed=0):
    return torch.rand(count, keys, generator=torch.Generator().manual_seed(seed)).argsort(-1)


PREVIOUS = torch.ones(4, 4, dtype=torch.bool).tril(-1).triu(-1)
P_VALUE = Exercise(
    id="microscope.p_value",
    title="Is it luck?",
    mark="••",
    reference=p_value,
    cases=lambda: [
        (double([0.75, 0.25]), torch.tensor([[True, False]]), torch.tensor([[1, 0]])),
        (double([0.75, 0.25]), torch.tensor([[True, False]]), torch.tensor([[0, 1], [1, 0], [1, 0]])),
        (double([0.5, 0.25, 0.25], [0.25, 0.5, 0.25]), _alike(*"ab", "c")[:2].roll(1, 1), torch.tensor([[1, 2, 0]])),
        (normal(4, 4).double().softmax(-1), PREVIOUS, _shuffles(40, 4)),
        (torch.eye(4).double().roll(-1, 1), PREVIOUS, _shuffles(60, 4, seed=1)),
        (normal(3, 5).double().softmax(-1), normal(3, 5, seed=2) > 0, _shuffles(30, 5, seed=2)),
    ],
    properties=(("counts the head itself", _lucky),),
    draw=lambda random: (  # of 1024ths, so that the order in which it is left as it is does exactly as well
        drawn(random, 4, 5).softmax(-1).mul(1024).round() / 1024,
        coins(random, 4, 5, share=0.4) | (torch.arange(5) == 1),
        torch.cat([torch.arange(5)[None], _shuffles(random.randint(15, 30), 5, random.getrandbits(20))]),
    ),
    hints=(
        "One number is compared, the weight on the hits: once for the head, once for each shuffling of its keys.",
        "In draw d the weights are weights[:, orders[d]]. Count the draws whose number is at least the head's own.",
        "(1 + how many draws do as well) / (1 + how many draws there are): the head is one of them.",
    ),
    mutants=(
        Mutant(
            {"(1 + int": "(int"},
            "counts the head itself",
            "A probability of 0 says that it cannot be luck, which no draws show. Count the head as one draw.",
        ),
        Mutant(
            {"drawn >= observed": "drawn > observed"},
            "equals the reference",
            "Who does as well counts, too: at least, not more than.",
        ),
        Mutant(
            {"drawn >= observed": "drawn <= observed"}, "equals the reference", "That counts the draws that do worse."
        ),
        Mutant(
            {"/ (1 + len(orders))": "/ len(orders)"},
            "equals the reference",
            "The head is one draw more, above and below.",
        ),
        Mutant(
            {"orders[:, key]].sum(1)": "key].sum().expand(len(orders))"},
            "equals the reference",
            "Nothing is shuffled here.",
        ),
    ),
)
