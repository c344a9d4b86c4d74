"""Claims: parsing, judging, recording, and their hash."""

import math
import os
import subprocess
import sys
from fractions import Fraction

import pytest
import torch

from seqlab.course import claims
from seqlab.course.lab import begin, choose, claim, receipts
from tests.places import ROOT


def write(tmp_path, text):
    path = tmp_path / "claims.toml"
    path.write_text('["a.b"]\nstatement = "s"\n' + text)
    return path


@pytest.mark.parametrize(
    "bounds, value, ok, margin",
    [
        ("equals = 2\ntolerance = 0.5", 2.4, True, 0.1),
        ("equals = 2", 2, True, 0),
        ("equals = true", True, True, 0),
        ("equals = false", True, False, -1),
        ("at_least = 1", 0.5, False, -0.5),
        ("at_least = 1\nat_most = 2", 1.75, True, 0.25),
        ("at_most = 2", math.inf, False, -math.inf),
        ("at_least = 1", math.nan, False, -math.inf),
        ("at_least = 1", math.inf, False, -math.inf),
        ("equals = inf", math.inf, True, -math.inf),
        ("at_most = 1", 10**400, False, -sys.float_info.max),
        ("at_least = 1", 10**400, True, sys.float_info.max),
    ],
)
def test_judge(tmp_path, bounds, value, ok, margin):
    judgement = claims.load_expectations(write(tmp_path, bounds))["a.b"].judge(value)
    assert judgement.ok == ok and judgement.margin == pytest.approx(margin)


def test_a_claims_file_is_read_again_when_it_has_changed(tmp_path):
    path = write(tmp_path, "equals = 1")
    before = claims.load_expectations(path)["a.b"].bounds
    path.write_text(path.read_text().replace("equals = 1", "equals = 2"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert (before, claims.load_expectations(path)["a.b"].bounds) == ({"equals": 1}, {"equals": 2})


ODD = [3, {"id": 4, "value": 1}, {"value": 1}, {"id": "a.b", "value": [1]}, "{", {"id": "a.b", "value": "many"}]


@pytest.mark.parametrize("data", ODD, ids=repr)
def test_what_is_no_claim_is_told_apart(data):
    cell = {"outputs": [{"data": {claims.MIME: data}}]}
    assert all(record["odd"] == repr(data) for record in claims.records_in({"cells": [cell]}))


def test_a_mode_may_have_its_own_bounds(tmp_path):
    expectation = claims.load_expectations(write(tmp_path, "at_least = 1\nmodes.smoke.at_least = 0"))["a.b"]
    assert expectation.judge(0.5, "smoke").ok and not expectation.judge(0.5, "lab").ok
    assert expectation.expected("smoke") == "≥ 0" and expectation.expected("lab") == "≥ 1"


def test_a_mode_may_leave_a_claim_untested(tmp_path):
    expectation = claims.load_expectations(write(tmp_path, 'at_least = 1\nnot_tested = ["smoke"]'))["a.b"]
    assert expectation.judge(0.5, "smoke").ok is None and expectation.judge(0.5, "lab").ok is False
    assert expectation.expected("smoke") == claims.NOT_TESTED
    assert claims.record("a.b", 0.5, expectation, "smoke")["ok"] is None


@pytest.mark.parametrize(
    "bounds, words",
    [
        ("equals = 1\nhow = 'guessed'", "how"),
        ("equals = 1\nnot_tested = ['lab']", "not_tested"),
        ("equals = 1\nnot_tested = ['smoke']\nmodes.smoke.equals = 2", "not_tested"),
        ("", "no bound"),
        ("at_last = 1", "at_last"),
        ("equals = 'x'", "number"),
        ("at_least = true", "number"),
        ("modes.fast.equals = 1\nequals = 1", "modes"),
    ],
)
def test_malformed_entries_name_the_claim(tmp_path, bounds, words):
    with pytest.raises(ValueError, match=rf"a\.b.*{words}"):
        claims.load_expectations(write(tmp_path, bounds))


def test_fingerprint_ignores_order_and_noise_but_not_values():
    a = claims.fingerprint({"x": 1.00000001, "y": True})
    assert a == claims.fingerprint({"y": True, "x": 1.00000002})
    assert a != claims.fingerprint({"x": 1.001, "y": True}) and a != claims.fingerprint({"x": 1.0, "y": False})


@pytest.mark.parametrize(
    "value, want", [(torch.tensor([2.5]), 2.5), (torch.tensor(3), 3), (Fraction(4, 2), 2), (torch.tensor(True), True)]
)
def test_plain_numbers(value, want):
    got = claims.plain(value)
    assert got == want and type(got) is type(want)


def test_what_is_no_number_is_refused_with_a_cure():
    with pytest.raises(TypeError, match=r"Tensor of shape \(2,\).*reduce it first"):
        claims.plain(torch.zeros(2), "a.b")


def test_claim_and_receipts_outside_a_notebook(capsys):
    begin("01_names_by_attention", "smoke", 0)
    claim("names.hardmax.tie", 0.5)
    claim("names.not.listed", 7)
    receipts()
    out = capsys.readouterr().out
    assert "✓ 0.5  names.hardmax.tie" in out and "• 7  names.not.listed" in out
    assert "2 of 2 claims hold" in out and claims.fingerprint({"names.hardmax.tie": 0.5, "names.not.listed": 7}) in out


def test_what_is_read_or_not_tested_says_so_and_has_no_tick(capsys):
    begin("03_sparse_connections", "smoke", 0)
    claim("sparse.copy.strided", 0.1)
    claim("sparse.table.star_first", 0.1)
    receipts()
    out = capsys.readouterr().out
    assert "• 0.1  sparse.copy.strided" in out and "computed, not tested in this mode" in out
    assert "✓ 0.1  sparse.table.star_first" in out and "read from a shipped run, expected ≤ 0.2" in out
    assert "1 of 1 claims hold · 1 not tested in this mode" in out


def test_begin_and_choose_check_their_arguments():
    begin("x", "full", 3)
    assert choose(smoke=1, lab=2, full=3) == 3
    with pytest.raises(ValueError, match="mode: got 'fast'"):
        begin("x", "fast", 0)
    with pytest.raises(ValueError, match="seed"):
        begin("x", "lab", -1)
    with pytest.raises(ValueError, match="choose"):
        choose(smoke=1)


WITH_A_GPU = """
import torch
torch.cuda.is_available = lambda: True
import kernels
from seqlab.course import lab
lab.in_notebook = lambda: True
lab.begin("x", "lab", 0)
q = torch.ones(1, 1, 4, 16)
print(kernels.attention(q, q, q, impl="interpret").sum().item())
"""


def test_a_lab_interprets_its_kernels_on_a_machine_with_a_gpu_too():
    pytest.importorskip("triton")
    plain = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", WITH_A_GPU], capture_output=True, text=True, env=plain, cwd=ROOT)
    assert done.stdout.splitlines()[-1:] == ["64.0"] and "A GPU is here" in done.stdout, done.stderr


def test_the_projects_claims_file_is_well_formed_and_complete():
    expectations = claims.load_expectations()
    assert len(expectations) > 30 and all(e.statement.endswith(".") for e in expectations.values())
