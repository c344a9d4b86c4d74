"""Films: every position is there, moves lead where Python's lead, all is as before, and one file holds a widget."""

import json
import re
import zlib
from base64 import b64decode

import ipywidgets
import numpy as np
import torch

from seqlab.theorem import Verdict, Witness
from seqlab.universal import contextual_mapping
from seqlab.widgets import AttentionView
from seqlab.widgets.ask import Ask
from seqlab.widgets.film import Film, shoot
from seqlab.widgets.theorem_view import TheoremView
from seqlab.widgets.view import View
from seqlab.written.stepper import Stepper


def opened(packed: str) -> dict:
    return json.loads(zlib.decompress(b64decode(packed)))


def shows(film: dict, key: list) -> list:
    """What every part shows in a state."""
    return [film["pool"][at] for at in film["states"][json.dumps(key, separators=(",", ":"))][1]]


class Toy(View):
    """A slider, a choice that puts the slider back to 0, and a box."""

    def __init__(self, most: int = 3):
        slider = ipywidgets.IntSlider(1, 0, most, description="depth")
        super().__init__({"slider": slider, "box": ipywidgets.Checkbox(description="causal")})
        self.choice = ipywidgets.Dropdown(options=["a", "b"])
        self.children = [self.choice, *self.children]
        self.watch(self._choose, self.choice)
        self.watch(self._draw, self.slider, self.box)
        self._draw()

    def _choose(self):
        with self.held():
            self.slider.value = 0
        self._draw()

    def _draw(self):
        self.picture.value = f"<b>{self.choice.value} {self.slider.value} {self.box.value}</b>"


def test_every_position_is_recorded_and_all_is_put_back():
    view = Toy()
    before = view.picture.value
    film = opened(Film(view).packed())
    assert len(film["states"]) == 2 * 4 * 2 and film["missing"] == 0 and film["start"] == "[0,1,0]"
    for key in ([0, 3, 1], [1, 2, 0]):
        assert shows(film, key)[1] == f"<b>{'ab'[key[0]]} {key[1]} {bool(key[2])}</b>"
    assert view.picture.value == before and view.slider.value == 1


def test_a_move_that_moves_others_says_where_it_leads():
    film = opened(Film(Toy(most=400)).packed())
    assert film["led"]["0 [1,1,0]"] == "[1,0,0]", "the choice puts the slider back to 0"
    assert "1 [1,1,0]" not in film["led"], "the slider does not"


def test_large_grids_are_recorded_one_and_two_controls_at_a_time():
    film = opened(Film(Toy(most=400)).packed())
    assert "[0,400,0]" in film["states"] and "[1,0,1]" in film["states"]
    assert "[1,400,1]" not in film["states"], "three controls away from where it began"


def test_switches_are_recorded_in_every_combination():
    broken = {name: f"break {name}" for name in "abcdef"}
    judge = lambda **off: Verdict(False, -1, Witness("broken")) if any(off.values()) else Verdict(True, 1)
    film = opened(Film(TheoremView(judge, broken)).packed())
    assert len(film["states"]) == 2**6


def test_what_takes_too_long_is_left_out_and_counted():
    film = opened(Film(Toy(), seconds=0).packed())
    assert len(film["states"]) == 1 and film["missing"]


def test_buttons_that_only_move_are_followed_and_others_are_off():
    film = opened(Film(Stepper(contextual_mapping(3, 1, 2).program(), [0, 2], step=0)).packed())
    last = len(film["states"]) - 1
    assert film["led"]['1 [0,"",""]'] == f'[{last},"",""]' and film["led"]['2 [0,"",""]'] == '[1,"",""]'
    pressed = []
    view = View({"draw": ipywidgets.Button(description="draw")})
    view.draw.on_click(lambda _: pressed.append(1))
    film = opened(Film(view).packed())
    assert film["pool"][film["states"]['[""]'][0][0]]["off"] and not pressed


def test_weights_are_kept_as_float16_with_layers_and_heads():
    weights = torch.rand(2, 3, 4, 5)
    film = opened(Film(AttentionView(weights, head=1)).packed())
    (shown,) = shows(film, [])
    kept = np.frombuffer(b64decode(shown["weights"]["bytes"]), np.float16).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(kept, weights.numpy().astype(np.float16))
    assert shown["head"] == 1 and "frame" not in shown


def test_all_that_stand_by_themselves_are_kept_by_their_model_id(tmp_path):
    inner = AttentionView(torch.eye(2))
    view, map_ = View({"inner": inner}), AttentionView(torch.eye(3))
    shoot(tmp_path / "films.json")
    assert set(json.loads((tmp_path / "films.json").read_text())) == {view.model_id, map_.model_id}


def test_one_file_holds_a_widget_and_asks_for_no_other(tmp_path):
    for at, widget in enumerate((Toy(), AttentionView(torch.eye(3), title="Eye < ear"))):
        text = widget.save(tmp_path / f"{at}.html").read_text()
        assert widget.twin() in text and "seqlab-film" in text and "new IntersectionObserver" in text
        assert not re.search(r"(src|href)=['\"](?!data:|#)", text)
    assert "<title>Eye &lt; ear</title>" in text
    assert not Ask.filmed
