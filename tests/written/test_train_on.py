"""A written program as the start of training: seeded, the text as it is or drawn anew, only the layers move."""

import torch

from seqlab.attention import softmax
from seqlab.written import train_on
from seqlab.written.exercises import looks
from seqlab.written.puzzle import sequences

TOKENS = torch.tensor(sequences(3, 4, 4))


def want(tokens):
    return torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)[..., None].double()


def trained(beta, random=None, steps=30):
    before, after = (train_on.start(looks.left(), softmax(beta), random=random) for _ in range(2))
    history = train_on.train_on(after, want, TOKENS, steps=steps, seed=3)
    return before, after, history


def test_a_text_is_sharpened_and_the_same_twice():
    before, after, history = trained(1.0)
    assert history.loss[-1] < history.loss[0] and 0 < train_on.moved(after, before) < 0.5
    assert train_on.error(after, want, TOKENS) < train_on.error(before, want, TOKENS) < 1
    assert torch.equal(after(TOKENS), trained(1.0)[1](TOKENS))
    assert torch.equal(after.enter.weight, before.enter.weight) and torch.equal(after.leave.weight, before.leave.weight)
    looked = train_on.looks(before, TOKENS)
    assert looked.shape == (81, 1, 4, 4) and torch.allclose(looked.sum(-1), torch.ones(1).double())
    back = train_on.with_parts(after, before, ["query", "key", "value", "out"])
    assert torch.equal(back(TOKENS), before(TOKENS)) and not torch.equal(after(TOKENS), before(TOKENS))


def test_a_random_start_is_drawn_by_its_seed_alone():
    state = torch.random.get_rng_state()
    one, same, other = (train_on.start(looks.left(), softmax(1.0), random=seed) for seed in (0, 0, 1))
    assert torch.equal(one(TOKENS), same(TOKENS)) and not torch.equal(one(TOKENS), other(TOKENS))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert train_on.accuracy(one, want, TOKENS) < 0.7
    assert train_on.accuracy(train_on.start(looks.left(), softmax(20.0)), want, TOKENS) == 1
