"""Short messages that read well in a notebook and in a terminal alike: pairs of (HTML, text)."""

import html
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Message = tuple[str, str]

PATIENCE = 2  # seconds
LATE = (
    "<style>@keyframes seqlab-late {{to {{visibility: visible}}}}</style>"
    f"<div style='visibility:hidden;animation:seqlab-late 0s {PATIENCE}s forwards'>{{}}</div>"
)

# In command mode JupyterLab takes plain keys for itself wherever the focus is: after a click on a button "x" would cut
# the cell. Before it looks, what has the focus in an output is marked as one that keeps its keys (the mark must
# stand on the element itself, which JupyterLab's selectors match); Ctrl+S and Shift+Enter go on.
KEYS = """<script>
if (!window.seqlabKeys) {
  window.seqlabKeys = true;
  window.addEventListener("keydown", (event) => {
    if (!event.target.closest?.(".jp-OutputArea-output")) return;
    const free = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !free);
  }, true);
}
</script>"""


def card(colour: str, head: str, *lines: str, code: str = "") -> Message:
    """A head line, some sentences, and perhaps a block of code or data.

    Only a sign and the bar at the left are coloured: words keep the theme's own ink, light or dark.
    """
    lines = tuple(filter(None, lines))
    body = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
    block = (
        f"<pre style='margin:.3em 0;padding:.4em .6em;overflow-x:auto;font-size:90%'>{html.escape(code)}</pre>"
        if code
        else ""
    )
    sign, rest = (head[0], head[1:]) if head[0] in "✓✗○" else ("", head)
    page = (
        f"<div role='status' style='border-left:4px solid {colour};padding:.1em .8em;margin:.3em 0'>"
        f"<b><span style='color:{colour}'>{sign}</span>{html.escape(rest)}</b>{body}{block}</div>"
    )
    return page, "\n".join([head, *lines, *(code.splitlines() if code else ())])


def say(message: Message, **data: object) -> None:
    """Show a message: as HTML with a text fallback in a notebook, with more `data` by MIME type; as text elsewhere."""
    page, text = message
    if in_notebook():
        from IPython.display import display

        display({"text/html": page, "text/plain": text} | data, raw=True)
    else:
        print(text)


def note(text: str) -> None:
    """A quiet line."""
    say((f"<div role='status' style='opacity:.75'>• {html.escape(text)}</div>", f"• {text}"))


@contextmanager
def replaceable(message: Message) -> Iterator[Callable[[Message], None]]:
    """Yields what shows the message that takes the place of this one, which appears after PATIENCE seconds.

    In a notebook the page counts them, so that it does where nothing in Python runs any more: in a call into C.
    """
    page, text = message
    if in_notebook():
        from IPython.display import DisplayHandle

        (shown := DisplayHandle()).display({"text/html": LATE.format(page), "text/plain": text}, raw=True)
        sys.stdout.flush()  # a kernel sends what it has before this returns
        try:
            yield lambda new: shown.update({"text/html": new[0], "text/plain": new[1]}, raw=True)
        except BaseException:
            shown.update({"text/plain": ""}, raw=True)
            raise
    else:
        timer = threading.Timer(PATIENCE, print, (text,), {"file": sys.stdout, "flush": True})
        timer.start()
        try:
            yield say
        finally:
            timer.cancel()


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code (and not a terminal or a test)."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
