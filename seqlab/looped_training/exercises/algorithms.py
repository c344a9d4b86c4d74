"""Exercises of lab 11: loops that compute: arrows that jump, a table that is filled."""

import torch
import torch.nn.functional as F

from seqlab.course.check import Exercise, Mutant


def hop_loop(at):
    """One loop, the same for all tokens: each may look at one other, and take the number that it holds. -> the new at

    at: (token,), whole numbers: nodes 0, 1, … hold the node that they point to, the last token the one where it stands
    After r loops the last token must have made 2^r - 1 hops along the arrows that the nodes held in the beginning.
    """
    return at[at]


def wave(table, same):
    """One loop: every cell of the table is computed anew, all at once, from its three neighbours of the loop before.

    table: (..., m + 1, n + 1), entry i, j: how long a common subsequence of the first i letters of one word and the
    first j of another is, as far as is known; row 0 and column 0 are 0.    same: (..., m, n), is letter i letter j?
    -> the new table. From a table of zeros on, m + n - 1 loops must make it right for every pair of words.
    """
    matched, above, left = table[..., :-1, :-1] + 1, table[..., :-1, 1:], table[..., 1:, :-1]
    return F.pad(torch.where(same, matched, torch.maximum(above, left)), (1, 0, 1, 0))


def _long(*numbers):
    return torch.tensor(numbers)


def _hops(result, at):
    asker, node = int(at[-1]), int(result[-1])
    if node != at[asker]:
        return f"who asks stands on {asker}, whose arrow leads to {int(at[asker])}; yours goes to {node}."


def _longer(result, at):
    for k, (before, after) in enumerate(zip(at[:-1].tolist(), result[:-1].tolist())):
        if after != at[before]:
            return (
                f"node {k} points to {before}, which points to {int(at[before])}: let its arrow lead there now, "
                f"and the next loop hops twice as far. Yours leads to {after}."
            )


HOPS = Exercise(
    id="looped_training.hops",
    title="A loop that jumps.",
    reference=hop_loop,
    mark="•",
    cases=lambda: [
        (_long(0, 0),),
        (_long(1, 0, 0),),
        (_long(1, 2, 0, 1),),
        (_long(3, 5, 1, 0, 2, 4, 2),),
        (_long(5, 3, 3, 1, 0, 4, 1),),
    ],
    properties=(("moves the one who asks along its arrow", _hops), ("makes the arrows twice as long", _longer)),
    draw=lambda random: (_long(*random.choices(range(n := random.randint(3, 9)), k=n + 1)),),
    hints=(
        "If only the one who asks moves, r loops make r hops. The nodes are tokens too, and they may look as well.",
        "Let every node take the arrow of the node that it points to: after one loop all arrows are two hops long.",
        "Everyone does the same: the new at[k] is at[at[k]].",
    ),
    mutants=(
        Mutant(
            {"at[at]": "torch.cat([at[:-1], at[at[-1:]]])"},
            "makes the arrows twice as long",
            "That is one hop a loop: r loops make r hops. The nodes can move as well, all at once.",
        ),
        Mutant(
            {"at[at]": "torch.cat([at[at[:-1]], at[-1:]])"},
            "moves the one who asks along its arrow",
            "The arrows grow, but the one who asks stays where it is.",
        ),
        Mutant(
            {"at[at]": "at[at[at]]"},
            "moves the one who asks along its arrow",
            "Those are two look-ups, one after the other: a token looks at one other in a loop.",
        ),
    ),
)


def _loops(table, same, count):
    for _ in range(count):
        table = wave(table, same)
    return table


def _case(a, b, known):
    """Two words of digits, after so many loops of the reference."""
    same = torch.tensor([[i == j for j in b] for i in a])
    return _loops(torch.zeros(len(a) + 1, len(b) + 1, dtype=torch.long), same, known), same


def _border(result, table, same):
    if result[..., 0, :].any() or result[..., 0].any():
        return "nothing is common with a word of no letters: row 0 and column 0 stay 0."


def _match(result, table, same):
    want = table[..., :-1, :-1] + 1
    if not torch.equal(result[..., 1:, 1:][same], want[same]):
        return "where the two letters are the same, one more is common than without both of them."


def _differ(result, table, same):
    want = torch.maximum(table[..., :-1, 1:], table[..., 1:, :-1])
    if not torch.equal(result[..., 1:, 1:][~same], want[~same]):
        return "where the letters differ, one of the two is left out: the better of the two that remain counts."


WAVE = Exercise(
    id="looped_training.wave",
    title="A table that a loop fills.",
    reference=wave,
    mark="•••",
    cases=lambda: [
        _case("1", "1", 0),
        _case("1", "2", 0),
        _case("12", "21", 1),
        _case("121", "211", 1),
        _case("121", "211", 2),
        _case("1213", "3121", 2),
        _case("1213", "3121", 3),
        _case("112233", "13121", 9),
        tuple(torch.stack(pair) for pair in zip(_case("1221", "2112", 3), _case("1212", "2121", 4))),
    ],
    properties=(
        ("leaves row and column 0 at 0", _border),
        ("takes both letters where they are the same", _match),
        ("leaves the worse one out where they differ", _differ),
    ),
    draw=lambda random: _case(*(random.choices("123", k=random.randint(2, 6)) for _ in range(2)), random.randint(0, 9)),
    hints=(
        "Look at the last letters of both words. If they are the same, match them. If not, one of them is not used.",
        "The same: 1 more than up and left. Not the same: the larger of the one above and the one at the left.",
        "torch.where(same, table[..., :-1, :-1] + 1, torch.maximum(table[..., :-1, 1:], table[..., 1:, :-1])), with a "
        "row and a column of zeros in front: F.pad(…, (1, 0, 1, 0)).",
    ),
    mutants=(
        Mutant(
            {"torch.maximum(above, left)": "above + left"},
            "leaves the worse one out where they differ",
            "What is common twice is counted twice. Only the better of the two is kept.",
        ),
        Mutant(
            {"torch.maximum(above, left)": "matched - 1"},
            "leaves the worse one out where they differ",
            "Both letters are left out, though one of them may be matched with an earlier one.",
        ),
        Mutant(
            {"matched, torch.maximum": "torch.maximum(above, left) + 1, torch.maximum"},
            "takes both letters where they are the same",
            "One letter is used twice: matched now, and matched before.",
        ),
        Mutant(
            {"torch.maximum(above, left)": "table[..., 1:, 1:]"},
            "leaves the worse one out where they differ",
            "Where letters differ the cell keeps its old number, so that nothing is passed on.",
        ),
        Mutant(
            {"(1, 0, 1, 0)": "(1, 0, 1, 0), value=1"},
            "leaves row and column 0 at 0",
            "The border is 1: words of no letters have nothing in common.",
        ),
    ),
)
