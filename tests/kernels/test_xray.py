"""The X-ray without a GPU: toy kernels on every architecture, what is counted, and what goes wrong."""

import gzip
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from kernels.instruments import compile as compiling
from kernels.instruments.lines import of_ttir, python_lines
from kernels.instruments.xray import ARCHITECTURES, Xray, XrayError, xray

pytest.importorskip("triton")
from tests.kernels import toy_kernels  # noqa: E402

TILE = {
    "signature": {"p_q": "*fp16", "p_k": "*fp16", "p_v": "*fp16", "p_out": "*fp16", "n": "i32", "scale": "fp32"},
    "divisible": ("p_q", "p_k", "p_v", "p_out", "n"),
}
SMALL = {"DIM": 64, "QUERIES": 64, "KEYS": 32}
NVIDIA = [arch for arch in ARCHITECTURES if arch.startswith("sm_")]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of this module's own, under a parent that interprets Triton."""
    folder = tmp_path_factory.mktemp("xray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_XRAY_CACHE", str(folder))
        patch.setenv("TRITON_INTERPRET", "1")
        yield folder


def tile(name: str, arch: str = "sm_90", **options) -> Xray:
    return xray(
        f"tests.kernels.toy_kernels:{name}", arch, constants=SMALL | options.pop("constants", {}), **TILE, **options
    )


def of_line(report: Xray, text: str) -> int:
    return next(at for at, line in enumerate(report.python.split("\n")) if text in line)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture(arch):
    soft, sig = tile("softmax_tile", arch), tile("sigmoid_tile", arch)
    for report in (soft, sig):
        assert report.seconds < 10 and report.ttir and report.ttgir and report.llir
        assert bool(report.sass) == bool(report.ptx) == (arch in NVIDIA) and bool(report.amdgcn) == (arch not in NVIDIA)
        assert report.loop["matrix"] > 0 and report.loop["special"] > 0 and report.loop["fp32"] > 0
        assert (
            report.loop.total()
            < report.instructions.total()
            == sum(report.opcodes.values()) - report.opcodes["NOP"] - report.opcodes["s_nop"]
        )
        assert 16 < report.registers <= 512 and report.spills == 0 and 0 < report.shared < 200_000
        assert report.num_warps == 4 and 0 < report.occupancy.warps <= report.occupancy.maximum
        assert report.per_matrix == pytest.approx(report.loop.total() / report.loop["matrix"] - 1)
        text = getattr(report, report.machine).splitlines()
        assert len(text) == len(report.lines[report.machine]) and len(report.main) >= report.loop.total()
        assert len(report.lines["ttir"]) == len(report.ttir.splitlines())
        assert "matrix" in str(report) and report.name in str(report)
    assert (soft.reductions, sig.reductions) == (2, 0)
    assert sig.loop["special"] > soft.loop["special"] and soft.loop["matrix"] == sig.loop["matrix"]
    assert sig.loop["shuffle"] == 0


def test_the_sigmoid_costs_two_special_instructions_for_each_weight():
    report = tile("sigmoid_tile", "sm_90")
    each_thread = SMALL["QUERIES"] * SMALL["KEYS"] // 128
    assert report.loop["special"] == 2 * each_thread == report.opcodes["MUFU.EX2"] + report.opcodes["MUFU.RCP"]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_lines_lead_from_python_to_machine_code_and_back(arch):
    report = tile("sigmoid_tile", arch)
    helper, call = of_line(report, "1.0 / (1.0"), of_line(report, "b_weights = logistic")
    machine = getattr(report, report.machine).split("\n")
    reciprocals = [
        chain for text, chain in zip(machine, report.lines[report.machine]) if "MUFU.RCP" in text or "v_rcp" in text
    ]
    assert reciprocals and all(chain == (helper, call) for chain in reciprocals)
    for stage, chains in report.lines.items():
        assert any(call in chain for chain in chains), stage
    dot = next(chain for text, chain in zip(report.ttir.splitlines(), report.lines["ttir"]) if "tt.dot" in text)
    assert dot == (call,)
    loop = next(chain for text, chain in zip(report.ttir.splitlines(), report.lines["ttir"]) if "scf.for" in text)
    assert loop == (of_line(report, "for start in"),)


def test_a_place_in_the_library_counts_as_its_caller():
    ttir = "\n".join(
        [
            "x = y loc(#loc9)",
            '#loc1 = loc("std.py":7:1)',
            '#loc2 = loc("mid.py":8:1)',
            '#loc3 = loc("k.py":3:4)',
            "#loc8 = loc(callsite(#loc2 at #loc3))",
            "#loc9 = loc(callsite(#loc1 at #loc8))",
        ]
    )
    chains, callers = of_ttir(ttir)
    assert chains[0] == (("std.py", 7), ("mid.py", 8), ("k.py", 3))
    assert python_lines([(("std.py", 7),), (), (("k.py", 3),)], callers, {("k.py", 3): 2}) == ((2,), (), (2,))


def test_the_second_call_comes_from_the_cache_and_a_damaged_entry_is_compiled_again(cache):
    def add(**options):
        signature = {"p_x": "*fp32", "p_y": "*fp32"}
        return xray(toy_kernels.add, "sm_80", signature=signature, constants={"stride": 1, "SIZE": 32}, **options)

    first, again = add(), add()
    assert not first.cached and again.cached and again.seconds < 0.5
    assert (again.sass, again.instructions, again.lines) == (first.sass, first.instructions, first.lines)
    newest = max(cache.glob("*.json.gz"), key=lambda path: path.stat().st_mtime_ns)
    for damage in (b"", b"no gzip", newest.read_bytes()[:-20], gzip.compress(b"{}"), gzip.compress(b"[]")):
        newest.write_bytes(damage)
        assert compiling._load(newest.name.partition(".")[0]) is None
    assert not add().cached
    assert add().cached and not add(num_warps=8).cached
    assert not list(cache.glob(".*"))


def test_a_cache_that_cannot_be_written_costs_time_only(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQLAB_XRAY_CACHE", str(tmp_path / "file" / "below"))
    report = xray(toy_kernels.add, signature={"p_x": "*fp32", "p_y": "*fp32"}, constants={"stride": 1, "SIZE": 64})
    assert not report.cached and report.opcodes["LDG"]


def test_spills_are_reported():
    options = {"constants": {"QUERIES": 128, "KEYS": 128, "DIM": 128}, "num_warps": 4}
    report = tile("softmax_tile", "sm_80", **options)
    assert report.registers == 255 and report.spills > 100 and report.instructions["spill"] > 0
    assert f"spills {report.spills} B" in str(report) and report.occupancy.blocks == 1


def test_equal_to_one_and_divisible_change_the_code():
    signature = {"p_x": "*fp32", "p_y": "*fp32", "stride": "i32"}
    plain = xray(toy_kernels.add, signature=signature, constants={"SIZE": 512})
    special = xray(toy_kernels.add, signature=signature, constants={"SIZE": 512, "stride": 1}, divisible=("p_x", "p_y"))
    assert plain.opcodes["LDG"] == 4 and special.opcodes["LDG"] == 1
    assert plain.loops == () and plain.loop.total() == 0 and plain.per_matrix is None


def test_a_compile_error_names_the_line_of_the_kernel():
    lines = Path(toy_kernels.__file__).read_text().split("\n")
    for name, text in (("ill_typed", "tl.dot(i, i)"), ("ill_typed_inside", "ill_typed(p_x, SIZE)")):
        with pytest.raises(XrayError, match=rf"(?s){name} does not compile.*tl\.dot\(i, i\).*equal ranks") as caught:
            xray(getattr(toy_kernels, name), signature={"p_x": "*fp32"}, constants={"SIZE": 16})
        assert text in lines[caught.value.line - 1] and caught.value.file == toy_kernels.__file__
    assert tile("sigmoid_tile").loops  # the worker lives on


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"arch": "sm_91"}, "arch: got 'sm_91', wanted one of sm_80, sm_90, sm_100, gfx942"),
        ({"kernel": "tests.kernels.toy_kernels:nothing"}, "cannot be imported as module:function"),
        ({"kernel": "no.such.module:nothing"}, "cannot be imported"),
        ({"kernel": 3}, "kernel: got int"),
        ({"signature": {"p_x": "*fp32", "p_z": "i32"}}, "signature: add has no p_z; it has p_x, p_y, stride, SIZE"),
        ({"signature": {"p_x": "*fp32"}}, "p_y, stride: give a type"),
        ({"divisible": ("q",)}, "divisible: add has no q"),
        ({"constants": {"SIZE": [16]}}, "constants: SIZE is a list"),
        (
            {"signature": {"p_x": "*fp32", "p_y": "*fp32", "stride": "i32", "SIZE": "i32"}, "constants": {}},
            "SIZE: a tl.constexpr has no type",
        ),
        ({"causal": True}, "causal: only kernels of the catalogue"),
    ],
)
def test_errors_teach(arguments, message):
    good = {"kernel": toy_kernels.add, "signature": {"p_x": "*fp32", "p_y": "*fp32", "stride": "i32"}}
    with pytest.raises(XrayError, match=message.replace("(", r"\(")):
        xray(**{"constants": {"SIZE": 16}} | good | arguments)


def test_the_catalogue(monkeypatch):
    made = types.SimpleNamespace(constants=SMALL, num_warps=4, num_stages=2, **TILE)
    asked = []

    def specialise(arch, **config):
        asked.append((arch, config))
        if "wrong" in config:
            raise TypeError("no wrong")
        return made

    entry = types.SimpleNamespace(function=toy_kernels.sigmoid_tile, specialise=specialise)
    catalogue = types.ModuleType("kernels.flash.catalogue")
    catalogue.KERNELS = {"toy": entry}
    monkeypatch.setitem(sys.modules, "kernels.flash.catalogue", catalogue)
    report = xray("toy", "sm_80", dim=64, num_warps=4)
    assert report.name == "toy" and asked == [("sm_80", {"dim": 64, "num_warps": 4})] and report.config["dim"] == 64
    with pytest.raises(XrayError, match="got 'tay', wanted one of toy"):
        xray("tay")
    with pytest.raises(XrayError, match="toy cannot be specialised for sm_90 with .*no wrong"):
        xray("toy", wrong=1)
    with pytest.raises(XrayError, match="knows its signature"):
        xray("toy", signature={})


def test_a_kernel_of_a_notebook_cell_is_carried_with_its_helpers():
    code = """
    import linecache, sys
    source = '''
    import math
    import triton
    import triton.language as tl
    from tests.kernels.toy_kernels import logistic as squash
    GAIN = tl.constexpr(2.5)
    TABLE = [1.0]

    @triton.jit
    def inner(x):
        return squash(x) * GAIN

    def gated(kernel):
        return kernel

    p_x = TABLE  # an argument's name means the argument

    @gated
    @triton.jit
    def outer(p_x, SIZE: tl.constexpr):
        i = tl.arange(0, SIZE)
        tl.store(p_x + i, inner(tl.load(p_x + i)))

    @triton.jit
    def bad(p_x):
        tl.store(p_x, TABLE[0])
    '''
    source = __import__("textwrap").dedent(source)
    linecache.cache["<cell 1>"] = (len(source), None, source.splitlines(True), "<cell 1>")
    exec(compile(source, "<cell 1>", "exec"), globals())
    from kernels.instruments.xray import XrayError, xray
    for arch in ("sm_80", "gfx942"):
        report = xray(outer, arch, signature={"p_x": "*fp32"}, constants={"SIZE": 128})
        assert "def inner" in report.python and "def logistic" in report.python and report.name == "outer"
        assert report.instructions["special"] == 2
    assert xray(outer, arch, signature={"p_x": "*fp32"}, constants={"SIZE": 128}).cached
    try:
        xray(bad, signature={"p_x": "*fp32"})
    except XrayError as error:
        assert "reads the global 'TABLE', a list" in str(error)
    else:
        raise AssertionError
    GAIN = tl.constexpr(3.5)
    assert not xray(outer, arch, signature={"p_x": "*fp32"}, constants={"SIZE": 128}).cached
    assert "torch" not in sys.modules
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"TRITON_INTERPRET": "1"},
    )
    assert done.returncode == 0, done.stderr


def test_a_compiler_that_hangs_or_dies_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "deadly.py").write_text("import os, sys\nprint('boom', file=sys.stderr, flush=True)\nos.abort()\n")
    request = {"module": "deadly", "function": "nothing", "path": [str(tmp_path), *sys.path]}
    told = compiling._compile(request)["error"]
    assert told["kind"] == "CompilerCrash" and "exit status -6" in told["message"] and "boom" in told["message"]
    told = compiling._compile(request | {"module": "tests.kernels.toy_kernels"})["error"]
    assert told["kind"] == "AttributeError" and "nothing" in told["message"]
    monkeypatch.setattr(compiling, "SECONDS", 0)
    with pytest.raises(XrayError, match="did not compile within 0 s"):
        compiling._compile(request)


def test_an_edited_module_is_read_afresh(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = (
        "import triton\nimport triton.language as tl\n\n@triton.jit\ndef scale(p_x):\n    tl.store(p_x, tl.load(p_x) *"
        " GAIN)\n"
    )
    found = []
    for gain in (2, 31):  # of another length: bytecode knows its source by size and second
        (tmp_path / "edited.py").write_text(f"{source}\nGAIN = tl.constexpr({gain}.25)\n")
        sys.modules.pop("edited", None)
        __import__("importlib").invalidate_caches()
        report = xray("edited:scale", "sm_80", signature={"p_x": "*fp32"})
        found.append([line for line in report.sass.split("\n") if "FMUL" in line])
    assert "2.25" in found[0][0] and "31.25" in found[1][0]
