"""A Turing machine run by attention: the tape above, the decoder rows of one machine step below, and who looks at whom."""

from __future__ import annotations

import html

import ipywidgets

from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.turing import SHIPPED, Machine, Row, Run, Step, decode, last_visit, look_ups, rows_for
from seqlab.turing.machine import MOVES

STEPS = 24
WORDS = {"bouncing": "0110", "increment": "1011", "palindrome": "abba", "busy_beaver_3": "", "busy_beaver_4": ""}
WIDTH, CELL, LEFT = 760, 34, 70
MOST_RULES = 24


class TuringView(ipywidgets.VBox):
    """Choose or type a machine and a word; step through machine steps, and through the decoder rows of each.

    A machine or word that cannot be read is told in one sentence, and the run that was there stays.
    """

    def __init__(self, machine: str = "bouncing", word: str | None = None, step: int = 7, row: int = 4):
        wide = {"layout": {"width": "34em"}, "style": {"description_width": "8em"}}
        self.choice = ipywidgets.Dropdown(options=list(WORDS), value=machine, description="machine", **wide)
        self.text = ipywidgets.Textarea(continuous_update=False, description="or type one", rows=6, **wide)
        self.word = ipywidgets.Text(continuous_update=False, description="word", **wide)
        self.step = ipywidgets.IntSlider(value=step, min=0, max=STEPS - 1, description="machine step", **wide)
        self.row = ipywidgets.IntSlider(value=1, min=1, max=step + 1, description="row in its block", **wide)
        self.back = ipywidgets.Button(description="◀ row", tooltip="one decoder row back; from the first to the last")
        self.next = ipywidgets.Button(description="row ▶", tooltip="one decoder row on; from the last to the first")
        self.printed = ipywidgets.Checkbox(value=False, description="the sign as printed in the paper", indent=False)
        self.error, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        self._quiet = True
        self._load()
        self.word.value = self.word.value if word is None else word
        self.row.value = row
        self._quiet = False
        self.choice.observe(self._chosen, "value")
        for control in (self.text, self.word, self.printed):
            control.observe(self._run, "value")
        self.step.observe(self._stepped, "value")
        self.row.observe(self._draw, "value")
        self.back.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        buttons = ipywidgets.HBox([self.back, self.next, self.printed])
        parts = [self.choice, self.text, self.word, self.step, self.row, buttons, self.error, self.picture]
        super().__init__(parts)
        self._run()

    def _load(self) -> None:
        lines = (line.strip() for line in SHIPPED[self.choice.value].strip().splitlines())
        self.text.value, self.word.value = "\n".join(lines), WORDS[self.choice.value]

    def _chosen(self, _: object = None) -> None:
        self._quiet = True
        self._load()
        self._quiet = False
        self._run()

    def _stepped(self, _: object = None) -> None:
        self._quiet = True
        self.row.max = self.step.value + 1
        self._quiet = False
        self._draw()

    def _turn(self, by: int) -> None:
        """To the next or the last decoder row, round the ends."""
        index = (rows_for(self.step.value) + self.row.value - 1 + by) % rows_for(STEPS)
        step = next(j for j in range(STEPS) if index < rows_for(j + 1))
        self._quiet = True
        self.step.value, self.row.max = step, step + 1
        self.row.value = index - rows_for(step) + 1
        self._quiet = False
        self._draw()

    def _run(self, _: object = None) -> None:
        if self._quiet:
            return
        try:
            machine = Machine.parse(self.text.value)
            letters = self.word.value.split() if any(len(s) > 1 for s in machine.symbols) else self.word.value
            run = decode(machine, letters, STEPS, printed_sign=self.printed.value)
        except ValueError as problem:
            told = html.escape(str(problem))
            self.error.value = (
                f"<div role='alert' style='color:{RED}'>✗ {told}. The run below is the last that could be read.</div>"
            )
            return
        self.error.value = ""
        self.run: Run = run
        self.right: list[Step] = machine.simulate(letters, STEPS)
        self._draw()

    def _draw(self, _: object = None) -> None:
        if self._quiet:
            return
        block = self.run.block(self.step.value)
        row = block[self.row.value - 1]
        self.picture.value = f"{self._tape()}{self._comb(block, row)}{self._told(block, row)}{self._rules(row)}"

    def _tape(self) -> str:
        """The tape before this step; where the simulator's differs, its symbol stands below, with ✗."""
        j = self.step.value
        steps, blank = self.run.steps, self.run.machine.blank
        tape, true = self.run.tape(j), _tape_of(self.run.word, self.right[:j])
        head = steps[j].head
        count = (WIDTH - LEFT) // CELL
        first = head - count // 2
        marks, wrong = [], 0
        for at, cell in enumerate(range(first, first + count)):
            x, here = LEFT + at * CELL, cell == head
            symbol, should = tape.get(cell, blank), true.get(cell, blank)
            edge = f"stroke='{BLUE}' stroke-width='3'" if here else f"stroke='{GREY}'"
            marks.append(f"<rect x='{x}' y='26' width='{CELL}' height='{CELL}' fill='none' {edge}/>")
            marks.append(_text(x + CELL / 2, 49, _short(symbol, 3), 16, "bold" if here else "normal"))
            marks.append(_text(x + CELL / 2, 73, str(cell), 9))
            if symbol != should:
                wrong += 1
                marks.append(_text(x + CELL / 2, 90, f"✗ {_short(should, 2)}", 13, colour=RED))
        x = LEFT + (head - first + 0.5) * CELL
        state = steps[j].state or "a mixture"
        marks.append(_text(x, 21, "▼", 16, colour=BLUE))
        marks.append(_text(x + 12, 18, _short(state, 24), 13, "bold", anchor="start"))
        marks.append(_text(4, 49, "tape", 12, anchor="start") + _text(4, 73, "cell", 10, anchor="start"))
        marks.append(_text(4, 90, "should be", 11, anchor="start", colour=RED) if wrong else "")
        alt = f"Tape before machine step {j}: head in cell {head}, state {state}; {wrong} cells differ from the simulator's"
        return _svg(alt, 98, marks)

    def _comb(self, block: tuple[Row, ...], row: Row) -> str:
        """Above, the compute rows of the steps before; below, this block: row k looks up to step k-1 and back to row k-1."""
        j = row.step
        gap = (WIDTH - LEFT - 30) / max(j, 12)
        x = lambda k: LEFT + 16 + (k - 1) * gap
        size = min(gap / 2 - 1, 11)
        wide = gap > 26
        marks = [_text(4, 38, "past steps", 12, anchor="start"), _text(4, 128, "this block", 12, anchor="start")]
        for m, step in enumerate(self.run.steps[:j]):
            marks.append(
                f"<rect x='{x(m + 1) - size}' y='{34 - size}' width='{2 * size}' height='{2 * size}' fill='none' stroke='currentColor'><title>step {m}: cell {step.head}, wrote {_short(step.wrote, 9)}</title></rect>"
            )
            marks.append(_text(x(m + 1), 38, str(m), 10))
            if wide:
                marks.append(_text(x(m + 1), 14, f"{step.head}: {_short(step.wrote, 2)}", 10))
        for k, each in enumerate(block, start=1):
            if k > self.row.value:
                marks.append(
                    f"<circle cx='{x(k)}' cy='124' r='{size}' fill='none' stroke='{GREY}' stroke-dasharray='2 2'/>"
                )
                continue
            now = each is row
            places = self._places(each)
            for kind, edge in zip(("random", "local") if len(places) > 1 else ("local",), places):
                won = edge in self._winners(each)
                look = f"stroke='{ORANGE if now else GREY}' stroke-width='{(3 if won else 1.5) if now else 1}' opacity='{1 if now else 0.5}'"
                dash = " stroke-dasharray='6 4'" if kind == "random" else ""
                if edge == "own":
                    path = f"M {x(k - 1) + size} 124 L {x(k) - size} 124" if k > 1 else ""
                else:
                    path = f"M {x(edge + 1)} {34 + size} Q {x(edge + 1)} 100 {x(k)} {124 - size}"
                marks.append(f"<path d='{path}' fill='none' {look}{dash}/>" if path else "")
            good = self._good(each)
            sign = "δ" if each.computes else {True: "✓", False: "✗", None: "·"}[good]
            colour = ORANGE if now else "currentColor"
            marks.append(
                f"<circle cx='{x(k)}' cy='124' r='{size}' fill='none' stroke='{colour}' stroke-width='{3 if now else 1}'/>"
            )
            marks.append(_text(x(k), 128, sign, 11, "bold", colour=RED if good is False else "currentColor"))
        marks.append(_text(x(self.row.value), 152, f"▲ row {row.index}", 11, "bold"))
        marks.append(
            _text(
                LEFT,
                172,
                "dashed: a past compute row · solid: its own best so far · thick: wins · ✓ keeps the last visit ✗ does not · no visit seen yet",
                11,
                anchor="start",
            )
        )
        alt = f"Decoder row {row.index}, number {self.row.value} of {len(block)} in the block of machine step {j}; it sees the rows {row.edges} and keeps {row.attends}"
        return _svg(alt, 178, marks)

    def _places(self, row: Row) -> list[int | str]:
        """Where the edges lead: the step of a past compute row, or "own"."""
        steps = [
            next(m for m in range(STEPS) if rows_for(m + 1) == edge) if edge != row.index else "own"
            for edge in row.edges
        ]
        return steps if len(steps) == 2 or row.step else ["own"]

    def _winners(self, row: Row) -> list[int | str]:
        return [place for place, edge in zip(self._places(row), row.edges) if edge in row.attends]

    def _candidates(self, row: Row) -> list[tuple[str, int | None, float]]:
        """(which edge, the step it offers, absolute score) per edge."""
        k = row.index - rows_for(row.step)
        carried = self.run.rows[row.index - 2].kept if k > 1 else row.step - 1
        names = ("past compute row", "best so far") if len(row.edges) == 2 else ("the only one",)
        offers = [k - 1, carried] if len(row.edges) == 2 else [row.step - 1]
        return [(name, offer, abs(float(score))) for name, offer, score in zip(names, offers, row.scores)]

    def _good(self, row: Row) -> bool | None:
        """Whether the row keeps the last visit among the steps that it has seen; None where there is none."""
        j, k = row.step, row.index - rows_for(row.step)
        heads = [step.head for step in self.run.steps]
        visits = [m for m in {j - 1, *range(k)} if 0 <= m < j and heads[m] == row.head]
        return row.kept == max(visits) if visits and not row.computes else None

    def _told(self, block: tuple[Row, ...], row: Row) -> str:
        j, steps = row.step, self.run.steps
        lines = [
            f"<b>Machine step {j} of 0 to {STEPS - 1} · decoder row {row.index} of {len(self.run.rows)}</b> ({self.row.value} of {len(block)} in this block)"
        ]
        if row.computes:
            read = "a mixture of symbols" if row.symbol is None else f"<b>{html.escape(row.symbol)}</b>"
            lines.append(
                f"This row applies δ: in state <b>{html.escape(row.state or 'a mixture')}</b> it reads {read}."
            )
            if row.symbol != self.right[j].symbol or row.state != self.right[j].state:
                lines.append(
                    f"<span style='color:{RED}'>✗</span> The simulator is in state {html.escape(self.right[j].state)} and reads {html.escape(self.right[j].symbol)}."
                )
        else:
            lines.append(f"What was last written to cell <b>{row.head}</b>, where the head stands?")
            for name, offer, score in self._candidates(row):
                won = offer == row.kept
                what = (
                    "a mixture"
                    if offer is None
                    else f"step {offer}, cell {steps[offer].head}, wrote {html.escape(_short(steps[offer].wrote, 9))}"
                )
                lines.append(
                    f"{'✓ <b>' if won else '&nbsp;&nbsp; '}{name}: {what} · score {score:.3e}{'</b> smaller, kept' if won else ''}"
                )
        visit = last_visit(steps, j)
        wrong, total = look_ups(self.run)
        truth = (
            "the head was never here before: the input, or a blank"
            if visit is None
            else f"the last visit was step {visit}"
        )
        differ = next((m for m in range(STEPS) if steps[m] != self.right[m]), None)
        agrees = (
            "✓ the run is the simulator's"
            if differ is None
            else f"<span style='color:{RED}'>✗</span> the run leaves the simulator's at step {differ}"
        )
        lines.append(f"<small>{truth} · {wrong} of {total} look-ups wrong in {STEPS} steps · {agrees}</small>")
        return f"<div role='status' style='line-height:1.5'>{'<br>'.join(lines)}</div>"

    def _rules(self, row: Row) -> str:
        """The machine's table, the row that fires marked; it fires in the compute row."""
        rules = self.run.machine.rules
        fires = (row.state, row.symbol) if row.computes else None
        shown = [pair for pair in rules if len(rules) <= MOST_RULES or pair == fires]
        cells = []
        for pair in shown:
            target, write, move = rules[pair]
            mark, weight = ("▶", "bold") if pair == fires else ("", "normal")
            arrow = {-1: "←", 0: "•", 1: "→"}[MOVES[move]]
            words = html.escape(f"{pair[0]} {pair[1]}  ⇒  {target} {write} {arrow}")
            cells.append(f"<div style='font-weight:{weight};white-space:pre'>{mark or ' '} {words}</div>")
        if fires and fires not in rules:
            cells.append("<div><b>▶ no rule: the machine has stopped</b></div>")
        hidden = (
            "" if len(rules) <= MOST_RULES else f"<small>{len(rules)} rules; only the one that fires is shown</small>"
        )
        return f"<div style='columns:3;font-family:monospace;font-size:12px;max-width:{WIDTH}px;margin-top:.4em'>{''.join(cells)}{hidden}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.error.value + self.picture.value}


def _tape_of(word: tuple[str, ...], steps: list[Step]) -> dict[int, str | None]:
    tape: dict[int, str | None] = dict(enumerate(word))
    tape.update((step.head, step.wrote) for step in steps)
    return tape


def _short(symbol: str | None, letters: int) -> str:
    if symbol is None:
        return "?"
    return symbol if len(symbol) <= letters else symbol[: letters - 1] + "…"


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    weight: str = "normal",
    *,
    anchor: str = "middle",
    colour: str = "currentColor",
) -> str:
    return f"<text x='{x:.1f}' y='{y}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' fill='{colour}'>{html.escape(words)}</text>"


def _svg(alt: str, height: int, marks: list[str]) -> str:
    return f"<svg role='img' aria-label='{html.escape(alt)}' viewBox='0 0 {WIDTH} {height}' style='width:100%;max-width:{WIDTH}px;font-family:sans-serif;display:block'>{''.join(marks)}</svg>"
