"""The experiments: cells, what they store, resuming, and what the shipped file says."""

import pytest
import torch

from seqlab.looped_training import experiments as E
from seqlab.looped_training.model import LoopedTransformer, parameters

TINY = E.Plan((E.Cell("1 hops", "none", 2),), steps=3, batch=4, judged=20, config=E.Config(dim=8, heads=2, hidden=8))
SHIPPED = E.results()


def test_a_cell_repeats_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = (E.train(TINY.cells[0], TINY) for _ in range(2))
    assert a["losses"] == b["losses"] and a["by_loops"] == b["by_loops"] and torch.equal(before, torch.get_rng_state())
    assert len(a["by_loops"]) == E.MOST + 1 and a["accuracy"] == a["by_loops"][2] and a["passes"] == 2
    assert E.train(TINY.cells[0], TINY, 1)["losses"] != a["losses"]


def test_training_learns_one_hop():
    plan = E.Plan((), steps=150, config=E.Config(dim=16, heads=2, hidden=32), judged=500, lr=5e-3)
    assert E.train(E.Cell("1 hops", "none", 1), plan)["accuracy"] > 0.9


@pytest.mark.parametrize("arm", [*E.ARMS, *(arm + E.VARIED for arm in ("none", "modulated, stopped"))])
def test_each_arm_changes_what_it_says(arm):
    config = E.config_for(E.Cell("2 hops", arm, 3), E.Config())
    plain = arm.removesuffix(E.VARIED)
    assert config.published == (plain == "published") and config.layers == (3 if plain == "stack" else 1)
    assert config.clock == ("none" if plain in ("none", "none, wider", "published", "stack") else plain.split(",")[0])
    assert config.stopped == plain.endswith("stopped")
    assert (config.gate == 0) == plain.endswith("from 0") and (config.hidden > 192) == (plain == "none, wider")
    result = E.train(E.Cell("2 hops", arm, 3), TINY)
    assert result["passes"] == 3 and len(result["losses"]) == 3


def test_varied_loops_stay_in_their_range():
    batches = E._batches(E.TASKS["1 hops"], 2, 0, (3, 8))
    assert {next(batches)[2] for _ in range(80)} == set(range(3, 9))
    assert next(E._batches(E.TASKS["1 hops"], 2, 0, None))[2] is None


def test_tables_are_learned_and_repeat():
    a, b = (E.train_table("smooth", True, 2, steps=2) for _ in range(2))
    assert a["error"] == b["error"] <= a["largest"] ** 2 and a["losses"] == b["losses"] and a["clock"]


def test_beats_wants_more_than_the_spread_of_the_questions():
    assert not E.beats([0.9, 0.95], [0.8, 0.895]) and E.beats([0.9, 0.95], [0.8, 0.88])


def test_bad_cells():
    with pytest.raises(ValueError, match="arm: got 'faster'"):
        E.config_for(E.Cell("1 hops", "faster", 1), E.Config())


def test_full_mode_has_the_sizes_of_the_paper(monkeypatch):
    monkeypatch.setattr(type(E.TASKS["edit 60"]), "baseline", lambda task: 0.5)  # counting them takes a minute
    plan = E.PAPER["strings, full"]
    assert {(c.task, c.arm, c.loops) for c in plan.cells} >= {("edit 60", "modulated", 100), ("lcs 100", "stack", 12)}
    assert plan.config.dim == 256 and E.TASKS["lcs 100"].shape[1] == 202
    assert {name: part.cells[0][0] for name, part in E.parts(paper=True).items()} == {"strings, full": "edit 60"}
    with torch.device("meta"):
        assert parameters(LoopedTransformer(12, 122, 181, plan.config)) > 700_000


def test_more_loops_at_equal_parameters():
    """What the lab claims: each task needs loops, and has them; equal parameters."""
    found = E.by_cell(SHIPPED["pointer"]["cells"])
    for hops, enough in ((2, 2), (3, 2), (4, 3), (5, 3)):
        assert E.beats(found[f"{hops} hops", "none", enough], found[f"{hops} hops", "none", enough - 1])
        assert min(found[f"{hops} hops", "none", enough]) > 0.99
    assert len({cell["parameters"] for cell in SHIPPED["pointer"]["cells"]}) == 1


def test_where_a_clock_helps():
    """With loops drawn anew for each batch, scales and gates from a clock are worth more than their parameters."""
    found = E.by_cell(SHIPPED["more loops"]["cells"])
    ticking = found["4 hops", "modulated" + E.VARIED, 4]
    for arm in ("none", "none, wider", "additive", "modulated, stopped"):
        assert E.beats(ticking, found["4 hops", arm + E.VARIED, 4])
