"""The memorisation certificate: your labelled sequences, the head and table that know them by heart, or the pair that cannot be told apart."""

from __future__ import annotations

import html
import itertools
import math
import random
from dataclasses import dataclass, replace

import ipywidgets

from seqlab.colours import BLUE, GREY, RED
from seqlab.names.exact import log10
from seqlab.one_layer import mapping
from seqlab.one_layer.certificate import CHARACTERS, Certificate, certificate
from seqlab.one_layer.memoriser import memorise

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
FORMAT = """One format, <b>CSV</b> in UTF-8: the header <code>sequence,token,label</code>, and then one token a line:
<code>1,the,DET</code> (or semicolons or tabs for commas). At most 400 sequences of at most 60 tokens, 4,000 tokens in all.
The file goes no further than this notebook's kernel."""


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
    """One (token, set) of the data along v, and log10 of the distance to the next name up, exactly (inf for the last)."""

    token: str
    label: str
    where: str
    gap: float


class CertificateView(ipywidgets.VBox):
    """Labelled sequences from a menu, a text field or a file; the certificate of `certificate` at a chosen scale.

    What cannot be read is told in one sentence; the text stays as typed, and the last certificate stays below it.
    """

    def __init__(self, text: str | None = None, dim: int = 3):
        first = next(iter(EXAMPLES))
        style = {"style": {"description_width": "8em"}}
        self.example = ipywidgets.Dropdown(
            options=list(EXAMPLES), value=first, description="start from", layout={"width": "27em"}, **style
        )
        self.unfold = ipywidgets.ToggleButton(
            description="upload a file …", tooltip="the format, its limits and the button that takes a file"
        )
        self.upload = ipywidgets.FileUpload(accept=".csv,.txt,text/plain,text/csv", multiple=False)
        self.panel = ipywidgets.VBox([])
        self.text = ipywidgets.Textarea(
            value=EXAMPLES[first] if text is None else text,
            description="or type",
            rows=7,
            continuous_update=False,
            layout={"width": "52em", "max_width": "100%"},
            **style,
        )
        self.dim = ipywidgets.IntSlider(
            value=dim, min=1, max=8, description="dimension d", layout={"width": "26em"}, **style
        )
        self.scale = ipywidgets.SelectionSlider(
            options=list(SCALES), value="best", description="scale κ", layout={"width": "26em"}, **style
        )
        self.error, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        self.example.observe(lambda _: setattr(self.text, "value", EXAMPLES[self.example.value]), "value")
        self.unfold.observe(self._fold, "value")
        self.upload.observe(self._take, "value")
        for control in (self.text, self.dim):
            control.observe(self._certify, "value")
        self.scale.observe(self._draw, "value")
        top, sliders = ipywidgets.HBox([self.example, self.unfold]), ipywidgets.HBox([self.dim, self.scale])
        super().__init__([top, self.panel, self.text, sliders, self.error, self.picture])
        self.certified: Certificate | None = None
        self._unread = ""
        self._certify()

    def _fold(self, _: object = None) -> None:
        told = ipywidgets.HTML(f"<div style='max-width:{WIDTH}px;line-height:1.4'>{FORMAT}</div>")
        self.panel.children = [told, self.upload] if self.unfold.value else []

    def _take(self, _: object = None) -> None:
        """A file's text goes into the text field, where it is judged like all else."""
        if not self.upload.value:
            return
        file = self.upload.value[0]
        try:
            if file["size"] > 4 * CHARACTERS:
                raise ValueError(f"got {file['size']:,} bytes, wanted at most {CHARACTERS:,} characters")
            words = bytes(file["content"]).decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            self._refuse(f"{file['name']}: byte {problem.start} is not UTF-8; save the file as UTF-8 text")
        except ValueError as problem:
            self._refuse(f"{file['name']}: {problem}")
        else:
            self.text.value = words
            if self.text.value == words:
                self._certify()

    def _certify(self, _: object = None) -> None:
        try:
            self.certified = certificate(self.text.value, dim=self.dim.value)
        except ValueError as problem:
            self._unread = self._refuse(str(problem))
            return
        self._unread = ""
        self._draw()

    def _refuse(self, why: str) -> str:
        kept = " The certificate below is the last one that could be made." if self.certified else ""
        self.error.value = f"<div role='alert' style='color:{RED}'>✗ {html.escape(why)}.{kept}</div>"
        return self.error.value

    def _draw(self, _: object = None) -> None:
        if self.certified is None:
            return
        found = self.certified
        if found.memoriser is None:
            told = f"No scale helps, neither the one chosen ({self.scale.value}) nor any other; a position code would."
            self.picture.value = f"{found._repr_html_()}{_sequences(found)}<p>{told}</p>"
            self.error.value = self._unread
            return
        try:
            found = at_scale(found, SCALES[self.scale.value])
        except (ValueError, ArithmeticError) as problem:
            self._refuse(f"{self.scale.value}: {problem}")
            return
        self.error.value = self._unread
        names = along_v(found)
        self.picture.value = f"{found._repr_html_()}{_gaps(found, names)}{_sequences(found)}{_weights(found)}"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.error.value + self.picture.value}


def at_scale(found: Certificate, factor: float) -> Certificate:
    """The same certificate with κ multiplied: in float64 where its names still fit there, otherwise in exact arithmetic."""
    if factor == 1:
        return found
    kappa = factor * found.memoriser.head.kappa
    made = memorise(found.data, found.text.labels, kappa=kappa, context=found.memoriser.context)
    return replace(found, memoriser=made)


def along_v(found: Certificate) -> list[Name]:
    """All names in the order of v·id. A head moves tokens by less than their distance, so each token keeps its stretch."""
    head, data, text = found.memoriser.head, found.data, found.text
    bags, ids = mapping.bags_of(data), head.exact_ids()
    stretches = [head.names.ladder([(c, bag) for bag in bags[c]]) for c in sorted(bags, key=head.projected.__getitem__)]
    names = []
    for (order, steps), (after, _) in itertools.zip_longest(stretches, stretches[1:], fillvalue=([], [])):
        gaps = [log10(step) + math.log10(head.shift) for step in steps]
        gaps.append(log10(ids[after[0]] - ids[order[-1]]) if after else math.inf)
        for context, gap in zip(order, gaps):
            i, k = data.contexts[context]
            names.append(Name(text.tokens[i][k], text.labels[i][k], " ".join(text.tokens[i]), gap))
    return names


def _gaps(found: Certificate, names: list[Name]) -> str:
    """A column per name: up, the distance to the next name; below, the token and the label that the table gives."""
    at = min(range(len(names)), key=lambda k: names[k].gap)
    start = max(0, min(at - COLUMNS // 2, len(names) - COLUMNS))
    shown = names[start : start + COLUMNS]
    head = found.memoriser.head
    longest = max(abs(float(t)) for t in head.projected) + head.shift * max(abs(float(t)) for t in head.projected)
    rounding = math.log10(longest * 2.0**-52)
    finite = [name.gap for name in names if math.isfinite(name.gap)]
    low = min([-20.0, *(gap * 1.05 for gap in finite)])
    down = lambda log10: TOP + PLOT * max(0.0, min(1.0, (1 - log10) / (1 - low)))
    step = min(44.0, (WIDTH - LEFT - 10) / len(shown))
    height = TOP + PLOT + 128
    marks = [_text(LEFT, 12, "distance to the next name along v; dashed: where float64 rounds", 12, "start")]
    tick = next(t for t in (5, 10, 50, 100, 500, 1000, 5000, 10_000, 10**9) if -low / t <= 6)
    for level in range(0, math.ceil(low) - 1, -tick):
        marks.append(
            f"<line x1='{LEFT}' x2='{WIDTH}' y1='{down(level):.1f}' y2='{down(level):.1f}' stroke='currentColor' opacity='.15'/>"
        )
        marks.append(_text(LEFT - 6, down(level) + 4, f"10^{level}" if level else "1", 11, "end"))
    y = down(rounding)
    marks.append(
        f"<line x1='{LEFT}' x2='{WIDTH}' y1='{y:.1f}' y2='{y:.1f}' stroke='{RED}' stroke-dasharray='6 3' stroke-width='1.5'/>"
    )
    for k, name in enumerate(shown):
        x, size = LEFT + step * (k + 0.5), min(12.0, step + 1)
        if math.isfinite(name.gap):
            lost = name.gap < rounding
            colour, mark = (RED, "✗") if lost else (BLUE, "")
            told = f"{name.token} among {name.where}: {name.label}; next name 10^{name.gap:.2f} away"
            body = f"<line x1='{x + step / 2:.1f}' x2='{x + step / 2:.1f}' y1='{TOP}' y2='{down(name.gap):.1f}' stroke='{colour}' stroke-width='{min(6, step / 2):.1f}'/>"
            cross = _text(x + step / 2, down(name.gap) + 10, mark, 10, "middle", f"fill='{RED}'")
            marks.append(f"<g>{body}{cross}<title>{html.escape(told)}</title></g>")
        other = not k or shown[k - 1].token != name.token
        for word, top, weight in (
            (name.token if other else "·", TOP + PLOT + 10, "bold"),
            (name.label, TOP + PLOT + 70, "normal"),
        ):
            marks.append(
                f"<text transform='translate({x + size / 3:.1f} {top + 50:.1f}) rotate(-90)' font-size='{size:.1f}' font-weight='{weight}' fill='currentColor'>{html.escape(_short(word))}</text>"
            )
    for word, top in (("token", TOP + PLOT + 40), ("label", TOP + PLOT + 100)):
        marks.append(_text(LEFT - 6, top, word, 11, "end"))
    lost = sum(gap < rounding for gap in finite)
    some = f" The {len(shown)} around the closest pair are shown." if len(shown) < len(names) else ""
    alt = f"{len(names)} names; distances to the next from 10^{min(finite, default=0):.1f} to 10^{max(finite, default=0):.1f}; {lost} below the rounding of float64.{some}"
    return f"<svg role='img' aria-label='{html.escape(alt)}' viewBox='0 0 {WIDTH} {height}' style='width:100%;max-width:{WIDTH}px;font-family:sans-serif;display:block'>{''.join(marks)}</svg><small>{html.escape(alt)}</small>"


def _sequences(found: Certificate) -> str:
    """The sequences with what the network answers; where it cannot, the two places of the collision."""
    text = found.text
    pair = set(found.collision.objects[:2]) if found.memoriser is None else set()
    answers = found.memoriser.predict() if found.memoriser else None
    first = sorted({i for i, _ in pair}) or range(len(text.tokens))
    rows = []
    for i in list(first)[:ROWS]:
        words = []
        for k, (token, label) in enumerate(zip(text.tokens[i], text.labels[i])):
            clash = (i, k) in pair or (answers is not None and answers[i][k] != label)
            style = f"color:{RED};font-weight:bold" if clash else ""
            words.append(
                f"<span style='{style}'>{'✗ ' if clash else ''}{html.escape(token)}<sub style='opacity:.75'>{html.escape(label)}</sub></span>"
            )
        rows.append(f"<div style='padding-left:1em'>{' &ensp; '.join(words)}</div>")
    if pair:
        title, more = "The pair that collides", ""
    else:
        title = "What the network answers"
        more = f"<small>{len(text.tokens) - ROWS} more sequences</small>" if len(text.tokens) > ROWS else ""
    return f"<div style='margin:.5em 0;max-width:{WIDTH}px'><b>{title}</b>{''.join(rows)}{more}</div>"


def _weights(found: Certificate) -> str:
    """The four matrices, each an outer product with v."""
    rows = []
    for name, weight in found.weights.items():
        numbers = "&ensp;".join(f"{x:.4g}" for x in weight.flatten().tolist())
        rows.append(f"<tr><td><b>{name}</b></td><td>{' × '.join(map(str, weight.shape))}</td><td>{numbers}</td></tr>")
    return f"<table style='color:inherit;font-size:90%'><caption style='text-align:left;color:{GREY}'>The head's weights: v, scaled</caption>{''.join(rows)}</table>"


def _short(word: str) -> str:
    return word if len(word) <= 8 else word[:7] + "…"


def _text(
    x: float, y: float, words: str, size: float, anchor: str = "middle", look: str = "fill='currentColor'"
) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' {look}>{html.escape(words)}</text>"
