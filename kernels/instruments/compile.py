"""The asking side of the X-ray: find the kernel, look into the cache, keep one worker process, name what went wrong."""

from __future__ import annotations

import ast
import atexit
import gzip
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zlib
from pathlib import Path
from types import ModuleType

from kernels.instruments import worker
from kernels.instruments.worker import digest, plain

SECONDS = 120.0  # for one kernel, before the worker is stopped
ENTRIES = 400  # of the cache; the oldest give way


class XrayError(ValueError):
    """No X-ray came about. line, file: where the compiler met the error in the kernel, or None."""

    def __init__(self, message: str, line: int | None = None, file: str | None = None):
        super().__init__(message)
        self.line, self.file = line, file


def folder() -> Path:
    """Where results are kept: SEQLAB_XRAY_CACHE, or seqlab/xray in the user's cache directory."""
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # no home directory
        root = tempfile.gettempdir()
    return Path(os.environ.get("SEQLAB_XRAY_CACHE") or Path(root) / "seqlab" / "xray")


def resolve(kernel: object) -> tuple[object, str, str, list[str]]:
    """The kernel, and module, name and search path by which another process imports it. Raises XrayError."""
    path = [os.path.abspath(entry) for entry in sys.path]
    if isinstance(kernel, str):
        module, _, name = kernel.partition(":")
        try:
            function = importlib.import_module(module)
            for part in name.split("."):
                function = getattr(function, part)
        except (ImportError, AttributeError) as error:
            raise XrayError(f"kernel {kernel!r} cannot be imported as module:function ({error})") from None
        return function, module, name, path
    function = plain(kernel)
    if not inspect.isfunction(function):
        raise XrayError(f"kernel: got {type(kernel).__name__}, wanted a @triton.jit function or its name")
    module = sys.modules.get(function.__module__)
    if module is not None and getattr(module, "__spec__", None) and "<locals>" not in function.__qualname__:
        return kernel, function.__module__, function.__qualname__, path
    written = _written(function)
    copy = sys.modules.get(written.stem)
    if copy is None:
        spec = importlib.util.spec_from_file_location(written.stem, written)
        copy = sys.modules[written.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
    return getattr(copy, function.__name__), written.stem, function.__name__, [str(written.parent), *path]


def _written(function: object) -> Path:
    """A module with a kernel of a notebook cell and all it needs; the file's name is its content."""
    lines, todo, done = ["import triton", "import triton.language as tl"], [function], []
    bodies: list[str] = []
    while todo:
        here = todo.pop(0)
        if here in done:
            continue
        done.append(here)
        try:
            source = textwrap.dedent(inspect.getsource(here))
        except (OSError, TypeError) as error:
            raise XrayError(
                f"kernel {here.__name__}: its source is not to be had ({error}); put it into a file or a notebook cell"
            ) from None
        bodies.insert(0, source)
        scope = here.__globals__ | inspect.getclosurevars(here).nonlocals
        for name in sorted({node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}):
            if name in scope and name not in ("triton", "tl"):
                line, helper = _binding(name, scope[name], here)
                lines += [line] if line and line not in lines else []
                todo += [helper] if helper else []
    text = "\n".join(lines) + "\n\n\n" + "\n\n".join(bodies)
    name = f"cell_{hashlib.sha256(text.encode()).hexdigest()[:16]}.py"
    for where in (folder() / "cells", Path(tempfile.gettempdir()) / f"seqlab-xray-{os.getuid()}"):
        try:
            where.mkdir(parents=True, exist_ok=True)
            if not (where / name).exists() or (where / name).read_text("utf-8") != text:
                _atomic(where / name, text.encode())
            return where / name
        except OSError as error:
            failed = error
    raise XrayError(f"the kernel of a notebook cell must be written to a file, and no folder allows it ({failed})")


def _binding(name: str, value: object, user: object) -> tuple[str, object]:
    """The line of a module that makes `name` mean `value`, and the helper that must be written down as well."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}", None
    helper = plain(value)
    if inspect.isfunction(helper):
        home = sys.modules.get(helper.__module__)
        local = home is None or not getattr(home, "__spec__", None) or "<locals>" in helper.__qualname__
        return ("", helper) if local else (f"from {helper.__module__} import {helper.__qualname__} as {name}", None)
    inner = getattr(value, "value", value)
    if isinstance(inner, (bool, int, float, str, type(None))):
        number = f'float("{inner}")' if isinstance(inner, float) else repr(inner)
        return f"{name} = {number}" if inner is value else f"{name} = tl.constexpr({number})", None
    if getattr(value, "__module__", "").split(".")[0] == "triton":
        return f"from {value.__module__} import {getattr(value, '__name__', name)} as {name}", None
    raise XrayError(
        f"kernel {user.__name__} reads the global {name!r}, a {type(value).__name__}; the X-ray can carry numbers, "
        f"strings, modules and @triton.jit functions: define the kernel in a module instead"
    )


def compiled(function: object, request: dict) -> tuple[dict, bool]:
    """The worker's answer, and whether it came from the cache. Raises XrayError."""
    try:
        name = digest(function, request)
    except OSError:
        name = ""
    if name and (kept := _load(name)):
        return kept, True
    answer = WORKER.ask(request)
    if "error" in answer:
        raise _error(request["function"], answer["error"])
    _store(answer["digest"], answer)
    return answer, False


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
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _atomic(folder() / f"{name}.json.gz", gzip.compress(json.dumps(answer).encode(), 5))
        kept = sorted(folder().glob("*.json.gz"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-ENTRIES]:
            old.unlink(missing_ok=True)
    except OSError:
        pass  # a cache that cannot be written costs time only


def _atomic(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Worker:
    """One process that compiles, started when first asked, started again when it has died, ended with this one."""

    def __init__(self):
        self.process, self.owner, self.lock = None, 0, threading.Lock()

    def ask(self, request: dict, seconds: float | None = None) -> dict:
        """The answer to one request. Raises XrayError after `seconds`, or if the worker dies twice."""
        with self.lock:
            for last in (False, True):
                try:
                    self._start()
                    return self._exchange(request, SECONDS if seconds is None else seconds)
                except (BrokenPipeError, EOFError):
                    self.stop()
                    if last:
                        raise XrayError("the compiling process died twice; is there memory left?") from None
                except BaseException:  # an interrupt too: a late answer must not meet the next question
                    self.stop()
                    raise

    def stop(self) -> None:
        """End the process; the next question starts another."""
        process, self.process = self.process, None
        if process is not None and self.owner == os.getpid():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def _start(self) -> None:
        if self.process is not None and self.owner == os.getpid() and self.process.poll() is None:
            return
        self.stop()
        home = Path(worker.__file__).parents[2]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRITON_")}
        environment |= {"TRITON_INTERPRET": "0", "PYTHONPATH": str(home)}
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kernels.instruments.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # an interrupt of the notebook does not reach it
        )

    def _exchange(self, request: dict, seconds: float) -> dict:
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise XrayError(f"{request['function']} did not compile within {seconds:g} s; the worker was stopped")
            if not (piece := self.process.stdout.read(1 << 20)):
                raise EOFError
            line += piece
        return json.loads(line)


WORKER = Worker()
atexit.register(WORKER.stop)
