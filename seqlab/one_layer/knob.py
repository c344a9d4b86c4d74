"""The temperature knob: from average to hardmax, exact beside four floating-point types: where names die."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import ipywidgets

from seqlab.colours import BLUE, GREEN, ORANGE, PURPLE, RED
from seqlab.draw.svg import Markup, circle, element, joined, line, path, picture, rules, text
from seqlab.one_layer.precision import (
    DTYPES,
    KAPPAS,
    PRECISIONS,
    Named,
    curve,
    distinct_tokens,
    last_alive,
    named,
    parse,
    places,
)
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
WIDTH, LEFT, TOP, BOTTOM, FLOOR, ROW = 780, 74, 12, 250, -40, 46
FINITE = [k for k in KAPPAS if 0 < k < math.inf]


class PrecisionKnob(View):
    """A slider over the scale κ of one head; the smallest gap of its names in five precisions, and the names on lines.

    tokens, size:  the head names every token in every set of `size` tokens; the learner can type others
    """

    def __init__(self, tokens: Sequence[float] = (1, 2, 3, 4, 5), size: int = 3, kappa: float = 1.0):
        if kappa not in KAPPAS:
            raise ValueError(
                f"kappa: got {kappa}, wanted one of seqlab.one_layer.precision.KAPPAS, such as 0, 0.1, 1, 10 or ∞"
            )
        self.tokens, self.size_shown, self.refused = distinct_tokens(tokens, size), size, ""
        scales = [(word(k), k) for k in KAPPAS]
        typed = _listed(self.tokens)
        super().__init__(
            dict(
                slider=ipywidgets.SelectionSlider(options=scales, value=kappa, description="κ", **wide(46, 6)),
            ),
            Beside(
                example=ipywidgets.Dropdown(options=list(EXAMPLES), description="start from", **wide(19, 6)),
                typed=ipywidgets.Text(value=typed, description="tokens", continuous_update=False, **wide(18, 4)),
                size=ipywidgets.IntSlider(value=size, min=2, max=4, description="in a set", **wide(15, 4)),
            ),
        )
        self.watch(self._draw, self.slider)
        self.watch(self._load, self.example)
        self.watch(self._choose, self.typed, self.size)
        self._prepare()

    def found(self) -> list[Named]:
        """The names at the slider's κ, one per precision."""
        return [named(self.tokens, self.size_shown, self.slider.value, precision) for precision in PRECISIONS]

    def _load(self) -> None:
        with self.held():
            self.typed.value, self.size.value = EXAMPLES[self.example.value]
        self._choose()

    def _choose(self) -> None:
        try:
            self.tokens, self.size_shown, self.refused = parse(self.typed.value, self.size.value), self.size.value, ""
        except ValueError as error:
            self.refused = str(error)
        self._prepare()

    def _prepare(self) -> None:
        """All that does not move with the slider: the curves, where they end, and what to call each mark."""
        set_up = self.tokens, self.size_shown
        self.deaths = {p: last_alive(*set_up, p) for p in PRECISIONS}
        self.curves = _curves({p: curve(*set_up, p) for p in PRECISIONS}, self.deaths)
        self.places = [(token, f"token {float(token):g} among {_listed(chosen)}") for token, chosen in places(*set_up)]
        self._draw()

    def _draw(self) -> None:
        kept = f"The picture shows the last tokens that were fine: {_listed(self.tokens)}, {self.size_shown} in a set"
        told = bold("✗ Not used:"), f" {self.refused}. {kept}."
        alert = element("div", told, role="alert", style=f"color:{RED}") if self.refused else ""
        found = self.found()
        note = element("p", NOTE, style=f"max-width:{WIDTH}px;opacity:.75;font-size:90%;line-height:1.4;margin:0")
        self.picture.value = joined((alert, self._told(found), self._svg(found), note))

    def _told(self, found: list[Named]) -> Markup:
        exact, *floats = found
        total, kappa = len(exact.names), self.slider.value
        why = (
            ": an average does not ask who is looking"
            if kappa == 0
            else ": a winner says nothing of the losers"
            if math.isinf(kappa)
            else ": the token 0 scores everything 0, so it sees only the mean" * (0 in self.tokens)
        )
        apart = f"Even in exact arithmetic only {exact.distinct} of {total} names differ{why}"
        if exact.alive:
            apart = f"The closest two exact names are {power(exact.log10_gap)} apart"
        kept = "; ".join(f"{n.precision} {'✓' if n.alive else '✗'} {n.distinct}" for n in floats)
        said = bold(f"κ = {word(kappa)}."), f" {apart}. Different names, of {total}: {kept}."
        return status(said, style=f"max-width:{WIDTH}px;line-height:1.5")

    def _svg(self, found: list[Named]) -> Markup:
        height, x = BOTTOM + 104 + ROW * len(found) + 18, _across(self.slider.value)
        finite = [name for n in found for name in n.names if math.isfinite(name)]
        low, high = min(finite), max(finite)
        low, span = (low - 0.5, 1.0) if low == high else (low - 0.03 * (high - low), 1.06 * (high - low))
        across = lambda name: LEFT + 90 + (WIDTH - LEFT - 112) * (name - low) / span
        ticks = [low + share * span for share in (0, 0.25, 0.5, 0.75, 1)]
        title = "name: what the head returns for the token (a lane per token)"
        alt = f"κ = {word(self.slider.value)}. " + "; ".join(
            f"{n.precision}: {n.distinct} different names of {len(n.names)}, smallest gap {power(n.log10_gap)}, "
            f"all different up to κ = {'nowhere' if (end := self.deaths[n.precision]) is None else f'{end:g}'}"
            for n in found
        )
        return picture(
            alt,
            WIDTH,
            height,
            self.curves,
            line(x, TOP, x, BOTTOM + 40, stroke=RED, stroke_width=2),
            path("M", x, TOP + 2, "l-6 -9 h12 z", fill=RED),
            [self._row(n, BOTTOM + 104 + ROW * at, across) for at, n in enumerate(found)],
            [text(across(value), height - 21, f"{round(value, 3):g}", 11) for value in ticks],
            text((LEFT + 90 + WIDTH) / 2, height - 4, title),
        )

    def _row(self, n: Named, y: float, across: Callable[[float], float]) -> list[Markup]:
        """One precision: how many names are left, and each on its place, in a lane of its token."""
        parts = [
            line(0, y - 6, 14, y - 6, **LOOKS[n.precision]),
            text(18, y - 2, n.precision, 13, "start", font_weight="bold"),
            text(0, y + 15, f"{'✓' if n.alive else '✗'} {n.distinct} of {len(n.names)} differ", 12, "start"),
            line(LEFT + 80, y + 19, WIDTH, y + 19, opacity=0.25),
        ]
        lanes = {token: y - 16 + 32 * at / (len(self.tokens) - 1) for at, token in enumerate(self.tokens)}
        for name, shared, (token, label) in zip(n.names, n.shared, self.places):
            x, lane, tip = across(name) if shared else 0, lanes[token], f"{label}: {name:.17g}"
            if shared == 1:
                parts.append(circle(x, lane, 3.2, fill=BLUE, tip=tip))
            elif shared:
                cross = ("M", x - 3.5, lane - 3.5, "l7 7 m0 -7 l-7 7")
                parts.append(path(*cross, stroke=RED, stroke_width=2, tip=f"{tip}, shared by {shared}"))
        return parts


def _listed(tokens: Sequence[object]) -> str:
    return ", ".join(f"{float(token):g}" for token in tokens)


def word(kappa: float) -> str:
    """A scale as the slider says it."""
    return {0.0: "0 (average)", math.inf: "∞ (hardmax)"}.get(kappa, f"{kappa:g}")


def power(log10: float) -> str:
    """A gap known by its logarithm, as text; it may be far below the smallest float."""
    if log10 == -math.inf or log10 > -3:
        return "0" if log10 == -math.inf else f"{10**log10:.2g}"
    exponent = math.floor(log10)
    return f"{10 ** (log10 - exponent):.1f} · {_ten(exponent)}"


def _ten(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _across(kappa: float) -> float:
    """Place of a scale: 0 and ∞ have columns of their own beside the logarithmic axis."""
    if kappa == 0:
        return LEFT + 12
    if math.isinf(kappa):
        return WIDTH - 16
    share = math.log(kappa / FINITE[0]) / math.log(FINITE[-1] / FINITE[0])
    return LEFT + 44 + (WIDTH - LEFT - 96) * share


def _down(log10: float) -> float:
    return TOP + (BOTTOM - TOP) * max(log10, FLOOR) / FLOOR


def _curves(gaps: dict[str, list[float]], deaths: dict[str, float | None]) -> Markup:
    """The smallest gap against κ: one line per precision, and below a lane per float type, drawn where its gap is 0."""
    levels = [(_down(level), _ten(level) if level else "1") for level in range(0, FLOOR - 1, -10)]
    title = "scale κ (logarithmic); up: log₁₀ of the smallest gap between two names"
    parts = [
        rules(levels, LEFT, WIDTH),
        text(LEFT - 8, BOTTOM + 24, "gap is 0", 11, "end"),
        text(LEFT + 350, BOTTOM + 70, title),
    ]
    for kappa in (0.0, 0.01, 0.1, 1.0, 10.0, math.inf):
        x = _across(kappa)
        parts.append(line(x, TOP, x, BOTTOM + 40, opacity=0.12))
        parts.append(text(x, BOTTOM + 54, "∞" if math.isinf(kappa) else f"{kappa:g}", 11))
    for at, precision in reversed(list(enumerate(PRECISIONS))):
        look, last, lane = LOOKS[precision], deaths[precision], BOTTOM + 8 + 7 * at
        live, dead, before, joins = [], [], None, False  # joins: the next place continues the line
        for kappa, gap in zip(KAPPAS, gaps[precision]):
            x, y = _across(kappa), _down(gap)
            if gap > -math.inf:
                live += ["L" if joins else "M", x, y]
            else:
                dead += ["M", x - 3, lane, "h6"]
                live += ["V", lane] if joins and before == last else []
            before, joins = kappa, gap > FLOOR
            if -math.inf < gap <= FLOOR:
                break
        parts += [path(*live, **look), path(*dead, **look | {"stroke_dasharray": ""})]
        if precision in DTYPES and last is not None:
            tip, y = f"{precision}: all names differ up to κ = {last:g}", _down(gaps[precision][KAPPAS.index(last)])
            parts.append(circle(_across(last), y, 5, tip=tip, **look | {"stroke_dasharray": ""}))
        end = "never all different" if last is None else f"dies after κ = {last:g}"
        end, y = "all differ to the end" if last == FINITE[-1] else end, TOP + 96 + 18 * at
        parts.append(line(LEFT + 60, y, LEFT + 92, y, **look))
        parts.append(text(LEFT + 98, y + 4, f"{precision}: {end}", 12, "start"))
    return joined(parts)
