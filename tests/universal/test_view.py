"""The views of the universal construction: what they show is what the library computes, at every position of their
controls.
"""

import itertools

import pytest

from seqlab import universal
from seqlab.universal.budget import spoken
from seqlab.universal.view import BudgetView, SweepView


def test_sweep_shows_the_exact_ids():
    view = SweepView()
    mapping = universal.contextual_mapping(6, 1, 3)
    view.step.value = view.step.max
    for name in mapping.names(view.sequences).flatten().tolist():
        assert f">{name:,}</text>" in view.picture.value
    assert "✓ All 12 names differ" in view.picture.value


@pytest.mark.parametrize("gain, shared", [(6, 0), (2, 10), (1, 12)])
def test_sweep_rings_shared_names(gain, shared):
    view = SweepView()
    view.step.value, view.gain.value = view.step.max, gain
    assert view.picture.value.count("r='12'") == shared


def test_every_position_of_the_sweep_shows_something_else():
    view, seen = SweepView(), set()
    for gain, step in itertools.product((6, 2, 1), range(view.step.max + 1)):
        view.gain.value, view.step.value = gain, step
        if step > 1:
            seen.add(view.picture.value)
    assert len(seen) == 3 * (view.step.max - 1)


def test_sweep_twin():
    assert SweepView().twin().startswith("<svg role='img' aria-label=")


def test_budget_view_agrees_with_the_library_and_survives_extremes():
    view = BudgetView()
    assert spoken(view.budget().values) in view.picture.value
    for control in view.controls[:2]:
        control.value = control.max
    view.epsilon.value, view.lipschitz.value = 0.001, 10.0
    assert "10^" in view.picture.value and "✗ too many layers" in view.picture.value
    view.positions.value = False
    assert view.twin() == view.picture.value
