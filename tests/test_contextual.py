"""The tester of contextual mappings: against a brute-force reading of the definitions, and exact where it must be."""

import itertools
import random
from fractions import Fraction

import pytest
import torch

from seqlab.contextual import contextual_mapping
from tests.typecheck import plain


def brute(names, sequences, equivalence, margin):
    """(holds, first pair inside a sequence or else between two) straight from the definitions."""
    places = [(i, k) for i, row in enumerate(names) for k in range(len(row))]
    inside, between = [], []
    for (i, k), (j, l) in itertools.combinations(places, 2):
        a, b = sequences[i], sequences[j]
        if equivalence == "set":
            differ = set(a) != set(b) or a[k] != b[l]
        elif i == j:
            differ = True
        else:
            differ = a != b if equivalence == "identity" else sorted(a) != sorted(b)
        if differ and abs(names[i][k] - names[j][l]) <= margin:
            (inside if i == j else between).append(((i, k), (j, l)))
    return inside[0] if inside else between[0] if between else None


@pytest.mark.parametrize("equivalence", ["identity", "permutation", "set"])
@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_brute_force(equivalence, seed):
    draw = random.Random(seed)
    sequences = [tuple(draw.choices("abc", k=draw.randint(1, 4))) for _ in range(draw.randint(1, 6))]
    spread = draw.choice([3, 10, 60, 10_000])
    names = [[draw.randint(0, spread) for _ in s] for s in sequences]
    margin = draw.choice([0, 0, 1, Fraction(5, 2)])
    want = brute(names, sequences, equivalence, margin)
    verdict = contextual_mapping(names, sequences, equivalence, margin)
    assert verdict.holds == (want is None)
    assert (verdict.witness.objects if verdict.witness else None) == want
    vectors = contextual_mapping(
        [[torch.tensor([float(n), 0.0]) for n in row] for row in names], sequences, equivalence, margin
    )
    assert (vectors.witness.objects if vectors.witness else None) == want


def test_integers_are_exact_where_floats_are_not():
    big = 10**30
    assert contextual_mapping([[big, big + 1]], ["ab"]).holds
    assert not contextual_mapping([[float(big), float(big + 1)]], ["ab"]).holds


def test_fractions_are_exact():
    third = Fraction(1, 3)
    assert contextual_mapping([[third, third + Fraction(1, 10**40)]], ["ab"]).holds
    assert not contextual_mapping([[third, Fraction(2, 6)]], ["ab"]).holds


def test_margin_is_strict_and_reported():
    assert contextual_mapping([[0, 3]], ["ab"], margin=2).margin == 1
    assert not contextual_mapping([[0, 3]], ["ab"], margin=3).holds


def test_equal_tokens_are_explained():
    verdict = contextual_mapping([[1, 1]], ["aa"])
    assert "equal tokens" in str(verdict.witness)
    assert contextual_mapping([[1, 1]], ["aa"], "set").holds


def test_reorderings_are_one_sequence_without_positions():
    names, sequences = [[1, 2], [2, 1]], ["ab", "ba"]
    assert contextual_mapping(names, sequences, "permutation").holds
    assert not contextual_mapping(names, sequences, "identity").holds


def test_tensor_names():
    assert contextual_mapping(torch.arange(6.0).reshape(2, 3), ["abc", "abd"]).holds
    assert not contextual_mapping(torch.zeros(2, 3, 5), ["abc", "abd"]).holds


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([[1, 2]], ["abc"]), ["names[0]", "2 names for 3"]),
        (([[1, 2]], ["ab", "cd"]), ["1", "2"]),
        (([[1, float("nan")]], ["ab"]), ["nan", "[0, 1]"]),
        (([[1, 2]], ["ab"], "order"), ["order", "permutation"]),
        (([[1, 2]], ["ab"], "set", -1), ["margin", "-1"]),
        (([], []), ["no tokens"]),
    ],
)
def test_errors(arguments, words):
    with pytest.raises(ValueError) as caught:
        plain(contextual_mapping)(*arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_many_sequences_stay_quick():
    sequences = list(itertools.permutations(range(7), 5))
    names = [[hash((s, k)) for k in range(5)] for s in sequences]
    assert contextual_mapping(names, sequences, "identity").checked == 5 * len(sequences)
