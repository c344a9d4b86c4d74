"""The exercises of lab 07 on what the proof builds: three loop bodies, the third with a clock."""

import torch

from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant


def quantiser_loop(x, count, delta):
    """One loop, the same in every turn: after 1/δ - 1 of them count is ⌊x/δ⌋, and x what is left of it in its cell.

    x, count: (n,) -> (2, n), the new x and the new count, which may grow by 1 in a loop
    """
    step = (x >= delta).to(x.dtype)
    return torch.stack([x - delta * step, count + step])


def max_loop(keys, acc, columns):
    """One loop: attention tells everyone one number, the largest key. After N loops acc must name the set of keys.

    keys: token ids 0 … columns - 1, or -1 for a key that was fetched before -> [keys, acc], the new ones
    acc:  a number to the base `columns`; the key that is fetched becomes its last digit
    """
    found = max(keys)
    return [[-1 if key == found else key for key in keys], columns * acc + found]


def clock_loop(c, y, eta):
    """One loop, the same in every turn but for η: a token with steps left, c ≥ 1, takes the step η; others rest.

    c: (n,), whole numbers, how many steps are left; y: (n,); eta: a number -> (2, n), the new c and the new y
    Of c and y a layer can make sums and ReLUs, and nothing else. c goes down by 1 in every loop, below 0 too.
    """
    return torch.stack([c - 1, y + eta * (torch.relu(c) - torch.relu(c - 1))])


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
    mark="•",
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
    draw=lambda random: (
        double(*(random.randint(0, 9) / 8 for _ in range(5))),
        double(*random.choices(range(9), k=5)),
        random.choice((0.125, 0.25, 0.5)),
    ),
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
    mark="•",
    reference=max_loop,
    cases=lambda: [
        ([1, 0], 0, 2),
        ([0, 2, 1], 0, 3),
        ([0, -1, 1], 2, 3),
        ([3, -1, -1, 0], 22, 5),
        ([-1, 0], 1, 2),
        ([12, 4000, 7], 5000, 6000),
        ([997, 3], 10**30 + 7, 1000),
    ],
    properties=(("marks the key that was fetched, and no other", _marks), ("appends the key as a digit", _appends)),
    draw=lambda random: (
        [*random.sample(range(columns := random.randint(5, 5000)), random.randint(1, 4)), *random.randint(0, 3) * [-1]],
        random.randrange(1, columns**2),
        columns,
    ),
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


def _counts_down(result, c, y, eta):
    if not torch.allclose(result[0], c - 1):
        return "c goes down by 1 at every token, whether it moves or rests."


def _rests(result, c, y, eta):
    for left, before, after in zip(c, y, result[1]):
        if left <= 0 and abs(after - before) > 1e-6:
            return f"a token with c = {left:g} has no step left; y = {before:g} became {after:g}."


def _steps(result, c, y, eta):
    for left, before, after in zip(c, y, result[1]):
        if left >= 1 and abs(after - before - eta) > 1e-6:
            return (
                f"at c = {left:g} the step is η = {eta:g}, from {before:g} to {before + eta:g}; yours is at {after:g}."
            )


def _straight(result, c, y, eta):
    for left, before, after in zip(c, y, result[1]):
        if 0 < left < 1 and abs(after - before - left * eta) > 1e-6:
            return (
                f"between c = 0 and 1 two ReLUs rise straight: at c = {left:g} the step is {left * eta:g}, "
                f"yours is {after - before:g}."
            )


CLOCK = Exercise(
    id="looped.clock",
    title="The loop that a clock tells how far to go.",
    reference=clock_loop,
    mark="••",
    cases=lambda: [
        (double(1), double(0), 2.0),
        (double(0, 1), double(5, 5), 1.0),
        (double(3, -2), double(1, 1), -0.5),
        (double(0.5, 0.25, 1.5), double(0, 1, 2), 3.0),
        (double(4, 3, 2, 1, 0, -1, -7, 5000), normal(8).double(), 0.3),
    ],
    tolerance=1e-10,
    properties=(
        ("counts down", _counts_down),
        ("rests where no step is left", _rests),
        ("takes the whole step where one is left", _steps),
        ("is made of ReLUs, straight in between", _straight),
    ),
    draw=lambda random: (
        double(*(random.randint(-8, 24) / 4 for _ in range(6))),
        drawn(random, 6),
        random.uniform(-2, 2),
    ),
    hints=(
        "Draw what you need over c: 0 up to c = 0, then a rise, then 1 from c = 1 on. Which two ReLUs differ by that?",
        "One ReLU starts to rise at c = 0 and never stops. A second one, taken off, rises from c = 1 on.",
        "torch.stack([c - 1, y + eta * (torch.relu(c) - torch.relu(c - 1))]).",
    ),
    mutants=(
        Mutant(
            {" - torch.relu(c - 1)": ""},
            "takes the whole step where one is left",
            "One ReLU keeps growing: whoever wants to go far gets a step several times. Take a second ReLU off.",
        ),
        Mutant(
            {"[c - 1": "[c"},
            "counts down",
            "Nothing is counted down, so no token ever comes to rest. The weights cannot tell the loops apart, c can.",
        ),
        Mutant(
            {"[c - 1": "[torch.relu(c - 1)"},
            "counts down",
            "c may go on below 0: the two ReLUs are silent there, and a third one is not needed.",
        ),
        Mutant(
            {"torch.relu(c) - torch.relu(c - 1)": "torch.relu(c + 1) - torch.relu(c)"},
            "rests where no step is left",
            "That is 1 at c = 0 already: everyone goes one step too far.",
        ),
        Mutant(
            {"torch.relu(c) - torch.relu(c - 1)": "torch.relu(c - 1) - torch.relu(c - 2)"},
            "takes the whole step where one is left",
            "That is 1 only from c = 2 on: everyone stops one step too early.",
        ),
        Mutant(
            {"y + eta *": "eta *"},
            "rests where no step is left",
            "y is forgotten. The residual stream keeps it; a loop only adds.",
        ),
        Mutant(
            {"(torch.relu(c) - torch.relu(c - 1))": "(c >= 1)"},
            "is made of ReLUs, straight in between",
            "For whole c this is right, but a layer has no ≥: the jump is a difference of two ReLUs.",
        ),
    ),
)
