"""The exercises of lab 14: puzzles whose answer is a program. The coordinates that they share."""

from fractions import Fraction

from seqlab.written import coordinates

x, y, z, c, p, p2 = coordinates("x y z c p p2")
HALF = Fraction(1, 2)
PLACES = {p: range, p2: lambda n: [k * k for k in range(n)]}  # a token's position and its square
