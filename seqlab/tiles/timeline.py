"""One pass of a kernel's main loop: what each line became, and how long each step keeps its unit.

    walk(report, words)         each line of Python and the instructions it became, as a table
    steps("softmax", tile)      one tile on one multiprocessor of an H100, step by step, in clocks

A step lasts as long as its unit needs for it at the stated rate: matrix products FLOP / 4,096 a clock, special
functions 16 a clock, every other instruction 4 warps a clock. How many there are was counted in the compiled loop.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kernels.flash.catalogue import Tiles
from kernels.instruments.instructions import parse
from kernels.instruments.prediction import TILE, Kind, summary
from kernels.instruments.roofline import DEVICES
from kernels.instruments.xray import Xray
from seqlab.draw.svg import Markup, element, table

EXCHANGE = 24  # clocks until a thread can use what another thread of its warp sent (SHFL): in no data sheet; about
# what microbenchmarks find
ROUNDS = 2  # of exchange: four threads share a row of scores


@dataclass(frozen=True)
class Step:
    """A step of one tile: which unit works on it, from when to when, in clocks."""

    name: str
    unit: str
    start: float
    end: float


def walk(report: Xray, words: Mapping[str, str]) -> Markup:
    """A table: each line of the kernel's loop, what it became, and what `words` says of it, by a piece of the line."""
    look = "display:block;text-align:left;white-space:pre"
    lines, main, found = report.lines[report.machine], set(report.main), {}
    for one in parse(getattr(report, report.machine).split("\n"))[0]:
        if one.line in main and one.name != "NOP" and (chain := lines[one.line]):
            found.setdefault(chain[-1], Counter())[one.name] += 1
    rows = {}
    for at, line in enumerate(report.python.split("\n")):
        if at in found:
            became = ", ".join(f"{count} {name}" for name, count in found[at].most_common(4))
            said = next((said for piece, said in words.items() if piece in line), "")
            code = [element("code", text, style=look) for text in (line.strip(), became)]
            rows[str(at + 1)] = [*code, element("span", said, style="display:block;text-align:left")]
    caption = f"{report.name} for {report.arch}: what each line of the loop became, a warp's instructions"
    return table(["", "Python", "the most frequent instructions", ""], rows, caption)


def steps(kind: Kind, tile: Tiles = TILE, dim: int = 64, exchange: float = EXCHANGE) -> list[Step]:
    """The steps of one tile in the order of the code, one after another; the loads of the next tile run beside them."""
    chip, loop = DEVICES["H100"], summary(f"{kind}_forward", "sm_90", tile, dim=dim).loop
    rate = chip.units * chip.clock
    scores, product = tile.block_q * tile.block_k, 2 * tile.block_q * tile.block_k * dim / (chip.matrix / rate)
    issued = lambda count: count * tile.num_warps / chip.issue
    mine = scores / (chip.lanes * tile.num_warps)  # of one thread
    wait = ROUNDS * exchange
    special = loop["special"] * chip.lanes * tile.num_warps / chip.special
    rest = sum(loop[kind] for kind in loop if kind not in ("matrix", "special", "fp32", "shuffle"))
    parts = [("S = Q Kᵀ", "matrix units", product)]
    if kind == "softmax":  # one maximum a score; then one multiply-add a score beside the exponential, the rest is sums
        parts.append(("maximum", "everything else", issued(mine + loop["shuffle"] / 2) + wait))
    parts.append(("weights", "special functions", max(special, issued(2 * mine))))
    if kind == "softmax":
        sums = issued(loop["fp32"] - 2 * mine + loop["shuffle"] / 2) + wait
        parts.append(("sum, rescaling", "everything else", sums))
    parts += [("addresses, rounding", "everything else", issued(rest)), ("O += P V", "matrix units", product)]
    made, now = [Step("next keys and values", "memory", 0.0, 4 * tile.block_k * dim / (chip.memory / rate))], 0.0
    for name, unit, clocks in parts:
        made.append(Step(name, unit, now, now + clocks))
        now += clocks
    return made


def alone(made: list[Step]) -> float:
    """Clocks of one tile whose block has the multiprocessor to itself, loads left aside."""
    return made[-1].end
