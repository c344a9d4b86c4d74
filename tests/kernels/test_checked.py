"""What `make bench-gpu` demands sees what is wrong: kernels with a mistake, and results with one, of every case.

That the kernels as they are pass is shown by its dry run.
"""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from ci.bench.gpu_cases import Case, cases, verify
from kernels import flash
from kernels.compare import judge, results
from kernels.flash import versions

triton = pytest.importorskip("triton")
interpreted = pytest.mark.skipif(not versions.interpreting(), reason="Triton compiles in this process")
MUTANTS = {  # what is wrong: file, before, after
    "zeros": ("tiles", "b_tile = b_tile.to(", "b_tile = (b_tile * 0).to("),
    "the other sign": ("tiles", "b_tile = b_tile.to(", "b_tile = (-b_tile).to("),
    "heads that change places": ("tiles", "(i_head * rows", "((i_head ^ 1) * rows"),
    "no first tile": ("attention", "inner if EDGE else begin,", "inner if EDGE else begin + 1,"),
    "no last tile": ("attention", "end if EDGE else inner)", "end - 1 if EDGE else inner)"),
    "no mask at the end": ("tiles", "tl.where(i_key[None, :] < limit[:, None], b_tile, value)", "b_tile"),
    "a key too many under the diagonal": ("tiles", "(n_key - n_query) + 1, n_key)", "(n_key - n_query) + 2, n_key)"),
    "no scale": ("normalizers", "factor = scale * UNIT", "factor = UNIT * 1.0"),
    "no shift": ("attention", "-shift * UNIT, NORMALIZER", "0.0, NORMALIZER"),
    "base 2 for base e": ("normalizers", "tl.constexpr(1.4426950408889634)", "tl.constexpr(1.0)"),
    "what was mixed is not shrunk": ("attention", "b_o = b_o * b_shrink[:, None]", "b_o = b_o"),
    "the sum is not shrunk": ("normalizers", "b_l * b_shrink + tl.sum", "b_l + tl.sum"),
    "no delta": ("normalizers", "b_p * (b_dp - b_delta)", "b_p * b_dp"),
    "P for P (1 - P)": ("normalizers", "(b_p - b_p * b_p) * b_dp", "b_p * b_dp"),
    "dQ without scale": ("attention", "b_dq * scale", "b_dq"),
    "padding that hides nothing": ("tiles", "i_key, n_key, 0) != 0", "i_key, n_key, 0) != 7"),
    "distance that attracts": ("normalizers", "x -= tl.abs", "x += tl.abs"),
    "a bias in another base": ("normalizers", "b_unit = b_bias * UNIT", "b_unit = b_bias * 1.0"),
    "one query head for its group": ("attention", "i_kv * group + i_group", "i_kv * group"),
}
ONLY = {  # in which case it shows, where that is not GROUPED
    "no mask at the end": "7 × 33, dim 20, causal, sigmoid (exp2), float16",
    "a key too many under the diagonal": "blocks of 16, causal, sigmoid (exp2), float16",
    "what was mixed is not shrunk": "32 × 48, dim 16, causal, softmax, float16",
    "the sum is not shrunk": "32 × 48, dim 16, causal, softmax, float16",
    "no delta": "7 × 33, dim 20, causal, softmax, float16",
    "padding that hides nothing": "padded, sigmoid (exp2), float16",
    "distance that attracts": "alibi, sigmoid (exp2), float16",
    "a bias in another base": "trained bias, sigmoid (exp2), float32",
}
GROUPED = "grouped queries, sigmoid (exp2), float32"


@interpreted
@pytest.mark.parametrize("what", MUTANTS)
def test_a_kernel_with_a_mistake_is_found(what, tmp_path, monkeypatch):
    changed, before, after = MUTANTS[what]
    package = f"mutant_{list(MUTANTS).index(what)}"
    (tmp_path / package).mkdir()
    for name in ("tiles", "normalizers", "attention"):
        text = Path(flash.__file__).with_name(f"{name}.py").read_text()
        assert name != changed or before in text
        text = text.replace(before, after) if name == changed else text
        (tmp_path / package / f"{name}.py").write_text(text.replace("kernels.flash.", f"{package}."))
    monkeypatch.syspath_prepend(tmp_path)
    mutant = importlib.import_module(f"{package}.attention")
    monkeypatch.setitem(sys.modules, "kernels.flash.attention", mutant)
    case = next(case for case in cases(tiny=True) if case.key == ONLY.get(what, GROUPED))
    wrong = verify(case, "cpu", "interpret")
    assert wrong is not None and wrong.startswith("AssertionError"), wrong


def without(case: Case, keys: slice) -> dict[str, torch.Tensor]:
    """Its results when a tile of keys is forgotten."""
    options = case.asked("cpu")
    real = options.get("key_padding", torch.ones(case.batch, case.n_key, dtype=torch.bool)).clone()
    real[:, keys] = False
    return results(*case.inputs("cpu"), impl="tiled", **options | {"key_padding": real})


REAL = cases(tiny=False)


@pytest.mark.parametrize(
    "case",
    [pytest.param(x, marks=() if at % 12 == 6 else pytest.mark.slow) for at, x in enumerate(REAL)],
    ids=[x.key for x in REAL],
)
def test_a_wrong_result_is_found_in_every_case(case):
    inputs, options = case.inputs("cpu"), case.asked("cpu")

    def refused(got) -> bool:
        try:
            judge(got, *inputs, tanh=case.form == "tanh", **options)
        except AssertionError:
            return True
        return False

    right = results(*inputs, impl="tiled", **options)
    assert not refused(right)
    for name, x in right.items():
        if float(x.abs().max()) > 1e-6:  # one key: its softmax does not depend on q and k
            assert refused(right | {name: torch.zeros_like(x)}), name
            assert refused(right | {name: -x}), name
            if x.ndim == 4 and x.shape[1] > 1:
                assert refused(right | {name: x.flip(1)}), name
    hidden = slice(0, max(case.n_key // 8, 1))
    assert refused(without(case, hidden))


def test_the_cases_are_as_many_as_a_minute_allows():
    keys = [case.key for case in REAL]
    assert 50 <= len(keys) == len({*keys}) <= 70
