"""`make bench-gpu`: the Triton kernels on a GPU. First they must be right, then they are timed against their peers.

    python -m ci.bench.gpu [--quick] [--dry-run]

The question: FlashSigmoid's forward pass is reported 17.4 % (causal 18.8 %) faster than a softmax flash kernel on an
H100 (Ramapuram et al. 2024). Is that gain here? The first thing measured is the tanh instruction that it rests on. Then
kernels are compiled by all cores at once, a part at a time, and checked; what is timed is tuned. Every result is a line
of build/report/gpu-<device>.jsonl, and a run that was ended goes on where it was. Times are CUDA events around single
calls, each after a flush of the L2 cache, contestants taking turns; the median and the quartiles of many. At its end
ci/results/gpu-<device>.json is written, and plots to build/report/. --dry-run counts what an H100 would compile, and
goes the same way on the CPU, in Triton's interpreter at tiny sizes, where it ends in the middle and goes on.
"""

import argparse
import hashlib
import itertools
import json
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

import kernels
from ci.bench import gpu_cases
from ci.bench.gpu_cases import SEED, Case, ours, planned, problems, variants, verify
from ci.bench.gpu_peers import Run, contestants, race
from ci.result import write_text
from kernels.flash import launch, versions
from kernels.instruments.roofline import DEVICES
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, line

PUBLISHED = {"forward": {False: 17.39, True: 18.76}, "backward": {False: 2.7, True: 6.19}}  # percent less time, H100
AT_ONCE = 80  # variants compiled before the checks that need them


class Rows:
    """Results by name, one line of JSON each. What a former run of the same kernels left is not computed again."""

    def __init__(self, path: Path, of: str):
        self.path, self.of, self.kept = path, of, {}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            file.write("\n")  # behind a line that was not finished
            file.seek(0)
            lines = file.readlines()
        for text in lines:
            try:
                row = json.loads(text)
            except ValueError:
                continue  # empty, or the one at which a run was ended
            if row.get("of") == of:
                self.kept[row["name"]] = row

    def add(self, name: str, **values: object) -> dict:
        row = self.kept[name] = {"name": name, "of": self.of, **values}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row


def tanh_instruction() -> dict:
    """What `tanh.approx.f32` is off by on [−16, 0], where the sigmoid of a small score comes from."""
    import triton
    import triton.language as tl

    @triton.jit
    def tanh(p_x, BLOCK: tl.constexpr):
        p_x += tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        x = tl.load(p_x)
        t = tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
        tl.store(p_x, t)

    x = torch.linspace(-16, 0, 2**20, device="cuda")
    t = x.clone()
    tanh[(2**10,)](t, BLOCK=2**10)
    wrong = (t.double() - x.double().tanh()).abs()
    near = {n: float(wrong[(x - -torch.tensor(n).log() / 2).abs() < 0.05].max() / 2 * n) for n in (64, 256, 1024, 4096)}
    return {"largest_error": float(wrong.max()), "of_a_weight_1_over_n": near}


def check(rows: Rows, device: str, impl: str, tiny: bool, quick: bool) -> list[str]:
    """Every case that has no row yet; the failures of all, in words."""
    todo = [case for case in gpu_cases.cases(tiny) if f"check {case.key}" not in rows.kept]
    for part in [todo] if tiny else parts(todo, device):
        if not tiny:
            gpu_cases.compile_in_parallel(part, quick)
        for case in part:
            wrong = verify(case, device, impl)
            rows.add(f"check {case.key}", wrong=wrong)
            print(f"{case.key}: {wrong or 'right'}", flush=True)
    return [f"{name}: {row['wrong']}" for name, row in rows.kept.items() if row.get("wrong")]


def parts(todo: list[Case], device: str, arch: str | None = None) -> Iterator[list[Case]]:
    """The cases in turn, in parts that need few new variants: the first are checked while others are not compiled."""
    part: list[Case] = []
    known: set = set()
    fresh: set = set()
    for case in todo:
        needed = variants([case], device, arch) - known
        if part and len(fresh | needed) > AT_ONCE:
            yield part
            part, known, fresh = [], known | fresh, set()
        part, fresh = [*part, case], fresh | (needed - known)
    if part:
        yield part


def measure(rows: Rows, device: str, impl: str, tiny: bool, quick: bool) -> Iterator[dict]:
    """A row for each problem and contestant: of a former run, or measured now."""
    names = {f"time {one['pattern']}, n {one['n']}, dim {one['dim']}": one for one in problems(tiny, quick)}
    todo = [case for name, problem in names.items() if name not in rows.kept for case in ours(problem, tiny)]
    if todo and not tiny:
        gpu_cases.compile_in_parallel(todo, quick)
    for name, problem in names.items():
        if name not in rows.kept:
            found = timed(problem, device, impl, tiny, 0.05 if tiny else 0.2 if quick else 0.5)
            rows.add(name, rows=found)
            print(*map(_line, found), sep="\n", flush=True)
        yield from rows.kept[name]["rows"]


def timed(problem: dict, device: str, impl: str, tiny: bool, seconds: float) -> list[dict]:
    """One problem: those who can, and the reason of those who cannot, which is part of the result."""
    case = ours(problem, tiny)[0]
    layout, causal = case.options.get("layout"), case.options["causal"]
    q, k, v = case.inputs(device)
    grad = torch.randn(q.shape, device=device, dtype=q.dtype)
    who = contestants(q, causal, layout, impl)
    found = {name: problem | {"who": name} for name in who}
    steps: dict[str, dict[str, Run]] = {"forward": {}, "backward": {}}
    for name, build in who.items():
        try:
            run = build()
            turn = getattr(run, "turned", False)
            mine = [x.transpose(1, 2).contiguous() if turn else x for x in (q, k, v, grad)]
            inputs = [x.detach().requires_grad_() for x in mine[:3]]
            out = run(*inputs)
            forward = torch.no_grad()(lambda run=run, mine=mine: run(*mine[:3]))
            backward = _backward(out, inputs, mine[3], getattr(run, "form", None))
            forward(), backward()
            steps["forward"][name], steps["backward"][name] = forward, backward
        except Exception as error:
            found[name]["left_out"] = f"{type(error).__name__}: {str(error)[:200].partition(chr(10))[0]}"
    n, share = problem["n"], layout.density if layout is not None else 0.5 if causal else 1.0
    flop = 4 * problem["batch"] * problem["heads"] * n * n * problem["dim"] * share
    chip = next(
        (chip for name, chip in DEVICES.items() if device == "cuda" and name in torch.cuda.get_device_name()), None
    )
    for step, runs in steps.items():
        for name, took in race(runs, device, seconds).items():
            rate = flop * (1 if step == "forward" else 2.5) / took["median_ms"] * 1e3
            took |= {"tflops": rate / 1e12} | ({"of_peak": rate / chip.matrix} if chip else {})
            found[name][step] = took
    return list(found.values())


def _backward(out: Tensor, inputs: list[Tensor], grad: Tensor, form: str | None) -> Run:
    def run() -> object:
        with launch.setting(form=form):
            return torch.autograd.grad(out, inputs, grad, retain_graph=True)

    return run


def _line(row: dict) -> str:
    head = f"{row['pattern']:8} n {row['n']:6,} dim {row['dim']:3}  {row['who']:24}"
    if "left_out" in row:
        return f"{head} left out: {row['left_out']}"
    for step in ("forward", "backward"):
        took = row[step]
        head += f"  {step} {took['median_ms']:9.3f} ms ({took['low_ms']:.3f} to {took['high_ms']:.3f})"
        head += f" {took['tflops']:6.1f} TFLOP/s" + (
            f", {took['of_peak']:.0%} of the peak" if "of_peak" in took else ""
        )
    return head


def answer(rows: list[dict]) -> list[str]:
    """How much less time sigmoid takes than softmax in our own kernels, beside the published numbers."""
    times = {(r["n"], r["dim"], r["pattern"], r["who"]): r for r in rows if "left_out" not in r}
    lines = []
    for (n, dim, pattern, who), row in times.items():
        other = times.get((n, dim, pattern, "seqlab softmax"))
        if not who.startswith("seqlab sigmoid") or other is None:
            continue
        for step in ("forward", "backward"):
            gain = 100 * (1 - row[step]["median_ms"] / other[step]["median_ms"])
            published = PUBLISHED[step].get(pattern == "causal") if pattern != "bigbird" else None
            beside = f" (published for an H100: {published} %)" if published else ""
            lines.append(
                f"{pattern}, n {n:,}, dim {dim}, {step}: {who[7:]} takes {gain:.1f} % less time than softmax{beside}"
            )
    return lines


def about(device: str) -> dict:
    """Device, driver and versions."""
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": versions.installed(),
        "seed": SEED,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if device != "cuda":
        return found | {"device": "Triton's interpreter"}
    properties = torch.cuda.get_device_properties(0)
    return found | {
        "device": properties.name,
        "memory_GiB": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "capability": list(torch.cuda.get_device_capability()),
        "driver": torch._C._cuda_getDriverVersion() if torch.version.cuda else None,
    }


def plots(rows: list[dict], path: Path) -> None:
    """One page: time against length, for each pattern, dim and step; bars from quartile to quartile."""
    parts = []
    for step, (pattern, dim) in itertools.product(("forward", "backward"), {(r["pattern"], r["dim"]): 0 for r in rows}):
        times: dict[str, dict[int, dict]] = {}
        for r in rows:
            if (r["pattern"], r["dim"]) == (pattern, dim) and step in r:
                times.setdefault(r["who"], {})[r["n"]] = r[step]
        drawn = []
        for (who, at), look in zip(times.items(), itertools.cycle(LOOKS)):
            medians = [t["median_ms"] for t in at.values()]
            up, down = (
                [t["high_ms"] - t["median_ms"] for t in at.values()],
                [t["median_ms"] - t["low_ms"] for t in at.values()],
            )
            bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
            drawn.append(line(who, at, medians, look, error_y=bars))
        title = f"{step}, {pattern}, dim {dim}"
        shown = figure(title, log("tokens"), log("milliseconds"), f"Median time, {title}.", *drawn)
        parts.append(shown.to_html(full_html=False, include_plotlyjs=not parts))
    write_text(path, "<!doctype html><meta charset='utf-8'><title>GPU kernels</title>" + "".join(parts))


def fingerprint(device: str) -> str:
    """Of the kernels' source, the device and the versions: other rows are not of this run."""
    told = "".join(path.read_text() for path in sorted(Path(kernels.__file__).parent.rglob("*.py")))
    known = {name: value for name, value in about(device).items() if name != "when"}
    return hashlib.sha256((told + json.dumps(known)).encode()).hexdigest()[:16]


def count(quick: bool) -> str:
    """What an H100 would compile, in words. Raises AssertionError where it is more than a first hour allows."""
    asked = planned(quick)
    first = next(parts([case for case in asked if not case.tune], "cpu", "sm_90"))
    early, every = len(variants(first, "cpu", "sm_90")), len(variants(asked, "cpu", "sm_90"))
    assert early <= AT_ONCE and every <= 600, (early, every)
    return f"{early} variants are compiled before the first result, {every} in all, by every core at once"


def run(rows: Rows, device: str, impl: str, tiny: bool, quick: bool) -> int:
    """The whole way; 0 when everything is right and timed."""
    if device == "cuda" and "tanh" not in rows.kept:
        print("tanh.approx.f32:", rows.add("tanh", **tanh_instruction()), flush=True)
    if failures := check(rows, device, impl, tiny, quick):
        print(f"{len(failures)} checks failed, so nothing is timed:", *failures, sep="\n  ")
        return 1
    print("All kernels agree with float64. Timing:")
    found = list(measure(rows, device, impl, tiny, quick))
    result = {"about": about(device), "tanh": rows.kept.get("tanh"), "rows": found, "answer": answer(found)}
    print(*result["answer"], sep="\n")
    numbers = rows.path.with_suffix(".json") if tiny else Path("ci/results", rows.path.name).with_suffix(".json")
    write_text(numbers, json.dumps(result, indent=1) + "\n")
    page = rows.path.with_suffix(".html")
    plots(found, page)
    print(f"Written to {numbers}, plots to {page}")
    return 0


def dry_run(quick: bool) -> int:
    """Counted for an H100; then on the CPU, ended after a third of the checks, and again to the end."""
    print(count(quick))
    path = Path("build/report/gpu-dry-run.jsonl")
    path.unlink(missing_ok=True)
    rows, left = Rows(path, fingerprint("cpu")), len(gpu_cases.cases(True)) // 3
    add = rows.add

    def ended(name: str, **values: object) -> dict:
        if len(rows.kept) >= left:
            path.write_text(path.read_text() + '{"name": "check', encoding="utf-8")
            raise KeyboardInterrupt
        return add(name, **values)

    rows.add = ended
    try:
        run(rows, "cpu", "interpret", True, quick)
    except KeyboardInterrupt:
        again = Rows(path, fingerprint("cpu"))
        print(f"Ended in the middle of a line; {len(again.kept)} rows are kept. Again:")
        assert len(again.kept) == left
    return run(again, "cpu", "interpret", True, quick)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make bench-gpu", description="The Triton kernels on a GPU: right first, then timed."
    )
    parser.add_argument("--quick", action="store_true", help="two lengths and fewer repeats: a few minutes")
    parser.add_argument(
        "--dry-run", action="store_true", help="count compilations, and go the same way on the CPU at tiny sizes"
    )
    options = parser.parse_args(arguments)
    if options.dry_run:
        return dry_run(options.quick)
    if trouble := versions.trouble(torch.device("cuda")) if torch.cuda.is_available() else "no GPU is here":
        cure = "`make bench-gpu BENCH_ARGS=--dry-run` goes the same way on the CPU"
        print(f"The kernels cannot run on a GPU: {trouble}. {cure}.")
        return 2
    name = about("cuda")["device"].replace(" ", "-").lower()
    return run(
        Rows(Path(f"build/report/gpu-{name}.jsonl"), fingerprint("cuda")), "cuda", "triton", False, options.quick
    )


if __name__ == "__main__":
    sys.exit(main())
