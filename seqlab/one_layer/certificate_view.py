"""The memorisation certificate: your sequences, the head and table that know them, or a pair not to be told apart."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ipywidgets

from seqlab.colours import BLUE, RED
from seqlab.draw.svg import Markup, element, joined, line, picture, rules, text
from seqlab.names.exact import log10
from seqlab.one_layer import mapping
from seqlab.one_layer.certificate import CHARACTERS, Certificate, certificate
from seqlab.one_layer.memoriser import memorise
from seqlab.widgets.file_input import FileInput
from seqlab.widgets.view import Beside, View, bold, wide

WIDTH, LEFT, TOP, PLOT = 780, 66, 22, 170
COLUMNS, ROWS = 110, 8  # most names in the picture, most sequences in the list
SCALES = {  # what the slider says → factor of the scale that float64 likes best
    "÷ 100": 0.01,
    "÷ 10": 0.1,
    "÷ 3": 1 / 3,
    "best": 1.0,
    "× 3": 3.0,
    "× 10": 10.0,
    "× 30": 30.0,
    "× 100": 100.0,
    "× 1,000": 1000.0,
}
FORMAT = f"""<details style="max-width:{WIDTH}px;line-height:1.4"><summary>The format of a text or a file</summary>
<b>CSV</b> in UTF-8: the header <code>sequence,token,label</code>, and then one token a line: <code>1,the,DET</code> (or
semicolons or tabs for commas). At most 400 sequences of at most 60 tokens, 4,000 tokens in all. The file goes no
further than this notebook's kernel.</details>"""


def _csv(*sequences: str) -> str:
    """Sequences of token/label words as the format has them, one token a line."""
    rows = [f"{at},{word.replace('/', ',')}" for at, words in enumerate(sequences, 1) for word in words.split()]
    return "\n".join(["sequence,token,label", *rows])


def _subsets() -> str:
    draw = random.Random(0)
    sets = itertools.combinations(("red", "green", "blue", "grey", "pink", "gold"), 3)
    return _csv(*(" ".join(f"{word}/{draw.choice(('yes', 'no', 'maybe'))}" for word in words) for words in sets))


EXAMPLES = {
    "fish and cans": _csv(
        "they/PRON can/AUX swim/VERB",
        "they/PRON can/VERB fish/NOUN",
        "the/DET can/NOUN leaks/VERB",
        "the/DET fish/NOUN swims/VERB",
        "I/PRON fish/VERB often/ADV",
    ),
    "20 sets, labels at random": _subsets(),
    "who bites whom": _csv(
        "dog/SUBJECT bites/VERB man/OBJECT", "man/SUBJECT bites/VERB dog/OBJECT", "cat/SUBJECT sees/VERB man/OBJECT"
    ),
    "a word that repeats": _csv(
        "the/DET dog/NOUN sees/VERB the/DET cat/NOUN",
        "the/DET dog/NOUN sees/VERB cat/NAME",
        "a/DET cat/NOUN sees/VERB a/DET dog/NOUN",
    ),
}


@dataclass(frozen=True)
class Name:
    """One (token, set) along v, and log10 of the distance to the next name up, exactly (inf for the last)."""

    token: str
    label: str
    where: str
    gap: float


class CertificateView(View):
    """Labelled sequences from a menu, a text field or a file; the certificate of `certificate` at a chosen scale.

    What cannot be read is told in one sentence; the text stays as typed, and the last certificate stays below it.
    """

    def __init__(self, text: str | None = None, dim: int = 3):
        first = next(iter(EXAMPLES))
        words = EXAMPLES[first] if text is None else text
        super().__init__(
            Beside(
                example=ipywidgets.Dropdown(options=list(EXAMPLES), value=first, description="start from", **wide(27)),
                upload=FileInput(self._take, self._refuse, label="or read a file", most=4 * CHARACTERS),
            ),
            dict(
                told=ipywidgets.HTML(FORMAT),
                text=ipywidgets.Textarea(
                    value=words, description="or type", rows=7, continuous_update=False, **wide(52)
                ),
            ),
            Beside(
                dim=ipywidgets.IntSlider(value=dim, min=1, max=8, description="dimension d", **wide(26)),
                scale=ipywidgets.SelectionSlider(options=list(SCALES), value="best", description="scale κ", **wide(26)),
            ),
        )
        self.text.layout.max_width = "100%"
        self.watch(lambda: setattr(self.text, "value", EXAMPLES[self.example.value]), self.example)
        self.watch(self._certify, self.text, self.dim)
        self.watch(self._draw, self.scale)
        self.certified: Certificate | None = None
        self.unread = ""  # what is wrong with the text
        self._certify()

    def _take(self, words: str) -> None:
        """A file's text goes into the text field, where it is judged like all else."""
        if words == self.text.value:
            self._certify()
        else:
            self.text.value = words

    def _certify(self) -> None:
        try:
            self.certified, self.unread = certificate(self.text.value, dim=self.dim.value), ""
        except ValueError as problem:
            self.unread = str(problem)
            self._refuse(self.unread)
            return
        self._draw()

    def _refuse(self, why: str) -> None:
        kept = " The certificate below is the last one that could be made." if self.certified else ""
        self.refuse(f"{why}.{kept}")

    def _draw(self) -> None:
        found = self.certified
        if found is None:
            return
        if found.memoriser is None:
            told = f"No scale helps, neither the one chosen ({self.scale.value}) nor any other; a position code would."
            shown = [_sequences(found), element("p", told)]
        else:
            try:
                found = at_scale(found, SCALES[self.scale.value])
            except (ValueError, ArithmeticError) as problem:
                self._refuse(f"{self.scale.value}: {problem}")
                return
            shown = [_gaps(found, along_v(found)), _sequences(found), _weights(found)]
        self.picture.value = "".join([found._repr_html_(), *shown])
        self.error.value = ""
        if self.unread:
            self._refuse(self.unread)


def at_scale(found: Certificate, factor: float) -> Certificate:
    """The same certificate with κ multiplied: in float64 where its names still fit there, else in exact arithmetic."""
    if factor == 1:
        return found
    kappa = factor * found.memoriser.head.kappa
    made = memorise(found.data, found.text.labels, kappa=kappa, context=found.memoriser.context)
    return replace(found, memoriser=made)


def along_v(found: Certificate) -> list[Name]:
    """All names in the order of v·id. A head moves tokens by less than their distance: each keeps its stretch."""
    head, data, given = found.memoriser.head, found.data, found.text
    bags, ids = mapping.bags_of(data), head.exact_ids()
    stretches = [head.names.ladder([(c, bag) for bag in bags[c]]) for c in sorted(bags, key=head.projected.__getitem__)]
    names = []
    for (order, steps), (after, _) in itertools.zip_longest(stretches, stretches[1:], fillvalue=([], [])):
        gaps = [log10(step) + math.log10(head.shift) for step in steps]
        gaps.append(log10(ids[after[0]] - ids[order[-1]]) if after else math.inf)
        for context, gap in zip(order, gaps):
            i, k = data.contexts[context]
            names.append(Name(given.tokens[i][k], given.labels[i][k], " ".join(given.tokens[i]), gap))
    return names


def _gaps(found: Certificate, names: Sequence[Name]) -> Markup:
    """A column per name: up, the distance to the next name; below, the token and the label that the table gives."""
    at = min(range(len(names)), key=lambda k: names[k].gap)
    start = max(0, min(at - COLUMNS // 2, len(names) - COLUMNS))
    shown, head = names[start : start + COLUMNS], found.memoriser.head
    rounding = math.log10((1 + head.shift) * max(abs(float(t)) for t in head.projected) * 2.0**-52)
    finite = [name.gap for name in names if math.isfinite(name.gap)]
    low = min([-20.0, *(gap * 1.05 for gap in finite)])
    down = lambda log10: TOP + PLOT * max(0.0, min(1.0, (1 - log10) / (1 - low)))
    step, bottom = min(44.0, (WIDTH - LEFT - 10) / len(shown)), TOP + PLOT
    marks = [text(LEFT, 12, "distance to the next name along v; dashed: where float64 rounds", 12, "start")]
    tick = next(t for t in (5, 10, 50, 100, 500, 1000, 5000, 10_000, 10**9) if -low / t <= 6)
    levels = [(down(level), f"10^{level}" if level else "1") for level in range(0, math.ceil(low) - 1, -tick)]
    marks.append(rules(levels, LEFT, WIDTH))
    marks.append(
        line(LEFT, down(rounding), WIDTH, down(rounding), stroke=RED, stroke_dasharray="6 3", stroke_width=1.5)
    )
    marks += [text(LEFT - 6, bottom + y, word, 11, "end") for y, word in ((40, "token"), (100, "label"))]
    before = None
    for k, name in enumerate(shown):
        x, size = LEFT + step * (k + 0.5), min(12.0, step + 1)
        if math.isfinite(name.gap):
            edge, end, lost = x + step / 2, down(name.gap), name.gap < rounding
            told = f"{name.token} among {name.where}: {name.label}; next name 10^{name.gap:.2f} away"
            bar = line(edge, TOP, edge, end, stroke=RED if lost else BLUE, stroke_width=min(6.0, step / 2))
            cross = text(edge, end + 10, "✗", 10, fill=RED) if lost else ""
            marks.append(element("g", bar, cross, tip=told))
        for word, y, weight in (("·" if name.token == before else name.token, 60, "bold"), (name.label, 120, None)):
            turned = {"transform": f"translate({x + size / 3:.1f} {bottom + y}) rotate(-90)", "font_weight": weight}
            marks.append(text(0, 0, word if len(word) <= 8 else word[:7] + "…", size, "start", **turned))
        before = name.token
    lost = sum(gap < rounding for gap in finite)
    some = f" The {len(shown)} around the closest pair are shown." if len(shown) < len(names) else ""
    ends = f"from 10^{min(finite, default=0):.1f} to 10^{max(finite, default=0):.1f}"
    alt = f"{len(names)} names; distances to the next {ends}; {lost} below the rounding of float64.{some}"
    return joined((picture(alt, WIDTH, bottom + 128, marks), element("small", alt)))


def _sequences(found: Certificate) -> Markup:
    """The sequences with what the network answers; where it cannot, the two places of the collision."""
    given, answers = found.text, found.memoriser.predict() if found.memoriser else None
    pair = () if answers else found.collision.objects[:2]
    first = sorted({i for i, _ in pair}) or list(range(len(given.tokens)))
    rows = []
    for i in first[:ROWS]:
        words = []
        for k, (token, label) in enumerate(zip(given.tokens[i], given.labels[i])):
            clash = answers[i][k] != label if answers else (i, k) in pair
            style = f"color:{RED};font-weight:bold" if clash else None
            mark, below = "✗ " if clash else "", element("sub", label, style="opacity:.75")
            words += [element("span", f"{mark}{token}", below, style=style), " \u2002 "]
        rows.append(element("div", words, style="padding-left:1em"))
    more = len(first) - ROWS
    rest = element("small", f"{more} more sequences") if more > 0 else ""
    title = bold("What the network answers" if answers else "The pair that collides")
    return element("div", title, rows, rest, style=f"margin:.5em 0;max-width:{WIDTH}px")


def _weights(found: Certificate) -> Markup:
    """The four matrices, each an outer product with v."""
    rows = [
        element("tr", [element("td", cell) for cell in (bold(name), " × ".join(map(str, weight.shape)), numbers)])
        for name, weight in found.weights.items()
        for numbers in ["\u2002".join(f"{x:.4g}" for x in weight.flatten().tolist())]
    ]
    caption = element("caption", "The head's weights: v, scaled", style="text-align:left")
    return element("table", caption, rows, style="color:inherit;font-size:90%")
