"""The training microscope: never empty, every control shows, a run repeats the shipped curve, Stop stops."""

import asyncio
from itertools import count
from types import SimpleNamespace

import pytest

from seqlab.sigmoid import microscope_view, modalities
from seqlab.sigmoid.microscope_view import KEPT, MicroscopeView


@pytest.fixture
def view():
    return MicroscopeView()


@pytest.fixture
def drawn_at_every_step(monkeypatch):
    """However fast the machine is, a run pauses after each of its steps."""
    monkeypatch.setattr(microscope_view, "time", SimpleNamespace(monotonic=count().__next__))


def short(view, variant="sigmoid", steps=20):
    view.variant.value, view.steps.value = variant, steps
    view.run.click()


def test_it_starts_with_shipped_curves_and_a_twin(view):
    assert [curve.name for curve in view.curves()] == ["shipped: softmax", "shipped: sigmoid"]
    assert view.picture.value.count("<polyline") == 4
    twin = view._repr_mimebundle_()["text/html"]
    assert "aria-label" in twin and "shipped: softmax" in twin and "nan" not in twin


def test_every_control_changes_what_is_seen(view):
    seen = lambda: view.picture.value
    for control in (view.variant, view.measure, view.task):
        for option in control.options:
            before = seen()
            if control.value != option:
                control.value = option
                assert seen() != before, (control.description, option)
    for control in (view.layer, view.steps):
        before = seen()
        control.value = control.max if control.value != control.max else control.min
        assert seen() != before


def test_a_run_is_live_deterministic_and_compared(view):
    short(view)
    assert "run 1: sigmoid" in view.picture.value and "20 steps" in view.said
    short(view)
    assert "repeats run 1" in view.picture.value and "largest gap 0)" in view.picture.value
    short(view, "b = -log n")
    assert "bias 'zero' → 'trained'" in view.picture.value and "things changed" not in view.picture.value
    short(view, "softmax")
    assert "2 things changed at once" in view.picture.value
    assert len(view.runs) == KEPT and [curve.number for curve in view.runs] == [4, 3, 2]
    view.clear.click()
    assert not view.runs and view.clear.disabled and len(view.curves()) == 1


def test_stop_gets_its_turn_in_a_running_loop(view, drawn_at_every_step):
    async def press():
        view.run.click()
        await asyncio.sleep(0.1)
        assert view.run.disabled and not view.stop.disabled and view.clear.disabled
        view.stop.click()
        await asyncio.wait_for(view.current, 120)

    asyncio.run(press())
    assert "Stopped after step" in view.said and not view.run.disabled and view.stop.disabled
    assert len(view.runs[0].loss) < view.steps.value


def test_a_second_click_and_clear_and_stop_at_once(view):
    view.steps.value = 40

    async def press():
        view.run.click()
        view.run.click()
        view._clear(None)  # a click that was under way when the button went off
        await asyncio.wait_for(view.current, 120)
        assert [(curve.number, len(curve.loss)) for curve in view.runs] == [(1, 40)]
        view.run.click()
        view.stop.click()
        await asyncio.wait_for(view.current, 120)

    asyncio.run(press())
    assert "Stopped after step 0" in view.said and [curve.number for curve in view.runs] == [2, 1]
    assert not view.run.disabled and view.stop.disabled


def test_runs_are_compared_at_a_step_that_both_have_and_under_one_plan(view, drawn_at_every_step):
    short(view, steps=20)
    short(view, "b = -log n", steps=30)
    assert "planned for 30 and 20 steps" in view.picture.value and "repeats" not in view.picture.value
    view.variant.value = "sigmoid"

    async def press():
        view.run.click()
        while len(view.runs[0].loss) < 5:
            await asyncio.sleep(0)
        view.stop.click()
        await asyncio.wait_for(view.current, 120)

    asyncio.run(press())
    cut = len(view.runs[0].loss)
    gap = view.runs[0].loss[-1][1] - view.runs[1].loss[cut - 1][1]
    assert cut < 30 and f"loss {gap:+.3f} nats at step {cut}." in view.picture.value


def test_changing_the_task_stops_the_run(view):
    async def change():
        view.run.click()
        await asyncio.sleep(0.05)
        view.task.value = "copying"
        await asyncio.wait_for(view.current, 120)

    asyncio.run(change())
    assert all(curve.task == "copying" for curve in view.curves()) and len(view.runs) == 1


def test_a_loss_that_is_not_finite_is_said_not_raised(view, monkeypatch):
    monkeypatch.setattr(
        modalities, "start", lambda *_, **__: (_ for _ in ()).throw(FloatingPointError("loss is nan at step 3"))
    )
    view.run.click()
    assert "loss is nan at step 3" in view.picture.value and not view.run.disabled


def test_without_shipped_results_it_still_runs(monkeypatch):
    monkeypatch.setattr(modalities, "results", dict)
    view = MicroscopeView()
    assert view.curves() == [] and "nothing yet" in view.picture.value
    short(view)
    assert "run 1" in view.picture.value
