"""Who memorises: the data, ceilings that are exact, arms that can use only what they should, and the shipped result."""

import itertools
from collections import Counter
from statistics import fmean

import pytest
import torch

from seqlab.one_layer import book as labelled
from seqlab.one_layer import trained
from seqlab.one_layer.trained import Arm, Labelled, Memoriser, ceiling
from seqlab.train.experiment import SEEDS

SHIPPED = trained.results()


def table(part, value="accuracy"):
    return trained.by_arm(SHIPPED[part]["cells"], value)


def test_sets_are_different_and_labels_belong_to_token_and_set():
    made = trained.sets(0)
    ids, labels = made.part()
    assert ids.shape == labels.shape == (60, 4) and len({tuple(row) for row in ids.tolist()}) == 60
    assert (ids[:, 1:] > ids[:, :-1]).all() and ids.min() >= 1 and ids.max() <= 8
    assert set(labels.unique().tolist()) == {0, 1, 2, 3} and len(made.part(test=True)[0]) == 0
    assert torch.equal(trained.sets(0).labels, labels) and not torch.equal(trained.sets(1).labels, labels)


def test_orders_of_one_set_differ_only_in_order():
    ids, _ = trained.orders(0).part()
    assert ids.shape == (60, 4) and len({tuple(row) for row in ids.tolist()}) == 60
    assert set(Counter(tuple(sorted(row)) for row in ids.tolist()).values()) == {4}


def test_the_book_is_labelled_by_what_lower_case_words_hide():
    first = {tuple(word for word, _ in s): [label for _, label in s] for s in labelled.sentences()}
    names = labelled.book(0).classes
    spoken = lambda *words: [names[label] for label in first[words]]
    assert spoken("mr", "bennet", "made", "no", "answer") == [
        "capital, nothing",
        "capital, nothing",
        "lower, nothing",
        "lower, nothing",
        "lower, stop",
    ]
    assert spoken("you", "are", "over-scrupulous", "surely")[2:] == ["lower, comma", "lower, stop"]
    assert len(names) == 8 and len({frozenset(words) for words in first}) == len(first)
    assert all(4 <= len(words) <= 12 and len(set(words)) == len(words) for words in first)
    assert not any(word != word.lower() for words in first for word in words)


def test_the_book_in_numbers():
    made = labelled.book(1)
    ids, labels = made.part()
    unseen, _ = made.part(test=True)
    assert len(ids) == trained.TRAIN and len(unseen) == trained.TEST
    assert torch.equal(ids == 0, labels == -1) and (ids != 1).all() and (unseen == 1).any()
    assert made.vocabulary == ids.max() + 1 == unseen.max().clamp(min=ids.max()) + 1
    assert (labels >= 0).sum(1).min() >= 4


def test_ceilings_by_hand():
    ids = torch.tensor([[1, 2], [2, 1], [1, 3]])
    labels = torch.tensor([[0, 1], [1, 1], [2, 0]])
    assert ceiling(ids, labels, Arm()) == 4 / 6  # token 1: one of 0 1 2; token 2: both 1; token 3
    assert ceiling(ids, labels, Arm("softmax")) == 5 / 6  # token 1 in {1, 2} has two labels
    assert ceiling(ids, labels, Arm(positions=True)) == 5 / 6  # token 1 in place 0 has two labels
    assert ceiling(ids, labels, Arm("softmax", positions=True)) == 1
    padded = torch.tensor([[1, 2], [1, 0]]), torch.tensor([[0, 1], [1, -1]])
    assert ceiling(*padded, Arm()) == 2 / 3 and ceiling(*padded, Arm("softmax")) == 1


def test_the_ceiling_of_hardmax_is_that_of_all_orders():
    """Against a search through every order of the keys, for each query on its own."""
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        ids = torch.tensor(list(itertools.combinations(range(1, 6), 3)))
        labels = torch.randint(3, ids.shape, generator=draw)
        right = 0
        for query in range(1, 6):
            cases = [(row, w[row.index(query)]) for row, w in zip(ids.tolist(), labels.tolist()) if query in row]
            best = 0
            for order in itertools.permutations(range(1, 6)):
                groups = {}
                for row, label in cases:
                    groups.setdefault(min(row, key=order.index), Counter())[label] += 1
                best = max(best, sum(max(group.values()) for group in groups.values()))
            right += best
        assert ceiling(ids, labels, Arm("hardmax")) == right / labels.numel()


def test_arms_use_what_they_may():
    made = trained.sets(0)
    ids, other = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 2, 3, 8]])
    for name, arm in trained.PARTS["random labels"].arms.items():
        torch.manual_seed(0)
        model = Memoriser(arm, made, 8, 16)
        changed = (model(ids)[0, 0] - model(other)[0, 0]).abs().max().item()
        assert (changed > 0) == (arm.attention is not None) or arm.attention == "hardmax", name
        turned = model(ids.flip(1)).flip(1)
        torch.testing.assert_close(turned, model(ids))
        if arm.attention:
            assert (
                model.attention.query.weight.shape == (arm.rank, 8) and model.attention.query is not model.attention.key
            )
    placed = Memoriser(Arm("softmax", positions=True), made, 8, 16)
    assert (placed(ids.flip(1)).flip(1) - placed(ids)).abs().max() > 1e-3
    tied = Memoriser(Arm("softmax", 1, tied=True), made, 8, 16)
    assert tied.attention.query is tied.attention.key is tied.attention.value
    padded = torch.tensor([[1, 2, 3, 0]])
    torch.testing.assert_close(tied(padded)[:, :3], tied(padded[:, :3]))


def test_straight_through_is_hardmax_with_a_gradient():
    scores = torch.randn(50, 4, 4, requires_grad=True)
    weights = trained.straight_through()(scores)
    assert set(weights.unique().tolist()) == {0.0, 1.0} and (weights.argmax(-1) == scores.argmax(-1)).all()
    weights.square().sum().backward()
    assert scores.grad.abs().max() > 0


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = (trained.train("random labels", "softmax, rank 1", 1, steps=5) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert a["losses"] == b["losses"] and a["accuracy"] == b["accuracy"] and a["test"] is None
    text = trained.train("book", "tied rank 1", steps=2)
    assert text["test"] is not None and len(text["losses"]) == 2 and text["ceiling"] == 1


@pytest.mark.parametrize("part", trained.PARTS)
def test_the_shipped_result_is_below_its_ceilings(part):
    plan, shipped = trained.PARTS[part], SHIPPED[part]
    for seed in SEEDS:
        ids, labels = plan.make(seed).part()
        for cell in (cell for cell in shipped["cells"] if cell["seed"] == seed):
            assert cell["ceiling"] == round(ceiling(ids, labels, plan.arms[cell["arm"]]), 5)
            assert cell["accuracy"] <= cell["ceiling"] + 1e-5
            assert (cell["test"] is None) == (part != "book")


def test_a_shipped_number_can_be_made_again():
    """Other processors round differently; a model without attention sits at its ceiling all the same."""
    shipped = next(cell for cell in SHIPPED["random labels"]["cells"] if (cell["arm"], cell["seed"]) == ("none", 0))
    again = trained.train("random labels", "none", 0, steps=300)
    assert again["accuracy"] == pytest.approx(shipped["accuracy"], abs=0.01)
    assert again["parameters"] == shipped["parameters"]


def test_the_claims_hold_for_every_seed():
    got = table("random labels")
    assert max(got["none"]) < min(got["hardmax, rank 4"]) and max(got["hardmax, rank 4"]) < min(got["softmax, rank 1"])
    assert min(got["softmax, rank 4"]) > 0.9 and max(got["softmax, rank 1"]) < min(got["softmax, rank 4"])
    order, best = table("order"), table("order", "ceiling")
    assert (
        max(order["softmax, rank 4"]) <= max(best["softmax, rank 4"]) < 0.6 < min(order["softmax, rank 4, positions"])
    )
    book = table("book")
    assert min(book["tied rank 1"]) > 0.95 > max(book["none"]) + 0.1
    assert min(book["tied rank 1, positions"]) > 0.999 > max(book["none, positions"]) + 0.04
    unseen = table("book", "test")
    assert all(fmean(unseen[arm]) < fmean(book[arm]) - 0.05 for arm in book)
    assert max(unseen["tied rank 1"]) < min(unseen["none"])  # what it learned by heart helps nobody


def test_padding_is_never_scored():
    made = Labelled(torch.tensor([[1, 2, 0]]), torch.tensor([[0, 1, -1]]), 3, ("a", "b"), 1)
    torch.manual_seed(0)
    model = Memoriser(Arm("softmax"), made, 4, 8)
    logits = model(made.ids)
    want = torch.nn.functional.cross_entropy(logits[0, :2], torch.tensor([0, 1]))
    torch.testing.assert_close(model.loss(made.part()), want)
    assert model.accuracy(*made.part()) in (0.0, 0.5, 1.0)
