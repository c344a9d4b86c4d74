"""The temperature knob: from average over Boltzmann to hardmax, exact beside four floating-point types: where names die."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import ipywidgets

from seqlab.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
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

EXAMPLES = {  # what the menu says → tokens, members of a set
    "1 to 5, sets of 3": ("1, 2, 3, 4, 5", 3),
    "1 to 6, sets of 4": ("1, 2, 3, 4, 5, 6", 4),
    "closer together": ("1, 1.5, 2, 2.5, 3", 3),
    "with the token 0": ("0, 1, 2, 3, 4, 5", 4),
    "both signs": ("-3, -2, 1, 2, 3", 2),
}
LOOKS = {  # precision → colour, dash
    "exact": (BLACK, ""),
    "float64": (BLUE, "9 3"),
    "float32": (GREEN, "5 3"),
    "float16": (ORANGE, "2 2"),
    "bfloat16": (PURPLE, "9 3 2 3"),
}
WIDTH, LEFT, TOP, BOTTOM, FLOOR, ROW = 780, 74, 12, 250, -40, 46
FINITE = [k for k in KAPPAS if 0 < k < math.inf]


class PrecisionKnob(ipywidgets.VBox):
    """A slider over the scale κ of one head; the smallest gap of its names in five precisions, and the names on lines.

    tokens, size:  the head names every token in every set of `size` tokens; the learner can type others
    """

    def __init__(self, tokens: Sequence[float] = (1, 2, 3, 4, 5), size: int = 3, kappa: float = 1.0):
        if kappa not in KAPPAS:
            raise ValueError(
                f"kappa: got {kappa}, wanted one of seqlab.one_layer.precision.KAPPAS, such as 0, 0.1, 1, 10 or ∞"
            )
        self.tokens = distinct_tokens(tokens, size)
        self.size_shown = size
        wide = {"style": {"description_width": "6em"}}
        self.slider = ipywidgets.SelectionSlider(
            options=[(word(k), k) for k in KAPPAS], value=kappa, description="κ", layout={"width": "46em"}, **wide
        )
        self.example = ipywidgets.Dropdown(
            options=list(EXAMPLES), description="start from", layout={"width": "19em"}, **wide
        )
        self.typed = ipywidgets.Text(
            value=", ".join(f"{float(token):g}" for token in self.tokens),
            description="tokens",
            continuous_update=False,
            layout={"width": "18em"},
            style={"description_width": "4em"},
        )
        self.size = ipywidgets.IntSlider(
            value=size,
            min=2,
            max=4,
            description="in a set",
            layout={"width": "15em"},
            style={"description_width": "4em"},
        )
        self.picture = ipywidgets.HTML()
        self.refused, self.loading = "", False
        self.slider.observe(self._draw, "value")
        self.example.observe(self._load, "value")
        for control in (self.typed, self.size):
            control.observe(self._choose, "value")
        super().__init__([self.slider, ipywidgets.HBox([self.example, self.typed, self.size]), self.picture])
        self._prepare()

    def found(self) -> list[Named]:
        """The names at the slider's κ, one per precision."""
        return [named(self.tokens, self.size_shown, self.slider.value, precision) for precision in PRECISIONS]

    def _load(self, _: object = None) -> None:
        self.loading = True
        self.typed.value, self.size.value = EXAMPLES[self.example.value]
        self.loading = False
        self._choose()

    def _choose(self, _: object = None) -> None:
        if self.loading:
            return
        try:
            self.tokens, self.size_shown, self.refused = parse(self.typed.value, self.size.value), self.size.value, ""
        except ValueError as error:
            self.refused = str(error)
        self._prepare()

    def _prepare(self) -> None:
        """All that does not move with the slider: the curves, where they end, and what to call each mark."""
        self.deaths = {p: last_alive(self.tokens, self.size_shown, p) for p in PRECISIONS}
        self.curves = _curves({p: curve(self.tokens, self.size_shown, p) for p in PRECISIONS}, self.deaths)
        self.places = places(self.tokens, self.size_shown)
        self.labels = [
            f"token {float(token):g} among {', '.join(f'{float(other):g}' for other in chosen)}"
            for token, chosen in self.places
        ]
        self._draw()

    def _draw(self, _: object = None) -> None:
        refused = (
            f"<div role='alert' style='color:{RED}'><b>✗ Not used:</b> {escape(self.refused)}. The picture shows the last "
            f"tokens that were fine: {escape(', '.join(f'{float(t):g}' for t in self.tokens))}, {self.size_shown} in a set.</div>"
            if self.refused
            else ""
        )
        found = self.found()
        self.picture.value = (
            f"{refused}<div role='status' style='max-width:{WIDTH}px;line-height:1.5'>{self._told(found)}</div>{self._svg(found)}"
            f"<p style='max-width:{WIDTH}px;opacity:.75;font-size:90%;line-height:1.4;margin:0'>A dot is a name of its own, a cross one that several "
            "share; hover a mark. The float rows are real: tokens are rounded to the type, and so is every product, exponential, "
            "sum and quotient after them.</p>"
        )

    def _told(self, found: list[Named]) -> str:
        exact, *floats = found
        total = len(exact.names)
        apart = (
            f"The closest two exact names are {power(exact.log10_gap)} apart"
            if exact.alive
            else f"Even in exact arithmetic only {exact.distinct} of {total} names differ"
            + (_why(self.tokens, self.slider.value))
        )
        kept = "; ".join(f"{n.precision} {'✓' if n.alive else '✗'} {n.distinct}" for n in floats)
        return f"<b>κ = {word(self.slider.value)}.</b> {apart}. Different names, of {total}: {kept}."

    def _svg(self, found: list[Named]) -> str:
        height = BOTTOM + 104 + ROW * len(found) + 18
        x = _across(self.slider.value)
        parts = [
            self.curves,
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP}' y2='{BOTTOM + 40}' stroke='{RED}' stroke-width='2'/>",
            f"<path d='M{x:.1f} {TOP + 2} l-6 -9 h12 z' fill='{RED}'/>",
        ]
        finite = [name for n in found for name in n.names if math.isfinite(name)]
        low, high = min(finite), max(finite)
        low, span = (low - 0.5, 1.0) if low == high else (low - 0.03 * (high - low), 1.06 * (high - low))
        across = lambda name: LEFT + 90 + (WIDTH - LEFT - 112) * (name - low) / span
        for at, n in enumerate(found):
            parts.append(self._row(n, BOTTOM + 104 + ROW * at, across))
        for share in (0, 0.25, 0.5, 0.75, 1):
            value = low + share * span
            parts.append(_text(across(value), height - 21, f"{round(value, 3):g}", 11))
        parts.append(
            _text(
                (LEFT + 90 + WIDTH) / 2, height - 4, "name: what the head returns for the token (a lane per token)", 12
            )
        )
        alt = f"κ = {word(self.slider.value)}. " + "; ".join(
            f"{n.precision}: {n.distinct} different names of {len(n.names)}, smallest gap {power(n.log10_gap)}, "
            f"all different up to κ = {_death(self.deaths[n.precision])}"
            for n in found
        )
        return (
            f"<svg role='img' aria-label='{escape(alt)}' viewBox='0 0 {WIDTH} {height}' style='width:100%;max-width:{WIDTH}px;"
            f"font-family:sans-serif'>{''.join(parts)}</svg>"
        )

    def _row(self, n: Named, y: float, across: object) -> str:
        """One precision: how many names are left, and each on its place, in a lane of its token."""
        colour, dash = LOOKS[n.precision]
        sign = "✓" if n.alive else "✗"
        parts = [
            f"<line x1='0' x2='14' y1='{y - 6}' y2='{y - 6}' stroke='{_ink(colour)}' stroke-width='3' stroke-dasharray='{dash}'/>",
            _text(18, y - 2, n.precision, 13, "start", "font-weight:bold"),
            _text(0, y + 15, f"{sign} {n.distinct} of {len(n.names)} differ", 12, "start"),
            f"<line x1='{LEFT + 80}' x2='{WIDTH}' y1='{y + 19}' y2='{y + 19}' stroke='currentColor' opacity='.25'/>",
        ]
        lanes = {token: y - 16 + 32 * at / (len(self.tokens) - 1) for at, token in enumerate(self.tokens)}
        for name, shared, (token, _), label in zip(n.names, n.shared, self.places, self.labels):
            if not shared:
                continue
            x, lane = across(name), lanes[token]
            body = (
                f"<circle cx='{x:.1f}' cy='{lane:.1f}' r='3.2' fill='{BLUE}'/>"
                if shared == 1
                else f"<path d='M{x - 3.5:.1f} {lane - 3.5:.1f} l7 7 m0 -7 l-7 7' stroke='{RED}' stroke-width='2'/>"
            )
            others = f", shared by {shared}" if shared > 1 else ""
            parts.append(f"<g>{body}<title>{label}: {name:.17g}{others}</title></g>")
        return "".join(parts)

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


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


def _death(kappa: float | None) -> str:
    return "nowhere" if kappa is None else f"{kappa:g}"


def _why(tokens: Sequence[object], kappa: float) -> str:
    if kappa == 0:
        return ": an average does not ask who is looking"
    if math.isinf(kappa):
        return ": a winner says nothing of the losers"
    return ": the token 0 scores everything 0, so it sees only the mean" if 0 in tokens else ""


def _ink(colour: str) -> str:
    return "currentColor" if colour == BLACK else colour


def _text(x: float, y: float, text: str, size: int, anchor: str = "middle", style: str = "") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='currentColor' style='{style}'>"
        f"{escape(text)}</text>"
    )


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


def _curves(gaps: dict[str, list[float]], deaths: dict[str, float | None]) -> str:
    """The smallest gap against κ: one line per precision, and below a lane per float type, drawn where its gap is 0."""
    parts = []
    for level in range(0, FLOOR - 1, -10):
        y = _down(level)
        parts.append(f"<line x1='{LEFT}' x2='{WIDTH}' y1='{y:.1f}' y2='{y:.1f}' stroke='currentColor' opacity='.15'/>")
        parts.append(_text(LEFT - 8, y + 4, _ten(level) if level else "1", 11, "end"))
    parts.append(_text(LEFT - 8, BOTTOM + 24, "gap is 0", 11, "end"))
    for kappa in (0.0, 0.01, 0.1, 1.0, 10.0, math.inf):
        x = _across(kappa)
        parts.append(f"<line x1='{x}' x2='{x}' y1='{TOP}' y2='{BOTTOM + 40}' stroke='currentColor' opacity='.12'/>")
        parts.append(_text(x, BOTTOM + 54, {math.inf: "∞"}.get(kappa, f"{kappa:g}"), 11))
    parts.append(
        _text(LEFT + 350, BOTTOM + 70, "scale κ (logarithmic); up: log₁₀ of the smallest gap between two names", 12)
    )
    for lane, precision in enumerate(reversed(PRECISIONS)):
        colour, dash = _ink(LOOKS[precision][0]), LOOKS[precision][1]
        stroke = f"stroke='{colour}' stroke-width='2.5' fill='none' stroke-dasharray='{dash}'"
        low = BOTTOM + 8 + 7 * (len(PRECISIONS) - 1 - lane)
        live, dead, before = [], [], None
        for kappa, gap in zip(KAPPAS, gaps[precision]):
            x, y = _across(kappa), _down(gap)
            if gap == -math.inf:
                dead.append(f"M{x - 3:.1f} {low} h6")
                if before is not None and before[2] == deaths[precision]:
                    live.append(f"M{before[0]:.1f} {before[1]:.1f} V{low}")
                before = None
            else:
                live.append(f"{'M' if before is None else 'L'}{x:.1f} {y:.1f}")
                before = (x, y, kappa) if gap > FLOOR else None
                if gap <= FLOOR:
                    break
        if live:
            parts.append(f"<path d='{' '.join(live)}' {stroke}/>")
        if dead:
            parts.append(f"<path d='{' '.join(dead)}' {stroke.replace(dash, '') if dash else stroke}/>")
        last = deaths[precision]
        if precision in DTYPES and last is not None:
            x, y = _across(last), _down(gaps[precision][KAPPAS.index(last)])
            tip = f"<title>{precision}: all names differ up to κ = {last:g}</title>"
            parts.append(
                f"<g><circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='none' stroke='{colour}' stroke-width='2.5'/>{tip}</g>"
            )
    for at, precision in enumerate(PRECISIONS):
        colour, dash = _ink(LOOKS[precision][0]), LOOKS[precision][1]
        y, last = TOP + 96 + 18 * at, deaths[precision]
        end = (
            "never all different"
            if last is None
            else "all differ to the end"
            if last == FINITE[-1]
            else f"dies after κ = {last:g}"
        )
        parts.append(
            f"<line x1='{LEFT + 60}' x2='{LEFT + 92}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='2.5' stroke-dasharray='{dash}'/>"
        )
        parts.append(_text(LEFT + 98, y + 4, f"{precision}: {end}", 12, "start"))
    return "".join(parts)
