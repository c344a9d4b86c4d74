"""Faults, one a tiny notebook: what is in its cells, and what the runner has to say of it.

The first word of a claim's id is the notebook's name. `kind`, `words` and `cell` are of the failure that is wanted:
cells count from the title (0) and the parameters (1). QUICK are run in `make test`, all in `make test-all`.
"""

from dataclasses import dataclass
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from seqlab.course import claims


def claim(id, value):
    shown = f'{{"{claims.MIME}": {{"id": "{id}", "value": {value!r}, "mode": mode}}, "text/plain": "claim"}}'
    return f"from IPython.display import display\ndisplay({shown}, raw=True)"


def raw(data):
    shown = f'{{"{claims.MIME}": {data!r}, "text/plain": "claim"}}'
    return f"from IPython.display import display\ndisplay({shown}, raw=True)"


def notebook(cells, title="# Tiny", parameters='mode = "lab"\nseed = 0', tags=()):
    made = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    made.cells = [
        new_markdown_cell(title),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(new_code_cell(cell, metadata={"tags": list(tags)}) for cell in cells),
    ]
    return made


@dataclass(frozen=True)
class Fault:
    cells: tuple[str, ...]
    kind: str
    words: str
    cell: int | None = 2
    bounds: str = ""  # of the claim NAME.number, as in a claims file
    more: int = 0  # failures beside the one that is wanted
    made: Any = ()  # further arguments of `notebook`


def one(source, kind, words, cell=2, **more):
    return Fault((source,), kind, words, cell, **more)


WIDGETS = "import ipywidgets\n"
SLEEPER = "sleep 4242.4242"
CONFLICT = '{"cells": [\n<<<<<<< ours\n=======\n>>>>>>> theirs\n]}'
QUICK = {
    "raising": Fault(("x = 1", "1 / 0", "never = True"), "exception", "ZeroDivisionError", 3),
    "callback": one(
        WIDGETS + "ipywidgets.interact(lambda n: 1 / n, n=ipywidgets.IntSlider(value=0, max=0))",
        "widget callback",
        "ZeroDivisionError",
    ),
    "sweep": one(
        WIDGETS + "s = ipywidgets.IntSlider(min=0, max=9, description='touchy')\n"
        "s.observe(lambda c: 1 / (c['new'] - 9), 'value')\ns",
        "widget callback",
        "touchy",
    ),
    "dead": one(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "dead kernel",
        "signal 9, probably because memory ran out; it had up to",
    ),
    "endless": one(
        f"import subprocess, time\nsubprocess.Popen({SLEEPER.split()}, start_new_session=True)\n"
        "while True: time.sleep(0.1)",
        "time limit",
        "longer than 20 s",
    ),
    "missing": one(
        "x = 1", "claim", "missing.number is in the claims file and was never stated", None, bounds="at_least = 0"
    ),
    "unlisted": one(claim("nobody.knows", 1), "claim", "nobody.knows is stated here and not in the claims file"),
    "bounds": one(claim("bounds.number", 7.5), "claim", "7.5, expected ≤ 5 (margin -2.5)", bounds="at_most = 5"),
    "misplaced": one(claim("fine.number", 2), "claim", "belongs to fine"),
    "nan": one(claim("nan.number", "nan"), "claim", "nan.number is nan", bounds="at_least = 0"),
    "infinite": one(claim("infinite.number", "inf"), "claim", "number is inf, expected ≥ 0", bounds="at_least = 0"),
    "twice": Fault(
        (claim("twice.number", 99), claim("twice.number", 1)),
        "claim",
        "twice.number is stated as 99 and then as 1",
        3,
        bounds="at_most = 5",
        more=1,
    ),
    "two_values": Fault(
        (claim("two_values.number", 1), claim("two_values.number", 2)),
        "claim",
        "two_values.number is stated as 1 and then as 2",
        3,
        bounds="at_most = 5",
    ),
    "odd": Fault(
        (claim("odd.number", "many"), claim("odd.number", 1)),
        "record",
        "needs an id and a number",
        bounds="at_most = 5",
    ),
    "script": one(claim("script.<script>alert(1)</script>", 1), "claim", "is stated here and not in the claims file"),
    "warning": one(
        "import warnings\nwarnings.warn('old habit', DeprecationWarning)", "warning", "DeprecationWarning: old habit"
    ),
    "large": one("print('x' * 60_000)", "size", "allowed are 50"),
    "quiet_end": Fault(("import sys\nsys.exit(0)", "assert False"), "exception", "the notebook ended here"),
    "callback_log": one(
        "import sys\nprint('Traceback (most recent call last):\\n  boom', file=sys.stderr)", "widget callback", "boom"
    ),
    "logged": one(
        "import logging\nlogging.getLogger('lab').error('no %s', 'bread')", "told", "lab logged an error: no bread"
    ),
    "command": one("!exit 3", "told", "!exit 3 ended with exit code 3"),
    "task": Fault(
        ("import asyncio\nasync def fail(): 1 / 0\ntask = asyncio.ensure_future(fail())\ndel task", "x = 1"),
        "told",
        "asyncio logged an error: Task exception was never retrieved",
        None,
    ),
    "surrogate": one("raise ValueError('lone \\udc80')", "exception", "ValueError: lone"),
    "byte": Fault(
        ("import os\nos.write(1, b'\\xff\\n'); os.write(2, b'\\xfe\\n')", "assert False"),
        "exception",
        "AssertionError",
        3,
    ),
    "untitled": one("x = 1", "lint", "untitled.ipynb: the first cell is no title", None, made={"title": "no title"}),
    "broken": one("{", "damaged", "broken.ipynb: is not JSON", None),
}
RAISED = {  # what a cell may raise, and the words that come of it
    "syntax": ("x = = 1", "SyntaxError"),
    "name": ("unknown", "NameError: name 'unknown'"),
    "module": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "wordless": ("assert False", "AssertionError"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "memory": ("raise MemoryError('too large')", "MemoryError: too large"),
    "recursion": ("f = lambda n: f(n + 1)\nf(0)", "RecursionError"),
    "long_text": ("raise ValueError('long ' * 200_000)", "ValueError: long"),
    "coloured": ("raise ValueError('\\x1b[31mred\\x1b[0m')", "ValueError: red"),
    "control": ("raise ValueError('a\\x00b\\x08c')", "ValueError: a"),
    "group": ("raise ExceptionGroup('several', [ValueError(1), KeyError(2)])", "several"),
    "chained": (
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise RuntimeError('outer') from error",
        "outer",
    ),
    "speechless": ("class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E", "E"),
    "awaited": ("async def f(): 1 / 0\nawait f()", "ZeroDivisionError"),
    "shape": ("import torch\ntorch.ones(2, 3) @ torch.ones(2, 3)", "RuntimeError"),
    "decoding": ("b'\\xff'.decode()", "UnicodeDecodeError"),
    "magic": ("%no_such_magic", "UsageError"),
    "shell_cell": ("%%bash\nexit 3", "CalledProcessError"),
    "markup": ("raise ValueError('<b>]]></b>&amp;')", "ValueError: <b>]]></b>&amp;"),
    "markup_script": ("raise ValueError('</script><script>alert(1)</script>')", "alert(1)"),
    "long_line": (f"x = '{'y' * 5000}'; 1 / 0", "ZeroDivisionError"),
    "seqlab_error": (
        "from seqlab.course import claim\nclaim('seqlab_error.number', 'text')",
        "wanted one number, got str",
    ),
    "seqlab_list": (
        "from seqlab.course import claim\nclaim('seqlab_list.number', [1, 2])",
        "wanted one number, got list",
    ),
    "seqlab_begin": ("from seqlab import course\ncourse.begin('x', 'quick', 0)", "mode: got 'quick'"),
    "exercise": ("from seqlab.course import exercise\nexercise('nothing.here')", "there is none with this id"),
}
DEAD = {  # how a kernel may end
    "aborted": ("import os\nos.abort()", "signal 6"),
    "terminated": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", "dead kernel"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "signal 11"),
    "exit_3": ("import os\nos._exit(3)", "exit code 3"),
    "exit_0": ("import os\nos._exit(0)", "exit code 0"),
}
QUIET = {"sys_exit_3": "import sys\nsys.exit(3)", "system_exit": "raise SystemExit"}
TOLD = {
    "critical": ("import logging\nlogging.critical('help')", "root logged an error: help"),
    "with_trace": (
        "import logging\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.exception('went wrong')",
        "went wrong",
    ),
    "two_lines": ("import logging\nlogging.error('one\\ntwo')", "one / two"),
    "command_not_found": ("!no_such_command_anywhere", "exit code 127"),
    "command_fails_first": ("!false\nx = 1", "exit code 1"),
    "command_in_loop": ("for n in range(2):\n    !exit {n}", "exit code 1"),
    "handler_given": ("import logging\nlogging.basicConfig()\nlogging.error('still')", "still"),
}
CALLBACKS = {
    "button": "b = ipywidgets.Button(description='touchy')\nb.on_click(lambda b: 1 / 0)\nb",
    "checkbox": "c = ipywidgets.Checkbox(description='touchy')\nc.observe(lambda c: 1 / 0, 'value')\nc",
    "menu": "d = ipywidgets.Dropdown(options=['a', 'b'], description='touchy')\n"
    "d.observe(lambda c: 1 / (c['new'] == 0), 'index')\nd",
    "boxed": "b = ipywidgets.Button(description='touchy')\nb.on_click(lambda b: 1 / 0)\n"
    "ipywidgets.VBox([ipywidgets.HBox([b])])",
    "range": "r = ipywidgets.IntRangeSlider(description='touchy')\nr.observe(lambda c: 1 / c['new'][0], 'value')\nr",
    "log_slider": "r = ipywidgets.FloatLogSlider(description='touchy')\nr.observe(lambda c: 1 / 0, 'value')\nr",
    "captured": "out = ipywidgets.Output()\nb = ipywidgets.Button(description='touchy')\n\n@out.capture()\n"
    "def go(_): 1 / 0\nb.on_click(go)\nipywidgets.VBox([b, out])",
}
STDERR = {
    "in_thread": (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
        "ZeroDivisionError",
    ),
    "in_del": ("class D:\n    def __del__(self): 1 / 0\nx = D()\ndel x", "ZeroDivisionError"),
    "printed": (
        "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()",
        "ZeroDivisionError",
    ),
}
WARNED = {
    "user_warning": ("import warnings\nwarnings.warn('beware')", "UserWarning: beware"),
    "future_warning": ("import warnings\nwarnings.warn('soon', FutureWarning)", "FutureWarning: soon"),
    "not_awaited": ("async def f(): ...\nf()\nimport gc; gc.collect();", "was never awaited"),
}
SIZES = {
    "flood": "for n in range(4000): print('x' * 50)",
    "pictures": "from IPython.display import HTML, display\n"
    "for n in range(20): display(HTML('<p>' + 'x' * 5000 + '</p>'))",
    "one_picture": "from IPython.display import HTML\nHTML('x' * 200_000)",
    "flood_on_stderr": "import sys\nprint('x' * 200_000, file=sys.stderr)",
    "huge": "print('x' * 20_000_000)",
    "json_data": "from IPython.display import display\n"
    "display({'application/json': ['x' * 100] * 2000, 'text/plain': 'j'}, raw=True)",
}
CLAIMED = {  # value, bounds, words
    "too_small": (0.5, "at_least = 1", "0.5, expected ≥ 1 (margin -0.5)"),
    "off": (2.6, "equals = 2\ntolerance = 0.5", "2.6, expected = 2 ± 0.5"),
    "untrue": (False, "equals = true", "is False, expected yes"),
    "minus_infinite": ("-inf", "at_most = 1", "is -inf, expected ≤ 1"),
    "huge_number": (10**400, "at_most = 1", "expected ≤ 1"),
    "own_bounds": (3, "at_most = 5\nmodes.smoke.at_most = 2", "is 3, expected ≤ 2"),
    "between": (7, "at_least = 1\nat_most = 5", "is 7, expected ≥ 1 and ≤ 5"),
}
RECORDS = {
    "record_list": {"id": "record_list.number", "value": [1]},
    "record_none": {"id": "record_none.number", "value": None},
    "record_no_id": {"value": 1},
    "record_number_id": {"id": 3, "value": 1},
    "record_text": "no json at all",
    "record_number": 3,
}
LEFT = {  # what a cell leaves running; each ends in a failure of its own, so that it is not taken for good
    "left_child": "subprocess.Popen(words)",
    "left_session": "subprocess.Popen(words, start_new_session=True)",
    "left_without_environment": "subprocess.Popen(words, env={})",
    "left_bare": "subprocess.Popen(words, env={}, start_new_session=True)",
    "left_orphan": "subprocess.run(['/bin/sh', '-c', ' '.join(words) + ' &'], env={})",
}
LINT = {
    "installs": ("!pip install torch", "installs packages"),
    "changes_folder": ("import os\nos.chdir('.')", "changes the working directory"),
    "changes_path": ("import sys\nsys.path.append('.')", "changes the import path"),
    "long_cell": ("x = 1\n" * 41, "42 lines"),
}
FILES = {  # a file that is no notebook
    "empty": ("", "damaged"),
    "conflict": (CONFLICT, "conflict"),
    "list": ("[]", "damaged"),
    "no_cells": ("{}", "damaged"),
    "not_utf8": (b"\xff\xfe{}", "damaged"),
    "half": ('{"cells": [{"cell_type": "code"', "damaged"),
}


def _all():
    yield from QUICK.items()
    for name, (source, words) in RAISED.items():
        more = 1 if name in ("syntax", "recursion", "long_text") else 0  # the lint speaks, too, or the size
        yield name, one(source, "exception", words, more=more)
    for name, (source, words) in DEAD.items():
        yield name, one(source, "dead kernel", words.replace("dead kernel", "kernel"))
    for name, source in QUIET.items():
        yield name, Fault((source, "assert False"), "exception", "")
    for name in ("exit", "quit"):
        yield name, Fault((f"{name}()", "import asyncio; await asyncio.sleep(20)"), "dead kernel", "exit code 0", 3)
    for name, (source, words) in TOLD.items():
        yield name, one(source, "told", words)
    for name, source in CALLBACKS.items():
        yield name, one(WIDGETS + source, "widget callback", "touchy")
    for name, (source, words) in STDERR.items():
        yield name, one(source, "widget callback", words)
    for name, (source, words) in WARNED.items():
        yield name, one(source, "warning", words)
    for name, source in SIZES.items():
        yield name, one(source, "size", "allowed are 50")
    for name, (value, bounds, words) in CLAIMED.items():
        yield name, one(claim(f"{name}.number", value), "claim", words, bounds=bounds)
    for name, data in RECORDS.items():
        yield name, one(raw(data), "record", "needs an id and a number")
    for name, source in LEFT.items():
        words = f"import subprocess\nwords = {SLEEPER.split()}\n{source}"
        yield name, Fault((words, "assert False"), "exception", "AssertionError", 3)
    for name, (source, words) in LINT.items():
        yield name, one(source, "lint", words, None, more=9)
    for name, (text, words) in FILES.items():
        yield name, one(text, "damaged", "" if words == "damaged" else words, None)
    yield "shown_error", one("1 / 0", "exception", "ZeroDivisionError", made={"tags": ["raises-exception"]})


FAULTS = dict(_all())
