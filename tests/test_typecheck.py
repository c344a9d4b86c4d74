"""Functions with and without shapes are checked in tests; only the first need to agree on sizes."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tests.typecheck import checked, is_shapeless, jaxtyped

Row = Float[Tensor, "n"]
MaybeRow = Row | None


def adds(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    return x + y


def aliased(x: Row, y: Row) -> None: ...


def united(x: MaybeRow, later: Later) -> None: ...


def counts(n: int, share: float = 1) -> str:
    return "" if n > 0 else n


def test_what_has_no_shape_is_known():
    assert is_shapeless(counts) and not any(map(is_shapeless, (adds, aliased, united)))


@pytest.mark.parametrize("function, given", [(adds, [2, 3]), (aliased, [2, 3])])
def test_sizes_have_to_agree(function, given):
    check = jaxtyped(typechecker=checked)(function)
    check(torch.ones(2), torch.ones(2))
    with pytest.raises(Exception, match="n"):
        check(*map(torch.ones, given))


def test_arguments_and_results_without_shape_are_checked():
    check = jaxtyped(typechecker=checked)(counts)
    assert check(1, 2) == ""
    for wrong in (("a",), (0,)):
        with pytest.raises(Exception, match="violates type hint"):
            check(*wrong)


class Later: ...
