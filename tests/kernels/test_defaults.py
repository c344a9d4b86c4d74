"""PyTorch's default dtype and device change nothing; and tiled.cpp refuses a buffer that is not what it wants."""

import ast
import contextlib
import itertools
from pathlib import Path

import pytest
import torch

import kernels
from kernels import BlockLayout, native, reference
from kernels.compare import check, results
from kernels.flash import versions
from kernels.instruments.ledger import closed_form
from kernels.spec import Spec
from tests.kernels.problems import layout, padding, qkv

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
TABLES = ("offsets", "indices", "offsets_t", "indices_t")
both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])


@contextlib.contextmanager
def defaults(dtype=torch.float32, device=None):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_default_device(None)


ELSEWHERE = [{"dtype": dtype} for dtype in FLOATS] + [{"device": "meta"}, {"dtype": torch.float64, "device": "meta"}]


def options(length):
    """Each option alone, none and all."""
    alone = {"causal": True, "layout": layout(length, length, 16), "key_padding": padding(2, length)}
    alone["alibi"] = torch.tensor([0.5, 0.25])
    return [{}, *({name: value} for name, value in alone.items()), alone]


@both
@pytest.mark.parametrize("path", ["C++", "PyTorch", "reference"])
@pytest.mark.parametrize("length", [61, 64])  # 64 rows need no padding, which hides some faults
def test_the_defaults_change_no_result(normalizer, path, length):
    impl = "reference" if path == "reference" else "tiled"
    with native.disabled() if path == "PyTorch" else contextlib.nullcontext():
        for case, dtype in itertools.product(options(length), FLOATS):
            inputs, case = qkv(length, batch=2, kv_heads=1, dtype=dtype), {**case, "normalizer": normalizer}
            check(*inputs, impl=impl, **case, floor=1e-13 if dtype == torch.float64 else None)  # against float64
            want = results(*inputs, impl=impl, **case)
            for where in ELSEWHERE:
                with defaults(**where):
                    got = results(*inputs, impl=impl, **case)
                assert all(torch.equal(got[name], want[name]) for name in want), (dtype, where, list(case))


@both
@pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton does not interpret in this process"
)
def test_nor_one_of_triton(normalizer):
    inputs, case = qkv(21, heads=1), {"normalizer": normalizer, "causal": True, "impl": "interpret"}
    want = results(*inputs, layout=layout(21, 21, 16), **case)
    for where in (ELSEWHERE[1], ELSEWHERE[-1]):
        pattern = layout(21, 21, 16)  # its lists are made once for each layout
        with defaults(**where):
            got = results(*inputs, layout=pattern, **case)
        assert all(torch.equal(got[name], want[name]) for name in want), where


def test_nor_does_a_device_in_a_with_block():
    inputs = qkv(61)
    want = results(*inputs, impl="tiled")
    with torch.device("meta"):
        got = results(*inputs, impl="tiled")
    assert all(torch.equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("where", ELSEWHERE, ids=str)
def test_layouts_and_counts_are_built_as_ever(where):
    grid = [[True, False], [True, True]]
    work = dict(normalizer="softmax", batch=1, heads=2, n_query=61, n_key=61, dim=16, causal=True)

    def build():
        made = [BlockLayout.from_mask(grid, 32, n_query=61, n_key=61), BlockLayout.bigbird(61, block=8)]
        tables = [getattr(one, name) for one in made for name in TABLES]
        tables += [reference.visible(Spec("softmax", 1.0, causal=True, layout=made[0]), 61, 61, "cpu"), made[1].mask()]
        return tables, [closed_form("forward", **work, layout=one) for one in (None, *made)]

    wanted, counted = build()
    with defaults(**where):
        tables, counts = build()
    assert counts == counted and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(tables, wanted))


def test_every_allocation_states_its_dtype_and_device():
    for path in Path(kernels.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ALLOCATE:
                stated = {keyword.arg for keyword in call.keywords}
                assert {"dtype", "device"} <= stated, f"{path.name}:{call.lineno} {ast.unparse(call)}"


ALLOCATE = {f"torch.{name}" for name in "empty zeros ones full arange linspace eye tensor rand randn randint".split()}
WRONG = {
    "another dtype": lambda x: x.to(torch.int16),
    "another device": lambda x: x.to("meta"),
    "gaps": lambda x: torch.stack([x, x], -1)[..., 0],
    "too short": lambda x: x[..., :-1],
    "too long": lambda x: torch.cat([x, x]),
}
READ = "q k v slopes padding offsets indices"  # what tiled.cpp is given, and what it writes
WRITTEN = {"out": "forward", "new_lse": "forward", "dq": "backward", "dk": "backward", "dv": "backward"}


@pytest.fixture
def compiled():
    if native._library()[0] is None:
        pytest.skip("there is no compiler")


@pytest.mark.parametrize("name", [*READ.split(), "bias", "dbias", "grad", "result", "lse", *WRITTEN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_wrong_buffer_is_an_error_that_names_it(monkeypatch, compiled, name, dtype):
    inputs = [x.requires_grad_() for x in qkv(61, batch=2, dtype=dtype)]
    bias = torch.randn(2, 61, 61, requires_grad=True)
    address = native._address
    for what, spoil in WRONG.items():
        if what == "gaps" and name in ("q", "k", "v", "grad", "bias"):
            continue  # these may lie anywhere

        def spoiled(called, x, *rest, **options):
            return address(called, spoil(x) if called == name else x, *rest, **options)

        monkeypatch.setattr(native, "_address", spoiled)
        with pytest.raises(TypeError, match=f"^{name}: got .* wanted "):
            kernels.attention(*inputs, impl="tiled", bias=bias, **options(61)[-1]).float().sum().backward()


@pytest.mark.parametrize("name", TABLES)
def test_a_list_that_points_outside_is_an_error(compiled, name):
    for shift in (-100, 100):
        wrong = layout(61, 61, 16)
        getattr(wrong, name).add_(shift)  # it was right when it was made
        with pytest.raises(ValueError, match="points outside|wanted numbers that grow"):
            kernels.attention(*qkv(61), impl="tiled", layout=wrong)
