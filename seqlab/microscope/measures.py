"""What is measured: how far names are apart, how a head weighs, how many directions it uses, what it needs to see.

| what                                      | here          | source                                              |
| ----------------------------------------- | ------------- | --------------------------------------------------- |
| names of equal tokens in other contexts   | `apart`       | the contextual mapping, Yun et al. 2019             |
| softmax, or nearly another normalizer     | `near`        | total variation of two rows of weights              |
| rank of W_K W_Qᵀ                          | `directions`  | effective rank, Roy & Vetterli 2007; one is enough: |
|                                           |               | Kajitsuka & Sato 2023                               |
| connections that a share of the mass takes | `fewest`     | and `kept`, by a pattern                            |
| whether a head does what one says of it   | `p_value`     | a permutation test, Fisher 1935                     |

The first five are what the lab asks for; their shapes stand in their docstrings, as the reader meets them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.patterns.pattern import Pattern


def apart(names, same):
    """How far the names of the same token are apart, in units of how far those of different tokens are: two means.
    names: (name, dim), same: bool (name, name), do the two belong to the same token? -> number

    Each pair counts once, and no name is compared with itself.
    """
    distances = torch.cdist(names, names, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = torch.ones_like(same).triu(1)
    return distances[pairs & same].mean() / distances[pairs & ~same].mean()


def near(scores, bias):
    """How far softmax of these scores is from hardmax, from the average and from sigmoid(score + bias).
    scores: (query, key), -inf where a query may not look, and nowhere a tie for the largest -> (3)

    Far: half the sum of |difference| over the keys, which is the share of weight that would have to move; mean over
    queries.
    """
    weights, seen = scores.softmax(-1), scores.isfinite().to(scores)
    hard = torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1])
    others = hard, seen / seen.sum(-1, keepdim=True), torch.sigmoid(scores + bias)
    return torch.stack([(weights - other).abs().sum(-1).mean() / 2 for other in others])


def directions(w_q, w_k):
    """The effective rank of W_K W_Qᵀ, the matrix between a key's token and a query's: e to the entropy of its singular
    values, as shares of their sum.
    w_q, w_k: (size, dim), the score is ⟨w_q x, w_k y⟩ -> number, from 1 to the rank
    """
    values = torch.linalg.svdvals(w_k.T @ w_q)
    return torch.special.entr(values / values.sum()).sum().exp()


def fewest(weights, share):
    """The fewest connections with which each head keeps this share of all its weight.
    weights: (head, query, key) -> whole numbers (head)

    Any connections will do, another choice for each head; weights of different queries count alike.
    """
    kept = weights.double().flatten(1).sort(descending=True).values.cumsum(-1)
    return (kept < share * kept[:, -1:]).sum(-1) + 1


def p_value(weights, hits, orders):
    """How often a head does so well by luck: "the weight lies on the hits" against the same weights on shuffled keys.
    weights, hits: (query, key), orders: (draw, key), each row an order of the keys -> number above 0

    In draw d key j of every query has the weight of key orders[d, j]. The head as it is counts as one draw more, and
    who does as well counts.
    """
    query, key = hits.nonzero().unbind(1)
    observed = weights[query, key].sum()
    drawn = weights[query, orders[:, key]].sum(1)
    return (1 + int((drawn >= observed).sum())) / (1 + len(orders))


def census(scores: Float[Tensor, "layer head query key"]) -> Float[Tensor, "layer head 3"]:
    """`near` of all heads; the sigmoid of each has the bias with which the row in the middle sums to about 1."""
    each = [near(head, -head.logsumexp(-1).median().item()) for layer in scores for head in layer]
    return torch.stack(each).unflatten(0, scores.shape[:2])


def kept(weights: Float[Tensor, "*head query key"], pattern: Pattern) -> Float[Tensor, "*head"]:
    """The share of a head's weight that lies on the connections of a pattern."""
    seen = pattern.at(weights.shape[-1]).mask
    return (weights * seen).sum((-2, -1)) / weights.sum((-2, -1))
