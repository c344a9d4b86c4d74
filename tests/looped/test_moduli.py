"""Three moduli by brute force: values, witnesses, inequality, extremes, errors."""

import pytest
import torch

from seqlab.looped import below_largest, check_moduli, times_mean
from seqlab.looped.moduli import Moduli, Modulus, moduli, reads_context, reads_token


def total(x):
    return x.sum(1, keepdim=True).expand_as(x).clone()


def test_values_that_can_be_worked_out():
    own = moduli(lambda x: 3 * x, 0.25, points=9)
    assert own.contextual.value == 0 and own.token.value == pytest.approx(0.75)
    assert own.sequence.value == pytest.approx(0.75)
    swapped = moduli(lambda x: 2 * x.flip(1), 0.25, points=9)
    assert swapped.token.value == 0 and swapped.contextual.value == pytest.approx(0.5)
    both = moduli(total, 0.5, points=5, p=1)
    assert both.token.value == both.contextual.value == pytest.approx(0.5)
    assert both.sequence.value == pytest.approx(2 * 0.5)


@pytest.mark.parametrize("f", [times_mean, below_largest, reads_context, reads_token, torch.sin])
@pytest.mark.parametrize("shape", [(2, 1, 9, 0.3), (3, 1, 5, 0.5), (2, 2, 4, 0.7), (1, 2, 7, 0.4)])
def test_witnesses_attain_and_the_inequality_holds(f, shape):
    length, dim, points, delta = shape
    found = moduli(f, delta, length=length, dim=dim, points=points)
    verdict = check_moduli(found)
    assert verdict and verdict.margin >= -1e-12 and verdict.checked == points ** (2 * length * dim)
    for kind in ("sequence", "contextual", "token"):
        part = getattr(found, kind)
        x, other = (torch.tensor(t, dtype=torch.float64) for t in (part.x, part.other))
        assert x.shape == (length, dim) and torch.linalg.vector_norm(x - other) <= delta + 1e-9
        change = f(x[None])[0] - f(other[None])[0]
        if kind != "sequence":
            n = part.token
            change = change[n]
            others = [m for m in range(length) if m != n]
            assert torch.equal(x[n], other[n]) if kind == "contextual" else torch.equal(x[others], other[others])
        assert torch.linalg.vector_norm(change).item() == pytest.approx(part.value, abs=1e-12)


def test_one_function_for_each_extreme():
    context, token = (moduli(f, 0.25, points=9) for f in (reads_context, reads_token))
    assert context.contextual.value > 10 * context.token.value
    assert token.token.value > 10 * token.contextual.value


def test_larger_radius_and_finer_grid_find_more():
    values = [moduli(times_mean, delta, points=9).sequence.value for delta in (0.125, 0.25, 0.5, 1.0)]
    assert values == sorted(values)
    assert moduli(times_mean, 0.25, points=17).sequence.value >= moduli(times_mean, 0.25, points=9).sequence.value


def test_an_impossible_set_of_moduli_is_refuted():
    part, larger = Modulus(1.0, [[0.0]], [[1.0]]), Modulus(2.0, [[0.0]], [[1.0]], 0)
    verdict = check_moduli(Moduli(0.5, part, larger, part, 4))
    assert not verdict and verdict.margin == -1 and "token 0 moves by 2" in verdict.witness.text


def test_huge_values_and_whole_numbers():
    for p in (1, 2, 3.5, float("inf")):
        assert check_moduli(moduli(lambda x: 1e12 * torch.sin(40 * x.roll(1, 1)), 0.2, points=6, p=p))
    assert moduli(lambda x: (9 * x).long(), 0.5).token.value == 5 and moduli(lambda x: x > 0.5, 0.5).token.value == 1


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(points=80), ["points: 80^2", "at most 74", "30,000,000"]),
        (dict(length=3, dim=3, points=3), ["points: 3^9", "choose at most 2 "]),
        (dict(delta=0.01), ["delta", "mesh 1/16"]),
        (dict(delta=float("nan")), ["delta: got nan"]),
        (dict(f=lambda x: None), ["f: returned NoneType"]),
        (dict(points=1), ["mesh", "raise points"]),
        (dict(f=lambda x: x[:, 0]), ["f: returned shape"]),
        (dict(f=lambda x: 1 / x), ["NaN or an infinity"]),
    ],
)
def test_errors(options, words):
    options = {"f": torch.sin, "delta": 0.5, **options}
    with pytest.raises(ValueError) as caught:
        moduli(options.pop("f"), options.pop("delta"), **options)
    assert all(word in str(caught.value) for word in words), str(caught.value)
