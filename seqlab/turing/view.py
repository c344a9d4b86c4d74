"""A Turing machine run by attention: the tape, the decoder rows of one machine step, and who looks at whom."""

import ipywidgets

from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.draw.svg import Inside, Markup, circle, element, line, path, picture, rect, text
from seqlab.turing import SHIPPED, Machine, Row, Run, Step, decode, last_visit, look_ups, rows_for
from seqlab.turing.graph import block as block_of
from seqlab.turing.machine import MOVES, written
from seqlab.widgets.film import Walk
from seqlab.widgets.view import Beside, View, bold, status, wide

STEPS = 24
WORDS = {"bouncing": "0110", "increment": "1011", "palindrome": "abba", "busy_beaver_3": "", "busy_beaver_4": ""}
WIDTH, CELL, LEFT = 760, 34, 70
PAST, NOW = 34, 124  # heights of the compute rows of the past, and of the rows of this block
FAINT = {"stroke": GREY, "opacity": 0.5}
WRONG = element("span", "✗", style=f"color:{RED}")
LEGEND = (
    "dashed: a past compute row · solid: its own best so far · thick: wins · ✓ keeps the last visit ✗ does not · no "
    "visit seen yet"
)


class TuringView(View):
    """Choose or type a machine and a word; step through machine steps, and through the decoder rows of each.

    rules: the text of a machine of one's own; it is then the first of those to choose from.

    A machine or word that cannot be read is told in one sentence, and the run that was there stays.
    """

    def __init__(
        self, machine: str = "bouncing", word: str | None = None, step: int = 7, row: int = 4, rules: str | None = None
    ):
        self.machines = ({"yours": rules} if rules else {}) | SHIPPED
        self.words = {"yours": word or ""} | WORDS
        look = wide(34)
        super().__init__(
            dict(
                choice=ipywidgets.Dropdown(
                    options=[name for name in self.words if name in self.machines],
                    value="yours" if rules else machine,
                    description="machine",
                    **look,
                ),
                text=ipywidgets.Textarea(continuous_update=False, description="or type one", rows=6, **look),
                word=ipywidgets.Text(continuous_update=False, description="word", **look),
                step=ipywidgets.IntSlider(value=step, min=0, max=STEPS - 1, description="machine step", **look),
                row=ipywidgets.IntSlider(value=row, min=1, max=step + 1, description="row in its block", **look),
            ),
            Beside(
                back=Walk(description="◀ row", tooltip="one decoder row back; from the first to the last"),
                next=Walk(description="row ▶", tooltip="one decoder row on; from the last to the first"),
                printed=ipywidgets.Checkbox(value=False, description="the sign as printed in the paper", indent=False),
            ),
        )
        self.watch(self._load, self.choice)
        self.watch(self._run, self.text, self.word, self.printed)
        self.watch(lambda: self._to(self.step.value, self.row.value), self.step)
        self.watch(self._draw, self.row)
        self.back.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self._load(word)

    def _load(self, word: str | None = None) -> None:
        lines = (line.strip() for line in self.machines[self.choice.value].strip().splitlines())
        with self.held():
            self.text.value = "\n".join(lines)
            self.word.value = self.words[self.choice.value] if word is None else word
        self._run()

    def _to(self, step: int, row: int) -> None:
        with self.held():
            self.step.value, self.row.max = step, step + 1
            self.row.value = row
        self._draw()

    def _turn(self, by: int) -> None:
        """To the next or the last decoder row, round the ends."""
        index = (rows_for(self.step.value) + self.row.value - 1 + by) % rows_for(STEPS)
        step = block_of(index + 1)
        self._to(step, index - rows_for(step) + 1)

    def _run(self) -> None:
        try:
            machine = Machine.parse(self.text.value)
            letters = self.word.value.split() if any(len(s) > 1 for s in machine.symbols) else self.word.value
            self.run: Run = decode(machine, letters, STEPS, printed_sign=self.printed.value)
        except ValueError as problem:
            self.refuse(f"{problem}. The run below is the last that could be read.")
            return
        self.error.value = ""
        self.right: list[Step] = machine.simulate(letters, STEPS)
        self._draw()

    def _draw(self) -> None:
        block = self.run.block(self.step.value)
        row = block[self.row.value - 1]
        told = status(*self._told(block, row))
        self.picture.value = self._tape() + self._comb(block, row) + told + self._rules(row)

    def _tape(self) -> Markup:
        """The tape before this step; where the simulator's differs, its symbol stands below, with ✗."""
        j, blank = self.step.value, self.run.machine.blank
        tape, true = self.run.tape(j), written(self.run.word, self.right[:j])
        head, state = self.run.steps[j].head, self.run.steps[j].state or "a mixture"
        count = (WIDTH - LEFT) // CELL
        marks, wrong = [], 0
        for at in range(count):
            cell, x = head - count // 2 + at, LEFT + at * CELL
            here, symbol, should = cell == head, tape.get(cell, blank), true.get(cell, blank)
            edge = {"stroke": BLUE, "stroke_width": 3} if here else {"stroke": GREY}
            marks += [
                rect(x, 26, CELL, CELL, **edge),
                text(x + CELL / 2, 49, _short(symbol, 3), 16, font_weight="bold" if here else None),
                text(x + CELL / 2, 73, str(cell), 9),
            ]
            if symbol != should:
                wrong += 1
                marks.append(text(x + CELL / 2, 90, f"✗ {_short(should, 2)}", 13, fill=RED))
        x = LEFT + (count // 2 + 0.5) * CELL
        marks += [
            text(x, 21, "▼", 16, fill=BLUE),
            text(x + 12, 18, _short(state, 24), 13, "start", font_weight="bold"),
            text(4, 49, "tape", 12, "start"),
            text(4, 73, "cell", 10, "start"),
            text(4, 90, "should be" if wrong else "", 11, "start", fill=RED),
        ]
        where = f"head in cell {head}, state {state}; {wrong} cells differ from the simulator's"
        return picture(f"Tape before machine step {j}: {where}", WIDTH, 98, marks)

    def _comb(self, block: tuple[Row, ...], row: Row) -> Markup:
        """Above, the compute rows of past steps; below, this block: row k looks up to step k-1, back to row k-1."""
        gap = (WIDTH - LEFT - 30) / max(row.step, 12)
        size = min(gap / 2 - 1, 11)
        x = lambda k: LEFT + 16 + (k - 1) * gap
        marks = [text(4, 38, "past steps", 12, "start"), text(4, 128, "this block", 12, "start")]
        for m, step in enumerate(self.run.steps[: row.step]):
            tip = f"step {m}: cell {step.head}, wrote {_short(step.wrote, 9)}"
            marks += [
                rect(x(m + 1) - size, PAST - size, 2 * size, 2 * size, stroke="currentColor", tip=tip),
                text(x(m + 1), 38, str(m), 10),
                text(x(m + 1), 14, f"{step.head}: {_short(step.wrote, 2)}" if gap > 26 else "", 10),
            ]
        for k, each in enumerate(block, start=1):
            if k > self.row.value:
                marks.append(circle(x(k), NOW, size, stroke=GREY, stroke_dasharray="2 2"))
                continue
            now, good = each is row, self._good(each)
            for kind, edge in zip(("past", "own")[-len(each.edges) :], each.edges):
                look = {"stroke": ORANGE, "stroke_width": 3 if edge in each.attends else 1.5} if now else FAINT
                if edge != each.index:
                    past = x(block_of(edge) + 1)
                    way = ("M", past, PAST + size, "Q", past, 100, x(k), NOW - size)
                    marks.append(path(*way, stroke_dasharray="6 4" if kind == "past" else None, **look))
                elif k > 1:
                    marks.append(line(x(k - 1) + size, NOW, x(k) - size, NOW, **look))
            sign = "δ" if each.computes else {True: "✓", False: "✗", None: "·"}[good]
            marks += [
                circle(x(k), NOW, size, stroke=ORANGE if now else "currentColor", stroke_width=3 if now else 1),
                text(x(k), 128, sign, 11, font_weight="bold", fill=RED if good is False else "currentColor"),
            ]
        here = text(x(self.row.value), 152, f"▲ row {row.index}", 11, font_weight="bold")
        alt = (
            f"Decoder row {row.index}, number {self.row.value} of {len(block)} in the block of machine step "
            f"{row.step}; it sees the rows {row.edges} and keeps {row.attends}"
        )
        return picture(alt, WIDTH, 178, marks, here, text(LEFT, 172, LEGEND, 11, "start"))

    def _good(self, row: Row) -> bool | None:
        """Whether the row keeps the last visit among the steps that it has seen; None where there is none."""
        seen = {row.step - 1, *range(row.index - rows_for(row.step))}
        visits = [m for m in seen if 0 <= m < row.step and self.run.steps[m].head == row.head]
        return row.kept == max(visits) if visits and not row.computes else None

    def _told(self, block: tuple[Row, ...], row: Row) -> list[Inside]:
        """What the row asks or does, a line each; last, how often the run is wrong."""
        j, steps, right = row.step, self.run.steps, self.right
        where = f"Machine step {j} of 0 to {STEPS - 1} · decoder row {row.index} of {len(self.run.rows)}"
        lines: list[Inside] = [(bold(where), f" ({self.row.value} of {len(block)} in this block)")]
        if row.computes:
            read = "a mixture of symbols" if row.symbol is None else bold(row.symbol)
            lines.append(("This row applies δ: in state ", bold(row.state or "a mixture"), " it reads ", read, "."))
            if (row.symbol, row.state) != (right[j].symbol, right[j].state):
                lines.append((WRONG, f" The simulator is in state {right[j].state} and reads {right[j].symbol}."))
        else:
            lines.append(("What was last written to cell ", bold(str(row.head)), ", where the head stands?"))
            names = ("past compute row", "best so far") if len(row.edges) > 1 else ("the only one",)
            for name, offer, score in zip(names, row.offers, row.scores):
                written = "" if offer is None else f", cell {steps[offer].head}, wrote {_short(steps[offer].wrote, 9)}"
                what = "a mixture" if offer is None else f"step {offer}{written}"
                said = f"{name}: {what} · score {abs(float(score)):.3e}"
                lines.append(("✓ ", bold(said), " smaller, kept") if offer == row.kept else f"\u2003{said}")
        visit, (wrong, total) = last_visit(steps, j), look_ups(self.run)
        last = (
            "the head was never here before: the input, or a blank"
            if visit is None
            else f"the last visit was step {visit}"
        )
        differ = next((m for m in range(STEPS) if steps[m] != right[m]), None)
        leaves = (WRONG, f" the run leaves the simulator's at step {differ}")
        agrees = "✓ the run is the simulator's" if differ is None else leaves
        return [*lines, element("small", f"{last} · {wrong} of {total} look-ups wrong in {STEPS} steps · ", agrees)]

    def _rules(self, row: Row) -> Markup:
        """The machine's table, the row that fires marked; it fires in the compute row."""
        rules, fires, lines = self.run.machine.rules, (row.state, row.symbol) if row.computes else None, []
        for pair, (target, write, move) in rules.items():
            words = f"{pair[0]} {pair[1]}  ⇒  {target} {write} {'•→←'[MOVES[move]]}"
            lines.append(f"  {words}" if pair != fires else bold(f"▶ {words}"))
        if fires and fires not in rules:
            lines.append(bold("▶ no rule: the machine has stopped"))
        style = f"columns:3;font:12px monospace;white-space:pre;max-width:{WIDTH}px;margin-top:.4em"
        return element("div", [element("div", line) for line in lines], style=style)


def _short(symbol: str | None, letters: int) -> str:
    """A symbol in at most so many letters."""
    symbol = "?" if symbol is None else symbol
    return symbol if len(symbol) <= letters else symbol[: letters - 1] + "…"
