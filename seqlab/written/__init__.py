from seqlab.written.forms import Form, OneHot, coordinates, one_hot
from seqlab.written.parts import Head, Layer, Piecewise, Sweep, Unit, near, relu, table
from seqlab.written.program import Program
