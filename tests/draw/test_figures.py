"""Every figure says what it shows: title, axes, alt text; and the pictures made by hand are well-formed."""

from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest
import torch

from seqlab.course.rooms import labs
from seqlab.draw import figures
from seqlab.names import figures as names
from seqlab.start import figures as start
from seqlab.train import live
from seqlab.train.fit import History

HISTORY = History(step=[1, 2, 3], loss=[3.0, 2.0, 1.5])
FIGURES = {
    "separation": names.separation_curve([0.0, 0.2, 3.0], [0.0, 0.01, 0.0], [0.0, 0.01, 1e-20]),
    "layers": names.layer_distances(torch.rand(3, 40), "e"),
    "loss": live.loss_curve(HISTORY, reference=1.2, steps=5),
    "heads": start.head_scores(torch.tensor([[1, 9], [0, 11]]), total=11),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_title_axes_and_alt_text(name):
    layout = FIGURES[name].layout
    assert layout.title.text and layout.xaxis.title.text and layout.yaxis.title.text
    assert len(layout.meta["alt"]) > 30 and "nan" not in layout.meta["alt"]


def test_alt_text_states_what_is_drawn():
    assert "loses the last difference at beta 3" in FIGURES["separation"].layout.meta["alt"]
    assert (
        "Head 1 stands out (up to 11, first in layer 1); no other head gets more than 1"
        in FIGURES["heads"].layout.meta["alt"]
    )


def svg(page):
    return ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])


def test_the_map_shows_every_paper_and_escapes():
    page = start.lab_map().data
    labels = [node.get("aria-label") for node in svg(page).iter() if node.get("class") == "paper"]
    assert [label.split(":")[0] for label in labels] == [lab.paper["short"] for lab in labs() if lab.paper]


def test_shared_names_are_ringed():
    page = names.number_line([1.0, 2.0, 2.0], ["a", "b", "c"], [0, 1, 2])
    rings = [node for node in svg(page).iter() if node.get("r") == "9"]
    assert len(rings) == 2 and "2 of them share" in page
    assert "r='9'" not in names.number_line([1.0, 2.0], ["a", "b"], [0, 0])


def test_arcs_tell_right_from_wrong_without_colour():
    page = start.atom_arcs(["[CLS]", "C", "O", ">>", "O", "[SEP]"], {4: 1}, {4: {2}}).data
    assert "stroke-dasharray" in page and "0 are right (solid), 1 wrong (dashed)" in page


def test_live_loss_sketches_and_ends_with_the_figure(monkeypatch):
    shown = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(bundle)

    monkeypatch.setattr(live, "display", lambda bundle, raw, display_id: shown.append(bundle) or Handle())
    watch = live.LiveLoss(3, reference=1.0)
    watch(History(step=[1], loss=[3.0]))
    watch(History(step=[1, 2], loss=[3.0, 2.0]))  # too soon after the first
    watch(HISTORY)
    assert len(shown) == 2 and "Step 1 of 3" in shown[0]["text/plain"]
    svg(shown[0]["text/html"])
    assert shown[1][figures.PLOTLY]["data"][0]["x"] == [1, 2, 3]


def test_a_figure_carries_of_the_template_what_it_uses(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda bundle, **_: shown.append(bundle))
    figures.show(figures.figure("title", "x", "y", "alt", go.Scatter(x=[1], y=[1]), go.Bar(x=[1], y=[1])))
    template = shown[0][figures.PLOTLY]["layout"]["template"]
    assert set(template["data"]) == {"scatter", "bar"}
    assert {"xaxis", "yaxis", "font"} <= set(template["layout"]) and not {"scene", "geo"} & set(template["layout"])
