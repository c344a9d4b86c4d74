"""The sparse construction layer by layer: ids as bars, the chain as a path, who is seen, the largest id spreading."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.draw.svg import Inside, circle, joined, line, path, picture, rect, text
from seqlab.sparse.mapping import SparseMapping
from seqlab.widgets.view import status
from seqlab.written.stepper import Stepper

WIDTH, TOP, BASE, NODE, FOOT = 780, 48, 220, 272, 380


class ChainView(Stepper):
    """The stepper for one sequence in a `SparseMapping`, its tokens side by side in the order of the chain."""

    def __init__(self, mapping: SparseMapping, sequence: Sequence, step: int = 1):
        self.mapping, self.seen, self.slot = mapping, mapping.seen, WIDTH / mapping.length
        super().__init__(mapping.program(), [sequence], step)

    @cached_property
    def ids(self) -> list[np.ndarray]:
        """The ids by token: before the first layer, and after each layer that was run."""
        read = [(self.program.names.index(name), weight) for name, weight in self.mapping.u.weights.items()]
        return [sum(weight * state[0][:, at] for at, weight in read) for state in self.run.states]

    def _draw(self) -> None:
        at, ids, order = self.step.value, self.ids, self.mapping.order
        layers = [[weights[0] != 0 for weights in layer] for layer in self.run.weights]  # head: "query key"
        heads, now, before = layers[at - 1] if at else [], ids[at], ids[max(at - 1, 0)]
        moved, spreading = now != before, len(heads) == 1
        knows = np.arange(len(now)) == order[-1]  # the whole sequence: the last token of the chain, then its hearers
        for (head,) in (layer for layer in layers[:at] if len(layer) == 1):
            knows = head @ knows
        done = knows if spreading else (now != ids[0]) | (np.arange(len(now)) == order[0])
        used = heads[0] & moved[:, None] if heads else np.zeros((len(now), len(now)), dtype=bool)
        told = f"Layer {at} of {self.step.max}. {self._told(heads, now, before, knows)}"
        top = max(int(state.max()) for state, layer in zip(ids, [[], *layers]) if spreading or len(layer) != 1)
        bars = [self._bar(token, now, before, top, done) for token in order]
        self.picture.value = joined(
            [status(told), picture(told, WIDTH, FOOT, bars, self._path(moved, done, spreading), self._seen(used))]
        )

    def _told(self, heads: list, now: np.ndarray, before: np.ndarray, knows: np.ndarray) -> str:
        """What this layer does, in words."""
        m, turn = self.mapping, f"Set {self.turn + 1} has its turn. " if self.mapping.pattern.p > 1 else ""
        first, last = m.order[0], m.order[-1]
        if not self.step.value:
            return f"Before the first layer token {first}, where the chain begins, has the largest id."
        if len(heads) == 1:
            return (
                f"{turn}Every token adds c = {m.spread:,} times the largest id in sight. What token {last} knew, "
                f"the whole sequence, has reached {knows.sum()} of {len(now)} tokens."
            )
        if not (now != before).any():
            return f"{turn}The connection that is needed stands in another set, so that nothing moves."
        (k,) = np.flatnonzero(now != before)
        high, low = (int(head[k].argmax()) for head in heads)
        whose = "itself" if low == k else f"token {low}"
        return (
            f"{turn}Token {k} sees tokens {', '.join(map(str, self.seen[self.turn][k]))}. The largest id in sight is "
            f"{before[high]:,} (token {high}), the smallest {before[low]:,} ({whose}): token {k} jumps by "
            f"{m.gain} · ({before[high]:,} − {before[low]:,}) to {now[k]:,}."
        )

    @property
    def turn(self) -> int:
        """The set that this layer uses."""
        return (self.step.value - 1) % self.mapping.pattern.p if self.step.value else 0

    def _x(self, token: int) -> float:
        return self.slot * (self.mapping.order.index(token) + 0.5)

    def _bar(self, token: int, now: np.ndarray, before: np.ndarray, top: int, done: np.ndarray) -> list[Inside]:
        """An id on a logarithmic scale; the dashed line is where it was."""
        high = lambda value: (BASE - TOP) * math.log2(1 + max(float(value), 0)) / math.log2(2 + top)
        x, value, was, moved = self._x(token), now[token], before[token], now[token] != before[token]
        wide, colour = min(self.slot * 0.5, 60), ORANGE if moved else BLUE if done[token] else GREY
        words = f"{value:,}" if value < 10**9 else f"{float(value):.3g}"
        look = dict(fill=colour, opacity=1 if moved or done[token] else 0.45, tip=f"token {token}: id {value:,}")
        old = line(x - wide / 2 - 6, BASE - high(was), x + wide / 2 + 6, BASE - high(was), stroke_dasharray="4 3")
        return [
            rect(x - wide / 2, BASE - high(value), wide, high(value) + 1, **look),
            old if moved else "",
            text(x, BASE - high(value) - 7, words, font_weight="bold" if moved else None),
        ]

    def _path(self, moved: np.ndarray, done: np.ndarray, spreading: bool) -> list[Inside]:
        """The chain as a row of tokens with arrows, and in which set each connection stands."""
        order, parts = self.mapping.order, []
        for before, token in zip(order, order[1:]):
            a, b, now = self._x(before) + 15, self._x(token) - 17, moved[token] and not spreading
            look = dict(stroke=ORANGE if now else "currentColor", stroke_width=3 if now else 1.2)
            sets = [f"{k + 1}" for k, keys in enumerate(self.seen) if before in keys[token]]
            said = f"set {', '.join(sets)}" if sets else "not seen"
            parts += [
                path("M", a, NODE, "H", b, "m-6-5 6 5-6 5", **look, stroke_dasharray=None if sets else "3 4"),
                text((a + b) / 2, NODE - 8, said if len(self.seen) > 1 or not sets else "", 11),
            ]
        for token in order:
            fill = ORANGE if done[token] and spreading else BLUE if done[token] else "white"
            ink = "white" if fill == BLUE else "black"
            parts += [
                circle(self._x(token), NODE, 14, fill=fill, stroke=GREY, stroke_width=1.5),
                text(self._x(token), NODE + 4, f"{token}", fill=ink),
            ]
        return [*parts, text(4, BASE + 18, "id in units of δ, logarithmic", 11, "start", opacity=0.7)]

    def _seen(self, used: np.ndarray) -> list[Inside]:
        """Who is seen in this layer, as arcs from key to query; those that the heads choose are blue."""
        arcs = []
        for query, keys in enumerate(self.seen[self.turn]):
            for key in (key for key in keys if key != query):
                a, b = self._x(key), self._x(query)
                look = dict(stroke=BLUE, stroke_width=2.5) if used[query, key] else dict(stroke=GREY, opacity=0.5)
                deep = NODE + 24 + (FOOT - NODE - 30) * 1.6 * abs(a - b) / WIDTH
                tip = f"token {query} sees token {key}"
                arcs += [
                    path("M", a, NODE + 15, "Q", (a + b) / 2, deep + 20, b, NODE + 17, **look, tip=tip),
                    path("M", b, NODE + 17, "m-4 7 4-7 4 7", **look) if used[query, key] else "",
                ]
        return [
            *arcs,
            text(4, FOOT - 6, "below: who is seen in this layer; blue: the largest in sight", 11, "start", opacity=0.7),
        ]
