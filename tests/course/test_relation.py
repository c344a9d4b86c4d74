"""What is said of a wrong answer that is no known mistake: true, and as telling as can be found."""

import math
import time

import numpy as np
import pytest
import torch

from seqlab.course.cases import double, normal
from seqlab.course.check import Exercise, judge
from seqlab.course.compare import apart


def scaled(x, y, low):
    """low x + y²    x, y: (token, dim) -> (token, dim)"""
    return low * x + y**2


CASES = [
    (x.double(), y.double(), low)
    for low, (x, y) in ((2.0, normal(2, 2, 3)), (3.0, normal(2, 3, 3)), (0.5, normal(2, 4, 2)))
]
SCALED = Exercise("toy.scaled", "Scale.", scaled, lambda: CASES, ("a", "b", "c"), tolerance=1e-10)
right = scaled

SAID = {
    "low has no influence": lambda x, y, low: x + y**2,
    "what the reference gives with y taken for 0": lambda x, y, low: low * x,
    "what the reference gives with low squared": lambda x, y, low: low**2 * x + y**2,
    "what the reference gives with y in the place of x": lambda x, y, low: low * y + y**2,
    "what the reference gives with x turned round": lambda x, y, low: low * x.flip(0) + y**2,
    "agrees to four digits and no further": lambda x, y, low: right(x.float(), y.float(), low).double(),
    "the reference with its sign turned": lambda x, y, low: -right(x, y, low),
    "the reference squared": lambda x, y, low: right(x, y, low) ** 2,
    "the reference transposed: axis 0 (token) and axis 1 (dim) are exchanged": lambda x, y, low: right(x, y, low).T,
    "the reference times 3.": lambda x, y, low: 3 * right(x, y, low),
    "the reference plus 0.25.": lambda x, y, low: right(x, y, low) + 0.25,
    "What yours adds to x is -1 times what it should be": lambda x, y, low: 2 * x - right(x, y, low),
    "the reference divided by low": lambda x, y, low: right(x, y, low) / low,
    "the reference minus y": lambda x, y, low: right(x, y, low) - y,
    "times the root of the length of x along axis 1": lambda x, y, low: right(x, y, low) * math.sqrt(x.shape[1]),
    "reversed along axis 1 (dim)": lambda x, y, low: right(x, y, low).flip(1),
    "one place later along axis 0 (token)": lambda x, y, low: right(x, y, low).roll(1, 0),
    "without its last entry along axis 1 (dim)": lambda x, y, low: right(x, y, low)[:, :-1],
    "with one entry too many in front, along axis 0 (token)": lambda x, y, low: torch.cat([x[:1], right(x, y, low)]),
    "summed along axis 1 (dim)": lambda x, y, low: right(x, y, low).sum(1),
    "accumulated along axis 0 (token)": lambda x, y, low: right(x, y, low).cumsum(0),
    "divided by its sums along axis 1 (dim)": lambda *given: right(*given) / right(*given).sum(1, keepdim=True),
    "in another order along axis 1 (dim)": lambda x, y, low: right(x, y, low).sort(1).values,
    "plus something that does not change along axis 1 (dim)": lambda x, y, low: right(x, y, low) + x[:, :1] * y[:, 1:2],
    "wrong only in the last place along axis 0 (token)": lambda x, *yl: torch.cat([right(x, *yl)[:-1], x[-1:] ** 3]),
    "wrong only on the diagonal": lambda x, y, low: right(x, y, low) + torch.eye(*x.shape) * (1 + x**2),
    "wrong only where x is negative": lambda x, y, low: right(x.abs(), y, low) + (x < 0) * y**4,
    "wrong only in cases in which low is no whole number": lambda x, y, low: right(x, y, low) + (low % 1) * y**3 * x,
}


@pytest.mark.parametrize("words", SAID)
def test_what_a_wrong_result_has_to_do_with_the_right_one(words):
    said = judge(SCALED, SAID[words]).diagnosis
    assert words in said.known, said
    assert "not what the definition gives" not in str(said)


def order(items, offset):
    """[the items in order, how many they are + offset]"""
    return [sorted(items), len(items) + offset]


def test_a_list_is_told_by_the_part_that_is_wrong():
    cases = [([3, 1, 2], 0), ([2, 5, 4, 1], 1), ([1, 2], 2)]
    task = Exercise("toy.order", "Sort.", order, lambda: cases, ("a", "b", "c"))
    said = judge(task, lambda items, offset: [sorted(items)[::-1], len(items) + offset]).diagnosis
    assert said.known == "Only entry 0 is wrong: Yours is the reference reversed along axis 0."
    assert "offset has no influence" in judge(task, lambda items, offset: [sorted(items), len(items)]).diagnosis.known
    assert (
        judge(task, lambda items, offset: [(1,), 3 + offset]).diagnosis.message == "entry 0 is (1,); wanted [1, 2, 3]."
    )
    said = judge(task, lambda items, offset: [*sorted(items), offset]).diagnosis
    assert said.message == "the result has 4 entries; wanted 2."


def halved(total, length):
    """How often total can be halved, `length` times at most."""
    return sum(total % 2**k == 0 for k in range(1, length + 1))


def subsets(total, length):
    """How many sets of 1, …, length have this sum."""
    return sum(sum(k for k in range(length) if chosen >> k & 1) == total - length for chosen in range(2**length))


def counted_in_c(total, length):
    """The sum of the numbers below length, and total."""
    return sum(range(length)) + total


@pytest.mark.parametrize("task, case", [(halved, (3 * 10**9, 20)), (subsets, (30, 14)), (counted_in_c, (10**15, 3))])
def test_arguments_that_keep_the_reference_running_are_not_waited_for(task, case):
    """One in the place of another, one doubled, and one that keeps C running, which no thread can stop."""
    task = Exercise("toy.counted", "Count.", task, lambda: [case], ("a", "b", "c"))
    began = time.perf_counter()
    said = judge(task, lambda total, length: total % 7 + length).diagnosis
    assert time.perf_counter() - began < 20 and said.violated == "equals the reference"


@pytest.mark.parametrize(
    "a, b, shown",
    [
        (0.1 + 0.2, 0.3, "0.30000000000000004 → 0.3"),
        (1 / 3, 0.5, "0.3333 → 0.5"),
        (double(1, 2), double(1, 2 + 1e-9), "[1.0, 2.0] → [1.0, 2.000000001]"),
        ([0.1, (1, 2)], [0.2, (1, 2)], "[0.1, (1, 2)] → [0.2, (1, 2)]"),
        (np.float32(0.5), 0.25, "np.float32(0.5) → 0.25"),
    ],
)
def test_as_many_digits_as_it_takes_to_see_a_difference(a, b, shown):
    assert apart(a, b, " → ") == shown


def test_where_many_numbers_differ_most():
    task = Exercise("toy.big", "Big.", lambda x: 2 * x, lambda: [(torch.arange(30.0),)], ("a", "b", "c"))
    said = judge(task, lambda x: 2 * x + (x == 7) * 1e-3).diagnosis
    assert said.message == "1 of 30 entries are off, the most at [7]: 14.001 in place of 14.0."


def test_a_dtype_is_told_by_the_argument_that_has_it():
    said = judge(SCALED, lambda x, y, low: right(x, y, low).float()).diagnosis
    assert said.message == "it returned torch.float32; wanted torch.float64, as x and y."
