"""The picture of the README, from the tour of lab 00: `python -m ci.tour` writes labs/tour.svg, which loops."""

import re
import sys
from pathlib import Path

from seqlab.draw.svg import Markup, element, rect, text
from seqlab.start.tour_view import HEIGHT, STEPS, WIDTH, small

FILE = Path(__file__).parents[1] / "labs" / "tour.svg"
SECONDS, TALL, STILL = 9, HEIGHT + 50, 3  # of one turn; of one picture; the step that is seen where nothing moves


def drawn() -> str:
    """Nine steps, one shown after the other; a reader who asks for less motion sees one."""
    steps = range(STEPS + 1)
    share = 100 / len(steps)
    style = (
        f"text{{font-family:sans-serif}}.s{{opacity:0;animation:show {SECONDS}s step-end infinite}}"
        f"@keyframes show{{0%{{opacity:1}}{share:.2f}%{{opacity:0}}}}"
        + "".join(f".s{step}{{animation-delay:{step * SECONDS / len(steps):g}s}}" for step in steps)
        + f"@media(prefers-reduced-motion:reduce){{.s{{animation:none}}.s{STILL}{{opacity:1}}}}"
    )
    frames = [
        element("g", [_placed(at, *one) for at, one in enumerate(small(step))], class_=f"s s{step}") for step in steps
    ]
    wide, tall = 3 * (WIDTH + 20), 2 * TALL
    inside = element("style", Markup(style)), rect(0, 0, wide, tall, fill="#fff"), frames
    return element("svg", *inside, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {wide} {tall}", width=wide) + "\n"


def _placed(at: int, name: str, _: str, picture: str) -> Markup:
    corner = f"translate({10 + at % 3 * (WIDTH + 20)} {10 + at // 3 * TALL})"
    title = text(WIDTH / 2, 14, name, 13, font_weight="bold")
    sized = re.sub(" style='[^']*'", f" width='{WIDTH}' height='{HEIGHT + 20}' y='18'", picture, count=1)
    return element("g", title, Markup(sized), transform=corner)


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
    print(f"{FILE}: {FILE.stat().st_size / 1000:.0f} kB")
    sys.exit(FILE.stat().st_size > 300_000)
