"""`python -m seqlab`: the doctor's report; `python -m seqlab grade …`: what a course needs (`--help` lists it)."""

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRADING, HANDOUT = "seqlab.grading.book", "seqlab.course.handout"
COMMANDS = {  # what it is called: its module, its function, one sentence
    "lab": ("seqlab.course.serve", "lab", "copy the labs into a folder, and start JupyterLab on them"),
    "release": (HANDOUT, "release", "make the students' copy of the labs"),
    "update": (HANDOUT, "update", "bring a student's labs up to date; answers and own cells stay"),
    "collect": (HANDOUT, "collect", "check a notebook as the grader reads it, and write the file to hand in"),
    "grade": (GRADING, "grade_all", "judge what a class handed in, isolated, into a gradebook"),
    "export": ("seqlab.grading.nbgrader", "export", "make an nbgrader course of the labs"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m seqlab", description="Without a command: what this machine has.")
    commands = parser.add_subparsers(dest="command")
    for name, (_, _, sentence) in COMMANDS.items():
        commands.add_parser(name, help=sentence)
    name = parser.parse_args(sys.argv[1:2]).command
    if name is None:
        from seqlab.course.doctor import report

        print(report())
        return 0
    home, function, sentence = COMMANDS[name]
    try:
        command = getattr(importlib.import_module(home), function)
    except ModuleNotFoundError as error:
        extra = "lab" if name == "lab" else "grade"
        sys.exit(f"python -m seqlab {name} needs {error.name}: pip install 'seqlab[{extra}]'")
    task = argparse.ArgumentParser(prog=f"python -m seqlab {name}", description=sentence)
    add_arguments(task, command)
    return command(**vars(task.parse_args(sys.argv[2:])))


def add_arguments(parser: argparse.ArgumentParser, command: Callable) -> None:
    """A command takes the arguments of its function; what the docstring says of one (`name: text`) is its help."""
    said = dict(re.findall(r"^ *(\w+): +(.+)$", command.__doc__ or "", re.M))
    for name, given in inspect.signature(command, eval_str=True).parameters.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}" if given.kind is given.KEYWORD_ONLY else name
        kind = given.annotation if isinstance(given.annotation, type) else Path
        options: dict[str, Any] = {"nargs": "+"} if given.default == () else {"type": kind}
        if kind is bool:
            options = {"action": "store_true"}
        elif given.kind is given.KEYWORD_ONLY:
            options |= {"dest": name}
            options |= {"required": True} if given.default is given.empty else {"default": given.default}
        parser.add_argument(flag, help=said.get(name), **options)


if __name__ == "__main__":
    sys.exit(main())
