"""The two buttons under an exercise that is open or not yet right."""

from collections.abc import Callable

import ipywidgets
from IPython.display import display

Maker = Callable[[str], tuple[str, str]]


def offer(id: str, next_hint: Maker, show_solution: Maker) -> None:
    """Show “Hint” and “Solution”; what they reveal appears below them, one thing at a time."""
    shown = ipywidgets.HTML()
    buttons = []
    for label, tip, maker in (
        ("Hint", f"The next hint of {id}", next_hint),
        ("Solution", f"The reference of {id}", show_solution),
    ):
        button = ipywidgets.Button(description=label, tooltip=tip, layout={"width": "7em"})
        button.on_click(lambda _, maker=maker: setattr(shown, "value", maker(id)[0]))
        buttons.append(button)
    display(ipywidgets.VBox([ipywidgets.HBox(buttons), shown]))
