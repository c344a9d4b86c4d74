"""The process that compiles one kernel for `kernels.xray`: the request on stdin, the answer on stdout, both JSON.

Triton that was imported with TRITON_INTERPRET=1 cannot compile, so this runs beside the process that asks. It is a new
one for each kernel: what was edited is read afresh, and a compiler that crashes takes nothing with it.
"""

import inspect
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kernels.instruments.source import digest, sources


def compile_kernel(request: dict) -> dict:
    """The answer to one request: everything that came out, or `error` with a message and the kernel's line."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler.errors import CompilationError

    sys.path[:] = request["path"]
    function: Any = pkgutil.resolve_name(f"{request['module']}:{request['function']}")
    while not hasattr(function, "arg_names") or not hasattr(function, "src"):
        function = function.fn  # under autotune and heuristics
    constants: dict[Any, Any] = dict(request["constants"])
    signature, attributes = {}, {}
    for at, name in enumerate(function.arg_names):
        kind = signature[name] = request["signature"].get(name, "constexpr")
        places = {(at,): kind}
        if not isinstance(kind, str):  # a tuple: types, and numbers that are constants
            places = {(at, inner): part for inner, part in enumerate(kind)}
            constants |= {place: part for place, part in places.items() if not isinstance(part, str)}
            signature[name] = tuple(part if isinstance(part, str) else "constexpr" for part in kind)
        if name in request["divisible"]:
            attributes |= {place: [["tt.divisibility", 16]] for place in places if place not in constants}
    with tempfile.TemporaryDirectory(prefix="xray-") as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        try:
            compiled = triton.compile(
                ASTSource(function, signature, constexprs=constants, attrs=attributes),
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


def _told(error: Any, function: Any) -> dict:
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


def main() -> None:
    request = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a compiler prints must not come between
        try:
            found = compile_kernel(request)
        except Exception as error:
            found = {"error": {"kind": type(error).__name__, "message": str(error)}}
        json.dump(found, answers)


if __name__ == "__main__":
    main()
