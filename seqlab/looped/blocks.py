"""The blocks of the proof as programs: token ids, sequence id, a walk along a table, and all three in one.

| paper symbol (Xu & Sato 2024, Theorems 3.6 and 4.2) | name here                                                  |
| --------------------------------------------------- | ---------------------------------------------------------- |
| L_2 ∘ TF^∘r ∘ L_1: one block, r times               | a `Program` of one layer, `loops` = r                      |
| X_:,n ∈ [0,1]^d → z_n ∈ {0, …, δ^-d - 1}            | `token_ids`: coordinates x, z                              |
| if x ≥ δ then c += 1, x -= δ                        | `count_cells`: one step of slope M = `slope` for each x    |
| uᵀz, u = (δ^-d(N-1), …, δ^-d, 1), z sorted          | `sequence_id`: coordinate acc                              |
| the largest id not yet used                         | coordinate found, written by one hardmax `HEAD`            |
| K, y_k                                              | `len(labels)`, `labels`                                    |
| (id + FF)^(K-1) (Lemma 4.1): digits of θ            | `walk(labels)`: coordinates theta, run, y; `carried`       |
| (id + η ⊙ FF)^(K-1), η(t) = y_t - y_{t-1}           | `walk(labels, clock=True)`; `steps`                        |
| k - t, counted down                                 | coordinate c                                               |
| all stages in one block (Theorem 3.6)               | `one_block`                                                |
| (not in the summary of the proof)                   | tau: loops so far; in2, in3: 1 in and after stages 2 and 3 |

The loop bodies and their packing are reconstructed from the summary of the proof. One of the two heads that the theorem
allows is enough. The theorem's own packing needs m = 17d + 9 and q = 49d + 25, this one m = 4d + 8 and q = 14d + 12
without a clock, m = 2d + 6 and q = 2d + 6 with it. Neither grows with N, with 1/δ or with f.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from numbers import Rational

from seqlab.looped.budget import StageLoops
from seqlab.looped.digits import Rows, greedy_digits, label_rows, largest_step, pack
from seqlab.looped.table import ContextualTable
from seqlab.universal.quantiser import sizes
from seqlab.written import Form, Head, Layer, Program, Unit, coordinates

STEEP = 2**20

z, used, found, acc, one, tau, in2, in3, c = coordinates("z used found acc one tau in2 in3 c")
HEAD = Head(one, z + used, value=z + used, write=found)  # all hear the largest id that is not marked as used
CLEAR = (Unit(found, -found), Unit(-found, found))  # found ← 0, so that the head can write it anew


def entries(name: str, dim: int) -> list[Form]:
    """name0, name1, …: one coordinate of the state for each of the d entries of a token."""
    return [*coordinates([f"{name}{i}" for i in range(dim)])]


def ramp(read: Form, write: Form) -> list[Unit]:
    """min(1, ReLU(read)) · write: a step from 0 to 1 as steep as `read` is."""
    return [Unit(read, write), Unit(read - 1, -write)]


def count_cells(levels: int, dim: int, slope: Rational, off: Form | int = 0) -> list[Unit]:
    """Where x_i ≥ δ: x_i -= δ and z += δ^-i. Two units for each entry; a negative `off` keeps them silent."""
    if slope < levels:
        raise ValueError(f"slope: got {slope}, wanted at least 1/δ = {levels}: a flatter step is wider than a cell")
    width = Fraction(1, levels)
    steps = [ramp(slope * (x - width) + 1 + off, levels**i * z - width * x) for i, x in enumerate(entries("x", dim))]
    return sum(steps, [])


def append_found(columns: int, base: int | None = None, mark: bool = True, off: Form | int = 0) -> list[Unit]:
    """acc ← base · acc + found, and the token that was found is marked: `used` takes it below all ids."""
    append = Unit(((base or columns) - 1) * acc + found + off, acc)
    return [append, Unit(z + used - found + 1 + off, -columns * used)] if mark else [append]


def token_ids(levels: int, dim: int = 1, *, slope: Rational = STEEP) -> Program:
    """Stage 1: "token dim" in [0, 1]^d to the id of each token, in levels - 1 loops of one feed-forward block."""
    sizes(levels, dim, 1, shortest=1)
    layer = Layer(units=count_cells(levels, dim, slope), label="count a cell, take it off")
    return Program(entries("x", dim), z, layer, loops=levels - 1)


def sequence_id(columns: int, *, base: int | None = None, mark: bool = True) -> Program:
    """Stage 2: token ids 0 … columns - 1 to the id of their set, the same at every token, a loop for each token.

    base: `columns` = δ^-d unless given;  mark=False: nothing is marked as used
    """
    sizes(columns, 1, 1, shortest=1)
    layer = Layer(HEAD, [append_found(columns, base, mark), CLEAR], "append the largest id not yet used")
    return Program(z, acc, layer, start={one: 1, used: 0}, loops=lambda length: length)


def walk(labels: Iterable, *, clock: bool = False) -> Program:
    """The memoriser of a table: k goes in, the number y_k (or d numbers) comes out after K - 1 loops.

    labels: a list of numbers or of lists, or a tensor or array "k" or "k d"; floats count as the fractions they are
    Raises ValueError on fewer than two labels, on NaN or infinities, or where the labels differ in length.
    """
    rows = label_rows(labels)
    y, down = entries("y", len(rows[0])), Unit(1, -c)
    if clock:
        layer, eta = Layer(units=[ramp(c, sum(y)), down]), [{c: 1, **row} for row in steps(rows, y)]
        return Program(c, y, layer, start=dict(zip(y, rows[0])), loops=len(eta), clock=eta)
    digits, values, start = carried(rows, c - 1, y)
    return Program(c, y, Layer(units=[digits, values, down]), start=start, loops=len(rows) - 1)


def steps(labels: Rows, y: Sequence[Form]) -> list[dict[Form, Fraction]]:
    """η(t) on the value coordinates for t = 1 … K-1: y_t - y_{t-1}."""
    return [{each: b - a for each, a, b in zip(y, *pair)} for pair in zip(labels, labels[1:])]


def carried(
    labels: Rows, below: Form, y: Sequence[Form], off: Form | int = 0
) -> tuple[list[Unit], list[Unit], dict[Form, Fraction]]:
    """The loop of Lemma 4.1: the units that read a digit, those that write y, and the numbers that they start with.

    below:  falls by 1 a loop, and is 0 in the loop in which y copies the running value
    off:    0 while this stage is at work, -1 before

    Why it is right. Steps of slope M = 3^K tell the digits -1, 0, 1 of θ apart, since a θ of K digits keeps 1/(2M) from
    1/6. The step to which `far * below` is added is the digit's where below = 0; before that it is 1 for both signs of
    the digit, which cancel, and after that 0. The units with `reach` add (run + reach/2) - reach/2 where below = 0, for
    |run| < reach/4; before that they are silent, and after that they come in pairs that differ by `reach` and cancel.
    In earlier stages `off` keeps θ and run still, and `below` at 1 or more.
    """
    steep = 3 ** len(labels)
    reach = 4 * int(max(abs(label - column[0]) for column in zip(*labels) for label in column) + 1)
    far, digits, values, start = 4 * steep, [], [], {}
    below = below - 2 * off
    for i, column in enumerate(zip(*labels)):
        theta, run = coordinates(f"theta{i} run{i}")
        epsilon = largest_step(column) or 1  # of a constant column all digits are 0, and any step will do
        start |= {theta: pack(greedy_digits(column)), run: 0, y[i]: column[0]}
        for sign in (1, -1):
            digit = sign * steep * theta + Fraction(1, 2) - Fraction(steep, 6)
            digits += [Unit(2 * sign * theta + far * off, sign * theta)]
            digits += ramp(digit + far * off, sign * epsilon * run - sign * theta)
            values += ramp(digit + far * below, sign * epsilon * y[i])
            values.append(Unit(run - reach * (below + (sign < 0)) + Fraction(reach, 2), sign * y[i]))
    for later, sign in ((0, -1), (1, 1)):
        values.append(Unit(-reach * (below + later) + Fraction(reach, 2), sign * sum(y)))
    return digits, values, start


def one_block(
    t: ContextualTable, stages: StageLoops, slope: Rational, *, clock: bool = False, flags: bool = True
) -> tuple[Program, dict[str, list[Unit]]]:
    """The block for the labels of a table, and its hidden units by what they are for. Units of all stages read side by
    side; what keeps those of the other stages silent is a clock, or a flag in what they read.

    Why the flags are enough. Stages 1 and 2 read numbers of known size: x ≤ 1 times the slope, ids up to
    2 δ^-(N+1)d. A larger multiple of a flag takes what they read below 0, or leaves it as it is: in2 = 0 lets stage 1
    work, in2 = 1 and in3 = 0 stage 2, in3 = 1 stage 3. A flag rises in the last loop of the stage before it by
    1{tau = loop}, a tent of three ReLUs, exact on whole numbers; tau counts loops. So `counter` + second - 1, the
    contextual id less the loops of stage 3, is 0 in the loop in which this token's walk along the table ends.
    """
    first, second = stages.tokens, stages.tokens + stages.sequence
    x, y, separate = entries("x", t.dim), entries("y", t.dim), flags and not clock
    early = -(2 * slope + 2) * in2 if separate else 0
    outside = 4 * t.columns ** (t.length + 1) * (in2 - in3 - 1) if separate else 0
    parts = {
        "token ids": count_cells(t.levels, t.dim, slope, early),
        "sequence id": append_found(t.columns, off=outside),
        "clear": list(CLEAR),
    }
    counter, eta = 2 * t.columns**t.length * z + acc - tau, None
    if clock:
        parts["values"], start = ramp(counter, sum(y)), dict(zip(y, t.labels[0]))
        others = [] if flags else [*x, z, used, acc, tau]
        eta = [dict.fromkeys([*others, *x, z, found], 1)] * first
        eta += [dict.fromkeys([*others, used, acc, found], 1)] * stages.sequence
        eta += [dict.fromkeys([*others, found, tau], 1) | row for row in steps(t.labels, y)]
    else:
        rises, tent = ((tau - first + 1, in2), (tau - second + 1, in3)), ((1, 1), (0, -2), (-1, 1))
        parts["flags"] = [Unit(at + shift, weight * flag) for at, flag in rises for shift, weight in tent]
        parts["digits"], parts["values"], start = carried(
            t.labels, counter + second - 1, y, off=in3 - 1 if flags else 0
        )
    layer = Layer(HEAD, [*parts.values(), Unit(1, tau)], "all stages")  # Unit(1, tau) is the second bias: tau += 1
    return Program(x, y, layer, start={one: 1} | start, loops=stages.total, clock=eta), parts
