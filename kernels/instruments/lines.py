"""Which line of Python became which lines of TTIR, PTX and machine code, from the locations the compilers pass on.

A place is (file, line), a chain the place of an inlined helper and those that call it, innermost first. NVIDIA's tools
keep the innermost place only; TTIR still knows (`callsite(a at b)`), so there a line of a helper belongs to every line
that calls it.
"""

import os
import re

Place = tuple[str, int]
Chain = tuple[Place, ...]

DEFINITION = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
PLACE = re.compile(r'^"([^"]+)":(\d+)(?::\d+)?')
USE = re.compile(r"loc\((#loc\d*)\)\s*$")
FILE = re.compile(r'^\s*\.file\s+(\d+)\s+"([^"]*)"(?:\s+"([^"]*)")?')
LOC = re.compile(r"^\s*\.loc\s+(\d+)\s+(\d+)")
SASS_PLACE = re.compile(r'^\s*//## File "([^"]+)", line (\d+)')


def of_ttir(text: str) -> tuple[list[Chain], dict[Place, set[Place]]]:
    """The chain of each line, and for each place those that call it."""
    defined = {match[1]: match[2] for line in text.splitlines() if (match := DEFINITION.match(line))}

    def chain(name: str) -> list[Place]:
        body = defined.get(name, "")
        if match := PLACE.match(body):
            return [(match[1], int(match[2]))]
        return [place for inner in re.findall(r"#loc\d*", body) for place in chain(inner)]

    chains = {name: chain(name) for name in defined}
    callers: dict[Place, set[Place]] = {}
    for places in chains.values():
        for inner, outer in zip(places, places[1:]):
            if inner != outer:
                callers.setdefault(inner, set()).add(outer)
    found: list[Chain] = []
    opened: dict[int, int] = {}  # indentation -> the last line that opens a brace there
    for at, line in enumerate(text.splitlines()):
        use = None if DEFINITION.match(line) else USE.search(line)
        here = tuple(chains.get(use[1], ())) if use else ()
        found.append(here)
        indent = len(line) - len(line.lstrip())
        if line[indent:].startswith("}") and not found[start := opened.get(indent, at)]:
            found[start] = here  # a loop's place stands behind its closing brace
        if line.endswith("{"):
            opened[indent] = at
    return found, callers


def of_assembly(text: str) -> list[Chain]:
    """The chain of each line of PTX or AMD assembly: the last `.loc` above it; () for what is no instruction."""
    lines = text.splitlines()
    files = {}
    for line in lines:
        if match := FILE.match(line):
            files[match[1]] = os.path.join(match[2], match[3]) if match[3] else match[2]
    named = {os.path.basename(file): file for file in files.values()}
    found, here = [], ()
    for line in lines:
        if match := LOC.match(line):
            inner = [(files[match[1]], int(match[2]))] if int(match[2]) and match[1] in files else []
            outer = [(named[file], int(at)) for file, at in re.findall(r"@\[ ([^:\]]+):(\d+)", line) if file in named]
            here = tuple(inner + outer)
        instruction = line[:1] in " \t" and line.strip()[:1] not in (".", ";", "/", "")
        found.append(here if instruction else ())
    return found


def of_nvdisasm(text: str) -> tuple[list[str], list[Chain]]:
    """The labels and instructions of `nvdisasm -g -c`, and the place of each."""
    shown, found, here = [], [], ()
    for line in text.splitlines():
        if match := SASS_PLACE.match(line):
            here = ((match[1], int(match[2])),)
        elif re.match(r"^\s+/\*[0-9a-f]{4,}\*/", line):
            shown.append(re.sub(r"^\s+(/\*[0-9a-f]+\*/)\s{3}", r"\1", line).rstrip())
            found.append(here)
        elif re.match(r"^\.L_x_\d+:", line):
            shown.append(line)
            found.append(())
    return shown, found


def python_lines(
    chains: list[Chain], callers: dict[Place, set[Place]], index: dict[Place, int]
) -> tuple[tuple[int, ...], ...]:
    """For each chain the lines of the Python listing it came from, the innermost first.

    index: place -> line of the listing. Places elsewhere, as in Triton's own library, count as those that call them.
    """
    known: dict[Chain, tuple[int, ...]] = {}

    def climb(chain: Chain) -> tuple[int, ...]:
        seen, todo = list(chain), list(chain) if len(chain) == 1 else []
        while todo:
            for outer in sorted(callers.get(todo.pop(0), ())):
                if outer not in seen:
                    seen.append(outer)
                    todo.append(outer)
        return tuple(dict.fromkeys(index[one] for one in seen if one in index))

    for chain in chains:
        if chain not in known:
            known[chain] = climb(chain)
    return tuple(known[chain] for chain in chains)


def reductions(ttgir: str) -> int:
    """How many `tt.reduce` stand inside loops."""
    loops, count = [], 0  # how far the loops around a line are indented
    for line in ttgir.splitlines():
        indent = len(line) - len(line.lstrip())
        loops = [loop for loop in loops if loop < indent]
        count += bool(loops) and "tt.reduce" in line and "return" not in line
        if any(word in line for word in ("scf.for", "scf.while", "} do {")):
            loops.append(indent)
    return count
