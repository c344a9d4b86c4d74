"""Import contracts that read the house off its folders, for import-linter; pyproject.toml says which hold."""

import re

from grimp import ImportGraph
from importlinter import ContractCheck, fields
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from seqlab.course.rooms import PACKAGE, labs, rooms

TOP = "grading"  # uses whatever a room's answers are made of, and is used by none


class House(LayersContract):
    """Grading; rooms in the order of the labs, the last on top; the common parts; `kernels`."""

    def __init__(self, name: str, session_options: dict, contract_options: dict):
        super().__init__(name, session_options, {**contract_options, "layers": layers()})


def layers() -> list[str]:
    """From top to bottom; the common parts are one layer, inside which another contract forbids circles."""
    in_order = [room for lab in labs() for room in lab.rooms if room in rooms()]
    ordered = [*in_order, *(room for room in rooms() if room not in in_order)]
    inside = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    common = sorted(inside - {"__init__", "__main__", TOP, *ordered})
    return [
        f"seqlab.{TOP}",
        *(f"seqlab.{room}" for room in reversed(ordered)),
        " : ".join(f"seqlab.{part}" for part in common),
        "kernels",
    ]


class Light(ForbiddenContract):
    """No module imports what is forbidden but those whose whole name matches `spared`.

    of_packages: look at packages alone, whose `__init__` is what others import without asking for more.
    """

    source_modules = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)
    as_packages = fields.BooleanField(required=False, default=False)
    spared = fields.StringField()
    of_packages = fields.BooleanField(required=False, default=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        own = [name for name in graph.modules if name.split(".")[0] in self.session_options["root_packages"]]
        wanted = [name for name in own if not self.of_packages or graph.find_children(name)]
        parse = fields.ModuleExpressionField().parse
        self.source_modules = {parse(name) for name in wanted if not re.fullmatch(self.spared, name)}
        return super().check(graph, verbose)
