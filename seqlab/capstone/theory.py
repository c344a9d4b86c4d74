"""Theory: which statements of the six papers cover a design, with a witness where one does not.

Nothing is proved or counted anew: each paper's construction is that of its lab, with the design's normalizer, pattern
and number of heads put in, and the verdict is the lab's own. What a construction cannot be given, such as a loop in
place of a stack, is a hypothesis more.

| paper           | construction, at the size of its lab                 | hypotheses that the design adds      |
| --------------- | ---------------------------------------------------- | ------------------------------------ |
| Yun 2019        | `universal.contextual_mapping`, δ = 1/4, n = 3       | all see all; stack; E added, or none |
| Yun 2020        | `sparse.contextual_mapping` on the pattern, n = 4    | stack; E added                       |
| Zaheer 2020     | `big_bird.star` on the pattern, a relay and n = 3    | stack; E added                       |
| Kajitsuka 2023  | `one_layer.check_one_layer`, four of six numbers     | all see all; stack; E added, or none |
| Ramapuram 2024  | `sigmoid.universal`, δ = 1/8, n = 3                  | all see all; stack; E added, or none |
| Xu 2024         | `looped.switches`, δ = 1/3, n = 2                    | all see all; loop; E added, or none  |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from seqlab import looped, one_layer, sparse, universal
from seqlab.big_bird import star
from seqlab.capstone.design import NORMALIZERS, PATTERNS, Design
from seqlab.contextual import contextual_mapping
from seqlab.names.separation import separation, subsets
from seqlab.patterns.connectivity import reachability
from seqlab.sigmoid import universal as steep
from seqlab.theorem import Hypothesis, Verdict, Witness, judge
from seqlab.universal.mapping import ContextualMapping, speak
from seqlab.written import Sweep

Counters = Mapping[str, tuple[object, object, object]]  # what → by formula, counted on the built text, this design


@dataclass(frozen=True)
class Coverage:
    """What one paper says of a design. `verdict` lists every hypothesis; `counters` stand beside, and judge nothing."""

    verdict: Verdict
    counters: Counters


def covered(design: Design, room: Verdict, counters: Counters, supposed: str) -> Coverage:
    """The verdict of the lab under what else the paper supposes: names of `SUPPOSED`."""
    more = {name: (text, why(design)) for name in supposed.split() for text, why in [SUPPOSED[name]]}
    added = tuple(Hypothesis(name, text, why is None) for name, (text, why) in more.items())
    statement = replace(room.statement, hypotheses=(*room.statement.hypotheses, *added))
    broken = [h.text for h in statement.hypotheses if not h.holds]
    whys = [why for _, why in more.values() if why] + [f"the statement supposes that {text}" for text in broken]
    witness, known = (
        room.witness or Witness("".join(whys[:1])),
        dict(checked=room.checked, unit=room.unit, notes=room.notes),
    )
    return Coverage(judge(room.margin, statement, holds=room.holds and not broken, witness=witness, **known), counters)


@cache
def unseen(pattern: str) -> str | None:
    """A pair of tokens that a pattern keeps apart."""
    instance = PATTERNS[pattern](16).at(16)
    pairs = [(query, key) for query in range(16) for key in range(16) if key not in instance.keys(query)]
    return "of 16 tokens, query {} does not see key {}".format(*pairs[0]) if pairs else None


@cache
def swapped(normalizer: str) -> str | None:
    """Another normalizer in the heads of the selective shift, which several proofs share: what the tester says."""
    mapping = universal.contextual_mapping(4, 1, 3, positions=True)
    program, told = replace(mapping.program(), normalizer=NORMALIZERS[normalizer](1).limit), mapping.sequences()
    found = contextual_mapping(program.run(told)[..., 0].tolist(), speak(told), "identity")
    return f"with {program.normalizer} in the heads of the selective shift, {found.witness}" if not found else None


def shift(**switch: Any) -> str:
    """The witness of lab 02 with one of its switches turned; an `equivalence` is what is asked for."""
    asked = switch.pop("equivalence", None)
    return str(universal.contextual_mapping(4, 1, 3, **switch).check(asked).witness)


NOT_ADDED = "the proof adds numbers to the tokens; {} changes scores and leaves tokens as they are"
SAME = "the sweep has thresholds 1/2 and 3/2 in one layer, 3/2 and 5/2 in the next; a loop has one layer"
SUMS = "sigmoid weights of one row need not sum to 1, and the proof is about a mean"
SUPPOSED: dict[str, tuple[str, Callable[[Design], str | None]]] = {  # what is supposed, and why a design is not so
    "softmax": ("scores become weights by softmax, or by hardmax, its limit", lambda d: swapped(d.normalizer)),
    "mean": ("weights sum to 1", lambda d: SUMS if d.normalizer == "sigmoid" else None),
    "heads": ("there are two heads or more", lambda d: shift(mixing="one head") if d.heads == 1 else None),
    "all": ("every token sees every token", lambda d: unseen(d.pattern)),
    "stack": ("every layer has weights of its own", lambda d: SAME if d.form != "stack" else None),
    "tied": (
        "one layer is applied again and again",
        lambda d: f"{d.layers} layers, once each" if d.form == "stack" else None,
    ),
    "free": (
        "positions are added to the tokens, or there are none",
        lambda d: NOT_ADDED.format(d.positions) if d.positions in ("rope", "alibi") else None,
    ),
    "added": (
        "positions are added to the tokens",
        lambda d: shift(equivalence="identity") if d.positions == "none" else SUPPOSED["free"][1](d),
    ),
}


@cache
def built(make: Callable[..., ContextualMapping], *arguments: Any, **options: Any) -> tuple[Verdict, int, int, int]:
    """(the lab's verdict, attention layers by formula, those of the text, heads of its widest layer)."""
    made = make(*arguments, **options)
    program = made.program()
    layers = [layer for part in program.layers for layer in (part.some(2) if isinstance(part, Sweep) else [part])]
    return made.check(), made.formula, program.count().layers, max(len(layer.heads) for layer in layers)


def of_mapping(d: Design, said: tuple[Verdict, int, int, int], heads: int, supposed: str) -> Coverage:
    """A paper whose construction is a contextual mapping of attention layers."""
    room, formula, layers, widest = said
    counters = {"attention layers": (formula, layers, d.depth), "heads a layer": (heads, widest, d.heads)}
    return covered(d, room, counters, supposed)


@cache
def one_head(normalizer: str) -> Verdict:
    """The whole of lab 05 for softmax and hardmax; an average is its softmax at a scale of 0."""
    room = one_layer.check_one_layer(hardmax=normalizer == "hardmax")
    flat = separation(subsets(range(1, 7), 4), 0.0)
    return room if normalizer != "average" else replace(flat, statement=room.statement.under(softmax=False))


@cache
def one_block(clock: bool) -> tuple[Verdict, int, tuple[int, int]]:
    """(the verdict of lab 07, the loops that its block takes, its coordinates and hidden units)."""
    made = looped.packed(looped.times_mean if clock else looped.below_largest, 3, clock=clock)
    return looped.check_packed(made), made.program.loops, looped.sizes(made.program)


def xu_2024(d: Design) -> Coverage:
    """Counters are those of Theorem 3.6: loops, and the size of the block."""
    room, loops, (embedding, hidden) = one_block(d.form == "loop with clock")
    counters = {
        "loops": (looped.loops_for(3), loops, d.depth),
        "embedding": (looped.THEOREM_3_6.embedding(1), embedding, d.width),
        "hidden units": (looped.THEOREM_3_6.width(1), hidden, 4 * d.width),
    }
    return covered(d, room, counters, "softmax heads all tied free")


on_pattern = lambda pattern: sparse.contextual_mapping(PATTERNS[pattern](4), 2, 1, 4)
on_star = lambda pattern: star.contextual_mapping(2, 1, 3, edges=PATTERNS[pattern](4))  # the first token is the relay
four_heads = lambda d: dict(removed=tuple(range(d.heads, 4)), normalizer=d.weigh(1).limit)  # step() for sigmoid
STATEMENTS: dict[str, Callable[[Design], Coverage]] = {
    "Yun 2019": lambda d: of_mapping(
        d,
        built(universal.contextual_mapping, 4, 1, 3, positions=d.positions == "learned"),
        2,
        "softmax heads all stack free",
    ),
    "Yun 2020": lambda d: of_mapping(d, built(on_pattern, d.pattern), 2, "softmax heads stack added"),
    "Zaheer 2020": lambda d: of_mapping(d, built(on_star, d.pattern), 2, "softmax heads stack added"),
    "Kajitsuka 2023": lambda d: covered(
        d,
        one_head(d.normalizer),
        {"attention layers": (1, 1, d.depth), "heads a layer": (1, 1, d.heads)},
        "mean all stack free",
    ),
    "Ramapuram 2024": lambda d: of_mapping(
        d, built(steep.contextual_mapping, 8, 1, 3, **four_heads(d)), 4, "all stack free"
    ),
    "Xu 2024": xu_2024,
}


def theory(design: Design) -> dict[str, Coverage]:
    """paper → what its statement says of the design."""
    return {paper: check(design) for paper, check in STATEMENTS.items()}


def covering(design: Design) -> list[str]:
    """The papers whose statement covers the design."""
    return [paper for paper, said in theory(design).items() if said.verdict]


@cache
def hears(pattern: str, blocks: int = 64) -> int | None:
    """After how many layers every one of so many blocks has heard every other; None for never."""
    return reachability(PATTERNS[pattern](blocks).at(blocks)).s
