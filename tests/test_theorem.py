import math
from fractions import Fraction

import pytest
import torch

from seqlab.layers import YunBlock
from seqlab.names import equivariance
from seqlab.names.separation import BETAS, exact_names, names, separation, subsets
from seqlab.positions import ramp
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge


def test_a_failing_verdict_needs_a_witness():
    with pytest.raises(ValueError, match="witness"):
        Verdict(False, -1.0)


def test_verdicts_read_well():
    statement = Statement("lemma", "A Paper, Lemma 1", "It is so.", (Hypothesis("small", "x is small"),)).under(
        small=False
    )
    verdict = Verdict(False, -0.5, Witness("x = 3"), statement, 10, "units")
    assert not verdict
    assert str(verdict) == "lemma: fails · margin -0.5 units · 10 checked · broken: x is small · witness: x = 3"
    page = verdict._repr_html_()
    assert "✗</span> fails" in page and "x = 3" in page and "✗ broken:" in page
    with pytest.raises(ValueError, match="no hypothesis"):
        statement.under(large=True)


def test_judge_goes_by_the_margin_or_by_a_stated_rule():
    statement = Statement("lemma", "A Paper, Lemma 1", "It is so.")
    never = lambda: pytest.fail("a verdict that holds needs no witness")
    good = judge(Fraction(1, 4), statement, witness=never, checked=3, unit="ids", notes=("a note",))
    assert good == Verdict(True, 0.25, None, statement, 3, "ids", ("a note",))
    assert judge(Fraction(1, 10**400), statement)  # compared before it is rounded to 0.0
    assert judge(0, statement, holds=True) and judge(0.0, None, holds=True, witness="unused").witness is None
    for witness in (Witness("x = 3", (3,)), lambda: Witness("x = 3", (3,))):
        bad = judge(-1, statement, witness=witness)
        assert bad == Verdict(False, -1.0, Witness("x = 3", (3,)), statement)
    assert judge(0, statement, witness="x = 3").witness == Witness("x = 3")
    assert not judge(math.nan, statement, witness=lambda: "nothing compares with nan")
    assert not judge(0.5, statement, witness="not by this rule", holds=False)
    with pytest.raises(ValueError, match="witness"):
        judge(-1, statement)


def test_html_is_escaped():
    assert "<script>" not in Verdict(False, 0.0, Witness("<script>"))._repr_html_()


def block():
    torch.manual_seed(0)
    made = YunBlock(4).double()
    return lambda x: made(x[None])[0].detach()


def test_blocks_are_equivariant_and_positions_break_it():
    g, x = block(), torch.randn(5, 4, dtype=torch.float64)
    verdict = equivariance.check(g, x)
    assert verdict and verdict.checked == 120 and 0 < verdict.margin <= 1e-9
    broken = equivariance.check(lambda x: g(x + ramp(5, 4).double()), x)
    order, token, gap = broken.witness.objects
    shifted = lambda x: g(x + ramp(5, 4).double())
    order = torch.tensor(order)
    assert (shifted(x[order]) - shifted(x)[order])[token].abs().max().item() == pytest.approx(gap)


def test_long_sequences_are_sampled():
    assert equivariance.check(block(), torch.randn(9, 4, dtype=torch.float64), trials=50).checked == 50


def test_one_token_cannot_be_reordered():
    with pytest.raises(ValueError, match="at least two"):
        equivariance.check(block(), torch.randn(1, 4, dtype=torch.float64))


def test_separation_rises_and_falls_with_beta():
    x = subsets((1, 2, 3, 4, 5), 3)
    exact = {beta: separation(x, beta, exact=True).margin for beta in BETAS}
    assert exact[0.0] == 0 and exact[math.inf] == 0
    assert min(exact[beta] for beta in BETAS if 0 < beta < math.inf) > 0
    assert max(exact, key=exact.get) == 0.2


def test_exact_names_agree_with_float64_where_float64_is_good():
    x = subsets((1, 2, 3, 4), 2)
    sets = [tuple(map(int, row)) for row in x.tolist()]
    for beta in (0.0, 0.3, 1.0, math.inf):
        exact = torch.tensor([[float(name) for name in row] for row in exact_names(sets, beta)], dtype=torch.float64)
        torch.testing.assert_close(names(x, beta), exact)


def test_subsets_refuse_impossible_sizes():
    with pytest.raises(ValueError, match="size"):
        subsets((1, 2), 3)
