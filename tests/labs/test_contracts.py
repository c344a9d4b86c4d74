"""Import contracts can be broken: each is, by one import that the house forbids."""

import tomllib

import grimp
import pytest
from importlinter import configuration

from ci.contracts import House, Light, layers
from seqlab.course.rooms import labs
from tests.places import ROOT

SESSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
OPTIONS = {contract["name"]: contract for contract in SESSION["contracts"]}
KINDS = {"house": House, "light": Light}
FIRST, SECOND = (lab.rooms[0] for lab in labs(ROOT / "labs")[1:3])
configuration.configure()
HOUSE, _, PACKAGES, PLOTLY, WIDGETS = OPTIONS


@pytest.fixture
def graph():
    options = {"include_external_packages": True, "exclude_type_checking_imports": True, "cache_dir": None}
    return grimp.build_graph(*SESSION["root_packages"], **options)


def kept(name, graph) -> bool:
    options = {key: str(value) if value is True else value for key, value in OPTIONS[name].items()}
    return KINDS[OPTIONS[name]["type"]](name, SESSION, options).check(graph, verbose=False).kept


@pytest.mark.parametrize(
    "name, importer, imported",
    [
        (HOUSE, f"seqlab.{FIRST}", f"seqlab.{SECOND}"),
        (HOUSE, "seqlab.attention", f"seqlab.{FIRST}"),
        (HOUSE, "kernels.layout", "seqlab.attention"),
        (PACKAGES, "seqlab.attention", "plotly"),
        (PLOTLY, "seqlab.attention", "plotly"),
        (WIDGETS, "seqlab.attention", "ipywidgets"),
    ],
)
def test_one_import_breaks_it(name, importer, imported, graph):
    assert kept(name, graph)
    graph.add_import(importer=importer, imported=imported)
    if name == PACKAGES:
        graph.add_import(importer=f"seqlab.{FIRST}", imported=importer)
    assert not kept(name, graph)


def test_later_labs_stand_higher():
    assert layers().index(f"seqlab.{SECOND}") < layers().index(f"seqlab.{FIRST}")
    assert layers()[-1] == "kernels" and any("seqlab.attention" in layer for layer in layers())
