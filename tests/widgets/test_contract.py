"""The sweep moves every control, puts it back, and lets no callback fail in silence."""

import ipywidgets
import numpy as np
import pytest

from seqlab.widgets import AttentionView
from seqlab.widgets.contract import ContractError, controls, sweep


def visited(widget, trait="value"):
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), trait)
    return seen


MOVES = {
    "IntSlider": ({"value": 3, "max": 9}, [0, 4, 9, 3]),
    "FloatSlider": ({"value": 1.0, "min": 0.0, "max": 2.0}, [0, 1, 2, 1]),
    "FloatLogSlider": ({"value": 10.0, "base": 10, "min": -2, "max": 2}, [0.01, 1, 100, 10]),
    "IntRangeSlider": ({"value": (2, 3), "max": 5}, [(0, 0), (0, 5), (5, 5), (2, 3)]),
    "Dropdown": ({"options": "abc", "value": "b"}, ["a", "b", "c", "b"]),
    "ToggleButtons": ({"options": [("one", 1), ("two", 2)]}, [2, 1]),
    "SelectMultiple": ({"options": "ab", "value": ("a",)}, [(), ("a", "b"), ("a",), ("b",), ("a",)]),
    "Checkbox": ({"value": False}, [True, False]),
}


@pytest.mark.parametrize("kind", MOVES)
def test_moves_over_the_extremes_and_back(kind):
    options, values = MOVES[kind]
    widget = getattr(ipywidgets, kind)(**options)
    seen, before = visited(widget), widget.value
    expected = [value for last, value in zip([before, *values], values) if value != last]  # only changes are told
    assert len(sweep()) == 1 and seen == expected and widget.value == before
    sweep()
    assert seen == 2 * expected


def test_every_live_control_is_found():
    slider, box, button = ipywidgets.IntSlider(), ipywidgets.Checkbox(), ipywidgets.Button()
    ipywidgets.VBox(
        [slider, box, button, ipywidgets.IntProgress(), ipywidgets.HTML(), ipywidgets.IntSlider(disabled=True)]
    )
    assert controls() == [slider, box, button]


def test_attention_view_layers_and_heads():
    view = AttentionView(np.ones((3, 4, 2, 2)), layer=1)
    layers, heads = visited(view, "layer"), visited(view, "head")
    sweep()
    assert layers == [0, 1, 2, 1] and heads == [2, 3, 0] and (view.layer, view.head) == (1, 0)


def test_a_failing_callback_names_its_control_and_where():
    slider, fine = ipywidgets.IntSlider(5, 0, 9, description="temperature"), ipywidgets.Checkbox(description="causal")

    def explode(change):
        if change["new"] == 9:
            raise ZeroDivisionError("no room")

    slider.observe(explode, "value")
    seen = visited(fine)
    with pytest.raises(
        ContractError, match="(?s)IntSlider “temperature”.*explode.*ZeroDivisionError: no room"
    ) as caught:
        sweep()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert slider.value == 5 and seen == [True, False]


def test_interactive_cannot_swallow_an_error():
    def picture(depth):
        if depth > 2:
            raise KeyError("too deep")

    ipywidgets.interactive(picture, depth=ipywidgets.IntSlider(1, 0, 4, description="depth"))
    with pytest.raises(ContractError, match="(?s)“depth”.*picture.*too deep"):
        sweep()


def test_interactive_inside_a_kernel_cannot_either(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        out = ipywidgets.Output()
        slider = ipywidgets.IntSlider(1, 0, 4, description="quiet")

        @out.capture()
        def picture(change):
            raise RuntimeError("shown in the output")

        slider.observe(picture, "value")
        with pytest.raises(ContractError, match="(?s)“quiet”.*shown in the output"):
            sweep()
        assert "showtraceback" not in vars(shell)
    finally:
        InteractiveShell.clear_instance()


def test_buttons_are_clicked_unless_they_ask_not_to_be():
    clicked = []
    step, never, broken = (ipywidgets.Button(description=name) for name in ("step", "never", "broken"))
    step.on_click(lambda button: clicked.append(button.description))

    def skipped(button):
        raise AssertionError

    skipped._contract_skip = True
    never.on_click(skipped)
    assert sweep() == ["Button “step”"] and clicked == ["step"]
    broken.on_click(lambda button: 1 / 0)
    with pytest.raises(ContractError, match="Button “broken”"):
        sweep()
