"""Exercises of lab 11: one block again and again, and half a block with a clock."""

import torch

from seqlab.course.cases import drawn, normal
from seqlab.course.check import Exercise, Mutant


def looped(x, block, loops):
    """x, then what one block makes of it again and again.
    x: (..., token, dim), block: a function of it, of the same shape -> (loops + 1, ..., token, dim)

    Entry 0 is x itself, entry t the stream after t applications of the same block.
    """
    states = [x]
    for _ in range(loops):
        states.append(block(states[-1]))
    return torch.stack(states)


def modulated(x, part, gate, scale, eps):
    """Half a block with a clock: the part reads the stream normalized and scaled, and what it adds is gated.

    x: (token, dim); gate, scale: (dim), what the clock says of this loop
    part: attention or feed-forward, (token, dim) -> (token, dim)
    gate 0: x comes out as it went in. scale 0: the part reads each token with a mean square of 1; scale -1: with 0.
    eps is added to the mean square, for tokens near 0; no mean is taken off. x itself stays in the stream as it is.
    """
    normalized = x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)
    return x + gate * part((1 + scale) * normalized)


def add_one(x):
    """Each entry grows by 1."""
    return x + 1


def half_way(x):
    """Each token goes half the way to the mean of all; the means stay."""
    return (x + x.mean(-2, keepdim=True)) / 2


def bend(x):
    """tanh of the token before, plus the entry's number: neither linear nor token-wise."""
    return torch.tanh(x.roll(1, -2)) + torch.arange(x.shape[-1])


def _begins_with_x(result, x, block, loops):
    if not torch.equal(result[0], x):
        return "the first state is x itself, before any loop."


def _same_step(result, x, block, loops):
    for t in range(loops):
        if not torch.allclose(result[t + 1], block(result[t]), atol=1e-5 * (1 + x.abs().max())):
            return f"state {t + 1} should be the block applied to state {t}, as every other."


BLOCK = Exercise(
    id="looped_training.block",
    title="One block, again and again.",
    mark="•",
    reference=looped,
    cases=lambda: [
        (torch.tensor([[0.0]]), add_one, 0),
        (torch.tensor([[0.0]]), add_one, 2),
        (torch.tensor([[0.0, 4.0], [2.0, 0.0]]), half_way, 3),
        (normal(3, 2), bend, 1),
        (normal(4, 3), bend, 5),
        (1e4 * normal(2, 3, 4), half_way, 2),
    ],
    properties=(("begins with x", _begins_with_x), ("applies the same block to the last state", _same_step)),
    draw=lambda random: (
        drawn(random, random.randint(2, 4), random.randint(2, 3)),
        random.choice((add_one, half_way, bend)),
        random.randint(2, 6),
    ),
    hints=(
        "Keep a list. It begins with x; each loop looks at the last entry and adds one.",
        "states = [x], then `loops` times states.append(block(states[-1])).",
        "At the end torch.stack(states) makes one tensor of all of them, the loop axis first.",
    ),
    mutants=(
        Mutant(
            {"block(states[-1])": "block(x)"},
            "applies the same block to the last state",
            "Each loop starts from x here: that is one loop, told several times. Feed the block what it made last.",
        ),
        Mutant(
            {"torch.stack(states)": "torch.stack(states)[1:]"},
            "has the right shape",
            "The state before the first loop is missing. With it, residuals and the first loop can be looked at.",
        ),
        Mutant(
            {"block(states[-1])": "states[-1] + block(states[-1])"},
            "applies the same block to the last state",
            "The residual stream is inside the block already; adding the state once more doubles it.",
        ),
        Mutant(
            {"range(loops)": "range(loops + 1)"},
            "has the right shape",
            "One loop too many. r loops make r + 1 states.",
        ),
        Mutant(
            {"torch.stack(states)": "torch.stack(states[-1:] * len(states))"},
            "begins with x",
            "This is the last state, repeated. The lens needs what was there after each loop.",
        ),
    ),
)


def _gate_zero(result, x, part, gate, scale, eps):
    if (gate == 0).all() and not torch.allclose(result, x, atol=1e-5):
        return "with all gates at 0 the loop is the identity: x must come out as it went in."


def _scale_off(result, x, part, gate, scale, eps):
    if (scale == -1).all() and not torch.allclose(result, x + gate * part(torch.zeros_like(x)), atol=1e-4):
        return "at scale -1 the part sees nothing but zeros, since 1 + scale is 0."


def _same_at_any_size(result, x, part, gate, scale, eps):
    reads = (1 + scale) * x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)
    if not torch.allclose(result - x, gate * part(reads), atol=1e-3, rtol=1e-3):
        return "what is added is gate · part((1 + scale) · x over its root mean square); yours adds something else."


MODULATED = Exercise(
    id="looped_training.modulated",
    title="The modulated block: a clock opens gates and sets scales.",
    mark="••",
    reference=modulated,
    cases=lambda: [
        (torch.tensor([[3.0, 4.0]]), add_one, torch.zeros(2), torch.zeros(2), 1e-6),
        (torch.tensor([[3.0, 4.0]]), add_one, torch.ones(2), torch.zeros(2), 1e-6),
        (torch.tensor([[3.0, 4.0], [0.0, 1.0]]), bend, torch.tensor([1.0, 0.5]), torch.tensor([0.0, 1.0]), 1e-6),
        (100 * normal(3, 4), bend, *normal(2, 4, seed=1), 1e-5),
        (1e-2 * normal(3, 5), bend, normal(5, seed=1), -torch.ones(5), 1e-3),
        (1e-2 * normal(3, 5), bend, *normal(2, 5, seed=1), 1e-3),
        (torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, -0.5]]), add_one, torch.ones(3), *normal(1, 3), 0.25),
    ],
    properties=(
        ("is the identity where the gates are 0", _gate_zero),
        ("shows the part only zeros at scale -1", _scale_off),
        ("adds the gated part of the scaled, normalized stream", _same_at_any_size),
    ),
    draw=lambda random: (
        random.choice((0.01, 1, 50)) * drawn(random, random.randint(2, 4), dim := random.randint(2, 5)),
        random.choice((add_one, bend)),
        *drawn(random, 2, dim),
        random.choice((1e-5, 1e-3, 0.25)),
    ),
    hints=(
        "Two things happen to the stream on its way in: it is normalized, then scaled. "
        "One on the way back: it is gated. x itself stays.",
        "RMS: x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps). Nothing is subtracted, unlike LayerNorm.",
        "return x + gate * part((1 + scale) * normalized).",
    ),
    mutants=(
        Mutant(
            {"gate * ": ""},
            "is the identity where the gates are 0",
            "The gate is missing. Gates that start at 0 make every loop do nothing at first.",
        ),
        Mutant(
            {"(1 + scale)": "scale"},
            "adds the gated part of the scaled, normalized stream",
            "The scale is 1 + scale: a clock that says 0 leaves the normalized stream as it is.",
        ),
        Mutant(
            {"scale) * normalized": "scale) * x"},
            "adds the gated part of the scaled, normalized stream",
            "The part reads the stream as it is. "
            "Without RMS in front, the stream grows from loop to loop, and so does what is added.",
        ),
        Mutant(
            {"x + gate * part": "gate * x + part"},
            "is the identity where the gates are 0",
            "The gate is on the stream: closed, it forgets x. It belongs to what is added.",
        ),
        Mutant(
            {
                "x / torch": "(x - x.mean(-1, keepdim=True)) / torch",
                "x.square().mean(-1, keepdim=True)": "x.var(-1, correction=0, keepdim=True)",
            },
            "adds the gated part of the scaled, normalized stream",
            "That is LayerNorm: it subtracts the mean. RMS does not.",
        ),
        Mutant(
            {"gate *": "(1 + gate) *"},
            "is the identity where the gates are 0",
            "Only the scale has a 1 added. A gate of 0 is closed.",
        ),
        Mutant(
            {" + eps)": ")"},
            "adds the gated part of the scaled, normalized stream",
            "eps is missing: a token of zeros is divided by 0, and a small one is not small any more.",
        ),
        Mutant(
            {"torch.sqrt(x.square().mean(-1, keepdim=True) + eps)": "(x.square().mean(-1, keepdim=True).sqrt() + eps)"},
            "adds the gated part of the scaled, normalized stream",
            "eps stands outside of the root. It is added to the mean square, under it.",
        ),
    ),
)
