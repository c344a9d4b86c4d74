"""The process that compiles for `kernels.xray`: one request a line on stdin, one answer a line on stdout, both JSON.

Triton that was imported with TRITON_INTERPRET=1 cannot compile, so this runs beside the process that asks, imports
Triton once, and forks for each kernel: a kernel that was edited is read afresh, and a compiler that crashes takes
nothing with it. The upper half of this file, what a kernel consists of, serves both processes.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import CodeType, ModuleType


def plain(function: object) -> Callable:
    """The Python function under @triton.jit, @triton.autotune and the like."""
    while not inspect.isfunction(function) and hasattr(function, "fn"):
        function = function.fn
    return function


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def parts(function: object) -> tuple[list[Callable], dict[str, object]]:
    """The kernel and the helpers it calls, itself first and no part of Triton among them; and the globals they read."""
    found, read, todo = [], {}, [plain(function)]
    while todo:
        here = todo.pop(0)
        if here in found:
            continue
        found.append(here)
        names = list(dict.fromkeys(_names(here.__code__)))
        values = {name: here.__globals__[name] for name in names if name in here.__globals__}
        modules = [value for value in values.values() if isinstance(value, ModuleType)]
        read |= values
        inside = [vars(module).get(name) for module in modules if not _tritons(module.__name__) for name in names]
        for value in [*values.values(), *inside]:
            helper = plain(value)
            if inspect.isfunction(helper) and helper is not value and not _tritons(helper.__module__):
                todo.append(helper)
    return found, read


def _tritons(name: str) -> bool:
    return name.split(".")[0] == "triton"


def sources(function: object) -> list[dict]:
    """File, first line, name and text of the kernel and its helpers. Raises OSError where there is no source."""
    found = []
    for part in parts(function)[0]:
        lines, first = inspect.getsourcelines(part)
        found.append(
            {"file": inspect.getsourcefile(part), "line": first, "name": part.__name__, "text": "".join(lines)}
        )
    return found


def digest(function: object, request: dict) -> str:
    """The name of a result: all that the compiler sees, and where the lines stand."""
    simple = {
        name: repr(getattr(value, "value", value))
        for name, value in parts(function)[1].items()
        if isinstance(getattr(value, "value", value), (bool, int, float, str, type(None)))
    }
    asked = {name: value for name, value in request.items() if name not in ("path", "module")}
    told = json.dumps([sources(function), simple, asked, version("triton"), FORMAT], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


FORMAT = 1  # of an answer; a change makes the cache forget


def compile_kernel(request: dict) -> dict:
    """The answer to one request: everything that came out, or `error` with a message and the kernel's line."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler.errors import CompilationError

    sys.path[:] = request["path"]
    module = importlib.import_module(request["module"])
    function = module
    for name in request["function"].split("."):
        function = getattr(function, name)
    while not hasattr(function, "arg_names") or not hasattr(function, "src"):
        function = function.fn  # under autotune and heuristics
    signature = {name: request["signature"].get(name, "constexpr") for name in function.arg_names}
    attributes = {
        (at,): [["tt.divisibility", 16]] for at, name in enumerate(function.arg_names) if name in request["divisible"]
    }
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="xray-") as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        try:
            compiled = triton.compile(
                ASTSource(function, signature, constexprs=dict(request["constants"]), attrs=attributes),
                target=GPUTarget(*request["target"]),
                options=request["options"],
            )
        except CompilationError as error:
            return {"error": _told(error, function)}
        stages = {
            name: compiled.asm[name] for name in ("ttir", "ttgir", "llir", "ptx", "amdgcn") if name in compiled.asm
        }
        if "cubin" in compiled.asm:
            stages |= _disassembled(compiled.asm["cubin"], Path(folder))
    metadata = {name: getattr(compiled.metadata, name, 0) for name in ("name", "shared", "num_warps", "tmem_size")}
    return {
        "stages": stages,
        "metadata": metadata,
        "sources": sources(function),
        "digest": digest(function, request),
        "seconds": time.perf_counter() - start,
    }


def _disassembled(cubin: bytes, folder: Path) -> dict[str, str]:
    from triton import knobs

    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    commands = {
        "sass": [knobs.nvidia.nvdisasm.path, "-g", "-c", "-ndf", str(path)],
        "resources": [knobs.nvidia.cuobjdump.path, "-res-usage", str(path)],
    }
    running = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for name, command in commands.items()
    }
    return {name: process.communicate()[0] for name, process in running.items()}


def _told(error: Exception, function: object) -> dict:
    """The innermost error, the line where the compiler met it, and the line of the kernel that led there."""
    lines, deepest = [], error
    while error is not None:
        if getattr(error, "node", None) is not None and hasattr(error.node, "lineno"):
            lines.append((error.src or "", error.node.lineno))
            deepest = error
        error = error.__cause__
    cause = deepest.__cause__ or deepest
    message = getattr(deepest, "error_message", None) or str(cause)
    source, at = lines[0] if lines else (function.src, 1)
    head = function.src.split("\n")[0]
    offset = next((i for i, text in enumerate(function.raw_src) if text.strip() == head.strip()), 0)
    chain = [text.split("\n")[line - 1].strip() for text, line in lines if line <= len(text.split("\n"))]
    return {
        "kind": type(cause).__name__,
        "message": message.strip(),
        "line": function.starting_line_number + offset + at - 1,
        "file": inspect.getsourcefile(function.fn),
        "chain": list(dict.fromkeys(chain)),
    }


def answer(request: dict) -> bytes:
    """The answer of a fork, as one line."""
    try:
        found = compile_kernel(request)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        found = {
            "error": {"kind": type(error).__name__, "message": str(error), "where": f"{last.filename}:{last.lineno}"}
        }
    return json.dumps(found).encode() + b"\n"


def forked(request: dict) -> bytes:
    """Compile in a fork whose own output goes to a file, the end of which explains a crash."""
    with tempfile.TemporaryFile() as log:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reading)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                with os.fdopen(writing, "wb") as pipe:
                    pipe.write(answer(request))
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            line = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if line.endswith(b"\n"):
            return line
        log.seek(0)
        tail = log.read().decode(errors="replace")[-600:].strip()
    message = f"the compiler died (exit status {status})" + (f": {tail}" if tail else "")
    return json.dumps({"error": {"kind": "CompilerCrash", "message": message}}).encode() + b"\n"


def serve() -> None:
    """Answer until stdin closes."""
    import triton.backends.compiler
    import triton.compiler
    import triton.compiler.errors  # noqa: F401  (what is imported here, no fork imports again)

    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(forked(json.loads(line)))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
