"""How a result is compared with the reference's: first its form, then its numbers."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor


def compare_form(
    got: Any, want: Any, given: Mapping[str, Any] = {}, axes: Sequence[str] = ()
) -> tuple[str, str] | None:
    """Type, shape, dtype, gradient, NaN: what can be said without looking at the values.

    The form is free where nothing is lost by it: lists for tuples, scalars of numpy, and, where no argument has the
    wanted dtype, any that holds these numbers.
    """
    if got is None and want is not None and not isinstance(want, tuple):  # a finder may well return None
        return "returns a result", "it returned None; is the return missing?"
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor):
            return "returns a tensor", f"it returned {kind(got)}; wanted a torch tensor."
        if got.shape != want.shape:
            names = f", which is ({', '.join(axes)})" if len(axes) == want.ndim else ""
            return "has the right shape", f"it returned shape {tuple(got.shape)}; wanted {tuple(want.shape)}{names}."
        alike = [name for name, value in given.items() if isinstance(value, Tensor) and value.dtype == want.dtype]
        if got.dtype != want.dtype and (
            alike or not torch.can_cast(got.dtype, want.dtype) or torch.bool in (got.dtype, want.dtype)
        ):
            source = f", as {' and '.join(alike)}" if alike else ""
            return "has the right dtype", f"it returned {got.dtype}; wanted {want.dtype}{source}."
        if want.requires_grad and not got.requires_grad:
            return "lets gradients through", "its result is cut off from its inputs: no .detach(), .item() or numpy."
        if got.isnan().any() and not want.isnan().any():
            return (
                "is never NaN",
                (
                    f"{int(got.isnan().sum())} of {got.numel()} entries are NaN; "
                    "look for 0/0, ∞ - ∞ or an exp that overflows."
                ),
            )
    elif isinstance(want, Real) and not isinstance(want, bool):
        if isinstance(got, bool) or not isinstance(got, Real) and not is_scalar(got):
            return "returns a number", f"it returned {kind(got)}; wanted one number."
        if math.isnan(float(cast(Any, got))) and not math.isnan(want):
            return "is never NaN", "it returned NaN; look for 0/0 or ∞ - ∞."
    elif isinstance(want, bool):
        if not isinstance(got, bool | np.bool_) and not (is_scalar(got) and "bool" in str(getattr(got, "dtype", ""))):
            return "returns True or False", f"it returned {kind(got)}."
    elif isinstance(want, list | tuple) and isinstance(got, list | tuple):
        return None
    elif want is not None and got is not None and not isinstance(got, type(want)):
        return f"returns a {type(want).__name__}", f"it returned {kind(got)}; wanted {kind(want)}."
    return None


def formed(got: Any, want: Any) -> Any:
    """The result as a tensor, where one is wanted and it is an array, or a list or tuple of what stands in one row."""
    if not isinstance(want, Tensor) or not isinstance(got, list | tuple | np.ndarray):
        return got
    parts = isinstance(got, list | tuple) and all(isinstance(part, Tensor) for part in got)
    try:
        return torch.stack(list(got)) if parts else torch.as_tensor(got)
    except (TypeError, ValueError, RuntimeError):
        return got


def close(got: Any, want: Any, tolerance: float) -> bool:
    """Whether two results agree: tensors and numbers within `tolerance`, lists and tuples part by part, or equal."""
    if isinstance(want, Tensor):
        return (
            isinstance(got, Tensor)
            and got.shape == want.shape
            and torch.allclose(got.double(), want.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
        )
    if isinstance(want, Real) and not isinstance(want, bool):
        return (isinstance(got, Real) or is_scalar(got)) and math.isclose(
            float(cast(Any, got)), float(want), rel_tol=tolerance, abs_tol=tolerance
        )
    if isinstance(want, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(want) and all(close(a, b, tolerance) for a, b in zip(got, want))
    return bool(got == want)


def gap(got: Any, want: Any, tolerance: float) -> str:
    """Where two results that do not agree are furthest apart, in a sentence."""
    rows = isinstance(got, list | tuple) and isinstance(want, list | tuple)
    if rows and len(got) != len(want):
        return f"the result has {len(got)} entries; wanted {len(want)}."
    a, b = numbers(got), numbers(want)
    if a is None or b is None or a.shape != b.shape:
        pairs = enumerate(zip(got, want)) if rows else ()
        at = next((at for at, (x, y) in pairs if not close(x, y, tolerance)), None)
        x, y = (got, want) if at is None else (got[at], want[at])
        return f"{'the result' if at is None else f'entry {at}'} is {apart(x, y, '; wanted ')}."
    off = (a - b).abs().nan_to_num(torch.inf)
    if not off.ndim:
        return f"the result is too {'large' if a > b else 'small'} by {off:.3g}."
    place = [int(at) for at in np.unravel_index(int(off.argmax()), off.shape)]
    count = int((off > tolerance * (1 + b.abs())).sum())
    here, there = (np.asarray(torch.as_tensor(x).detach())[*place].item() for x in (got, want))
    pair = apart(here, there, " in place of ")
    return f"{count} of {off.numel()} entries are off, the most at {place}: {pair}."


def apart(a: object, b: object, between: str) -> str:
    """Two values, with as many digits as it takes to see that they differ."""
    texts = ((text(a, digits), text(b, digits)) for digits in range(4, 18))
    return between.join(next((pair for pair in texts if pair[0] != pair[1]), (text(a), text(b))))


def text(value: object, digits: int = 17) -> str:
    """A value as a learner reads it, its numbers to so many digits."""
    try:
        words = _plain(value, digits)
        words = words if isinstance(words, str) else repr(words)
    except Exception:  # a learner's object may fail at anything, its own repr included
        return f"a {type(value).__name__} that cannot be shown"
    return words if len(words) <= 300 else words[:300] + " …"


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, Tensor) and value.numel() > 24:
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}".replace("torch.", "")
    if isinstance(value, Tensor):
        return _plain(value.tolist(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if type(value) in (list, tuple):
        return type(value)(_plain(part, digits) for part in value)
    return getattr(value, "__name__", type(value).__name__) if callable(value) else value


def numbers(value: object) -> Tensor | None:
    """A value as numbers, where it is made of them."""
    try:
        return torch.as_tensor(value).detach().double()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def agree(a: Tensor, b: Tensor, digits: float = 1e-5) -> bool:
    """Whether all numbers are equal, measured by the largest of them."""
    if a.shape != b.shape:
        return False
    size = b[b.isfinite()].abs().max().item() if b.isfinite().any() else 0.0
    return torch.allclose(a, b, rtol=digits, atol=digits * size)


def kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def is_scalar(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 or isinstance(value, np.ndarray) and value.size == 1
