"""The capstone: a design of one's own, and what theory, names, cost and training say of it, side by side.

| module  | what it holds                                                                         |
| ------- | ------------------------------------------------------------------------------------- |
| design  | `Design`: one line of code that refuses bad combinations; the papers' six             |
| model   | the design as layers: `Core` on vectors, `Reader` on a genome                         |
| theory  | which statements of the papers cover it, by the verdicts of their labs                |
| names   | the contextual-mapping test on all short sequences, in three precisions               |
| cost    | FLOP, bytes, speed of light, the kernel that is chosen, time here                     |
| quality | training on a genome; the shipped results; the leaderboard; two goals                 |
| view    | `DesignView`, the panel of controls, which no import of the package brings with it    |
"""

from seqlab.capstone.design import CONTROLS, PAPERS, Design

__all__ = ["CONTROLS", "PAPERS", "Design"]
