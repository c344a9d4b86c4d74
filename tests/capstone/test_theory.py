"""What the capstone says of the papers' designs is what their labs say; each hypothesis is looked at."""

from dataclasses import replace

import pytest

from seqlab import looped, one_layer, sparse, universal
from seqlab.big_bird import star
from seqlab.capstone import PAPERS, Design
from seqlab.capstone.design import PATTERNS
from seqlab.capstone.theory import STATEMENTS, covering, hears, theory
from seqlab.course.claims import load_expectations
from seqlab.sigmoid import universal as steep

LABS = {  # paper → the verdict of its lab on the design's own choices
    "Yun 2019": lambda: universal.contextual_mapping(4, 1, 3, positions=True).check(),
    "Yun 2020": lambda: sparse.contextual_mapping(PATTERNS["strided"](4), 2, 1, 4).check(),
    "Zaheer 2020": lambda: star.contextual_mapping(2, 1, 3, edges=PATTERNS["big bird"](4)).check(),
    "Kajitsuka 2023": lambda: one_layer.check_one_layer(),
    "Ramapuram 2024": lambda: steep.check(8, 1, 3),
    "Xu 2024": lambda: looped.switches(clock=True)[0](),
}


@pytest.mark.parametrize("paper", PAPERS)
def test_the_papers_designs_have_the_verdicts_of_their_labs(paper):
    here, there = theory(PAPERS[paper])[paper].verdict, LABS[paper]()
    assert here.holds and there.holds
    assert (here.margin, here.checked, here.unit) == (there.margin, there.checked, there.unit)
    assert here.statement.source == there.statement.source
    assert here.statement.hypotheses[: len(there.statement.hypotheses)] == there.statement.hypotheses


BROKEN = {  # paper → a change of its design, and the switch of its lab
    "Yun 2020": (dict(pattern="causal"), lambda: sparse.contextual_mapping(PATTERNS["causal"](4), 2, 1, 4).check()),
    "Zaheer 2020": (
        dict(pattern="window"),
        lambda: star.contextual_mapping(2, 1, 3, edges=PATTERNS["window"](4)).check(),
    ),
    "Kajitsuka 2023": (dict(normalizer="hardmax"), lambda: one_layer.check_one_layer(hardmax=True)),
    "Ramapuram 2024": (dict(normalizer="softmax"), lambda: steep.check(8, 1, 3, softmax=True)),
}


@pytest.mark.parametrize("paper", BROKEN)
def test_broken_designs_have_the_witnesses_of_their_labs(paper):
    change, lab = BROKEN[paper]
    here, there = theory(replace(PAPERS[paper], **change))[paper].verdict, lab()
    assert not here and not there and str(here.witness) == str(there.witness)


def test_one_head_is_the_switch_of_lab_02():
    told = universal.contextual_mapping(4, 1, 3, mixing="one head").check().witness
    assert str(theory(Design(heads=1))["Yun 2019"].verdict.witness) == str(told)


def test_counters_are_those_of_the_labs():
    said = {paper: theory(design)[paper].counters for paper, design in PAPERS.items()}
    for paper in ("Yun 2019", "Yun 2020", "Zaheer 2020", "Ramapuram 2024"):
        formula, built, own = said[paper]["attention layers"]
        assert formula == built and own == 2
    assert said["Ramapuram 2024"]["heads a layer"] == (4, 4, 4) and said["Yun 2019"]["heads a layer"] == (2, 2, 4)
    loops, used, _ = said["Xu 2024"]["loops"]
    assert used < loops == looped.loops_for(3)
    assert load_expectations()["sigmoid.mapping.layers"].judge(said["Ramapuram 2024"]["attention layers"][1], "lab").ok


@pytest.mark.parametrize(
    "change, papers",
    [
        ({}, ["Yun 2019", "Yun 2020", "Zaheer 2020", "Kajitsuka 2023"]),
        (dict(normalizer="hardmax"), ["Yun 2019", "Yun 2020", "Zaheer 2020"]),
        (dict(normalizer="average"), []),
        (dict(normalizer="sigmoid"), ["Ramapuram 2024"]),
        (dict(normalizer="sigmoid", heads=2), []),
        (dict(heads=1), ["Kajitsuka 2023"]),
        (dict(positions="none"), ["Yun 2019", "Kajitsuka 2023"]),
        (dict(positions="rope"), []),
        (dict(form="loop"), ["Xu 2024"]),
        (dict(pattern="star"), ["Yun 2020", "Zaheer 2020"]),
        (dict(pattern="big bird"), ["Yun 2020", "Zaheer 2020"]),
        (dict(pattern="window"), ["Yun 2020"]),
        (dict(pattern="causal"), []),
        (dict(pattern="alone"), []),
    ],
)
def test_which_statements_cover_a_design(change, papers):
    design = replace(Design(), **change)
    assert covering(design) == papers
    for paper, said in theory(design).items():
        verdict = said.verdict
        assert verdict.holds == all(h.holds for h in verdict.statement.hypotheses) == (paper in papers)
        assert verdict.holds or (verdict.witness.text and verdict.statement.hypotheses)


def test_when_all_is_heard():
    assert [hears(name, 16) for name in ("full", "star", "window", "causal")] == [1, 2, 15, None]
    assert [*STATEMENTS] == [*PAPERS]
