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
from seqlab.one_layer import mapping, memoriser
from seqlab.one_layer.certificate import CHARACTERS, Certificate, certificate
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
FORMATS = Markup("""Two formats, in UTF-8. A <b>CSV</b> with the header <code>sequence,token,label</code> and then one
token a line: <code>1,the,DET</code> (or semicolons or tabs for commas). Or <b>plain lines</b>, one sequence each:
<code>the/DET dog/NOUN</code>. At most 400 sequences of at most 60 tokens, 4,000 tokens in all. The file goes no further
than this notebook's kernel.""")


def _subsets() -> str:
    draw = random.Random(0)
    rows = [
        f"{at},{word},{draw.choice(('yes', 'no', 'maybe'))}"
        for at, words in enumerate(itertools.combinations(("red", "green", "blue", "grey", "pink", "gold"), 3), 1)
        for word in words
    ]
    return "\n".join(["sequence,token,label", *rows])


EXAMPLES = {
    "fish and cans": (
        "they/PRON can/AUX swim/VERB\nthey/PRON can/VERB fish/NOUN\nthe/DET can/NOUN leaks/VERB\n"
        "the/DET fish/NOUN swims/VERB\nI/PRON fish/VERB often/ADV"
    ),
    "20 sets, labels at random (CSV)": _subsets(),
    "who bites whom": (
        "dog/SUBJECT bites/VERB man/OBJECT\nman/SUBJECT bites/VERB dog/OBJECT\ncat/SUBJECT sees/VERB man/OBJECT"
    ),
    "a word that repeats": (
        "the/DET dog/NOUN sees/VERB the/DET cat/NOUN\nthe/DET dog/NOUN sees/VERB cat/NAME\n"
        "a/DET cat/NOUN sees/VERB a/DET dog/NOUN"
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
        self.upload = ipywidgets.FileUpload(accept=".csv,.txt,text/plain,text/csv", multiple=False)
        words = EXAMPLES[first] if text is None else text
        super().__init__(
            Beside(
                example=ipywidgets.Dropdown(options=list(EXAMPLES), value=first, description="start from", **wide(27)),
                unfold=ipywidgets.ToggleButton(
                    description="upload a file …", tooltip="formats, limits and the button that takes a file"
                ),
            ),
            dict(
                panel=ipywidgets.VBox([]),
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
        self.watch(self._fold, self.unfold)
        self.watch(self._take, self.upload)
        self.watch(self._certify, self.text, self.dim)
        self.watch(self._draw, self.scale)
        self.certified: Certificate | None = None
        self.unread = ""  # what is wrong with the text
        self._certify()

    def _fold(self) -> None:
        told = ipywidgets.HTML(element("div", FORMATS, style=f"max-width:{WIDTH}px;line-height:1.4"))
        self.panel.children = [told, self.upload] if self.unfold.value else []

    def _take(self) -> None:
        """A file's text goes into the text field, where it is judged like all else."""
        if not self.upload.value:
            return
        file = self.upload.value[0]
        name, size = file["name"], file["size"]
        try:
            words = bytes(file["content"]).decode("utf-8-sig") if size <= 4 * CHARACTERS else None
        except UnicodeDecodeError as problem:
            self._refuse(f"{name}: byte {problem.start} is not UTF-8; save the file as UTF-8 text")
            return
        if words is None:
            self._refuse(f"{name}: got {size:,} bytes, wanted at most {CHARACTERS:,} characters")
        elif words == self.text.value:
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
    labels = [[f"={label}" for label in row] for row in found.text.labels]
    made = memoriser.memorise(found.data, labels, kappa=factor * found.kappa, context=found.memoriser.context)
    verdict = made.check()
    return replace(
        found,
        holds=bool(verdict),
        memoriser=made,
        separation=mapping.closest(made.head).log10,
        float_separation=mapping.float_separation(made.head, residual=True),
        verdict=verdict,
        collision=verdict.witness,
    )


def along_v(found: Certificate) -> list[Name]:
    """All names in the order of v·id. A head moves tokens by less than their distance: each keeps its stretch."""
    head, known, text = found.memoriser.head, found.data, found.text
    contexts = mapping.contexts(known)
    order = [
        (c, bag) for c in sorted(contexts, key=head.projected.__getitem__) for bag in head.names.sorted(c, contexts[c])
    ]
    names = []
    for (c, bag), after in itertools.zip_longest(order, order[1:]):
        i, k = known.places[c, bag][0]
        if after is None:
            gap = math.inf
        elif after[0] == c:
            gap = head.names.log10(abs(head.names.difference(c, after[1], bag))) + math.log10(head.shift)
        else:
            gap = head.names.log10(abs(head.exact_id(*known.places[after][0]) - head.exact_id(i, k)))
        names.append(Name(text.tokens[i][k], text.labels[i][k], " ".join(text.tokens[i]), gap))
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
            clash = answers[i][k] != f"={label}" if answers else (i, k) in pair
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
