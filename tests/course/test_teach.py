"""Predictions, questions on paper, the recap, tables of claims: what somebody says is kept, and nobody need say it."""

import pytest

from seqlab.course import claim_table, claims, editions, lab, progress, teach
from seqlab.widgets.ask import Ask
from seqlab.widgets.contract import sweep

STOPS = dict(pattern=["full"], normalizer=["softmax"], depth=["stack"], weights=["trained"])


@pytest.fixture(autouse=True)
def begun(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLAB_PROGRESS", str(tmp_path / "progress.json"))
    lab.begin("01_names_by_attention", "smoke", 0)


def ask(says=float, answer=""):
    return Ask(teach.Question("names.toy", r"How large is $\beta$?", says, answer))


@pytest.mark.parametrize("says, entry, kept", [(float, "1/4", 0.25), (["a", "b"], "b", "b"), (str, " why ", "why")])
def test_what_is_said_is_kept_and_stands_there_the_next_day(says, entry, kept):
    view = ask(says, "because $x_1$" if says is str else "")
    view.entry.value = entry
    assert "Kept" not in view.picture.value and progress.read() == {}
    view.keep.click()
    assert progress.read()["names.toy"]["said"] == kept and "Kept" in view.picture.value
    assert ("because" in view.picture.value) == (says is str)
    assert "Kept" in ask(says, "because").picture.value


@pytest.mark.parametrize("says, entry", [(float, "many"), (float, "1/0"), (str, " "), (["a", "b"], None)])
def test_nothing_and_no_number_are_refused(says, entry):
    view = ask(says, "because")
    view.entry.value = entry
    view.keep.click()
    assert "alert" in view.error.value and progress.read() == {} and "because" not in view.picture.value


def test_the_twin_folds_the_answer_and_the_contract_holds():
    view = ask(["a", "b"], "because $x_1$")
    page = view._repr_mimebundle_()["text/html"]
    assert "<details><summary>Answer</summary><p>because" in page and "<li>a</li>" in page
    assert len(sweep()) == 2 and view.entry.value is None


def test_the_recap_shows_predictions_beside_outcomes(capsys):
    teach.predict("names.toy", "How many?", float)
    teach.outcome("names.toy", 3)
    teach.recap(**STOPS)
    said = capsys.readouterr().out
    assert "No prediction. It is: 3." in said and "You predicted: no prediction. It is: 3." in said
    assert "pattern: full" in said and "names.tester open" in said
    teach.Question("names.toy", "How many?", float).keep(2.0)
    teach.recap(**STOPS)
    assert "You predicted: 2 (after the run). It is: 3." in capsys.readouterr().out


def test_wrong_names_are_told():
    with pytest.raises(ValueError, match="has no answer with this id"):
        teach.paper("names.nothing", "Why?")
    with pytest.raises(ValueError, match="wanted some stops of every axis"):
        teach.recap(**STOPS | {"depth": ["deep"]})
    teach.predict("names.choice", "Which?", ["a", "b"])
    with pytest.raises(ValueError, match="one of the options: a, b"):
        teach.outcome("names.choice", "c")


def test_the_solved_edition_does_the_tasks():
    cells = [
        {"cell_type": "code", "source": f"# Try it ({id}): find it."} for id in ("names.try.code", "names.nothing")
    ]
    assert "assert verdict.holds" in editions.solve({"cells": cells[:1]})["cells"][0]["source"]
    with pytest.raises(ValueError, match="has no answer"):
        editions.solve({"cells": cells})


def test_claims_in_a_table_are_all_on_record(monkeypatch):
    shown = []
    monkeypatch.setattr(lab, "say", lambda message, **data: shown.append((data[claims.MIME], *message)))
    claim_table({"names.hardmax.tie": 0.5, "names.average.holds": True}, "Two")
    [(records, page, text)] = shown
    notebook = {"cells": [{"outputs": [{"data": {claims.MIME: records}}]}]}
    assert [(r["id"], r["ok"]) for r in claims.records_in(notebook)] == [
        ("names.hardmax.tie", True),
        ("names.average.holds", False),
    ]
    assert page.count("<tr>") == 3 and "✗ yes" in text
