"""FileInput: a text file from the learner's machine, refused in the browser before a byte of it is sent."""

from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class FileInput(anywidget.AnyWidget):
    """A button that takes a file: `take(text)` gets what stands in it, `refuse(why)` a sentence where it is not read.

    most: the largest size, in bytes;  ends: how its name may end, such as ".csv".  Text is UTF-8
    """

    _esm = HERE / "file_input.js"
    _css = HERE / "file_input.css"

    label = traitlets.Unicode().tag(sync=True)
    most = traitlets.Int().tag(sync=True)
    ends = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        take: Callable[[str], object],
        refuse: Callable[[str], object],
        *,
        label: str = "a file",
        most: int = 800_000,
        ends: Sequence[str] = (".csv", ".tsv", ".txt"),
    ):
        super().__init__(label=label, most=most, ends=list(ends))
        self.take, self.refuse = take, refuse
        self.on_msg(self._receive)

    def _receive(self, _: object, file: dict, __: object) -> None:
        """The browser sends {"name", "size", "text"}; where the text is None it was not read."""
        if file["text"] is not None:
            self.take(file["text"])
            return
        if file["size"] > self.most:
            why = f"it has {_bytes(file['size'])}, the limit is {_bytes(self.most)}"
        elif not file["name"].lower().endswith(tuple(self.ends)):
            why = f"its name should end with {' or '.join(self.ends)}"
        else:
            why = "it is not UTF-8 text; save it as UTF-8"
        self.refuse(f"{file['name']} was not read: {why}")


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
