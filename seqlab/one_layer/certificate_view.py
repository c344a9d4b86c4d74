"""The memorisation certificate: your sequences, the head and table that know them, or a pair not to be told apart."""

import math
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from threading import Event, Thread, main_thread
from time import monotonic

import ipywidgets

from seqlab.colours import BLUE, RED
from seqlab.draw.svg import Markup, element, joined, line, picture, rules, table, text
from seqlab.names.exact import log10
from seqlab.one_layer.certificate import CHARACTERS, Certificate, certificate, certify
from seqlab.one_layer.sequences import Place
from seqlab.widgets.file_input import FileInput
from seqlab.widgets.view import Beside, View, bold, status, wide

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


class Stopped(Exception):
    """The reader wants no more of it."""


@dataclass
class Job:
    """What the controls ask for, how many names it has, and when they were last shown."""

    text: str
    dim: int
    scale: str
    named: int = 0
    shown: float = 0.0
    halt: Event = field(default_factory=Event)


Made = tuple[Certificate | None, tuple[str, int], str, Markup | None]
"""What comes of a job: the certificate of (text, dim), these two, why what was asked for is not shown, the page."""


def _csv(*sequences: str) -> str:
    """Sequences of token/label words as the format has them, one token a line."""
    rows = [f"{at},{word.replace('/', ',')}" for at, words in enumerate(sequences, 1) for word in words.split()]
    return "\n".join(["sequence,token,label", *rows])


def _subsets() -> str:
    draw = random.Random(0)
    sets = combinations(("red", "green", "blue", "grey", "pink", "gold"), 3)
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


class CertificateView(View):
    """Labelled sequences from a menu, a text field or a file; the certificate of `certificate` at a chosen scale.

    What cannot be read is told in one sentence; the text stays as typed, and the last certificate stays below it. What
    takes longer than `patience` goes on in a thread, beside a bar and a button that stops it.
    """

    patience = 0.5  # seconds until a bar appears

    def __init__(self, text: str | None = None, dim: int = 3):
        first = next(iter(EXAMPLES))
        words = EXAMPLES[first] if text is None else text
        super().__init__(
            Beside(
                example=ipywidgets.Dropdown(options=list(EXAMPLES), value=first, description="start from", **wide(27)),
                upload=FileInput(self._take, self.refuse, label="or read a file", most=4 * CHARACTERS),
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
            Beside(
                bar=ipywidgets.IntProgress(description="exact names", **wide(26)),
                stop=ipywidgets.Button(description="Stop", tooltip="Stop the computation", disabled=True),
            ),
        )
        self.text.layout.max_width = "100%"
        self.working = self.children[-3]
        self.certified: Certificate | None = None
        self.of, self.job = ("", 0), Job("", 0, "")
        self.watch(lambda: setattr(self.text, "value", EXAMPLES[self.example.value]), self.example)
        self.watch(self._draw, self.text, self.dim, self.scale)
        self.stop.on_click(lambda _: self.job.halt.set())
        self._draw(first=True)

    def _take(self, words: str) -> None:
        """A file's text goes into the text field, where it is judged like all else."""
        with self.held():
            self.text.value = words
        self._draw()

    def refuse(self, why: str) -> None:
        super().refuse(f"{why}." + " The certificate below is the last one that could be made." * bool(self.certified))

    def _draw(self, first: bool = False) -> None:
        self.job.halt.set()  # what still runs is for what stood here before
        self.error.value = ""
        self.job = job = Job(self.text.value, self.dim.value, self.scale.value)
        made: Future[Made] = Future()

        def work() -> None:
            try:
                made.set_result(self._make(job))
            except BaseException as problem:  # it is raised again where the result is wanted
                made.set_exception(problem)

        Thread(target=work).start()  # no daemon: one that is still in torch as Python ends aborts the process
        try:
            made.exception(None if first else self.patience)
        except TimeoutError:
            self._work(True)
            made.add_done_callback(lambda made: self._show(job, made))  # in the thread
        else:
            self._show(job, made)

    def _work(self, busy: bool) -> None:
        """Show the bar and the button, or nothing."""
        self.bar.value, self.stop.disabled = 0, not busy
        self.working.layout.display = "" if busy else "none"

    def _make(self, job: Job) -> Made:
        """The certificate that a job asks for, why not, and the picture where there is one."""

        def watch(names: int) -> None:
            if job.halt.is_set() or not main_thread().is_alive():
                raise Stopped(f"stopped before {job.named:,} of {names:,} names: any change above begins again")
            job.named += 1
            if job is self.job and not self.stop.disabled and monotonic() - job.shown > 0.1:
                job.shown, self.bar.max, self.bar.value = monotonic(), names, min(job.named, names)

        refused, found, of = "", self.certified, (job.text, job.dim)
        try:
            if of != self.of:
                found = certificate(job.text, dim=job.dim, watch=watch)
        except ValueError as problem:
            refused, of = str(problem), self.of
        if found is None:
            return found, of, refused, None
        try:
            scaled = at_scale(found, SCALES[job.scale], watch)
        except ArithmeticError as problem:
            return found, of, f"{job.scale}: {problem}", None
        return found, of, refused, _page(scaled, job.scale)

    def _show(self, job: Job, made: Future[Made]) -> None:
        """What came of a job, unless another one has been asked for."""
        if job is not self.job:
            return
        self._work(False)
        try:
            self.certified, self.of, refused, page = made.result()
        except Stopped as told:
            refused, page = str(told), None
        if refused:
            self.refuse(refused)
        if page is not None:
            self.picture.value = page


def _page(found: Certificate, scale: str) -> Markup:
    if found.memoriser is None:
        told = f"No scale helps, neither the one chosen ({scale}) nor any other; a position code would."
        shown = _sequences(found), element("p", told)
    else:
        shown = _gaps(found), _sequences(found), _weights(found)
    return joined([status(Markup(found.verdict._repr_html_())), *shown])


def at_scale(found: Certificate, factor: float, watch: Callable[[int], object] = lambda names: None) -> Certificate:
    """The same certificate with κ multiplied: in float64 where its names still fit there, else in exact arithmetic."""
    if factor == 1 or found.memoriser is None:
        return found
    return certify(found.data, found.labels, factor * found.memoriser.head.kappa, watch)


def along_v(found: Certificate) -> list[tuple[Place, float]]:
    """Where each name stands first, in the order of v·id, and log10 of the distance to the next (inf for the last)."""
    head, data, contexts = found.memoriser.head, found.data, list(found.memoriser.head.exact_ranks)
    up = {c: step * head.shift for order, steps in head.ladders for c, step in zip(order, steps)}  # of one token
    along = dict(zip(data.contexts, head.along.tolist()))  # of different ones, which lie far apart
    apart = lambda c, d: up.get(c) or max(0.0, along[d] - along[c])
    gaps = [log10(apart(*pair)) for pair in pairwise(contexts)]
    return list(zip((data.places[data.contexts[c]] for c in contexts), [*gaps, math.inf]))


def _gaps(found: Certificate) -> Markup:
    """A column per name: up, the distance to the next name; below, the token and the label that the table gives."""
    names, data = along_v(found), found.data
    gaps = [gap for _, gap in names]
    start = max(0, min(gaps.index(min(gaps)) - COLUMNS // 2, len(names) - COLUMNS))
    shown, finite = names[start : start + COLUMNS], gaps[:-1]
    rounding = found.memoriser.head.rounding
    low = min([-20.0, *(gap * 1.05 for gap in finite)])
    down = lambda log10: TOP + PLOT * max(0.0, (1 - log10) / (1 - low))
    step, bottom, end = min(44.0, (WIDTH - LEFT - 10) / len(shown)), TOP + PLOT, down(rounding)
    tick = next(t for t in (5, 10, 50, 100, 500, 1000, 5000, 10_000, 10**9) if -low / t <= 6)
    levels = [(down(level), f"10^{level}" if level else "1") for level in range(0, math.ceil(low) - 1, -tick)]
    marks = [
        text(LEFT, 12, "distance to the next name along v; dashed: where float64 rounds", 12, "start"),
        rules(levels, LEFT, WIDTH),
        line(LEFT, end, WIDTH, end, stroke=RED, stroke_dasharray="6 3", stroke_width=1.5),
        [text(LEFT - 6, bottom + y, word, 11, "end") for y, word in ((40, "token"), (100, "label"))],
    ]
    for at, ((i, k), gap) in enumerate(shown):
        x, size, token, label = LEFT + step * (at + 0.5), min(12.0, step + 1), data.show(i, k), found.labels[i][k]
        if gap < math.inf:
            edge, lost = x + step / 2, gap < rounding
            told = f"{token} among {data.show(i)}: {label}; next name 10^{gap:.2f} away"
            bar = line(edge, TOP, edge, down(gap), stroke=RED if lost else BLUE, stroke_width=min(6.0, step / 2))
            marks.append(element("g", bar, text(edge, down(gap) + 10, "✗" * lost, 10, fill=RED), tip=told))
        for word, y, weight in ((token, 60, "bold"), (label, 120, None)):
            turned = {"transform": f"translate({x + size / 3:.1f} {bottom + y}) rotate(-90)", "font_weight": weight}
            marks.append(text(0, 0, word if len(word) <= 8 else word[:7] + "…", size, "start", **turned))
    some = f" The {len(shown)} around the closest pair are shown." if len(shown) < len(names) else ""
    ends = f"from 10^{min(finite, default=0):.1f} to 10^{max(finite, default=0):.1f}"
    lost = sum(gap < rounding for gap in finite)
    alt = f"{len(names)} names; distances to the next {ends}; {lost} below the rounding of float64.{some}"
    return joined((picture(alt, WIDTH, bottom + 128, marks), element("small", alt)))


def _sequences(found: Certificate) -> Markup:
    """The sequences with what the network answers; where it cannot, the two places of the collision."""
    data, answers = found.data, found.memoriser.predict() if found.memoriser else None
    pair = () if answers else found.verdict.witness.objects
    first, rows = sorted({i for i, _ in pair}) or list(range(len(data.coded))), []
    for i in first[:ROWS]:
        words = []
        for k, label in enumerate(found.labels[i]):
            clash = answers[i][k] != label if answers else (i, k) in pair
            below = element("sub", label, style="opacity:.75")
            style = f"color:{RED};font-weight:bold" if clash else None
            words += [element("span", "✗ " * clash, data.show(i, k), below, style=style), " \u2002 "]
        rows.append(element("div", words, style="padding-left:1em"))
    rest = element("small", f"{len(first) - ROWS} more sequences") if len(first) > ROWS else ""
    title = bold("What the network answers" if answers else "The pair that collides")
    return element("div", title, rows, rest, style=f"margin:.5em 0;max-width:{WIDTH}px")


def _weights(found: Certificate) -> Markup:
    """The four matrices, each an outer product with v."""
    rows = {
        f"W_{name[0].upper()}": (" × ".join(map(str, w.shape)), "\u2002".join(f"{x:.4g}" for x in w.flatten().tolist()))
        for name, w in found.memoriser.head.weights.items()
    }
    return table((), rows, "The head's weights: v, scaled", align="left")
