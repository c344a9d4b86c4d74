"""The exercises of lab 06 on the construction: the shift by four steep heads, all tokens out of one number."""

import torch
from einops import einsum

from seqlab.course.check import Exercise, Mutant
from seqlab.sigmoid.universal import read_back


def four_head_shift(ids, low, high):
    """The sum of all ids above high, for each id with low < id < high; 0 outside: by four heads of steps.
    ids: (token) -> (token)

    A head is (step of query · key) @ ids; the layer adds some heads and subtracts others, half of each.
    On a threshold a step is ½: an id that is low or high gets half of the sum, and one that is high counts half in it.
    """

    def head(query, key):
        return (1 + torch.sign(einsum(query, key, "query, key -> query key"))) / 2 @ ids

    one = torch.ones_like(ids)
    past_low = head(ids - low, ids - high) + head(ids - low, one)
    past_high = head(ids - high, ids - high) + head(ids - high, one)
    return (past_low - past_high) / 2


def _outside(result, ids, low, high):
    for value, got in zip(ids, result):
        if not low <= value <= high and abs(got) > 1e-4:
            where = "below" if value < low else "above"
            return (
                f"id {value:g} is {where} the window ({low:g}, {high:g}), so it must not move; yours moves by {got:g}."
            )


def _inside(result, ids, low, high):
    want = ids[ids > high].sum() + ids[ids == high].sum() / 2
    for value, got in zip(ids, result):
        if low < value < high and abs(got - want) > 1e-4:
            return (
                f"id {value:g} is in the window ({low:g}, {high:g}); the ids above it sum to {want:g}, "
                f"yours gives {got:g}."
            )


def _halves(result, ids, low, high):
    want = (ids[ids > high].sum() + ids[ids == high].sum() / 2) / 2
    for value, got in zip(ids, result):
        if value in (low, high) and abs(got - want) > 1e-4:
            return (
                f"id {value:g} lies on a threshold of the window ({low:g}, {high:g}), where a step is ½: "
                f"it gets half of the sum, {want:g}; yours gives {got:g}."
            )


SHIFT = Exercise(
    id="sigmoid.shift",
    title="The selective shift by four steep heads.",
    mark="••",
    reference=four_head_shift,
    cases=lambda: [
        (torch.tensor([2.0]), 1.5, 2.5),
        (torch.tensor([1.0, 3.0]), 2.5, 3.5),
        (torch.tensor([2.0, 5.0]), 1.5, 2.5),
        (torch.tensor([3.0, 1.0, 6.0, 4.0]), 2.5, 3.5),
        (torch.tensor([7.0, 2.0, 5.0, 3.0, 9.0]), 2.5, 5.5),
        (torch.tensor([2.0, 5.0]), 2.0, 3.0),
        (torch.tensor([4.0, 2.0, 6.0]), 1.0, 4.0),
        (torch.tensor([-1.0, 0.0, 1.0, 3000.0, 0.5]), 0.0, 1.0),
    ],
    properties=(
        ("leaves ids outside the window alone", _outside),
        ("adds the sum of what is above", _inside),
        ("takes half a step on a threshold", _halves),
    ),
    draw=lambda random: (
        torch.tensor(ids := random.sample(range(20), 5)).float(),
        low := random.choice(ids) - random.choice((0, 0.5, 0.5)),
        low + random.randint(1, 8),
    ),
    hints=(
        "A step of a product sees two signs at once: H(s t) = (1 + sgn s sgn t) / 2. "
        "You want 1{low < x_i < high} · 1{x_k > high}.",
        "1{low < x_i < high} is (s - s') / 2 with s = sgn(x_i - low), s' = sgn(x_i - high); "
        "1{x_k > high} is (1 + t) / 2, t = sgn(x_k - high). Multiply out: four terms.",
        "½ [H(s t) - H(s' t) + H(s) - H(s')]: two heads with key ids - high, two with key 1; "
        "queries ids - low and ids - high.",
    ),
    mutants=(
        Mutant(
            {" + head(ids - low, one)": "", " + head(ids - high, one)": ""},
            "adds the sum of what is above",
            "Two heads give ½ (s - s') t: keys below the window count too, with a minus. "
            "The two heads with key 1 cancel them.",
        ),
        Mutant(
            {"past_low - past_high": "past_low"},
            "adds the sum of what is above",
            "The two heads behind the threshold high are missing: they take back what ids above the window got.",
        ),
        Mutant(
            {"(past_low - past_high) / 2": "past_low - past_high"},
            "adds the sum of what is above",
            "Twice too much: the output weights are +½ and -½.",
        ),
        Mutant(
            {"past_low - past_high": "past_high - past_low"},
            "adds the sum of what is above",
            "The signs are turned: the heads behind low add, those behind high subtract.",
        ),
        Mutant(
            {"(past_low - past_high) / 2": "((ids > low) & (ids < high)) * (ids.max() - ids.min())"},
            "adds the sum of what is above",
            "That is max - min, the shift of hardmax heads. A sum of steps cannot return a maximum.",
        ),
        Mutant(
            {"(past_low - past_high) / 2": "((ids > low) & (ids < high)) * ids[ids > high].sum()"},
            "takes half a step on a threshold",
            "That asks whether an id is in the window. A head cannot: it has a query, a key and one step of their "
            "product. Four of them, added and subtracted, make the window.",
        ),
    ),
)


def swept(*ids, gain):
    """The sum of all tokens after the sweep, as a network computes it, with the other arguments of one case."""
    total = sum(ids)
    for one in sorted(ids):
        total += gain * (total - one)
    return total, gain, len(ids)


def _backwards(result, total, gain, length):
    if list(result) != (want := read_back(total, gain, length)):
        again = swept(*result, gain=gain)[0]
        return f"{want} sweep to {total}, gain {gain}; yours, {list(result)}, to {again}."


BACK = Exercise(
    id="sigmoid.read_back",
    title="All tokens out of one number.",
    mark="•••",
    reference=read_back,
    cases=lambda: [
        swept(2, gain=3),
        swept(1, 2, gain=2),
        swept(1, 3, gain=4),
        swept(2, 3, 4, gain=4),
        swept(3, 5, 6, gain=6),
        swept(2, 3, 9, gain=11),
        swept(1, 5, 7, 8, gain=8),
        swept(1, 2, 3, 4, 5, 6, gain=10_000),
    ],
    properties=(("sweeps to the same sum", _backwards),),
    draw=lambda random: swept(
        *random.sample(range(1, (gain := random.randint(7, 99)) + 1), random.randint(2, 5)), gain=gain
    ),
    hints=(
        "A jump of the token l adds c times all others to the sum S: S becomes (1 + c) S - c l.",
        "Modulo 1 + c that is l. So the remainder is the last token that jumped, the largest; 0 stands for 1 + c.",
        "l = (T - 1) % (1 + c) + 1, then (T + c l) // (1 + c) is the sum before that jump; n times, largest first.",
    ),
    mutants=(
        Mutant(
            {"(total - 1) % base + 1": "total % gain"},
            "sweeps to the same sum",
            "Modulo the gain the jump does not vanish: it takes the sum to (1 + c) S - c l.",
        ),
        Mutant(
            {"(total + gain * remainder) // base": "total // base"},
            "sweeps to the same sum",
            "The jump took c l away besides: add it again before you divide.",
        ),
        Mutant(
            {"ids[::-1]": "ids"},
            "sweeps to the same sum",
            "The first remainder is the largest token, for the largest jumps last.",
        ),
        Mutant(
            {"(total + gain * remainder) // base": "total - remainder"},
            "sweeps to the same sum",
            "The token is taken out of the sum, and its jump stays in it.",
        ),
    ),
)
