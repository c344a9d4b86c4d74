"""The exercises of lab 07 on what the proof builds: loop bodies, the clock."""

import torch

from seqlab.course.cases import double, normal
from seqlab.course.check import Exercise, Mutant


def quantiser_loop(x, count, delta):
    """One loop: where x ≥ δ, one more cell is counted and δ is taken off x.
    x, count: (n,) -> (2, n), the new x and the new count
    """
    step = (x >= delta).to(x.dtype)
    return torch.stack([x - delta * step, count + step])


def max_loop(keys, acc, columns):
    """One loop: fetch the largest key, append it to acc as a digit in base `columns`, mark it as used.
    -> [keys, acc]

    A key that was fetched becomes -1: it is below all token ids 0 … columns - 1 from now on.
    """
    found = max(keys)
    return [[-1 if key == found else key for key in keys], columns * acc + found]


def clock_memoriser(labels, k):
    """y_k by K - 1 loops: loop t adds η(t) · 1{k ≥ t}, η(t) = y_t - y_{t-1}, the indicator made of two ReLUs.

    labels: y_0, …, y_{K-1}, shape (K,)    k: shape (n,)    -> (n,)

    Whole k is what counts: between two of them the ReLUs draw a straight line, and beyond the ends nothing moves.
    """
    y = labels[0].expand(len(k)).clone()
    for t in range(1, len(labels)):
        eta = labels[t] - labels[t - 1]
        y = y + eta * (torch.relu(k - t + 1) - torch.relu(k - t))
    return y


def _takes_off(result, x, count, delta):
    for at, (before, after) in enumerate(zip(x, result[0])):
        want = before - delta if before >= delta else before
        if abs(after - want) > 1e-9:
            return f"x[{at}] = {before:g} with δ = {delta:g} becomes {want:g}, yours is {after:g}."


def _counts(result, x, count, delta):
    for at, (value, before, after) in enumerate(zip(x, count, result[1])):
        want = before + (value >= delta)
        if abs(after - want) > 1e-9:
            return (
                f"x[{at}] = {value:g} with δ = {delta:g}: the count goes from {before:g} to {want:g}, "
                f"yours is {after:g}."
            )


QUANTISER = Exercise(
    id="looped.quantiser",
    title="The loop that counts cells.",
    reference=quantiser_loop,
    cases=lambda: [
        (double(0.25), double(0), 0.5),
        (double(0.75), double(0), 0.25),
        (double(0.5, 0.1), double(2, 0), 0.5),
        (double(0.9, 0.3, 0.0, 0.25), double(0, 1, 0, 3), 0.25),
        (double(3000.2, 0.1 - 1e-7, 0.1, 7), double(4000, 2, 1, 0), 0.1),
    ],
    tolerance=1e-10,
    properties=(("takes δ off where x reaches it", _takes_off), ("counts the cells", _counts)),
    hints=(
        "Every loop is the same: it only asks whether a whole cell is still left in x.",
        "step = 1 where x ≥ δ, else 0. The new x loses δ · step, the count gains step.",
        "step = (x >= delta).to(x.dtype); return torch.stack([x - delta * step, count + step]).",
    ),
    mutants=(
        Mutant(
            {">=": ">"},
            "takes δ off where x reaches it",
            "With > a token exactly on the edge of a cell stays in the cell below. Cells contain their lower edge.",
        ),
        Mutant(
            {"x - delta * step": "x - delta"},
            "takes δ off where x reaches it",
            "δ is taken off everywhere. Where x is smaller than δ, nothing may happen any more.",
        ),
        Mutant(
            {"count + step": "(x / delta).floor()"},
            "counts the cells",
            "That is the whole floor at once. A loop may only add one to what was counted before.",
        ),
        Mutant(
            {"count + step": "count + delta * step"},
            "counts the cells",
            "The count is a number of cells, so each cell adds 1, not δ.",
        ),
    ),
)


def _marks(result, keys, acc, columns):
    found = max(keys)
    for at, (before, after) in enumerate(zip(keys, result[0])):
        want = -1 if before == found else before
        if after != want:
            return f"the largest key is {found}; key {at} goes from {before} to {want}, yours is {after}."


def _appends(result, keys, acc, columns):
    found = max(keys)
    if result[1] != columns * acc + found:
        return (
            f"acc is {acc}, the largest key {found}, the base {columns}: "
            f"{columns} · {acc} + {found} = {columns * acc + found}, yours is {result[1]}."
        )


SEQUENCE_ID = Exercise(
    id="looped.sequence_id",
    title="The loop that names the sequence.",
    reference=max_loop,
    cases=lambda: [
        ([1, 0], 0, 2),
        ([0, 2, 1], 0, 3),
        ([0, -1, 1], 2, 3),
        ([3, -1, -1, 0], 22, 5),
        ([-1, 0], 1, 2),
        ([12, 4000, 7], 5000, 6000),
    ],
    properties=(("marks the key that was fetched, and no other", _marks), ("appends the key as a digit", _appends)),
    hints=(
        "Everyone hears the same number, the largest key. Who it belongs to must not be heard again.",
        "To append a digit in base b: b · acc + digit. The digit is max(keys).",
        "found = max(keys); return [[-1 if key == found else key for key in keys], columns * acc + found].",
    ),
    mutants=(
        Mutant(
            {"-1 if key == found else key": "key"},
            "marks the key that was fetched, and no other",
            "Nothing is marked, so every loop fetches the same key again.",
        ),
        Mutant(
            {"columns * acc": "acc"},
            "appends the key as a digit",
            "A sum does not tell 3 + 0 from 2 + 1. Move acc one digit to the left first.",
        ),
        Mutant(
            {"max": "min"},
            "marks the key that was fetched, and no other",
            "The smallest key comes first here. Used keys are -1, so they would be fetched for ever.",
        ),
        Mutant(
            {"columns * acc + found": "acc + columns * found"},
            "appends the key as a digit",
            "The base multiplies acc, not the new digit.",
        ),
    ),
)


def _starts(result, labels, k):
    for got in result[k <= 0]:
        if abs(got - labels[0]) > 1e-9:
            return f"k ≤ 0 is reached before the first loop: y_0 = {labels[0]:g}, yours is {got:g}."


def _recalls(result, labels, k):
    for at, got in zip(k.tolist(), result):
        label = labels[min(max(int(at), 0), len(labels) - 1)]
        if at == int(at) and abs(got - label) > 1e-9:
            return f"k = {at:g}: the label is {label:.4g}, yours is {got:.4g}."


def _straight(result, labels, k):
    for at, got in zip(k.tolist(), result):
        if 0 < at < len(labels) - 1 and at != int(at):
            before, after = labels[int(at)], labels[int(at) + 1]
            want = before + (at - int(at)) * (after - before)
            if abs(got - want) > 1e-9:
                return (
                    f"between k = {int(at)} and {int(at) + 1} two ReLUs rise straight from {before:g} to {after:g}: "
                    f"{want:g} at {at:g}, yours is {got:g}."
                )


CLOCK = Exercise(
    id="looped.clock",
    title="The memoriser with a clock.",
    reference=clock_memoriser,
    cases=lambda: [
        (double(1, 3), double(0, 1)),
        (double(0, 1, -1), double(0, 1, 2)),
        (double(2, 2, 5, 4), double(0, 1, 2, 3)),
        (normal(9).double(), double(8, 7, 6, 5, 4, 3, 2, 1, 0)),
        (double(0.3, -1, 5000.7, 2), double(9, 3, -2, 2, 0, 1)),
        (double(1, 5, 3), double(0.5, 1.25, 0, 2)),
    ],
    properties=(
        ("starts at the first label", _starts),
        ("recalls every label exactly", _recalls),
        ("is made of ReLUs, straight in between", _straight),
    ),
    hints=(
        "Walk along the table. Loop t makes the step from y_{t-1} to y_t, but only for those who want to go that far.",
        "For whole numbers 1{k ≥ t} = ReLU(k - t + 1) - ReLU(k - t). The step of loop t is η(t) = y_t - y_{t-1}.",
        "Start with y = labels[0] for everyone; for t = 1 … K-1 add "
        "(labels[t] - labels[t-1]) * (relu(k - t + 1) - relu(k - t)).",
    ),
    mutants=(
        Mutant(
            {" - torch.relu(k - t)": ""},
            "recalls every label exactly",
            "One ReLU keeps growing: whoever wants to go far gets a step several times. Take ReLU(k - t) off.",
        ),
        Mutant(
            {"labels[t] - labels[t - 1]": "labels[1] - labels[0]"},
            "recalls every label exactly",
            "Every loop makes the same step. That is the block without a clock.",
        ),
        Mutant(
            {"k - t + 1": "k - t + 2", "torch.relu(k - t))": "torch.relu(k - t + 1))"},
            "starts at the first label",
            "That is 1{k ≥ t - 1}: everyone goes one step too far.",
        ),
        Mutant(
            {" - labels[t - 1]": ""},
            "recalls every label exactly",
            "The labels themselves are added up. A loop adds only the difference to the label before.",
        ),
        Mutant(
            {"labels[0].expand": "(0 * labels[0]).expand"},
            "starts at the first label",
            "The walk starts at 0 instead of y_0.",
        ),
        Mutant(
            {"(torch.relu(k - t + 1) - torch.relu(k - t))": "(k >= t)"},
            "is made of ReLUs, straight in between",
            "The labels are right, but a layer has no ≥ and no index: 1{k ≥ t} is a difference of two ReLUs.",
        ),
    ),
)
