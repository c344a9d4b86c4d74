"""A transformer written by hand: a text that runs exactly, runs as PyTorch layers, prints and counts itself.

| module  | what it holds                                                             |
| ------- | ------------------------------------------------------------------------- |
| forms   | named coordinates and linear forms of them, in exact numbers              |
| parts   | heads, units, layers, sweeps; `near` and `table`, which are made of those |
| run     | the exact run of a batch                                                  |
| trace   | a run that keeps what it sees; how steep a softmax, which dtypes          |
| listing | the program as a text, its size, its matrices                             |
| real    | the same as PyTorch layers; `load` makes them of a saved `state_dict`     |
| program | `Program`, and what is checked when one is made                           |
| judge   | right on all inputs or not, and which weights are not needed              |
| stepper | `Stepper`, which no import of the package brings with it                  |
"""

from seqlab.exact import Piecewise, relu
from seqlab.written.forms import Form, OneHot, coordinates, one_hot
from seqlab.written.judge import judge, needless
from seqlab.written.parts import Head, Layer, Sweep, Unit, near, table
from seqlab.written.program import Program
from seqlab.written.real import load

__all__ = [
    "Form",
    "Head",
    "Layer",
    "OneHot",
    "Piecewise",
    "Program",
    "Sweep",
    "Unit",
    "coordinates",
    "judge",
    "load",
    "near",
    "needless",
    "one_hot",
    "relu",
    "table",
]
