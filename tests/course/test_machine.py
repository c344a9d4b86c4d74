"""Wrong answers made by machine from every reference: the gate rejects them, or tests/equivalent.toml says why not."""

import json
import os
import subprocess
import sys

import pytest

from seqlab.course.check import Exercise
from seqlab.course.gate import find
from tests.mutants import equivalent, mutants
from tests.places import ROOT

LEAST = 0.99  # it may only rise
ALL = pytest.param(((), 2700), id="functions")
KERNELS = pytest.param((("tiles",), 450), id="kernels", marks=pytest.mark.slow)  # interpreted


@pytest.fixture(scope="module", params=[ALL, KERNELS])
def report(request):
    """The report, made as a learner's answers are judged: by functions whose types nobody checks."""
    one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
    rooms, killed = request.param
    subprocess.run([sys.executable, "-m", "tests.mutants", *rooms], cwd=ROOT, env=one_core, check=True)
    made = json.loads((ROOT / "build/report/mutants.json").read_text())
    return made | {"least": killed, "kernels": bool(rooms)}


def test_the_gate_rejects_wrong_answers_made_by_machine(report):
    total = report["score"]["all"]
    alive = "\n".join(f"{w['id']}: {w['edit']}" for w in report["accepted"] if w["verdict"] == "survived")
    assert total["killed"] >= report["least"]
    assert total["score"] >= LEAST, f"accepted, and not listed in tests/equivalent.toml:\n{alive}"


def test_every_answer_that_is_listed_as_right_is_made_and_accepted(report):
    accepted = {(wrong["id"], wrong["edit"]) for wrong in report["accepted"]}
    asked = [entry for entry in equivalent() if (find(entry[0]).run is not Exercise.run) == report["kernels"]]
    gone = [entry for entry in asked if entry not in accepted]
    assert not gone, "the gate rejects them now, or the reference has changed: take them out of tests/equivalent.toml"


def test_mistakes_stand_where_the_reference_has_a_place_for_them():
    edits = {wrong.edit for wrong in mutants(find("looped.quantiser"))}
    step, result = "step = (x >= delta).to(x.dtype)", "return torch.stack([x - delta * step, count + step])"
    assert {
        f"{step} → step = (x > delta).to(x.dtype)",
        f"{result} → return torch.stack([x - step, count + step])",
        f"{result} → return torch.stack([x + delta * step, count + step])",
        "right(x, x, delta)",
        "right(x, count, smallest[2])",
        "(right(x.clone(), count, delta), x.copy_(x == 0))[0]",
        "right(x, count, delta).detach()",
    } <= edits
