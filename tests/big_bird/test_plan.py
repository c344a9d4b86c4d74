"""The plan against a definition written out token by token, and its other forms against its mask."""

import pickle
from dataclasses import FrozenInstanceError, asdict, replace

import numpy as np
import pytest
import torch

from kernels import BlockLayout
from seqlab import patterns
from seqlab.big_bird import Plan
from tests.typecheck import plain

PLANS = {
    "itc": (Plan(4, random_blocks=2, heads=3), 61),
    "first only": (Plan(4, global_blocks=(0,), random_blocks=1), 40),
    "block 1": (Plan(1, random_blocks=3), 23),
    "no global": (Plan(4, global_blocks=(), random_blocks=2), 37),
    "no random": (Plan(4, random_blocks=0), 37),
    "no window": (Plan(4, window=0), 37),
    "nothing": (Plan(4, 0, (), 0), 9),
    "middle global": (Plan(4, 5, (3, -2, 3), 2), 60),
    "from the front": (Plan(4, random_blocks=2, random_from=33, heads=2), 90),
    "etc": (Plan(4, 3, (), 1, extra=6), 43),
    "etc, whole blocks": (Plan(4, 3, (), 0, extra=8), 43),
    "etc and blocks": (Plan(4, 3, (0, -1), 0, extra=3), 43),
    "tokens": (Plan(4, global_blocks=(), random_blocks=1, global_tokens=(0, 17, -1, 0)), 42),
    "tokens, blocks, extra": (Plan(4, global_blocks=(1,), random_blocks=1, extra=5, global_tokens=(3, 18)), 46),
    "a short block": (Plan(8, random_blocks=0), 15),
    "one token": (Plan(64, 1, (0,), 0), 1),
}
each = pytest.mark.parametrize("plan, n", PLANS.values(), ids=PLANS)


def by_hand(plan: Plan, n: int, head: int) -> torch.Tensor:
    """Who may look at whom without the random part, and the random part as the plan has it; nothing is arranged."""
    length = n - plan.extra
    count = -(-length // plan.block)
    blocks = {j % count for j in plan.global_blocks if -count <= j < count}
    tokens = {t % length for t in plan.global_tokens}
    drawn = plan.at(n)
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n):
            if i < plan.extra or j < plan.extra:
                mask[i, j] = True
                continue
            query, key = i - plan.extra, j - plan.extra
            row, column = query // plan.block, key // plan.block
            near = plan.window > 0 and abs(row - column) <= (plan.window - 1) // 2
            chosen = column + drawn.front in drawn.random[head, row + drawn.front].tolist()
            mask[i, j] = near or chosen or bool({row, column} & blocks) or bool({query, key} & tokens)
    return mask


@each
def test_mask_is_the_definition(plan, n):
    mask = plan.mask(n)
    assert mask.shape == (plan.heads, n, n)
    for head in range(plan.heads):
        assert torch.equal(mask[head], by_hand(plan, n, head))


@each
def test_pattern_and_counts_are_the_mask(plan, n):
    mask, at = plan.mask(n), plan.pattern().at(n)
    assert torch.equal(at.mask, mask if plan.heads > 1 else mask[0])
    assert plan.inner_products(n) == int(mask.sum())


@each
def test_layout_is_the_mask_or_says_why_not(plan, n):
    if plan.global_tokens or plan.extra % plan.block:
        with pytest.raises(ValueError, match="kernel_attention"):
            plan.layout(n)
    else:
        assert torch.equal(plan.layout(n).mask(), plan.mask(n))


@pytest.mark.parametrize(
    "plan, n", [(Plan(4, 5, (0, -1), 3, heads=3), 91), (Plan(4, 3, (0,), 2, random_from=24, extra=9), 73)]
)
def test_random_blocks_are_new_distinct_and_as_many_as_asked(plan, n):
    drawn = plan.at(n)
    for head in range(plan.heads):
        for i in range(drawn.blocks):
            chosen = drawn.random[head, i].tolist()
            if i in drawn.relays:
                assert set(chosen) == {-1}
                continue
            assert len(set(chosen)) == plan.random_blocks and min(chosen) >= drawn.front
            assert not set(chosen) & set(drawn.relays) and all(abs(i - j) > plan.window // 2 for j in chosen)
            if plan.random_from:
                assert max(chosen) < drawn.front + plan.random_from // plan.block


def test_every_free_block_is_drawn_as_often():
    """Uniform among the free ones: 1,600 draws of 2 from the 7 that block 5 of 12 has free."""
    free = [1, 2, 3, 7, 8, 9, 10]
    seen = torch.cat([Plan(1, random_blocks=2, seed=seed).at(12).random[0, 5] for seed in range(1600)])
    counts = torch.bincount(seen, minlength=12)
    assert (counts[free] - 3200 / 7).abs().max() < 90 and counts.sum() == counts[free].sum()


def test_keys_of_a_middle_query():
    plan = Plan(16)
    assert int(plan.mask(256)[0, 100].sum()) == 8 * 16
    assert int(Plan(8, 3, (), 0, extra=10).mask(100)[0, 60].sum()) == 34


def test_the_plan_is_frozen_and_its_draw_too():
    plan = Plan(4, heads=2, seed=3)
    with pytest.raises(FrozenInstanceError):
        plan.seed = 4
    before = plan.at(80).random.clone()
    assert torch.equal(pickle.loads(pickle.dumps(plan)).at(80).random, before)
    assert Plan(**asdict(plan)) == plan
    assert not torch.equal(replace(plan, seed=4).at(80).random, before)
    assert not torch.equal(before[0], before[1]), "heads have plans of their own"
    assert torch.equal(replace(plan, heads=1).at(80).random[0], before[0])


def test_the_draw_does_not_depend_on_the_machine():
    assert Plan(1, heads=2).at(20).random[:, 9].tolist() == DRAWN


DRAWN = [[3, 5, 11], [1, 17, 18]]


def test_a_plan_from_the_front_goes_on_as_the_sequence_grows():
    plan = Plan(4, global_blocks=(0,), random_from=64)
    short, long = plan.at(100).random, plan.at(200).random
    assert torch.equal(long[:, : short.shape[1]], short)


def made(**options):
    """A plan as a notebook makes it, before its own checks: without the type checks that tests add."""
    plan = object.__new__(Plan)
    for name, given in (asdict(Plan()) | options).items():
        object.__setattr__(plan, name, given)
    return plan


def test_whole_numbers_of_other_libraries_are_whole_numbers():
    ours = Plan(4, seed=3, global_blocks=(0,))
    plan = made(block=np.int64(4), seed=np.int32(3), global_blocks=(np.int8(0),))
    plan.__post_init__()
    assert plan == ours and type(plan.block) is type(plan.seed) is int and asdict(plan) == asdict(ours)
    assert torch.equal(plain(Plan.at)(plan, np.int64(40)).random, ours.at(40).random)


def test_a_block_that_begins_in_the_front_but_ends_outside_is_not_in_it():
    drawn = Plan(4, random_blocks=1, random_from=23, global_blocks=(), seed=1).at(200).random
    assert set(drawn[:, 8:].unique().tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(block=0), ValueError, "block: got 0"),
        (dict(block=True), ValueError, "block: got True"),
        (dict(window=2), ValueError, "odd number"),
        (dict(window=-1), ValueError, "window: got -1"),
        (dict(random_blocks=1.5), ValueError, "random_blocks"),
        (dict(random_from=10), ValueError, "random_from: got 10, wanted a whole number, at least 64"),
        (dict(heads=0), ValueError, "heads"),
        (dict(extra=-1), ValueError, "extra"),
        (dict(seed=1.0), ValueError, "seed: got 1.0, wanted a whole number"),
        (dict(global_blocks=2), TypeError, "list of positions"),
        (dict(global_tokens=("a",)), ValueError, "global_tokens: got 'a'"),
    ],
)
def test_wrong_plans(options, error, words):
    with pytest.raises(error, match=words):
        made(**options).__post_init__()


@pytest.mark.parametrize(
    "plan, n, words",
    [
        (Plan(4), 20, "of all 5 blocks, query block 1 has 1 outside"),
        (Plan(4, random_from=16), 200, "first 4 of 50 blocks, query block 1 has 1 .* or random_from"),
        (Plan(4, global_blocks=(9,), random_blocks=0), 20, "global_blocks: got position 9, the sequence has 5 blocks"),
        (Plan(4, random_blocks=0, global_tokens=(20,)), 20, "global_tokens: got position 20"),
        (Plan(4, 3, (), 0, extra=8), 8, "n: got 8 tokens, wanted more than the 8 extra ones"),
        (Plan(4), 0, "n: got 0"),
    ],
)
def test_lengths_that_do_not_do(plan, n, words):
    with pytest.raises(ValueError, match=words):
        plan.at(n)


def test_agrees_with_the_layouts_that_were_there():
    """Without a random part nothing is left to chance."""
    for g, ours in ((0, ()), (1, (0,)), (2, (0, -1)), (3, (0, 1, -1))):
        plan = Plan(4, global_blocks=ours, random_blocks=0)
        theirs = BlockLayout.bigbird(50, block=4, global_blocks=g, random_blocks=0)
        assert torch.equal(plan.mask(50), theirs.mask())
    etc = patterns.bigbird_etc(6, 4).at(43).mask
    assert torch.equal(Plan(4, 3, (), 0, extra=6).mask(43)[0], etc)


def test_the_published_plan_looks_at_the_first_1024_positions_only():
    published = Plan.published()
    counts = []
    for plan in (published, replace(published, random_from=None)):
        chosen = plan.at(4096).random
        counts.append(torch.bincount(chosen[chosen >= 0], minlength=64))
    front, everywhere = counts
    assert front.sum() == everywhere.sum() == 12 * 62 * 3
    assert front[16:].sum() == 0 and front[0] == 0 and (front[1:-1] == 0).sum() == 47
    assert 0.2 < everywhere[:16].sum() / everywhere.sum() < 0.3 and (everywhere[1:-1] == 0).sum() == 0
