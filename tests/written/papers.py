"""Three papers as programs. Everything is in units of δ: tokens are whole numbers 0 … N - 1 with N = 1/δ = `levels`."""

from fractions import Fraction

from seqlab.attention import hardmax, step
from seqlab.written import Head, Layer, Program, Sweep, coordinates

HALF = Fraction(1, 2)


def entries(name, dim):
    """The d coordinates of a token, as a list."""
    return [*coordinates([f"{name}{i}" for i in range(dim)])]


def digits(x, levels):
    """u: the number whose base-N digits are the coordinates, lowest first."""
    return sum(levels**i * each for i, each in enumerate(x))


# Yun et al. 2019, Lemma 6
def yun2019(levels, dim, length, *, positions=False, gain=None, spread=None, one_head=False, skip=(), descending=False):
    """Only the token with id v moves, by gain (max - min), v in turn; then spread times the largest id goes to all."""
    x, columns = entries("x", dim), levels**dim
    u, boxes = digits(x, levels), length if positions else 1
    gain = columns if gain is None else gain
    spread = boxes * levels ** ((length + 1) * dim + 1) if spread is None else spread
    moved = levels * sum(levels**i for i in range(dim))  # what one position adds to an id

    def jump(v):
        up = Head(u - v + HALF, u, value=u, write=gain * x[0])
        down = Head(u - v - HALF, u, value=u, write=-gain * x[0])
        return Layer([up] if one_head else [up, down], label=f"id {v} jumps")

    targets = [[v for v in range(j * moved, j * moved + columns) if v not in skip] for j in range(boxes)]
    sweeps = [Sweep(u, box[::-1] if descending else box, jump) for box in targets]
    last = [Layer([Head(u, u, value=u, write=spread * x[0])], label="the largest id, to all")] if spread else []
    return Program(x, [u], [*sweeps, *last], normalizer=hardmax(), positions=levels * sum(x) if positions else None)


# Yun et al. 2020, proof of Theorem 1
def yun2020(pattern, levels, dim, length, order, steps):
    """The same along a chain: each token sees its own neighbourhood; then s shifts by the largest in sight."""
    x, columns = entries("x", dim), levels**dim
    u, sets = digits(x, levels), [pattern.layer(k) for k in range(pattern.p)]
    moved = levels * sum(levels**i for i in range(dim))
    at = [order.index(token) - 1 if order.index(token) else length - 1 for token in range(length)]
    c = 2 * steps * length * levels ** (length * dim + 1)

    def sweep(bucket):
        before, token = order[bucket], order[bucket + 1]
        active = next((s for s in sets if before in s.at(length).keys(token)), sets[0])

        def jump(v):
            up = Head(u - v + HALF, u, value=u, write=columns * x[0], sees=active)
            down = Head(u - v - HALF, u, value=u, write=-columns * x[0], sees=active)
            return [Layer([up, down] if s is active else [], label=f"id {v} jumps") for s in sets]

        return Sweep(u, range(bucket * moved, bucket * moved + columns), jump)

    largest = [Head(u, u, value=u, write=c * x[0], sees=sets[step % pattern.p]) for step in range(steps)]
    shifts = [Layer([head], label="the largest id in sight") for head in largest]
    places = {each: [levels * k for k in at] for each in x}
    return Program(x, [u], [*map(sweep, range(length - 1)), *shifts], normalizer=hardmax(), positions=places)


# Ramapuram et al. 2024, proof of Theorem 3.1
def ramapuram2024(levels, dim, length, *, gain=None, spread=None, lowest=1, removed=(), normalizer=step()):
    """1{b < u < b'} Σ of all ids above b' is half of H(s t) - H(s' t) + H(s) - H(s'): four heads of steps."""
    x, columns = entries("x", dim), levels**dim
    u = digits(x, levels)
    gain = columns if gain is None else gain
    spread = length * columns * (1 + gain) ** length if spread is None else spread

    def jump(v):
        low, high, write = u - v + HALF, u - v - HALF, gain * HALF * x[0]
        heads = [
            Head(low, high, u, write),
            Head(high, high, u, -write),
            Head(low, 1, u, write),
            Head(high, 1, u, -write),
        ]
        return Layer([head for h, head in enumerate(heads) if h not in removed], label=f"id {v} takes all above it")

    last = Layer([Head(u, u, value=u, write=spread * x[0])], label="the sum of all, to all")
    sweep = Sweep(u, range(lowest, lowest + columns), jump)
    return Program(x, [u], [sweep, last], normalizer=normalizer, start={x[0]: lowest})
