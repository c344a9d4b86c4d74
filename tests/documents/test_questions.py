"""Long-document questions: text without its headings, layouts nothing leaks through, exact ceilings, the result."""

import random
from statistics import fmean

import pytest
import torch

from seqlab.documents import figures
from seqlab.documents import questions as Q
from seqlab.documents.questions import experiment, hearing, text
from seqlab.documents.questions.view import QuestionView
from seqlab.train import checkpoint
from seqlab.train.experiment import SEEDS

STORED = Q.results()
RANKS = {(cell["arm"], cell["seed"]): cell for cell in STORED["cells"]}
SMALL = Q.document(
    "small",
    [
        ("What is a cat?", "A cat is an animal. It purrs all day long."),
        ("And a loop?", "A loop repeats itself, again and again."),
    ],
)


def reader(arm="big bird", seed=0):
    torch.manual_seed(seed)
    return Q.Reader(Q.Config(arm=arm), text.section_counts([SMALL])).eval()


def long_document(sections=40, size=60, seed=0):
    draw = random.Random(seed)
    pairs = [
        (f"q{at}?", " ".join(f"w{chr(97 + draw.randrange(26))}" for _ in range(size + at))) for at in range(sections)
    ]
    return Q.document("long", pairs)


def test_the_documents_are_the_answers_alone():
    parts = Q.documents()
    assert sum(len(part.questions) for part in parts.values()) == 601 and set(Q.TEST) <= set(parts)
    assert not set(Q.TEST) & {part.name for part in text.training_documents()}
    for part in parts.values():
        assert part.starts[-1] + len(part.sections[-1]) == part.length
        for question, section in zip(part.questions, part.sections):
            assert " ".join(Q.tokens(question)) not in " ".join(section)
    assert all("-----" not in written for written in parts["py-programming"].texts[0].splitlines()[:1])
    with pytest.raises(ValueError, match="'bad' has no words"):
        Q.document("bad", [("a?", "fine"), ("b?", " \n ")])
    assert Q.tokens("Größe_2: naïve?") == ["größe_", "2", ":", "naïve", "?"]


def test_a_word_is_two_buckets_and_how_common_it_is():
    counts = text.section_counts([SMALL])
    table = text.features(["a", "cat", "cats", "zebra", "cat"], counts)
    assert table[:, 2].tolist() == [2, 1, 0, 0, 1] and torch.equal(table[1], table[4])
    repeat, repeats = text.features(["repeats", "repeated"], counts)
    assert repeat[1] == repeats[1] and repeat[0] != repeats[0]


def test_practice_asks_what_its_document_answers():
    source = text.training_documents()
    batch = next(text.practice(source, batch=24, seed=3))
    assert batch == next(text.practice(source, batch=24, seed=3))
    headings = {tuple(Q.tokens(q)): part for part in source for q in part.questions}
    seen_heading = 0
    for question, sections, answer in batch:
        assert 0 <= answer < len(sections) and 0 < sum(map(len, sections)) <= text.PRACTICE
        if part := headings.get(tuple(question)):
            seen_heading += 1
            at = [tuple(Q.tokens(q)) for q in part.questions].index(tuple(question))
            assert sections[answer] == list(part.sections[at][: len(sections[answer])])
    assert 4 < seen_heading < 20


def test_a_sentence_that_is_asked_is_taken_out():
    written = "The first sentence is about cats. The second one tells of seven dogs. The third has birds."
    section = Q.tokens(written)
    for seed in range(20):
        question, rest = text.cloze(written, section, random.Random(seed))
        assert len(rest) < len(section)
        taken = list(section)
        for word in rest:
            taken.remove(word)
        assert set(question) <= set(taken) and all(question.count(w) <= taken.count(w) for w in question)
    assert text.cloze("Too short.", Q.tokens("Too short."), random.Random(0)) is None


@pytest.mark.parametrize("arm", [*Q.ARMS, "cut"])
@pytest.mark.parametrize("length", [1, 33, 700, 3001])
def test_layouts(arm, length):
    seen = Q.layout(arm, length, 1, 5)
    assert (seen.n_query, seen.block) == (32 + length, 32)
    grid = seen.blocks()[0]
    assert grid.diagonal().all() and torch.equal(grid, Q.layout(arm, length, 1, 5).blocks()[0])
    if arm in ("big bird", "first 512"):
        assert grid[0].all() and grid[:, 0].all()
    if arm == "cut":
        assert grid[0].all() and not grid[1:, 0].any()
    if length == 3001 and arm != "first 512":
        wanted = {"big bird": 5, "cut": 4, "window": 7}[arm]
        assert grid[20:70].sum(1).max() == wanted  # row 50 of the window, away from both ends
        random_arm = arm != "window"
        assert random_arm == (not torch.equal(grid, Q.layout(arm, length, 0, 5).blocks()[0]))


def test_big_bird_has_no_more_compute_than_the_window():
    bird, window = (Q.layout(arm, 25_000).listed for arm in ("big bird", "window"))
    assert bird <= window
    with pytest.raises(ValueError, match="arm"):
        Q.layout("wide", 10)
    with pytest.raises(ValueError, match="length"):
        Q.layout("window", 0)


@pytest.mark.parametrize("arm", Q.ARMS)
def test_the_ceiling_is_what_gradients_say(arm):
    """A section's score depends on the question exactly if `reachable` says so."""
    part, model = long_document(), reader(arm)
    model.blocks[1].feed_forward.down.weight.data.normal_()  # every path is open
    given = []
    model.tags.register_forward_hook(lambda _, __, out: given.append(out) or out.retain_grad())
    heard = Q.reachable(arm, part, 2)
    for section in (0, 3, 4, 8, 9, 25, 39):
        given.clear()
        scores = model([Q.tokens("wa wb wc wd we wf wg")], [part.sections])[0]
        if scores[section].grad_fn is None:
            continue
        scores[section].backward()
        moved = given[0].grad is not None and bool((given[0].grad[0, :7] != 0).any())
        assert moved == bool(heard[section]), section
    assert int(heard.sum()) == {"big bird": 40, "window": 4, "first 512": 9}[arm]


def test_the_ceiling_by_hand():
    part = long_document()
    # 2 layers reach 6 blocks = 192 tokens: sections of 60, 61, 62 and a part of 63
    assert Q.ceiling("window", [part]) == 5 / 40 and Q.ceiling("window", [part, SMALL]) == 7 / 42
    assert Q.ceiling("big bird", [part], layers=1) == 1
    assert not hearing.listens("first 512", 600, 3)[512:].any() and hearing.listens("first 512", 600, 1)[:512].all()
    assert hearing.listens("window", 1000, 3).sum() == 288


def test_scores_do_not_depend_on_padding_or_company():
    model, other = reader(), long_document(12, 20)
    questions = [Q.tokens("What is a cat?"), Q.tokens("wa wb?")]
    both = model(questions, [SMALL.sections, other.sections])
    assert both.shape == (2, 12) and torch.isinf(both[0, 2:]).all()
    same = model([questions[1]] * 2, [other.sections] * 2)
    torch.testing.assert_close(same[0], same[1])
    torch.testing.assert_close(both[1], same[0], atol=1e-4, rtol=1e-4)
    deaf = [model([q], [other.sections], cut=True) for q in questions]
    torch.testing.assert_close(deaf[0], deaf[1], atol=0, rtol=0)
    with pytest.raises(ValueError, match="cut"):
        reader("window")(questions[:1], [SMALL.sections], cut=True)


def test_unread_sections_share_one_score():
    part = long_document()
    scores = reader("first 512")([Q.tokens("wa wb?")], [part.sections])[0]
    assert scores[9:].unique().numel() == 1 and scores[:9].unique().numel() == 9
    assert experiment.ranked([1.0, 3.0, 1.0, 1.0]) == [3, 1, 3, 3]


def test_bm25_by_hand():
    scores = Q.word_scores(SMALL, "cat?")
    idf = torch.log(torch.tensor(1 + 1.5 / 1.5)).item()
    size, mean = 10, 8.5
    assert scores == [pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * size / mean))), 0]
    assert Q.word_scores(SMALL, "?") == Q.word_scores(SMALL, "") == [0, 0]


def test_shuffling_gives_every_question_another_answer():
    for count in (2, 5, 64):
        wrong = experiment.shuffled(count)
        assert sorted(wrong) == list(range(count)) and all(a != b for a, b in enumerate(wrong))
    assert experiment.summary([1, 2, 10]) == {"@1": 1 / 3, "@5": 2 / 3, "mrr": pytest.approx(1.6 / 3)}


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = (Q.train("first 512", steps=2, seed=1).state_dict() for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_saved_and_loaded(tmp_path):
    model = reader()
    checkpoint.save(model, tmp_path / "a.pt")
    again = checkpoint.load(tmp_path / "a.pt", lambda config: Q.Reader(Q.Config(**config)), "seqlab's reader")
    question = [Q.tokens("a cat?")]
    torch.testing.assert_close(
        again(question, [SMALL.sections]), model(question, [SMALL.sections]), atol=0.05, rtol=0.05
    )
    assert torch.equal(again.counts, model.counts)


def test_a_cell_says_what_its_reader_found(monkeypatch):
    saved = []
    monkeypatch.setattr(experiment, "train", lambda arm, **_: arm)
    monkeypatch.setattr(experiment, "judge", lambda model: {"d": {"right": [1.0, 3.0], "shuffled": [2.0, 2.0]}})
    monkeypatch.setattr(experiment, "untrained", lambda seed: {"@1": 0.25})
    monkeypatch.setattr(experiment, "ceiling", lambda arm, seed: 1.0)
    monkeypatch.setattr(experiment.checkpoint, "save", lambda model, path: saved.append(model))
    cells = [experiment.measure(arm, seed) for arm, seed in (("window", 0), ("big bird", 0), ("big bird", 1))]
    assert [cell["@1"] for cell in cells] == [0.5] * 3 and saved == ["big bird"]
    assert ["untrained" in cell for cell in cells] == [False, True, True] and cells[0]["ceiling"] == {"@1": 1.0}


def test_the_shipped_result_is_complete():
    assert STORED["bm25"] == experiment.lexical()
    for (arm, seed), cell in RANKS.items():
        measured = Q.summary(Q.pooled(cell["ranks"]))
        best = Q.ceiling(arm, seed=seed)
        assert round(best, 4) == cell["ceiling"]["@1"] and measured["@1"] <= best
        assert all(round(value, 4) == cell[key] for key, value in measured.items())


def test_big_bird_hears_what_the_others_cannot_for_every_seed():
    first = {arm: [RANKS[arm, seed]["@1"] for seed in SEEDS] for arm in experiment.TRAINED}
    spread = max(max(values) - min(values) for values in first.values())
    others = max(first["window"] + first["first 512"])
    assert min(first["big bird"]) > others + spread
    assert min(first["big bird"]) > max(Q.ceiling(arm) for arm in ("window", "first 512"))
    for seed in SEEDS:
        for kind in ("shuffled", "cut"):
            control = Q.summary(Q.pooled(RANKS["big bird", seed]["ranks"], kind))
            assert control["@1"] <= 0.05
            assert control["mrr"] < fmean([Q.chance()["mrr"], RANKS["big bird", seed]["mrr"]])


def test_a_shipped_number_can_be_made_again():
    """Half precision and other processors round: a rank may move, by little."""
    part = Q.documents()["py-programming"]
    stored = RANKS["big bird", 0]["ranks"]["py-programming"]["right"]
    rows = experiment.ranks(Q.shipped(), part, (3, 30, 60))
    for at, row in zip((3, 30, 60), rows):
        assert row[at] == pytest.approx(stored[at], abs=1 + 0.1 * stored[at])
    found = Q.quick(4)
    assert found == Q.quick(4) and found["big bird"]["mrr"] > found["cut"]["mrr"]


@pytest.mark.parametrize("arm", ["window", "first 512"])
def test_a_reader_of_another_arm_is_judged_too(arm):
    found = Q.quick(2, model=reader(arm))
    assert set(found) == {arm, "shuffled", "bm25"} and found["bm25"] == Q.quick(2)["bm25"]


def test_asking():
    answer = Q.ask("How do I copy an object in Python?", "py-programming")
    assert len(answer.found) == 64 and [f.score for f in answer.found] == sorted(
        (f.score for f in answer.found), reverse=True
    )
    assert sum(f.share for f in answer.found) == pytest.approx(1, abs=1e-4) and answer.note == ""
    own = Q.ask("Who purrs?", SMALL)
    assert own.found[0].start in (0, 10) and {f.section for f in own.found} == {0, 1}
    assert "“qwyjibo”" in Q.ask("What is a qwyjibo?", SMALL).note
    assert "8 are left out" in Q.ask("cat " * 40, SMALL).note
    for bad in ("", "  ", "\n"):
        with pytest.raises(ValueError, match="question"):
            Q.ask(bad, SMALL)
    with pytest.raises(ValueError, match="py-programming"):
        Q.ask("cat?", "nowhere")
    assert not Q.listens("window", 100, 0).any()


def test_the_view_changes_with_every_control_and_takes_bad_input():
    view = QuestionView("What is Perl?", "perlfaq2")
    pictures = [view.picture.value]
    for control, value in (
        (view.question, "Where is CPAN?"),
        (view.cut, True),
        (view.which, "perlfaq1"),
        (view.question, ""),
    ):
        control.value = value
        pictures.append(view.picture.value)
    assert len(set(pictures)) == len(pictures)
    assert "same for every question" in pictures[2] and "Type a question" in pictures[4] and view.answer is None
    view.question.value = "<b>zzyzx</b>"
    view.cut.value = False
    assert "zzyzx" in view.picture.value and "<b>zzyzx" not in view.picture.value
    assert "could hear" in view._repr_mimebundle_()["text/html"]


def test_figures_say_what_they_show():
    for picture in (figures.accuracy(STORED), figures.needle(STORED)):
        alt = picture.layout.meta["alt"]
        assert "big bird" in alt and "BM25" in alt and "nan" not in alt
    rows = figures.table(STORED)
    assert len(rows["big bird"]["@1"]) == 3 and rows["BM25"]["ceiling"] == []
