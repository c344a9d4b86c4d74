"""The whole network, its error as δ → 0, ReLU and softmax in it, and the calculator."""

import pytest
import torch

from seqlab import universal
from seqlab.attention import softmax
from seqlab.layers import count

LEVELS = [2, 4, 8, 16, 32, 64]


def wave(x):
    """f_j = sin 3x_j + 0.7 Π x + 1.5: continuous, equivariant, and every token matters."""
    return torch.sin(3 * x) + 0.7 * x.prod(1, keepdim=True) + 1.5


def ordered(x):
    """Not equivariant: the first token counts double."""
    return x + x[:, :1]


@pytest.mark.parametrize(
    "case, positions",
    [
        ((4, 1, 2), False),
        ((4, 1, 3), False),
        ((2, 2, 3), False),
        ((4, 1, 3), True),
        ((2, 2, 2), True),
        ((3, 1, 3), True),
    ],
)
def test_network_is_its_table(case, positions):
    made = universal.approximate(wave, *case, positions=positions)
    verdict = made.check_table()
    assert verdict and verdict.notes[0].startswith("0.000% of the inputs differ"), (verdict, verdict.notes)
    size, real = made.program().count(case[2]), count(made.stack(), case[2])
    budget = universal.Budget(*case, positions)
    assert size.layers == budget.layers and real.layers == budget.attention
    assert size.units == budget.quantise + budget.values
    assert (
        size.heads * (4 * size.width + 1) + size.units * (3 * size.width + 1) == budget.parameters - positions * case[2]
    )
    assert (real.heads, real.head_dim, real.hidden) == (2, 1, 1)
    labels = [block.label for block in made.stack().blocks]
    assert sum(label.startswith("reject") for label in labels) == 1 + case[1]
    assert sum(label.startswith("look up") for label in labels) == case[2] * len(made.cells)


def test_out_of_range_and_repeated_tokens_become_zero():
    stack = universal.approximate(wave, 4, 1, 3).stack()
    x = torch.tensor([[[0.1], [0.2], [0.9]], [[0.1], [1.2], [0.9]], [[-0.1], [0.3], [0.9]]], dtype=torch.float64)
    assert stack(x).abs().max() == 0
    placed = universal.approximate(wave, 4, 1, 3, positions=True).stack()
    assert placed(x[1:]).abs().max() == 0 and placed(x[:1]).abs().min() > 1


@pytest.mark.parametrize("case, positions", [((4, 1, 2), False), ((4, 1, 3), True), ((2, 2, 2), True)])
@pytest.mark.parametrize("epsilon", [2**-7, 2**-10])
def test_relu_and_softmax_cost_the_strips_only(case, positions, epsilon):
    made = universal.approximate(wave, *case, positions=positions)
    beta = 2000.0  # four times the threshold of the slowest of the three, or more
    stack = made.stack(softmax(beta), epsilon)
    size = count(stack, case[2])
    assert (size.heads, size.head_dim, size.hidden) == (2, 1, 4)
    assert made.check_table(normalizer=softmax(beta), relu=epsilon)
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(4000, case[2], case[1], generator=draw, dtype=torch.float64)
    wrong = ((stack(x) - made.reference(x)).abs().amax(dim=(1, 2)) > 1e-6).double().mean().item()
    volume = universal.strip_volume(*case, epsilon)
    spread = 4 * (volume * (1 - volume) / 4000) ** 0.5
    assert wrong <= volume + spread
    if positions:  # without them a repeated token gives zero in the strips too
        assert wrong >= volume - spread


def test_softmax_too_blunt_fails():
    made = universal.approximate(wave, 2, 2, 2, positions=True)
    verdict = made.check_table(normalizer=softmax(3.0))
    x, got, want = (torch.tensor(row, dtype=torch.float64).reshape(1, 2, 2) for row in verdict.witness.objects)
    assert not verdict
    torch.testing.assert_close(made.stack(softmax(3.0))(x), got)
    torch.testing.assert_close(made.reference(x), want)


def test_theorem_holds_for_fine_cells_and_fails_for_coarse_ones():
    fine = universal.approximate(wave, 4, 1, 3, positions=True)
    assert fine.check(0.3)
    coarse = universal.approximate(wave, 2, 1, 3, positions=True).check(0.3)
    assert not coarse
    x, got, want = coarse.witness.objects
    assert wave(torch.tensor(x).reshape(1, 3, 1)).flatten().tolist() == pytest.approx(want, abs=1e-5)
    assert coarse.margin < 0 and got != want


def test_positions_removed_cannot_depend_on_order():
    with_code = universal.approximate(ordered, 4, 1, 3, positions=True).check(0.5)
    without = universal.approximate(ordered, 4, 1, 3).check(0.5)
    assert with_code and not without
    assert not next(h for h in without.statement.hypotheses if h.name == "symmetric").holds


@pytest.mark.parametrize("mixing", ["average", "none", "one head"])
def test_networks_without_names_fail(mixing):
    context = lambda x: x.amax(1, keepdim=True).expand_as(x)  # the mean alone would be within reach of averaging
    assert universal.approximate(context, 3, 1, 3, positions=True).check(0.19)
    broken = universal.approximate(context, 3, 1, 3, positions=True, mixing=mixing).check(0.19)
    assert not broken and broken.witness.objects[1] != broken.witness.objects[2]
    assert not next(h for h in broken.statement.hypotheses if h.name == "names").holds


def test_repeated_tokens_cost_half_a_power_of_delta():
    errors = universal.error_curve(wave, LEVELS, positions=False)
    assert universal.loglog_slope(LEVELS, errors) == pytest.approx(0.5, abs=0.01)
    assert all(error * n**0.5 == pytest.approx(3.435, abs=0.03) for n, error in zip(LEVELS, errors))


def test_positions_give_the_whole_power_back():
    errors = universal.error_curve(wave, LEVELS, positions=True)
    assert universal.loglog_slope(LEVELS, errors) >= 0.98
    assert all(0.865 <= error * n <= 0.895 for n, error in zip(LEVELS, errors))


def test_error_of_the_blocks_is_the_error_of_the_cells():
    made = universal.approximate(wave, 8, 1, 2)
    by_cells = universal.error_curve(wave, [8], positions=False, samples=2**12)[0]
    assert universal.distance(wave, made.stack(), 1, 2, samples=2**12) == pytest.approx(by_cells, rel=1e-9)


def test_volumes():
    assert universal.duplicate_volume(4, 1, 2) == 0.25
    assert universal.duplicate_volume(2, 1, 3) == 1
    assert universal.strip_volume(4, 1, 1, 0.125) == 0.5
    x = torch.tensor([[[0.74]], [[0.76]], [[0.75]]], dtype=torch.float64)
    assert universal.in_strips(x, 4, 0.02).tolist() == [True, False, False]


def test_no_attention_no_context():
    """The mean of the other tokens: no token-wise map gets below the variance that the others cause."""
    others = lambda x: (x.sum(1, keepdim=True) - x) / (x.shape[1] - 1)
    floor = universal.tokenwise_floor(others, 1, 3)
    assert floor == pytest.approx(3 * (1 / 12) / 2, rel=0.02)
    x = torch.rand(2**15, 3, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    cell = (x * 8).long()
    best = torch.stack([others(x)[cell == k].mean() for k in range(8)])[cell]
    assert ((others(x) - best) ** 2).sum(dim=(1, 2)).mean().item() >= 0.97 * floor
    assert universal.tokenwise_floor(torch.sin, 1, 3) == 0
    named = universal.distance(
        others, universal.approximate(others, 4, 1, 3, positions=True).stack(), 1, 3, samples=2**10
    )
    assert named**2 < floor / 3


def test_budget():
    made = universal.budget(1, 3, 0.375, 1.0)
    assert made.levels == 4
    assert (made.quantise, made.attention, made.values, made.parameters) == (5, 5, 14, 121)
    assert made.bits == 18 and made.fits("float32") and made.laptop
    mapping = universal.contextual_mapping(4, 1, 3)
    assert mapping.names(mapping.sequences()).max() <= made.largest_name
    for case in [(2, 2, 2), (4, 1, 3), (3, 2, 3)]:
        mapping = universal.contextual_mapping(*case, positions=True)
        assert mapping.names(mapping.sequences()).max() <= universal.Budget(*case, True).largest_name


def test_budget_explodes():
    huge = universal.budget(3, 10, 0.01, 1.0, positions=True)
    assert huge.levels == 150 and not huge.fits("float64") and not huge.laptop
    assert huge.values == 4 + 10 * 150**30 and "10^" in str(huge) and "nowhere" in str(huge)
    last = universal.finest(1, 3, lambda b: b.fits("float32"))
    assert universal.Budget(last, 1, 3).fits("float32") and not universal.Budget(last + 1, 1, 3).fits("float32")
    assert universal.finest(4, 16, lambda b: b.fits("float32")) == 0


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: universal.budget(1, 2, 0.0, 1.0), ["epsilon", "positive"]),
        (lambda: universal.budget(1, 2, 0.1, float("inf")), ["lipschitz", "finite"]),
        (lambda: universal.budget(0, 2, 0.1, 1.0), ["dim", "at least 1"]),
        (lambda: universal.Budget(4, 1, 3).fits("float16"), ["dtype", "float32"]),
        (lambda: universal.strip_volume(4, 1, 1, 0.5), ["epsilon", "0.25"]),
        (lambda: universal.distance(wave, wave, 1, 2, p=float("inf")), ["p:", "uniformly"]),
        (lambda: universal.approximate(lambda x: x[:, :1], 4, 1, 3), ["f:", "shape"]),
        (lambda: universal.approximate(lambda x: 1e9 + x, 4, 1, 3), ["f:", "names"]),
        (
            lambda: universal.approximate(wave, 4, 1, 3, positions=True).stack()(torch.zeros(1, 2, 1).double()),
            ["positions"],
        ),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)
