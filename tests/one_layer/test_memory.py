"""The table, the memoriser, the approximator, the certificate, the switches."""

import itertools
import random

import pytest
import torch

from seqlab import one_layer as ol
from seqlab.names.exact import ExactNames
from seqlab.one_layer.certificate import parse
from seqlab.one_layer.mapping import closest
from seqlab.one_layer.memoriser import hinges

FIVE = list(itertools.combinations([1, 2, 3, 4, 5], 3))


def labelled(seed, *, dim, length, words, count, classes="abc"):
    draw, book = random.Random(seed), {}
    vocabulary = [tuple(draw.gauss(0, 1) for _ in range(dim)) for _ in range(words)]
    sequences = [draw.sample(vocabulary, length) for _ in range(count)]
    return sequences, [[book.setdefault((t, frozenset(row)), draw.choice(classes)) for t in row] for row in sequences]


def test_table_is_flat_around_ids_and_counts_two_hinges_per_change():
    column = lambda *labels: torch.tensor(labels, dtype=torch.float64)[:, None]
    one = torch.ones(1, dtype=torch.float64)
    made = hinges(torch.tensor([3.0, 1.0, 2.0, 4.0], dtype=torch.float64), column(7, 5, 5, -1), one)
    assert made[0].out_features == 4
    z = torch.tensor([[0.0], [1.0], [2.0], [2.2], [2.5], [3.0], [4.0], [9.0]], dtype=torch.float64)
    assert made(z)[:, 0].tolist() == pytest.approx([5, 5, 5, 5, 6, 7, -1, -1])
    assert hinges(one, column(2), one)[0].out_features == 0 and hinges(one, column(2), one)(z).eq(2).all()


SHAPES = [
    (1, 3, 5, 20),
    (1, 3, 6, 40),
    (2, 4, 8, 100),
    (3, 5, 10, 200),
    (3, 8, 12, 200),
    (1, 4, 7, 60),
    (4, 2, 9, 50),
    (2, 3, 7, 80),
    (1, 6, 9, 60),
    (5, 4, 8, 90),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_memoriser_fits_everything(shape):
    dim, length, words, count = shape
    sequences, labels = labelled(sum(shape), dim=dim, length=length, words=words, count=count)
    made = ol.memorise(sequences, labels)
    assert made.fit == 1 and made.predict() == labels and made.check()
    assert made.head.ranks == (1, 1, 1)
    size = made.parameters
    changes = size.hidden // 2
    assert size.counted == size.formula == 4 * dim + 2 * changes * (dim + 2) + 1
    assert size.hidden == 2 * changes <= 2 * (len(made.head.data.contexts) - 1)
    assert size.corollary == 4 * (1 + dim) + dim * (2 * length * count + dim)


def test_memoriser_sees_sets_not_orders():
    sequences, labels = labelled(1, dim=2, length=4, words=6, count=30)
    made = ol.memorise(sequences, labels)
    turned = [row[::-1] for row in sequences]
    assert made.predict(turned) == [row[::-1] for row in labels]


def test_numbers_vectors_and_classes():
    numbers = [[sum(row) * t / 7 for t in row] for row in FIVE]
    made = ol.memorise(FIVE, numbers)
    assert made.check() and made.predict()[3] == pytest.approx(numbers[3], abs=1e-6)
    vectors = [[(float(t), float(sum(row))) for t in row] for row in FIVE]
    assert ol.memorise(FIVE, vectors).check()
    assert ol.memorise(FIVE, [["odd" if t % 2 else (t,) for t in row] for row in FIVE]).predict()[0] == [
        "odd",
        (2,),
        "odd",
    ]
    assert ol.memorise([(1,), (1,)], [["a"], ["a"]]).fit == 1


def test_a_broken_network_is_noticed():
    sequences, labels = labelled(5, dim=2, length=3, words=6, count=30)
    made = ol.memorise(sequences, labels)
    with torch.no_grad():
        made.network[0].attention.out.weight.zero_()
    verdict = made.check()
    assert not verdict and made.fit < 1 and verdict.margin <= 0
    i, k, _, want = verdict.witness.objects
    assert labels[i][k] == want and made.predict()[i][k] != want


def test_inconsistent_labels_are_refused_with_the_witness():
    witness = ol.inconsistency([(1, 2), (3, 4), (2, 1)], [["a", "b"], ["c", "d"], ["a", "b"]])
    (i, k), (j, l) = witness.objects
    assert {(i, k), (j, l)} in ({(0, 0), (2, 1)}, {(0, 1), (2, 0)})
    with pytest.raises(ValueError, match="same token among the same tokens"):
        ol.memorise([(1, 2), (2, 1)], [["a", "b"], ["a", "b"]])
    with pytest.raises(ValueError, match="exactly the same id"):
        ol.memorise([(0, 1, 4, 5), (0, 2, 3, 5)], [list("abcd"), list("bbcd")])
    with pytest.raises(ValueError, match="one label per token"):
        ol.memorise([(1, 2)], [["a"]])
    with pytest.raises(ValueError, match="got 0 labels"):
        ol.memorise([(1, 2)], [])
    for label in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not finite; is a label missing"):
            ol.memorise([(1, 2)], [[label, 2]])
    with pytest.raises(ValueError, match="κ = 0 is the plain average"):
        ol.memorise([(1, 2)], ["ab"], kappa=0.0)


def test_labels_of_very_different_size_are_all_right():
    for labels in ([[1e7, 3], [2, 1]], [[1e-9, 2e-9], [3e-9, 1e-9]]):
        made = ol.memorise([(1, 2), (1, 3)], labels)
        assert made.check()
        assert [x for row in made.predict() for x in row] == pytest.approx([x for row in labels for x in row], rel=1e-5)
    far = ol.memorise([(1, 2), (1, 3)], [[1e30, 1], [5, 0]]).check()
    assert not far and "the label is" in str(far)  # float64 cannot add these, and the verdict says so
    with torch.no_grad():
        made.network[-1].bias.add_(1e-8)  # ten times the largest label
    assert made.fit == 0 and not made.check()


def test_tensors_are_read_as_numbers():
    x, y = torch.tensor([[1, 2, 3], [2, 3, 4]]), torch.tensor([[0, 1, 0], [1, 1, 0]])
    assert sum(ol.memorise(x, y).predict(), []) == pytest.approx([0, 1, 0, 1, 1, 0], abs=1e-12)
    assert ol.read(x.numpy()).vectors[0] == 1
    assert ol.memorise(x.double()[..., None], torch.rand(2, 3, 2)).check()
    for wrong, message in (([1, 2], r"sequences\[0\]: got 1"), (torch.tensor([1, 2]), "got t"), (["ab"], "got 'ab'")):
        with pytest.raises(ValueError, match=message):
            ol.read(wrong)


def test_repeats_as_multisets():
    sequences = [(1, 1, 2), (1, 2, 2), (3, 1, 1)]
    labels = [["a", "a", "b"], ["b", "a", "a"], ["c", "c", "c"]]
    hot = ol.memorise([(1, 1, 2), (1, 2, 2), (1, 2, 3)], ["aab", "cdd", "efg"], kappa=300.0)
    assert hot.arithmetic == "exact" and hot.fit == 1  # digits enough to tell bags of one set apart
    made = ol.memorise(sequences, labels)
    assert made.predict() == labels and "multisets" in " ".join(made.check().notes)
    with pytest.raises(ValueError, match="same tokens"):
        ol.memorise([(1, 1, 2)], [["a", "b", "b"]])


def test_exact_arithmetic_where_floats_collide():
    labels = [["ab"[(t + sum(row)) % 2] for t in row] for row in FIVE]
    labels[0][0] = "c"
    hot = ol.memorise(FIVE, labels, kappa=20.0)
    assert hot.arithmetic == "exact" and hot.predict() == labels and hot.check()
    assert hot.parameters.counted == hot.parameters.formula
    with pytest.raises(ValueError, match="closer than float64"):
        hot.network  # noqa: B018
    with pytest.raises(ValueError, match="leave it out"):
        hot.predict(FIVE)
    close = list(itertools.combinations([1.0, 1.0 + 1e-9, 2.0, 3.0], 3))
    many = [[f"{i}{k}" for k in range(3)] for i in range(len(close))]
    assert ol.memorise(close, many).predict() == many


def test_the_best_scale_is_moderate_and_best():
    known = ol.read(FIVE)
    v = torch.ones(1, dtype=torch.float64)
    best = ol.best_scale(known, v)
    gaps = [known.closest(ol.rank_one_head(known, k, shift=1.0).along) for k in (best, best / 3, best * 3, 5.197)]
    assert gaps[0] == max(gaps) > 10 * gaps[3]


def off_table(made):
    """The largest difference from f at the cells' centres, on inputs without duplicates."""
    x = torch.rand(2**12, made.length, made.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = x[~made.duplicates(x)]
    return (made(x) - made.f((torch.floor(x * made.levels) + 0.5) / made.levels)).abs().max().item()


def test_approximator_reproduces_its_table_and_converges():
    f = lambda x: torch.sin(3 * x) * x.sum(1, keepdim=True)
    made = ol.approximate(f, 6, 1, 3)
    assert off_table(made) < 1e-9
    curve = ol.error_curve(f, (4, 8, 16), 1, 2)
    totals = [total for _, total, _, _ in curve]
    assert totals[0] > 1.8 * totals[1] > 3 * totals[2]
    assert [volume for *_, volume in curve] == [1 / 4, 1 / 8, 1 / 16]
    x = torch.rand(2**12, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert made.duplicates(x).double().mean().item() == pytest.approx(made.error()[2], abs=0.03)
    assert all(good <= total for _, total, good, _ in curve)
    plane = ol.approximate(f, 3, 2, 2)
    assert off_table(plane) < 1e-9


@pytest.mark.parametrize(
    "arguments, message", [((1, 1, 2), "levels"), ((2, 1, 3), "cells"), ((30, 1, 4), "wanted 1 to")]
)
def test_approximator_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ol.approximate(lambda x: x, *arguments)
    with pytest.raises(ValueError, match="the same shape"):
        ol.approximate(lambda x: x.sum(), 4)


def text(*sequences):
    """token/label words as CSV."""
    rows = [f"{at},{word.replace('/', ',')}" for at, words in enumerate(sequences) for word in words.split()]
    return "\n".join(["sequence,token,label", *rows])


def test_certificate():
    made = ol.certificate(text("the/D dog/N runs/V", "run/V the/D cat/N", "light/N the/D #/D"))
    assert made.verdict and made.memoriser.fit == 1 and made.verdict.margin > 0
    assert made.data.show(2) == "(light, the, #)"
    head = made.memoriser.head
    assert 10 ** closest(head)[0] == pytest.approx(made.data.closest(head.along), rel=1e-6)
    line = ol.certificate('\ufeffSequence, token ,label\ns,"a,b",X\ns,c,Y\nt,c,Z\nt,d,X\n', dim=1)
    assert line.verdict and line.data.show(0) == "(a,b, c)" and line.data.show(1, 0) == "c" and line.data.dim == 1
    assert ol.certificate(text("1/2 3/4")).verdict and ol.certificate(text("a/X", "a/X")).verdict
    assert parse("sequence,token,label\ns,a,X\nt,b,Y\ns,c,Z") == ([["a", "c"], ["b"]], [["X", "Z"], ["Y"]])
    with pytest.raises(ValueError, match="got"):
        ol.certificate(text("a/X"), dim=0)


@pytest.mark.parametrize(
    "text, tokens",
    [
        ('"sequence";"token";"label"\n"1";"#";"X"\n"1";"b;c";"Y"\n', ["#", "b;c"]),
        ("\nsequence\ttoken\tlabel\r\n1\t日本\t名詞\r\n\r\n1\ta,b\tY\r\n", ["日本", "a,b"]),
        ('Sequence,TOKEN,label\n#1,"say ""a""",X\n#1,b,Y', ['say "a"', "b"]),
    ],
)
def test_certificate_reads_other_spreadsheets_and_loses_no_line(text, tokens):
    assert parse(text)[0] == [tokens]


def test_certificate_guarantees_only_what_the_theorem_does():
    assert "guarantees" in str(ol.certificate(text("a/X b/Y", "b/X c/Y")).verdict.notes)
    assert "guarantees" not in str(ol.certificate(text("a/X b/Y c/Z", "b/X c/Y")).verdict.notes)  # different lengths
    assert "guarantees" not in str(ol.certificate(text("a/X a/X b/Y", "a/Z b/Y b/Y")).verdict.notes)  # a repeated token


def test_names_far_apart_are_subtracted_and_not_summed_term_by_term(monkeypatch):
    """What keeps a certificate of long sequences to seconds."""
    summed = []
    add = ExactNames._sum
    monkeypatch.setattr(ExactNames, "_sum", lambda self, *terms: summed.append(terms) or add(self, *terms))
    draw = random.Random(0)
    rows = [" ".join(f"{token}/{draw.choice('ab')}" for token in draw.sample(range(40), 30)) for _ in range(6)]
    assert closest(ol.certificate(text(*rows)).memoriser.head)[0] < 0 and not summed
    names = ExactNames([1, 2, 3, 4, 5], 30.0)
    assert names.difference((2, (0, 1, 4)), (2, (0, 2, 4))) and summed  # closer than their digits


def test_certificate_names_the_pair_that_collides():
    failed = ol.certificate(text("a/X b/Y", "b/Y a/Z"))
    assert not failed.verdict and failed.memoriser is None
    assert failed.verdict.witness.objects == ((0, 0), (1, 1))
    assert "a is labelled 'X' in (a, b) and 'Z' in (b, a)" in str(failed.verdict)
    assert "multisets" in str(ol.certificate(text("a/X a/X b/Y", "a/Z b/Y b/Y")).verdict.notes)
    assert not ol.certificate(text("a/X a/Y b/Y")).verdict
    assert "&lt;script&gt;" in ol.certificate(text("<script>/X", "<script>/Y")).verdict._repr_html_()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "line 1: got ''"),
        ("\n\nhello", "line 3: got 'hello', wanted the header"),
        ("sequence,token,label\n1,a", "line 2"),
        ("sequence,token,label\n\n1,a,X\n1,,X", "line 4"),
        ('sequence,token,label\n1,"a,X\n1,b,Y"', "line 2"),
        ("sequence,token,label\n", "got 0 sequences"),
        (text("a/X " * 61), "got 61 tokens in sequence '0', wanted 1 to 60"),
        (text(*["a/X"] * 401), "got 401 sequences, wanted 1 to 400"),
        (text(*[" ".join(["a/X"] * 60)] * 67), "got 4,020 tokens, wanted 1 to 4,000"),
        (text("a" * 61 + "/X"), "line 2: .* 1 to 60 characters"),
        (text(*["a/X"] * 60_000), "200,000"),
    ],
)
def test_certificate_says_what_is_wrong_with_the_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_the_whole_holds_and_every_switch_breaks_its_own_hypothesis():
    whole = ol.check_one_layer()
    assert whole and whole.margin > 5 and not whole._broken()
    names = dict(zip(ol.SWITCHES, ("softmax", "distinct", "nonzero", "moderate", "consistent")))
    assert list(names) == ["hardmax", "repeated", "zero", "sharp", "order"]
    for switch, hypothesis in names.items():
        broken = ol.check_one_layer(**{switch: True})
        assert not broken and broken.margin <= 0 and broken.witness.objects
        assert [h.name for h in broken._broken()] == [hypothesis]
    for chosen in itertools.product((False, True), repeat=5):
        verdict = ol.check_one_layer(**dict(zip(names, chosen)))
        assert bool(verdict) == (not any(chosen)) and verdict._repr_html_()
