"""Is a program right? On all inputs, exactly and as layers; with the smallest input that shows why not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from seqlab.theorem import Statement, Verdict, Witness
from seqlab.written.forms import ZERO, Form, flat
from seqlab.written.parts import Sweep
from seqlab.written.program import Program, by_length

RIGHT = Statement(
    "right on all inputs", "by running it", "Exactly, and as float64 layers, every token gets its answer."
)
ROUNDING = 1e-6  # how far, of the size of the answer, layers in float64 may be off


def judge(
    program: Program,
    want: Any,
    inputs: Iterable,
    budget: Mapping[str, int] | None = None,
    *,
    reference: Program | None = None,
) -> Verdict:
    """Run a program on all inputs and compare it with what is wanted.

    want:      a function of a sequence, or a list beside `inputs`: per token a number, or as many as there are answers;
               one number is for all tokens. A `Program` is wanted and reference in one
    budget:    {"layers": 2, "heads": 1, …}, any fields of `Program.count`
    reference: a program whose way is compared, layer by layer, where both have a coordinate of the same name

    The witness of a wrong answer carries (sequence, token, got, wanted), the smallest there is. The margin is 1/2 less
    the largest error of the float64 layers; minus the largest error; or, over budget, what is left.
    """
    inputs = [each.tolist() if hasattr(each, "tolist") else each for each in inputs]
    if not inputs:
        raise ValueError("inputs: got none, wanted at least one sequence")
    size = program.count(max(map(len, inputs)))
    if unknown := (budget or {}).keys() - size._asdict():
        raise ValueError(f"budget: got {', '.join(unknown)}, wanted some of {', '.join(size._fields)}")
    options: dict[str, Any] = dict(statement=RIGHT, checked=len(inputs), notes=(str(size),))
    wanted, got = _wanted(want, inputs, len(program.answers)), list(program.run(inputs))
    budget = budget or {}
    over = {name: most - getattr(size, name) for name, most in budget.items() if getattr(size, name) > most}
    if worst := _worst(got, wanted, inputs, 0.0):
        reference = want if isinstance(want, Program) else reference
        text = worst[1] + _parting(program, reference, worst[2][0]) + _ties(program, worst[2][0])
        return Verdict(False, -worst[0], Witness(text, worst[2]), **options)
    if over:
        text = ", ".join(f"{name}: {getattr(size, name)}, the budget is {budget[name]}" for name in over)
        return Verdict(False, float(min(over.values())), Witness(text, (size,)), **options)
    module = program.module()
    with torch.no_grad():
        real = by_length(inputs, lambda rows: module(torch.tensor(np.asarray(rows).astype(float))).numpy())
    if worst := _worst(real, wanted, inputs, ROUNDING):
        seen = program.trace([worst[2][0]])
        text = f"as float64 layers, {worst[1]}; numbers reach {seen.largest:,}, scores are decided by {seen.gap}"
        return Verdict(False, -worst[0], Witness(text, worst[2]), **options)
    error = max(float(abs(a - b.astype(float)).max()) for a, b in zip(real, wanted))
    return Verdict(True, 0.5 - error, **options)


def needless(program: Program, want: Any, inputs: Iterable) -> list[str]:
    """The weights without which all answers are still right, each taken alone: a program that needs all gives []."""
    inputs = list(inputs)
    wanted, start = _wanted(want, inputs, len(program.answers)), {**dict.fromkeys(program.names, 0), **program.start}
    others = ((what, replace(program, layers=layers, start=start)) for what, layers in _cuts(program.layers))
    return [f"layer {what}" for what, other in others if not _worst(list(other.run(inputs)), wanted, inputs, 0.0)]


def _wanted(want: Any, inputs: list, answers: int) -> list[np.ndarray]:
    given = (
        want.run(inputs) if isinstance(want, Program) else [want(each) for each in inputs] if callable(want) else want
    )
    made = []
    for sequence, each in zip(inputs, cast(Any, given), strict=True):
        numbers = np.array(each.tolist() if hasattr(each, "tolist") else each, dtype=object)
        if numbers.size not in (1, len(sequence) * answers):
            raise ValueError(f"want: got {numbers.size} numbers for {sequence}, wanted {answers} for each token")
        made.append(np.broadcast_to(numbers.reshape(-1, answers if numbers.size > 1 else 1), (len(sequence), answers)))
    return made


def _worst(got: list, wanted: list, inputs: list, rounding: float) -> tuple[float, str, tuple] | None:
    """(largest error, sentence, objects) of the smallest input with a wrong answer."""
    sizes = [rounding * (1 + abs(each.astype(float))) if rounding else 0 for each in wanted]
    right = [abs(got[k] - wanted[k]) <= sizes[k] for k in range(len(inputs))]  # nan is not
    wrong = [k for k in range(len(inputs)) if not right[k].all()]
    if not wrong:
        return None
    k = min(wrong, key=lambda k: (len(inputs[k]), inputs[k]))
    token = int((~right[k].astype(bool)).any(axis=-1).argmax())
    a, b = (row[token].tolist() if len(row[token]) > 1 else row[token][0] for row in (got[k], wanted[k]))
    told = f"token {token} of {inputs[k]} is answered {_shown(a)}, wanted {_shown(b)}"
    text = f"{told} ({len(wrong):,} of {len(inputs):,} inputs are wrong)"
    return float(max(abs(got[k] - wanted[k]).max() for k in wrong)), text, (inputs[k], token, a, b)


def _shown(value: Any) -> str:
    """Fractions as they are written by hand."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _parting(program: Program, reference: Program | None, sequence: Any) -> str:
    """The first layer after which a coordinate is not what it is in the reference."""
    if reference is None:
        return ""
    ours, theirs = program.trace([sequence]), reference.trace([sequence])
    for k, (mine, other) in enumerate(zip(ours.states, theirs.states)):
        for name in (name for name in program.names if name in reference.names):
            a, b = mine[..., program.names.index(name)], other[..., reference.names.index(name)]
            if (a != b).any():
                where = f"; it leaves the reference's way at step {k} ({ours.labels[k]})"
                return f"{where}: {name} is {_shown(a[0].tolist())}, not {_shown(b[0].tolist())}"
    return ""


def _ties(program: Program, sequence: Any) -> str:
    found = program.trace([sequence]).ties
    shown = [f"query {query} and key {key} in step {step + 1}, head {head}" for step, head, _, query, key in found[:4]]
    return f"; scores tie at {', '.join(shown)}" if shown else ""


def _cuts(part: Any) -> Iterator[tuple[str, object]]:
    """(which weight, the part without it) for each weight of a form, or of what is made of forms."""
    if isinstance(part, Form):
        for name, weight in part.weights.items():
            yield name, _or_zero(part - Form({name: weight}))
        if part.constant:
            yield "1", _or_zero(part - part.constant)
    elif isinstance(part, tuple):
        for k, each in enumerate(part):
            yield from ((f"{k}: {what}", (*part[:k], cut, *part[k + 1 :])) for what, cut in _cuts(each))
    elif isinstance(part, Sweep):
        for what, _ in _cuts(tuple(part.at(0))):
            yield what, replace(part, layer=lambda level, what=what: dict(_cuts((*flat(part.layer(level)),)))[what])
    else:
        for name in ("heads", "units", "query", "key", "value", "read", "write"):
            yield from (
                (f"{name} {what}", replace(part, **{name: cut})) for what, cut in _cuts(getattr(part, name, ()))
            )


def _or_zero(left: Form) -> Form:
    return left if left.weights or left.constant else ZERO
