"""The asking side of the X-ray: find the kernel, look into the cache, have it compiled, name what went wrong."""

import atexit
import gzip
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import textwrap
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from kernels import cache
from kernels.instruments.source import SIMPLE, XrayError, digest, parts, plain, simple

SECONDS = 120.0  # for one kernel
ENTRIES = 400  # of the cache; the oldest give way


def folder() -> Path:
    """Where results are kept: SEQLAB_XRAY_CACHE, or seqlab/xray in the user's cache directory."""
    return Path(os.environ.get("SEQLAB_XRAY_CACHE") or cache.folder() / "xray")


def resolve(kernel: object) -> tuple[Any, str, str, list[str]]:
    """The kernel, and module, name and search path by which another process imports it. Raises XrayError."""
    path = [os.path.abspath(entry) for entry in sys.path]
    if isinstance(kernel, str):
        module, _, name = kernel.partition(":")
        try:
            return pkgutil.resolve_name(kernel), module, name, path
        except (ImportError, AttributeError, ValueError) as error:
            raise XrayError(f"kernel {kernel!r} cannot be imported as module:function ({error})") from None
    function = plain(kernel)
    if not inspect.isfunction(function):
        raise XrayError(f"kernel: got {type(kernel).__name__}, wanted a @triton.jit function or its name")
    if _importable(function):
        return kernel, function.__module__, function.__qualname__, path
    written = _written(function)
    path = [str(written.parent), *path]
    importlib.invalidate_caches()
    with mock.patch.object(sys, "path", path):
        copy = importlib.import_module(written.stem)
    return getattr(copy, function.__name__), written.stem, function.__name__, path


def _importable(function: Any) -> bool:
    """Whether another process finds this very function in its module."""
    home = sys.modules.get(function.__module__)
    return getattr(home, "__spec__", None) is not None and plain(getattr(home, function.__qualname__, None)) is function


def _written(function: Any) -> Path:
    """A module with a kernel of a notebook cell and all it needs; the file's name is its content."""
    local = {part: read for part, read in parts(function).items() if not _importable(part)}
    bindings = [_binding(name, value, part) for part, read in local.items() for name, value in read.items()]
    lines = ["import triton", "import triton.language as tl", *dict.fromkeys(filter(None, bindings))]
    sources = [textwrap.dedent(inspect.getsource(part)) for part in reversed(local)]
    bodies = ["@triton.jit\n" + source[source.index("def ") :] for source in sources]
    text = "\n".join(lines) + "\n\n\n" + "\n\n".join(bodies)
    name = f"cell_{hashlib.sha256(text.encode()).hexdigest()[:16]}.py"
    for where in (folder() / "cells", _own_folder()):
        with suppress(OSError):
            cache.write(where / name, text.encode())
            return where / name
    raise XrayError("the kernel of a notebook cell must be written to a file, and no folder allows it")


@lru_cache
def _own_folder() -> Path:
    """Of this process, gone when it ends: where the cache is not to be used."""
    made = tempfile.mkdtemp(prefix="seqlab-xray-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _binding(name: str, value: Any, user: Any) -> str:
    """The line of a module that makes `name` mean `value`; none for a helper that is written into it as well."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    helper, inner = plain(value), simple(value)
    if inspect.isfunction(helper):
        return f"from {helper.__module__} import {helper.__qualname__} as {name}" if _importable(helper) else ""
    if isinstance(inner, SIMPLE):
        number = f'float("{inner}")' if isinstance(inner, float) else repr(inner)
        return f"{name} = {number}" if inner is value else f"{name} = tl.constexpr({number})"
    if getattr(value, "__module__", "").split(".")[0] == "triton":
        return f"from {value.__module__} import {getattr(value, '__name__', name)} as {name}"
    raise XrayError(
        f"kernel {user.__name__} reads the global {name!r}, a {type(value).__name__}; the X-ray can carry numbers, "
        f"strings, modules and @triton.jit functions: define the kernel in a module instead"
    )


def compiled(function: object, request: dict) -> tuple[dict, bool]:
    """What the compilers made of a kernel, and whether it came from the cache. Raises XrayError."""
    if kept := _load(digest(function, request)):
        return kept, True
    answer = _compile(request)
    if "error" in answer:
        raise _error(request["function"], answer["error"])
    _store(answer["digest"], answer)
    return answer, False


def _compile(request: dict) -> dict:
    """The answer of a new process, with a Triton that does not interpret."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRITON_")}
    environment |= {"TRITON_INTERPRET": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-P", "-m", "kernels.instruments.worker"]
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "start_new_session": True}
    try:
        done = subprocess.run(command, input=json.dumps(request), env=environment, **options)
    except subprocess.TimeoutExpired:
        raise XrayError(f"{request['function']} did not compile within {SECONDS:g} s") from None
    if done.returncode:
        message = f"the compiler died (exit status {done.returncode}): {done.stderr[-600:].strip()}"
        return {"error": {"kind": "CompilerCrash", "message": message}}
    return json.loads(done.stdout)


def _error(kernel: str, told: dict) -> XrayError:
    line, file = told.get("line"), told.get("file")
    where = f" at line {line} of {file}" if line else ""
    chain = "".join(f"\n    {text}" for text in told.get("chain", ()))
    return XrayError(f"{kernel} does not compile{where}:{chain}\n{told['kind']}: {told['message']}", line, file)


def _load(name: str) -> dict | None:
    path = folder() / f"{name}.json.gz"
    try:
        answer = json.loads(gzip.decompress(path.read_bytes()))
        return answer if answer.get("digest") == name else None
    except (OSError, EOFError, ValueError, zlib.error, AttributeError):
        return None  # missing, or damaged: compiled again


def _store(name: str, answer: dict) -> None:
    with suppress(OSError):  # a cache that cannot be written costs time only
        cache.write(folder() / f"{name}.json.gz", gzip.compress(json.dumps(answer).encode(), 5))
        kept = sorted(folder().glob("*.json.gz"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-ENTRIES]:
            old.unlink(missing_ok=True)
