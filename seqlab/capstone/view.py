"""The panel: seven controls for a design, and theory, names, cost and quality below, side by side."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean
from typing import Any

import ipywidgets

from kernels.instruments.roofline import in_words
from seqlab.capstone.cost import cost
from seqlab.capstone.design import CHOICES, PAPERS, Design
from seqlab.capstone.names import names
from seqlab.capstone.quality import shipped
from seqlab.capstone.theory import hears, theory
from seqlab.colours import BLUE, RED
from seqlab.draw.svg import Markup, element, joined, table
from seqlab.widgets.view import Beside, View, side_by_side, status, wide


class DesignView(View):
    """A design by controls. `design` is the one that is shown; what makes no sense is refused above the picture.

    timed: measure on this machine what is shown, too
    """

    def __init__(self, design: Design = PAPERS["Yun 2019"], *, timed: bool = False):
        self.timed, self.design, chosen = timed, design, asdict(design)
        looks = {"normalizer": wide(15, 6), "pattern": wide(15, 5), "positions": wide(15, 6), "form": wide(15, 4)}
        make = lambda name: ipywidgets.Dropdown(
            options=CHOICES[name], value=chosen[name], description=name, **looks.get(name, wide(10, 4))
        )
        paper = ipywidgets.Dropdown(options=["…", *PAPERS], value="…", description="as in", **wide(15, 4))
        above = {name: make(name) for name in ("normalizer", "pattern", "positions", "form")}
        super().__init__(
            Beside(paper=paper, **above), Beside({name: make(name) for name in ("depth", "width", "heads")})
        )
        self.axes: dict[str, Any] = {name: getattr(self, name) for name in CHOICES}
        self.watch(self._draw, *self.axes.values())
        self.watch(self._recall, self.paper)
        self._draw()

    def _recall(self) -> None:
        """Set all controls as a paper has them."""
        if self.paper.value in PAPERS:
            with self.held():
                for name, value in asdict(PAPERS[self.paper.value]).items():
                    self.axes[name].value = value
        self._draw()

    def _draw(self) -> None:
        self.error.value = ""
        try:
            self.design = Design(**{name: control.value for name, control in self.axes.items()})
        except ValueError as why:
            self.refuse(f"{why}. What is shown is the last design that makes sense.")
        d = self.design
        self.picture.value = joined([status(element("code", str(d))), theory_table(d), numbers_table(d, self.timed)])


def theory_table(design: Design) -> Markup:
    """A row for each paper: covered or not, what is broken and its witness, what its text takes."""
    rows = {}
    for paper, said in theory(design).items():
        sign, colour = ("✓ covered", BLUE) if said.verdict else ("✗ not covered", RED)
        broken = "; ".join(h.text for h in said.verdict.statement.hypotheses if not h.holds)
        why = said.verdict.statement.text if said.verdict else f"Broken: {broken}. Witness: {said.verdict.witness}."
        counts = [f"{what} {formula:,} ({here:,} here)" for what, (formula, _, here) in said.counters.items()]
        rows[paper] = [element("b", sign, style=f"color:{colour};white-space:nowrap"), why, ", ".join(counts)]
    heard = hears(design.pattern)
    reach = f"Depth at which each of 64 blocks has heard all: {heard or 'none'}; this design has {design.depth}."
    caption = f"Theory: which statement covers the design. {reach}"
    return table(["paper", "statement", "why, or what it says", "its text takes"], rows, caption, "left")


def numbers_table(design: Design, timed: bool = False) -> Markup:
    """A row for each precision and each cost; quality at the end, where the design was trained before."""
    found, c, known = names(design), cost(design, timed=timed), shipped().get(design)
    exact, (laptop, gpu) = found["float64"], c.lights
    kept = lambda said: "✓ all differ" if said.verdict else "✗ two are the same"
    short = {name: [f"{kept(said)}, headroom {said.headroom:.1f} bits"] for name, said in found.items()}
    short["closest names"] = [str(exact.verdict.witness or f"{exact.separation:.3g} apart")]
    whole = {
        "FLOP a token": f"{c.flop:,.0f}, {c.keys:.1f} of {c.n} keys",
        "weights": f"{c.parameters:,}",
        "bytes, no cache": f"{c.work.moved:,}",
        f"at least, {laptop.device.name}": f"{in_words(laptop.seconds)}, {laptop.binds}",
        "at least, H100": f"{in_words(gpu.seconds)}, {gpu.binds}",
        "measured here": in_words(c.here) if c.here else "not measured",
        "kernel": c.kernel.split(", memory")[0],
        "right on the genome": f"{fmean(known):.3f}, mean of three seeds" if known else "not trained yet",
    }
    cells = {name: [said] for name, said in whole.items()}
    left = element("div", table([], short, "Names of all short sequences", "left"), style="max-width:32em")
    return side_by_side(left, table([], cells, f"Cost of a sequence of {c.n} tokens, and quality", "left"))
