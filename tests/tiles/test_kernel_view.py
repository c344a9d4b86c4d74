"""KernelView without a browser: what it sends, its control, its twin, and the figure of the instruction mix."""

import json
import re

import pytest

from kernels.instruments.instructions import CLASSES
from kernels.instruments.xray import XrayError, xray
from seqlab.tiles import kernel_view
from seqlab.tiles.figures import instruction_mix
from seqlab.tiles.kernel_view import LETTERS, KernelView
from seqlab.widgets.contract import controls, sweep

pytest.importorskip("triton")


@pytest.fixture(scope="module")
def reports():
    """(kernel, architecture) -> report."""
    signature = {"p_q": "*fp16", "p_k": "*fp16", "p_v": "*fp16", "p_out": "*fp16", "n": "i32", "scale": "fp32"}
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        for arch in ("sm_90", "gfx942"):
            for name in ("softmax_tile", "sigmoid_tile"):
                made[name, arch] = xray(
                    f"tests.kernels.toy_kernels:{name}",
                    arch,
                    signature=signature,
                    divisible=list(signature)[:5],
                    constants={"DIM": 64, "QUERIES": 128, "KEYS": 64},
                )
        made["add", "sm_90"] = xray(
            "tests.kernels.toy_kernels:add",
            signature={"p_x": "*fp32", "p_y": "*fp32"},
            constants={"stride": 1, "SIZE": 64},
        )
    yield made


@pytest.mark.parametrize("arch, names", [("sm_90", "Python TTIR PTX SASS"), ("gfx942", "Python TTIR AMDGCN")])
def test_columns_are_trimmed_and_linked(reports, arch, names):
    report = reports["softmax_tile", arch]
    (group,) = KernelView(report).columns.groups
    columns = {column["name"]: column for column in group["columns"]}
    assert " ".join(columns) == names and len(json.dumps(group)) < 300_000
    python = columns["Python"]["text"]
    assert python == report.python.split("\n")
    for name, column in columns.items():
        assert len(column["text"]) == len(column["from"]) and all(
            text.strip() for text in column["text"] if name != "Python"
        )
        reached = {at for chain in column["chains"] for at in chain}
        assert reached <= set(range(len(python))) and max(column["from"]) < len(column["chains"])
        assert any("tl.dot" in python[at] for at in reached)
        assert "loc(" not in "".join(column["text"]) and ".loc" not in "".join(column["text"])
    machine = columns[names.split()[-1]]
    assert len(machine["kinds"]) == len(machine["loop"]) == len(machine["text"])
    assert machine["loop"].count("1") == len(report.main)
    assert machine["kinds"].count("M") == report.instructions["matrix"]


def test_two_kernels_are_two_pairs_and_a_difference(reports):
    soft, sigmoid = reports["softmax_tile", "sm_90"], reports["sigmoid_tile", "sm_90"]
    view = KernelView(soft, sigmoid)
    assert [[column["name"] for column in group["columns"]] for group in view.columns.groups] == [
        ["Python", "SASS"]
    ] * 2
    assert len(json.dumps(view.columns.groups)) < 300_000
    change = sigmoid.loop["special"] - soft.loop["special"]
    assert f"{change:+,}" in view.picture.value and "main loop" in view.picture.value
    view.scope.value = "whole kernel"
    assert f"{sigmoid.instructions.total():,}" in view.picture.value
    assert "softmax_tile (2)" in KernelView(soft, soft).picture.value
    with pytest.raises(XrayError, match="take one architecture"):
        KernelView(soft, reports["sigmoid_tile", "gfx942"])


def test_the_contract(reports):
    view = KernelView(reports["softmax_tile", "sm_90"], reports["sigmoid_tile", "sm_90"])
    assert controls() == [view.scope]
    seen, before = [], view.picture.value
    view.picture.observe(lambda change: seen.append(change["new"]), "value")
    assert len(sweep()) == 1 and len(seen) == 2 and view.picture.value == before
    for lines in ([], [-1, 0], [10_000, 3]):
        view.columns.lines = lines


def test_a_kernel_without_a_matrix_loop(reports):
    view = KernelView(reports["add", "sm_90"])
    assert view.scope.options == ("whole kernel",) and "whole kernel" in view.picture.value
    sweep()


def test_the_view_opens_at_the_heart_of_the_loop(reports):
    soft, sigmoid = reports["softmax_tile", "sm_90"], reports["sigmoid_tile", "sm_90"]
    lines = KernelView(soft, sigmoid).columns.lines
    assert "b_weights = tl.exp2" in soft.python.split("\n")[lines[0]]
    assert "b_weights = logistic" in sigmoid.python.split("\n")[lines[1]]


def test_the_twin_holds_the_data(reports):
    report = reports["sigmoid_tile", "sm_90"]
    view = KernelView(report)
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"].startswith("<figure") and str(report) in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    twin = view.twin()
    assert len(twin) < 40_000 and "<figcaption>" in twin and f"{report.registers} registers" in twin
    at = next(at for at, text in enumerate(report.python.split("\n")) if "logistic(" in text)
    became = sum(at in chain for chain in report.lines["sass"])
    assert re.search(rf"b_weights = logistic.*?<td [^>]*>{became}</td></tr>", twin)
    assert "&lt; n" in twin and "mask=i_row[:, None] < n" not in twin


def test_a_long_kernel_is_cut_and_says_so(reports, monkeypatch):
    monkeypatch.setattr(kernel_view, "BUDGET", 30_000)
    (group,) = KernelView(reports["softmax_tile", "sm_90"]).columns.groups
    assert sum(len(text) + 12 for column in group["columns"] for text in column["text"]) <= 30_000
    cut = [column for column in group["columns"] if "more lines" in column["text"][-1]]
    assert cut and all(column["chains"][column["from"][-1]] == [] for column in cut)
    for column in cut:
        assert len(column["from"]) == len(column["text"]) == len(column.get("kinds", column.get("numbers")))


def test_letters_are_all_different():
    assert len(set(LETTERS.values())) == len(CLASSES) == len(LETTERS)


def test_the_instruction_mix_is_a_figure_in_words_too(reports):
    soft, sigmoid = reports["softmax_tile", "sm_90"], reports["sigmoid_tile", "sm_90"]
    picture = instruction_mix({"softmax": soft, "sigmoid": sigmoid})
    assert [bar.name for bar in picture.data] == ["softmax", "sigmoid"]
    assert dict(zip(picture.data[1].x, picture.data[1].y))["special"] == sigmoid.loop["special"]
    assert f"{soft.loop['shuffle']} shuffle" in picture.layout.meta["alt"] and "main loop" in picture.layout.title.text
    assert picture.data[0].marker.pattern.shape != picture.data[1].marker.pattern.shape
    assert "whole kernel" in instruction_mix({"add": reports["add", "sm_90"]}).layout.title.text
    with pytest.raises(XrayError, match="one architecture"):
        instruction_mix({"a": soft, "b": reports["softmax_tile", "gfx942"]})
    with pytest.raises(XrayError, match="no architecture"):
        instruction_mix({})
