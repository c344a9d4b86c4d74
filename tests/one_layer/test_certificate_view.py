"""The certificate's view: what it shows is the library's, every control changes something, and nothing typed or
uploaded breaks it.
"""

import subprocess
import sys
import threading
import time

import pytest

from seqlab.one_layer import certificate, certificate_view
from seqlab.one_layer.certificate_view import EXAMPLES, SCALES, CertificateView, along_v, at_scale
from seqlab.one_layer.mapping import closest
from seqlab.widgets.contract import sweep

HEADER = "sequence,token,label"


@pytest.fixture(autouse=True)
def patient(request, monkeypatch):
    """Nothing goes on in a thread on a slow machine, but where a test is about that."""
    if not request.node.name.startswith(("test_what_takes_long", "test_it_can_be_stopped")):
        monkeypatch.setattr(CertificateView, "patience", 60)


def test_the_contract():
    view = CertificateView()
    assert len(sweep()) == 3  # menu, two sliders
    assert not view.error.value and "holds" in view.picture.value


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_control_changes_the_picture(example):
    view, seen = CertificateView(EXAMPLES[example]), set()
    for scale in SCALES:
        view.scale.value = scale
        seen.add(view.picture.value)
    assert len(seen) == len(SCALES) and not view.error.value
    view.scale.value = "best"
    for dim in range(1, 9):
        view.dim.value = dim
        seen.add(view.picture.value)
    assert len(seen) >= len(SCALES) + 7 and not view.error.value
    assert "nan" not in view.picture.value


def test_it_is_the_librarys_certificate():
    view = CertificateView()
    found = certificate(EXAMPLES["fish and cans"])
    assert found.verdict._repr_html_() in view.picture.value and "✓" in found.verdict._repr_html_()
    for name, weight in found.memoriser.head.weights.items():
        assert f">W_{name[0].upper()}</th>" in view.picture.value and f"{weight.flatten()[0]:.4g}" in view.picture.value
    assert all(word in view.picture.value for word in found.data.words) and "✗" not in view.picture.value


def test_names_come_in_order_and_the_smallest_distance_is_the_certificates():
    found = certificate(EXAMPLES["20 sets, labels at random"])
    names = along_v(found)
    assert len(names) == 60
    assert min(gap for _, gap in names) == pytest.approx(closest(found.memoriser.head)[0], abs=1e-9)
    ids = found.memoriser.head.ids()
    along = sorted(float(row @ found.memoriser.head.direction) for rows in ids for row in rows)
    gaps = [b - a for a, b in zip(along, along[1:])]
    assert [10**gap for _, gap in names[:-1]] == pytest.approx(gaps, rel=1e-6)


def test_a_large_scale_leaves_float64():
    found = certificate(EXAMPLES["20 sets, labels at random"])
    hot = at_scale(found, 100.0)
    assert (
        hot.memoriser.head.kappa == pytest.approx(100 * found.memoriser.head.kappa)
        and hot.verdict
        and hot.data.closest(hot.memoriser.head.along) == 0
    )
    assert hot.memoriser.arithmetic == "exact" and found.memoriser.arithmetic == "float64"
    view = CertificateView(EXAMPLES["20 sets, labels at random"])
    assert ">✗<" not in view.picture.value
    view.scale.value = "× 100"
    assert ">✗<" in view.picture.value and "exact arithmetic" in view.picture.value


def test_the_pair_that_collides_is_shown():
    view = CertificateView()
    view.example.value = "who bites whom"
    assert "</span> fails" in view.picture.value and "The pair that collides" in view.picture.value
    assert view.picture.value.count("✗ man") == 2 and "✗ dog" not in view.picture.value
    assert "the same token among the same tokens" in view.picture.value and "sees" not in view.picture.value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: got ''"),
        ("the dog", "wanted the header"),
        ("the/DET dog", "wanted the header"),
        ("sequence,token,label\n1,the", "wanted three entries"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_lost(text, why):
    view = CertificateView()
    before = view.picture.value
    view.text.value = text
    assert "role='alert'" in view.error.value and why in view.error.value
    assert view.text.value == text and view.picture.value == before
    view.scale.value = "× 3"
    assert why in view.error.value and view.picture.value != before
    view.text.value = f"{HEADER}\n1,a,X\n1,b,Y"
    assert not view.error.value and "1 sequences, 2 tokens" in view.picture.value


def test_a_text_that_was_never_good_shows_no_certificate():
    view = CertificateView("nothing here")
    view.scale.value, view.dim.value = "× 3", 2
    assert "role='alert'" in view.error.value and not view.picture.value and "last one" not in view.error.value


@pytest.mark.parametrize("rows", ["1,a,X", "1,a,X\n1,a,X", "1,a,X\n2,a,X\n3,b,Y", "1,/,a\n1,a/b,c"])
def test_the_smallest_data(rows):
    view = CertificateView(f"{HEADER}\n{rows}")
    for scale in SCALES:
        view.scale.value = scale
    assert "</span> holds" in view.picture.value and not view.error.value


def test_a_file_that_is_refused_is_told_and_the_next_one_read():
    view = CertificateView()
    # as a message from the browser; "text" is None where it did not read the file
    choose = lambda name, text, size=100: view.upload._handle_custom_msg(dict(name=name, size=size, text=text), [])
    choose("mine.csv", "sequence,token,label\r\n1,sun,S\r\n1,moon,M\r\n")
    assert "1 sequences, 2 tokens" in view.picture.value and view.text.value.startswith("sequence")
    before = view.text.value, view.picture.value
    for name, size, why in (
        ("big.csv", 12_800_000, "12.8 MB, the limit is 800.0 kB"),
        ("photo.png", 900, "end with .csv or .tsv or .txt"),
        ("latin.csv", 900, "not UTF-8"),
    ):
        choose(name, None, size)
        assert f"{name} was not read" in view.error.value and why in view.error.value
        assert (view.text.value, view.picture.value) == before
    choose("again.csv", view.text.value)
    assert not view.error.value
    choose("other.txt", "who knows")
    assert "wanted the header" in view.error.value and view.picture.value == before[1]
    choose("good.txt", f"{HEADER}\n1,sun,S\n1,moon,M")
    assert not view.error.value and view.text.value.endswith("moon,M")


def test_long_data_shows_the_names_around_the_closest_pair():
    rows = [f"{i},w{k},{(k * i) % 3}" for i in range(30) for k in range(i, i + 6)]
    view = CertificateView("\n".join([HEADER, *rows]))
    assert "180 names" in view.picture.value and "around the closest pair" in view.picture.value
    assert "22 more sequences" in view.picture.value


def test_the_static_twin():
    view = CertificateView()
    assert view.twin() == view.picture.value
    view.text.value = "?"
    assert view.twin() == view.error.value + view.picture.value
    assert "aria-label='15 names" in view.picture.value


def pairs(rows, length):
    """So many tokens in a row, each in two rows, so that names of one token must be compared; all labels differ."""
    words = [[f"w{(i // 2) * length + k}" for k in range(length - 1)] + [f"end{i}"] for i in range(rows)]
    return "\n".join([HEADER, *(f"{i},{word},{i}{word}" for i, row in enumerate(words) for word in row)])


def ended(view, seconds=60):
    until = time.monotonic() + seconds
    while not view.stop.disabled:
        assert time.monotonic() < until
        time.sleep(0.02)
    return view


def test_what_takes_long_shows_how_far_it_is_and_comes_to_the_same_end(monkeypatch):
    text = pairs(10, 12)
    wanted = ended(CertificateView(text)).picture.value
    view = CertificateView()
    assert view.working.layout.display == "none"
    gate = threading.Event()
    monkeypatch.setattr(certificate_view, "certificate", lambda *text, **how: gate.wait() and certificate(*text, **how))
    view.text.value = text
    assert view.working.layout.display == "" and not view.stop.disabled
    gate.set()
    assert ended(view).picture.value == wanted and not view.error.value
    assert view.working.layout.display == "none"
    view.text.value = "?"
    assert "wanted the header" in ended(view).error.value and view.picture.value == wanted


def test_it_can_be_stopped_and_begun_again():
    view = CertificateView()
    before = view.picture.value
    view.text.value = pairs(66, 60)
    assert not view.stop.disabled and "holds" in before
    while view.bar.value < 100:  # of 3,960 names
        time.sleep(0.02)
    view.stop.click()
    assert "names: any change above begins again" in ended(view, 2).error.value and "stopped before" in view.error.value
    assert view.picture.value == before and view.text.value.startswith(HEADER) and view.bar.max == 3960
    view.example.value = "who bites whom"  # an old job does not come back
    assert "</span> fails" in ended(view).picture.value and not view.error.value
    view.text.value = pairs(66, 60)
    view.example.value = "a word that repeats"
    picture = ended(view).picture.value
    time.sleep(0.3)
    assert "the dog" not in view.error.value and view.picture.value == picture != before


def test_a_kernel_that_ends_meanwhile_ends_well():
    code = "from seqlab.one_layer.certificate_view import CertificateView\nview = CertificateView()\n"
    code += f"view.text.value = {pairs(66, 60)!r}\nassert not view.stop.disabled"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
