"""The temperature knob: from average to hardmax, exact beside four floating-point types: where names die."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import ipywidgets

from seqlab.colours import BLUE, GREEN, ORANGE, PURPLE, RED
from seqlab.draw.svg import Markup, circle, element, joined, line, path, picture, rules, text
from seqlab.one_layer.precision import KAPPAS, PRECISIONS, Named, last_alive, named, parse, places
from seqlab.widgets.view import Beside, View, bold, status, wide

EXAMPLES = {  # what the menu says → tokens, members of a set
    "1 to 5, sets of 3": ("1, 2, 3, 4, 5", 3),
    "1 to 6, sets of 4": ("1, 2, 3, 4, 5, 6", 4),
    "closer together": ("1, 1.5, 2, 2.5, 3", 3),
    "with the token 0": ("0, 1, 2, 3, 4, 5", 4),
    "both signs": ("-3, -2, 1, 2, 3", 2),
}
LOOKS = {
    precision: {"stroke": colour, "stroke_dasharray": dash, "stroke_width": 2.5}
    for precision, colour, dash in (
        ("exact", "currentColor", ""),
        ("float64", BLUE, "9 3"),
        ("float32", GREEN, "5 3"),
        ("float16", ORANGE, "2 2"),
        ("bfloat16", PURPLE, "9 3 2 3"),
    )
}
NOTE = (
    "A dot is a name of its own, a cross one that several share; hover a mark. The float rows are real: tokens are "
    "rounded to the type, and so is every product, exponential, sum and quotient after them."
)
WHY = {0.0: ": an average does not ask who is looking", math.inf: ": a winner says nothing of the losers"}
WIDTH, LEFT, TOP, BOTTOM, FLOOR, ROW = 780, 74, 12, 250, -40, 50
FINITE = [k for k in KAPPAS if 0 < k < math.inf]


class PrecisionKnob(View):
    """A slider over the scale κ of one head; the smallest gap of its names in five precisions, and the names on lines.

    tokens, size:  the head names every token in every set of `size` tokens; the learner can type others
    """

    def __init__(self, tokens: str = "1, 2, 3, 4, 5", size: int = 3, kappa: float = 1.0):
        scales = [(word(k), k) for k in KAPPAS]
        super().__init__(
            dict(
                slider=ipywidgets.SelectionSlider(options=scales, value=kappa, description="κ", **wide(46, 6)),
            ),
            Beside(
                example=ipywidgets.Dropdown(options=list(EXAMPLES), description="start from", **wide(19, 6)),
                typed=ipywidgets.Text(value=tokens, description="tokens", continuous_update=False, **wide(18, 4)),
                size=ipywidgets.IntSlider(value=size, min=2, max=4, description="in a set", **wide(15, 4)),
            ),
        )
        self.shown = parse(tokens, size), size
        self.watch(self._load, self.example)
        self.watch(self._draw, self.slider, self.typed, self.size)
        self._draw()

    def _load(self) -> None:
        with self.held():
            self.typed.value, self.size.value = EXAMPLES[self.example.value]
        self._draw()

    def _draw(self) -> None:
        self.error.value = ""
        try:
            self.shown = parse(self.typed.value, self.size.value), self.size.value
        except ValueError as problem:
            tokens, size = self.shown
            kept = f"The picture shows the last tokens that were fine: {_listed(tokens)}, {size} in a set"
            self.refuse(f"Not used: {problem}. {kept}.")
        found = [named(*self.shown, self.slider.value, precision) for precision in PRECISIONS]
        note = element("p", NOTE, style=f"max-width:{WIDTH}px;opacity:.75;font-size:90%;line-height:1.4;margin:0")
        self.picture.value = joined((self._told(*found), self._svg(found), note))

    def _told(self, exact: Named, *floats: Named) -> Markup:
        total, kappa = len(exact.names), self.slider.value
        why = WHY.get(kappa, ": the token 0 scores everything 0, so it sees only the mean" * (0 in self.shown[0]))
        apart = f"Even in exact arithmetic only {exact.distinct} of {total} names differ{why}"
        if exact.alive:
            apart = f"The closest two exact names are {power(exact.log10_gap)} apart"
        kept = "; ".join(f"{n.precision} {'✓' if n.alive else '✗'} {n.distinct}" for n in floats)
        return status(
            (bold(f"κ = {word(kappa)}."), f" {apart}. Different names, of {total}: {kept}."),
            style=f"max-width:{WIDTH}px;line-height:1.5",
        )

    def _svg(self, found: list[Named]) -> Markup:
        height, x = BOTTOM + 104 + ROW * len(found) + 18, _across(self.slider.value)
        deaths = {n.precision: last_alive(*self.shown, n.precision) for n in found}
        finite = [name for n in found for name in n.names if math.isfinite(name)]
        low, span = min(finite), max(finite) - min(finite) or 1.0
        across = lambda share: LEFT + 90 + (WIDTH - LEFT - 112) * (share + 0.03) / 1.06
        alt = f"κ = {word(self.slider.value)}. " + "; ".join(
            f"{n.precision}: {n.distinct} different names of {len(n.names)}, smallest gap {power(n.log10_gap)}, "
            f"{_death(deaths[n.precision])}"
            for n in found
        )
        return picture(
            alt,
            WIDTH,
            height,
            _axes(),
            [_curve(*self.shown, precision, deaths[precision]) for precision in reversed(PRECISIONS)],
            line(x, TOP, x, BOTTOM + 40, stroke=RED, stroke_width=2),
            path("M", x, TOP + 2, "l-6 -9 h12 z", fill=RED),
            [
                self._row(n, deaths[n.precision], BOTTOM + 104 + ROW * at, lambda name: across((name - low) / span))
                for at, n in enumerate(found)
            ],
            [text(across(share), height - 21, f"{low + share * span:.4g}", 11) for share in (0, 0.25, 0.5, 0.75, 1)],
            text((LEFT + 90 + WIDTH) / 2, height - 4, "name: what the head returns for the token (a lane per token)"),
        )

    def _row(self, n: Named, death: float | None, y: float, across: Callable[[float], float]) -> list[Markup]:
        """One precision: how many names are left, how long, and each on its place, in a lane of its token."""
        parts = [
            line(0, y - 10, 14, y - 10, **LOOKS[n.precision]),
            text(18, y - 6, n.precision, 13, "start", font_weight="bold"),
            text(0, y + 10, f"{'✓' if n.alive else '✗'} {n.distinct} of {len(n.names)} differ", 12, "start"),
            text(0, y + 24, _death(death), 11, "start"),
            line(LEFT + 80, y + 19, WIDTH, y + 19, opacity=0.25),
        ]
        tokens, size = self.shown
        for name, shared, (token, chosen) in zip(n.names, n.shared, places(tokens, size)):
            lane, tip = y - 16 + 32 * tokens.index(token) / (len(tokens) - 1), f"{name:.17g}"
            tip = f"token {float(token):g} among {_listed(chosen)}: {tip}"
            if shared == 1:
                parts.append(circle(across(name), lane, 3.2, fill=BLUE, tip=tip))
            elif shared:
                cross = ("M", across(name) - 3.5, lane - 3.5, "l7 7 m0 -7 l-7 7")
                parts.append(path(*cross, stroke=RED, stroke_width=2, tip=f"{tip}, shared by {shared}"))
        return parts


def _listed(tokens: Sequence[object]) -> str:
    return ", ".join(f"{float(token):g}" for token in tokens)


def word(kappa: float) -> str:
    """A scale as the slider says it."""
    return {0.0: "0 (average)", math.inf: "∞ (hardmax)"}.get(kappa, f"{kappa:g}")


def power(log10: float) -> str:
    """A gap known by its logarithm, as text; it may be far below the smallest float."""
    return "0" if log10 == -math.inf else f"10^{log10:.1f}"


def _death(last: float | None) -> str:
    """Up to which κ all names differ, in words."""
    if last is None:
        return "never all different"
    return "all differ to the end" if last == FINITE[-1] else f"dies after κ = {last:g}"


def _across(kappa: float) -> float:
    """Place of a scale: 0 and ∞ have columns of their own beside the logarithmic axis."""
    if kappa == 0 or math.isinf(kappa):
        return WIDTH - 16 if kappa else LEFT + 12
    share = math.log(kappa / FINITE[0]) / math.log(FINITE[-1] / FINITE[0])
    return LEFT + 44 + (WIDTH - LEFT - 96) * share


def _down(log10: float) -> float:
    return TOP + (BOTTOM - TOP) * max(log10, FLOOR) / FLOOR


def _axes() -> Markup:
    """The smallest gap up, the scale across, and below a lane for each precision: where its gap is 0."""
    title = "scale κ (logarithmic); up: log₁₀ of the smallest gap between two names"
    columns = [(_across(kappa), f"{kappa:g}") for kappa in (0.0, 0.01, 0.1, 1.0, 10.0)] + [(_across(math.inf), "∞")]
    return joined(
        (
            rules([(_down(level), f"10^{level}" if level else "1") for level in range(0, FLOOR - 1, -10)], LEFT, WIDTH),
            text(LEFT - 8, BOTTOM + 24, "gap is 0", 11, "end"),
            text(LEFT + 350, BOTTOM + 70, title),
            [line(x, TOP, x, BOTTOM + 40, opacity=0.12) for x, _ in columns],
            [text(x, BOTTOM + 54, said, 11) for x, said in columns],
        )
    )


@lru_cache(maxsize=64)
def _curve(tokens: tuple, size: int, precision: str, last: float | None) -> Markup:
    """One precision's smallest gap against κ, down to the end of the picture or to its lane, and its death point."""
    steps, before, lane = [], -math.inf, BOTTOM + 8 + 7 * PRECISIONS.index(precision)
    for kappa in KAPPAS:
        x, gap = _across(kappa), named(tokens, size, kappa, precision).log10_gap
        if gap == -math.inf:
            steps += ["M", x - 3, lane, "h6"]
        elif before == -math.inf or before > FLOOR:  # else the line has left the picture
            steps += ["M" if before == -math.inf else "L", x, _down(gap)]
            steps += ["V", lane] if kappa == last < FINITE[-1] else []
        before = gap
    drawn = path(*steps, **LOOKS[precision])
    if last in (None, FINITE[-1]):
        return drawn
    end = _down(named(tokens, size, last, precision).log10_gap)
    tip = f"{precision}: all names differ up to κ = {last:g}"
    return joined((drawn, circle(_across(last), end, 5, tip=tip, stroke=LOOKS[precision]["stroke"], stroke_width=2.5)))
