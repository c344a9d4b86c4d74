"""Pages opened from disk, the network blocked: what they ask for and complain of is kept."""

from contextlib import contextmanager
from pathlib import Path

from seqlab.widgets import AttentionView

HERE = ("file:", "data:", "blob:")


class Disk:
    """A browser without a network. asked: what pages asked it for;  console: their errors and warnings"""

    def __init__(self, browser):
        self.browser, self.asked, self.console = browser, [], []

    @contextmanager
    def open(self, path: Path, width: int = 1280):
        self.asked, self.console = [], []
        context = self.browser.new_context(offline=True, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith(HERE) else self.asked.append(request.url))
        page.on("console", lambda told: self.console.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.goto(path.as_uri())
        try:
            yield page
        finally:
            context.close()

    def play(self, page) -> int:
        """Bring every film and figure of a page to life; how many films there are."""
        films = page.locator(".seqlab-film")
        for film in films.all():
            film.scroll_into_view_if_needed()
            film.and_(page.locator("[data-playing]")).wait_for(timeout=20_000)
        for plot in page.locator(".seqlab-plot").all():
            plot.scroll_into_view_if_needed()
            plot.and_(page.locator("[data-drawn]")).wait_for(timeout=20_000)
        return films.count()


def digest(view: AttentionView) -> str:
    """What `attention_view.js` says of the bytes that it colours."""
    found = 2166136261
    for level in view.frame:
        found = ((found ^ level) * 16777619) & 0xFFFFFFFF
    return str(found)
