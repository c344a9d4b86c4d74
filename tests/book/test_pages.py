"""The whole book, as `make book` writes it: every page from disk without a network, every widget moved."""

import re
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

from ci.jupyter_browser import INSTALL, browser, chromium
from seqlab.widgets import AttentionView
from tests.book.pages import Disk, digest
from tests.places import ROOT

pytestmark = pytest.mark.slow
BOOK = ROOT / "build" / "book" / "html"


@pytest.fixture(scope="module", autouse=True)
def book():
    subprocess.run([sys.executable, "-m", "ci.book"], check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def disk():
    if chromium() is None:
        pytest.skip(INSTALL)
    with browser() as running:
        yield Disk(running)


def pages():
    return sorted(page for page in BOOK.rglob("*.html") if "_static" not in page.parts)


def labs():
    return sorted((BOOK / "labs").glob("[0-9]*.html"))


@cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_sizes():
    whole = sum(file.stat().st_size for file in BOOK.rglob("*") if file.is_file())
    assert whole <= 40e6 and max(page.stat().st_size for page in pages()) <= 2.5e6


def test_every_link_resolves():
    broken = []
    for page in pages():
        for tag in parsed(page)(["a", "img", "script", "link"]):
            target = tag.get("href") or tag.get("src") or ""
            file, _, mark = target.partition("#")
            if re.match(r"[a-z]+:|$", target) or tag.find_parent("template"):
                continue
            found = (page.parent / file.partition("?")[0]).resolve() if file else page
            if not found.exists() or (mark and found.suffix == ".html" and not parsed(found).find(id=mark)):
                broken.append(f"{page.relative_to(BOOK)}: {target}")
            if file.endswith(".ipynb"):
                broken.append(f"{page.relative_to(BOOK)}: {target} is no page")
    assert broken == []


def test_every_picture_says_what_it_shows():
    silent = [
        f"{page.name}: {str(image)[:80]}"
        for page in pages()
        for image in parsed(page)("img")
        if image.get("alt") is None
    ]
    assert silent == []


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_ask_for_nothing_and_complain_of_nothing(disk, width):
    for path in pages():
        with disk.open(path, width) as page:
            disk.play(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
        assert disk.asked == [] and disk.console == [], path
        assert wide <= width + 1, f"{path.name} is {wide} pixels wide"


def test_search_finds_boltzmann(disk):
    with disk.open(BOOK / "search.html") as page:
        page.goto((BOOK / "search.html").as_uri() + "?q=Boltzmann")
        page.locator("#search-results li a", has_text="One layer is enough").first.wait_for(timeout=20_000)
    assert disk.asked == [] and disk.console == []


MOVE = """async ([film, at]) => {  // one control, by its own event: what it showed, what it shows, what Python recorded
    const { player } = document.querySelectorAll('.seqlab-film')[film], control = player.controls[at];
    player.at = JSON.parse(player.film.start);
    await player.show(true);
    const before = JSON.stringify(player.at);
    const choices = control.kind === 'radio' ? [...control.options.querySelectorAll('input')] : [control.node];
    const node = control.kind === 'radio' ? choices.find((one) => !one.checked && !one.disabled) : control.node;
    if (!node || node.disabled || control.box.hidden) return null;
    node.focus();
    return [before, control.kind, document.activeElement === node];
}"""
KEYS = {
    "range": ["ArrowRight", "ArrowLeft"],
    "check": ["Space"],
    "radio": ["Space"],
    "select": ["ArrowDown", "ArrowUp"],
}
STATE = """(film) => {
    const { player } = document.querySelectorAll('.seqlab-film')[film];
    const state = player.film.states[JSON.stringify(player.at)];
    const shown = state && state[1].every((at, part) => {
        const wanted = player.film.pool[at], holder = document.createElement('div');
        if (typeof wanted !== 'string') return true;
        holder.innerHTML = wanted;
        return holder.innerHTML === player.parts[part].node.innerHTML;
    });
    return [JSON.stringify(player.at), shown, player.root.className.includes('missing')];
}"""


def test_every_control_moves_by_keyboard_and_shows_what_python_recorded(disk):
    moved = 0
    for path in labs():
        with disk.open(path) as page:
            for film in range(disk.play(page)):
                for at in range(
                    page.evaluate(f"document.querySelectorAll('.seqlab-film')[{film}].player.controls.length")
                ):
                    place = f"{path.name}, film {film}, control {at}"
                    kinds = page.evaluate(MOVE, [film, at])
                    if kinds is None or kinds[1] not in KEYS:
                        continue
                    assert kinds[2], f"{place} takes no focus"
                    for key in KEYS[kinds[1]]:
                        page.keyboard.press(key)
                        page.evaluate(f"document.querySelectorAll('.seqlab-film')[{film}].player.ready")
                        now, shown, missing = page.evaluate(STATE, film)
                        assert shown or missing, f"{place} shows something else than Python"
                        if now != kinds[0]:
                            break
                    assert now != kinds[0], f"{place} does not move"
                    moved += 1
        assert disk.asked == [] and disk.console == [], path
    assert moved > 80


def of_lab(word):
    return next(path for path in labs() if word in path.stem)


def test_filmstrips_equal_fresh_views(disk):
    from seqlab.universal.view import BudgetView, SweepView

    same = """([film, wanted]) => {
        const holder = document.createElement('div');
        holder.innerHTML = wanted;
        return holder.innerHTML === [...film.querySelectorAll('.seqlab-part')].pop().innerHTML;
    }"""
    with disk.open(of_lab("universal")) as page:
        disk.play(page)
        for view, control, label in ((SweepView(), "step", "layers done"), (BudgetView(), "length", "n, tokens")):
            slider = page.get_by_role("slider", name=label)
            film = page.locator(".seqlab-film", has=slider).first
            film.get_by_role("slider", name=label).press("ArrowRight")
            getattr(view, control).value += 1
            assert page.evaluate(same, [film.element_handle(), view.picture.value]), label


HELD = "[...document.querySelector('.seqlab-film:has(.seqlab-attention)').player.parts.at(-1).model.weights]"


def test_attention_in_the_page_equals_python(disk):
    from seqlab.start.reaction import REACTION, ReactionModel

    trace = ReactionModel().trace(REACTION)
    exact = AttentionView(trace.weights, trace.tokens, layer=10, head=5)
    near = AttentionView(np.asarray(trace.weights).astype(np.float16), trace.tokens, layer=10, head=5)
    with disk.open(of_lab("start")) as page:
        disk.play(page)
        canvas = page.locator(".seqlab-attention canvas").first
        for key, head in ((None, 5), ("PageDown", 6), ("PageDown", 7)):
            if key:
                canvas.press(key)
            exact.head = near.head = head
            assert canvas.get_attribute("data-digest") == digest(near)
            held = page.evaluate(HELD)
            np.testing.assert_allclose(held, exact.map.ravel(), rtol=2**-11, atol=2**-24)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(disk, theme):
    found = []
    for path in [*labs(), BOOK / "index.html", BOOK / "claims.html", BOOK / "exercises.html", BOOK / "search.html"]:
        with disk.open(path) as page:
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            disk.play(page)
            for wrong in Axe().run(page, options={"preload": False}).response["violations"]:
                if wrong["impact"] in ("serious", "critical"):
                    found.append(
                        f"{path.name}: {wrong['id']}: {wrong['nodes'][0]['html'][:160]} ({len(wrong['nodes'])})"
                    )
    assert found == []
