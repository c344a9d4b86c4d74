"""A looped block, written down, that follows arrows: r loops of it make 2^r - 1 hops, one look-up for a token in each.

Tokens: the nodes 0, 1, …, each with an arrow to a node, then one that asks, with an arrow to where it starts. In a loop
every token takes what the token that it points to points at: the arrows of the nodes become twice as long, and whoever
asks goes on by as many hops as they are long.
"""

from collections.abc import Sequence

from seqlab.written import Head, Layer, Program, Unit, coordinates
from seqlab.written.parts import near

at, arrow, found, p, squared = coordinates("at arrow found p squared")


def chase(loops: int, *, double: bool = True) -> Program:
    """Tokens (at, arrow), both the number that the token holds; the answer is `at` of the last one.

    double=False: the arrows of the nodes stay as they are, and r loops make r hops
    """
    look = Head(*near(at, p, squared), value=at if double else arrow, write=found)
    take = [Unit(found - at, at), Unit(at - found, -at), Unit(found, -found)]  # at ← found, found ← 0
    places = {p: range, squared: lambda n: [k * k for k in range(n)]}
    layer = Layer(look, take, "take what the token that you point to points at")
    return Program((at, arrow), at, layer, positions=places, loops=loops)


def question(arrows: Sequence[int], start: int) -> list[list[list[int]]]:
    """One sequence for `chase`: an arrow for each node, and where to start."""
    return [[[number, number] for number in (*arrows, start)]]
