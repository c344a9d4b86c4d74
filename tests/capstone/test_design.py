"""Designs: every combination runs or says why not; the papers' six; the layers of a design."""

from dataclasses import astuple, replace
from itertools import cycle, product

import pytest
import torch

from seqlab.attention import allowed_keys
from seqlab.capstone import CONTROLS, PAPERS, Design
from seqlab.capstone.cost import cost, flop
from seqlab.capstone.design import CHOICES, NORMALIZERS, PATTERNS
from seqlab.capstone.model import BLOCK, CLASSES, TOKENS, Core, Reader
from seqlab.capstone.names import names
from seqlab.capstone.theory import STATEMENTS, theory
from seqlab.train.fit import fresh

OTHERS = cycle(product(CHOICES["positions"], CHOICES["form"], (1, 2, 3), (16, 24), (1, 2, 4, 5)))
COMBINATIONS = [(*pair, *next(OTHERS)) for pair in product(NORMALIZERS, PATTERNS) for _ in range(2)]


def pair(n, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS, (2, n), generator=draw), torch.randint(CLASSES, (2, n), generator=draw)


def test_there_are_enough_combinations_of_both_kinds():
    made = [why is None for why in map(refusal, COMBINATIONS)]
    assert len(set(COMBINATIONS)) == len(COMBINATIONS) == 72 and 30 < sum(made) < 45


def refusal(values):
    try:
        Design(*values)
    except ValueError as why:
        return str(why)


@pytest.mark.parametrize("values", COMBINATIONS, ids=lambda values: "-".join(map(str, values)))
def test_each_combination_runs_or_says_why_not(values):
    if why := refusal(values):
        axis, _, reason = why.partition(": ")
        assert axis in CHOICES and len(reason.split()) > 5
        return
    design = Design(*values)
    model = fresh(lambda: Reader(design, 24), 0)
    loss = model.loss(pair(24))
    loss.backward()
    assert torch.isfinite(loss) and len(model.core.blocks) == design.layers
    looked = max(block.attention.qkv.weight.grad[: 2 * design.width].abs().max().item() for block in model.core.blocks)
    assert (looked > 0) == (design.normalizer in ("softmax", "sigmoid"))  # others are told nothing of where to look
    assert [*theory(design)] == [*STATEMENTS]
    assert {*names(design)} == {"float64", "float32", "bfloat16"}
    assert cost(design, 24).flop == flop(design, 24) > 0
    assert eval(repr(design), {"Design": Design}) == design and Design(*astuple(design)) == design


@pytest.mark.parametrize(
    "change, why",
    [
        (dict(normalizer="softmin"), "normalizer: got 'softmin', wanted one of softmax"),
        (dict(heads=3), "heads: 3 do not divide a width of 32"),
        (dict(positions="rope", heads=32 // 1, width=32), "heads: got 32"),
        (
            dict(positions="rope", width=12, heads=4),
            "positions: rope turns pairs of numbers, a head here has 3",
        ),
        (dict(form="loop", depth=1), "form: a loop that turns once is a stack of one layer"),
        (dict(form="loop", pattern="fixed"), "form: a loop applies one layer with one set of connections, fixed has 2"),
        (dict(pattern="strided", depth=1), "depth: strided has 2 sets in turn"),
        (
            dict(normalizer="average", positions="alibi"),
            "positions: alibi changes scores, and an average looks at none",
        ),
        (dict(depth=9), "depth: got 9, wanted a whole number from 1 to 8"),
        (dict(width=True), "width: got True"),
    ],
)
def test_refusals_say_why(change, why):
    with pytest.raises(ValueError) as told:
        replace(Design(), **change)
    assert str(told.value).startswith(why)


@pytest.mark.parametrize("name", PATTERNS)
def test_blocks_of_a_pattern_are_the_pattern_of_blocks(name):
    design = Design("softmax", name)
    fine, coarse = PATTERNS[name](8).at(8), design.who(32, 4).at(32)
    for at in range(design.sets):
        assert torch.equal(coarse.masks()[at], fine.masks()[at].repeat_interleave(4, 0).repeat_interleave(4, 1))


@pytest.mark.parametrize("name", [*PAPERS, "window"])
@pytest.mark.parametrize("positions", CHOICES["positions"])
def test_kernels_and_oracle_agree(name, positions):
    design = replace((PAPERS | CONTROLS)[name], positions=positions)
    fast, slow = (fresh(lambda: Core(design, 27, BLOCK, oracle=oracle), 1) for oracle in (False, True))
    x = torch.randn(2, 27, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fast(x), slow(x), atol=1e-5)


def test_a_loop_has_one_layer_and_a_clock_tells_its_turns():
    loop = Core(Design(form="loop", depth=3), 8)
    clocked = Core(PAPERS["Xu 2024"], 8)
    assert len(loop.blocks) == len(clocked.blocks) == 1 and loop.clock is None
    x = torch.randn(1, 8, 32)
    with torch.no_grad():
        before = clocked(x)
        clocked.clock.emit.weight.normal_()
        assert not torch.allclose(before, clocked(x))


def test_no_answer_depends_on_what_the_pattern_hides():
    core = Core(CONTROLS["window"], 32, BLOCK)
    x = torch.randn(1, 32, 32)
    y = x.clone()
    y[:, 12:] += 1  # two layers reach two blocks of four
    with torch.no_grad():
        assert torch.equal(core(x)[:, :4], core(y)[:, :4]) and not torch.equal(core(x)[:, 4:8], core(y)[:, 4:8])
    assert allowed_keys(torch.empty(32, 32), pattern=core.design.who(32, BLOCK)).sum() == 32 * core.keys[0]


def test_what_rounding_leaves_and_who_cannot_name():
    assert not names(CONTROLS["alone"])["float64"].verdict and not names(CONTROLS["window"])["float64"].verdict
    found = names(PAPERS["Kajitsuka 2023"])
    assert found["float32"].headroom - found["bfloat16"].headroom == pytest.approx(16)
    assert names(Design(depth=2), 1)["float64"].separation != names(Design(depth=2))["float64"].separation


def test_cost_counts_what_runs():
    full, bird = cost(PAPERS["Yun 2019"]), cost(PAPERS["Zaheer 2020"], timed=True)
    assert full.keys == 256 and full.flop == 2 * (24 * 32**2 + 4 * 256 * 32) and bird.flop < full.flop and bird.here > 0
    assert bird.kernel.startswith("softmax, tiled: ") and full.lights[1].device.name == "H100"
    assert cost(CONTROLS["hardmax"]).kernel.startswith("none: normalizer: the kernels have softmax and sigmoid")
    assert cost(CONTROLS["hardmax"]).work.moved > full.work.moved
