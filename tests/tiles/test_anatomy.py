"""What fits on a multiprocessor is what the compiler says; the view survives every setting; one tile in clocks."""

import pytest

from kernels.instruments.prediction import GRID, TILE, summary
from seqlab.tiles import anatomy
from seqlab.tiles.anatomy_view import AnatomyView
from seqlab.tiles.timeline import EXCHANGE, alone, steps
from seqlab.widgets.contract import controls, sweep


@pytest.mark.parametrize("tile", GRID, ids=str)
def test_as_many_blocks_fit_as_the_compiled_kernel_says(tile):
    fit = anatomy.fit(tile)
    assert fit.room.blocks == summary("softmax_forward", "sm_90", tile).blocks
    for place, whole in (("registers", anatomy.REGISTERS), ("shared memory", anatomy.SM.shared)):
        assert fit.room.blocks * fit.taken[place] <= whole
    assert sum(fit.in_registers.values()) <= fit.taken["registers"]


def test_the_view():
    view = AnatomyView()
    assert "2 blocks fit" in view.picture.value and "16 rounds" in view.picture.value
    assert set(controls()) == {view.block_q, view.block_k, view.warps}
    sweep()
    view.block_q.value, view.block_k.value, view.warps.value = 64, 32, 8
    assert "take 4" in view.error.value and "✗" in view.twin()
    view.warps.value = 4
    assert view.error.value == "" and "5 blocks fit" in view.picture.value and "aria-label" in view.twin()


def test_this_machine_delivers_something():
    assert anatomy.here(1 << 16, seconds=0.001) > 1e6


def test_steps_follow_one_another_and_loads_run_beside():
    softmax, sigmoid = steps("softmax"), steps("sigmoid")
    for made in (softmax, sigmoid):
        (loads, *rest) = made
        assert loads.start == rest[0].start == 0
        assert all(a.end == b.start for a, b in zip(rest, rest[1:]))
    assert {step.name for step in softmax} - {step.name for step in sigmoid} == {"maximum", "sum, rescaling"}
    products = [step for step in sigmoid if step.unit == "matrix units"]
    assert [round(step.end - step.start) for step in products] == [512, 512]
    waits = alone(steps("softmax", exchange=EXCHANGE + 1)) - alone(softmax)
    assert waits == pytest.approx(4) and alone(steps("sigmoid", TILE, exchange=99)) == alone(sigmoid)
