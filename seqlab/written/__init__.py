"""A transformer written by hand: a text that runs exactly, runs as PyTorch layers, prints and counts itself.

| module  | what it holds                                                             |
| ------- | ------------------------------------------------------------------------- |
| forms   | named coordinates and linear forms of them, in exact numbers              |
| parts   | heads, units, layers, sweeps; `near` and `table`, which are made of those |
| run     | the exact run of a batch, and its trace                                   |
| listing | the program as a text, its size, its matrices                             |
| real    | the same as PyTorch layers                                                |
| program | `Program`, and what is checked when one is made                           |
| judge   | right on all inputs or not, and which weights are not needed              |
| stepper | `Stepper`, which no import of the package brings with it                  |
"""

from seqlab.exact import Piecewise, relu
from seqlab.written.forms import Form, OneHot, coordinates, one_hot
from seqlab.written.judge import judge, needless
from seqlab.written.parts import Head, Layer, Sweep, Unit, near, table
from seqlab.written.program import Program

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
    "near",
    "needless",
    "one_hot",
    "relu",
    "table",
]
