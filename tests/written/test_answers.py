"""Right and wrong answers to the puzzles of lab 14, as learners write them."""

from tests.answers import told_apart

ONE = "return Program([x], [y], [Layer([{}])])"
PLACED = "return Program([x], [y], [Layer([{}])], positions=PLACES)"
BACKWARDS = (
    'last = coordinates("last")\n'
    "return Program([x], [y], [Layer([{}])], positions={{**PLACES, last: lambda n: n * [{}]}})"
)
COUNTED = 'e = one_hot("e", 3)\nreturn Program([e], [{}], [Layer([{}])], normalizer=step())'
FIRST = (
    'e = one_hot("e", 3)\nseen = Head((*e, 1), (*e, -HALF), value=1, write=c, sees={})\n'
    "return Program([e], [{}], [Layer([seen], [{}])], normalizer=step())"
)
SORTED = (
    "key = {}\nrank = Head({}, value=1, write=c)\n"
    "heads = [Head((1, p + 1), (-c, 1), value=x, write=y), Head((1, p), (-c, 1), value=x, write=-y)]\n"
    "return Program([x], [y], [Layer([rank]), Layer(heads)], normalizer=step(), positions=p)"
)
PARITY = "return Program([x], [{}], [Layer([{}], {})], normalizer=step())"
RISING = "return Program([x], [{}], [Layer([Head({}, value={}, write=z)], [{}])], positions=PLACES)"
SECOND = (
    "mark = Layer([Head(1, x, value=x, write=z)], [{}])\n"
    "return Program([x], [y], [mark, Layer([Head(1, {}, value=x, write=y)])])"
)
BALANCED = (
    'total, below = coordinates("total below")\n'
    'depth = Layer([Head(1, {}, value={}, write=c, sees="causal")], [Unit({}, z)])\n'
    "whole = [Head(1, 1, value={}, write=total), Head(1, 1, value=z, write=below)]\n"
    "wrong = {}\n"
    "return Program([x], [1 - wrong + y], [depth, Layer(whole, [Unit(wrong - 1, y)])], normalizer=step())"
)
SUM = (
    'a, b, made, through = coordinates("a b made through")\n'
    "units = [Unit(a + b - 2, made), Unit(a + b - 3, -made)]\n"
    "units += [Unit(a + b - 1, through), Unit(a + b - 2, -2 * through), Unit(a + b - 3, through)]\n"
    "ask = Head({}, value=made, write=c, sees=lambda query, key: key < query)\n"
    "digit = [Unit(a + b + c - 2, -3 * y), Unit(a + b + c - 3, 3 * y)]\n"
    "return Program([a, b], [{}], [Layer(units=units), Layer([ask], digit)], positions=p)"
)
JUMP = "return Program([x], [x], [Layer([Head({}), Head({})])])"
RELAY = (
    "layers_, before = [], x\n"
    "for k in range(layers):\n"
    '    now = coordinates(f"heard{{k}}")\n'
    "    layers_.append(Layer([Head({}, value={}, write=now, sees=patterns.window(radius))]))\n"
    "    before = now\n"
    "return Program([x], [before], layers_, positions=p)"
)
NAMES = (
    "units = table(x, {{k: {} for k in range(levels)}}, y)\n"
    "return Program([x], [{}], [Layer(units=units), Layer([Head(0, 0, value={}, write=z)])])"
)

RIGHT = [
    ("written.largest", ONE.format("Head(3, 2 * x - 1, x, y)")),
    ("written.largest", ONE.format("Head(query=1, key=x + 5, value=x, write=y)")),
    ("written.largest", "return Program([x], [y - 1], [Layer([Head(1, x, x + 1, y)])])"),
    ("written.left", PLACED.format("Head(*near(p - 1, p, p2), value=x, write=y)")),
    ("written.left", PLACED.format("Head((4 * p - 4, -2), (p, p2), x, y)")),
    ("written.left", PLACED.format("Head(1, p, x, y, sees=lambda query, key: (key < query) | (key + query == 0))")),
    ("written.reverse", BACKWARDS.format("Head((2 * last - 2 * p, -1), (p, p2), value=x, write=y)", "n - 1")),
    ("written.reverse", BACKWARDS.format("Head((6 * (last - p), -3), (p, p2), x, y)", "n - 1")),
    (
        "written.reverse",
        'r = coordinates("r")\nback = {**PLACES, r: lambda n: range(n)[::-1]}\n'
        "return Program([x], [y], [Layer([Head(*near(r, p, p2), x, y)])], positions=back)",
    ),
    ("written.prefix_maximum", ONE.format("Head(1, x, x, y, sees=lambda query, key: key <= query)")),
    ("written.prefix_maximum", ONE.format('Head(2, 3 * x + 1, x, y, sees="causal")')),
    ("written.prefix_maximum", 'return Program([x], [y - 1], [Layer([Head(1, x, x + 1, y, sees="causal")])])'),
    ("written.occurrences", COUNTED.format("y", "Head((*e, -HALF), (*e, 1), 1, y)")),
    ("written.occurrences", COUNTED.format("y", "Head((*(2 * each for each in e), -1), (*e, 1), 1, y)")),
    ("written.occurrences", COUNTED.format("HALF * y", "Head((*e, 1), (*e, -HALF), 1, 2 * y)")),
    ("written.first_of_its_kind", FIRST.format('"causal"', "1 + y", "Unit(c - 1, -y), Unit(c - 2, y)")),
    ("written.first_of_its_kind", FIRST.format("lambda query, key: key < query", "y", "Unit(1 - c, y)")),
    ("written.first_of_its_kind", FIRST.format('"causal"', "y", "Unit(2 - c, y)")),
    ("written.in_order", SORTED.format("7 * x + p", "(1, key), (-key, 1)")),
    ("written.in_order", SORTED.format("x + HALF**3 * p", "(HALF, key), (-key, HALF)")),
    ("written.in_order", SORTED.format("100 * x + p", "(key, -1), (1, key)")),
    ("written.parity", PARITY.format("y", "Head(1, 1, x, c)", "table(c, {k: k % 2 for k in range(longest + 1)}, y)")),
    (
        "written.parity",
        PARITY.format(
            "c + y", "Head(2, 2 * x - 1, 1, c)", "[Unit(c - k, 2 * (-1) ** k * y) for k in range(1, longest)]"
        ),
    ),
    (
        "written.parity",
        PARITY.format(
            "y", "Head(1, x - HALF, 1, c)", "table(c, dict(enumerate(([0, 1] * longest)[: longest + 1])), y)"
        ),
    ),
    ("written.rising", RISING.format("y", "*near(p - 1, p, p2)", "-x", "Unit(x + z, y), Unit(x + z - 1, -y)")),
    ("written.rising", RISING.format("1 + y", "*near(p - 1, p, p2)", "x", "Unit(z - x + 1, -y), Unit(z - x, y)")),
    ("written.rising", RISING.format("y", "(2 * p - 2, -1), (p, p2)", "x", "Unit(x - z - 1, -y), Unit(x - z, y)")),
    ("written.second_largest", SECOND.format("Unit(x - z + 1, c)", "x - 50 * c")),
    ("written.second_largest", SECOND.format("Unit(2 * x - 2 * z + 1, 8 * c)", "x - c")),
    ("written.second_largest", SECOND.format("Unit(x - z + 1, c)", "2 * x - 100 * c")),
    ("written.balanced", BALANCED.format("1", "2 * x - 1", "-c", "2 * x - 1", "2 * below + total")),
    ("written.balanced", BALANCED.format("1", "1 - 2 * x", "c", "1 - 2 * x", "3 * below - total")),
    ("written.balanced", BALANCED.format("x + 1", "1 - 2 * x", "c", "1 - 2 * x", "2 * below - total")),
    ("written.addition", SUM.format("1, p - 50 * through", "a + b + c + y")),
    ("written.addition", SUM.format("3, 2 * p - 300 * through", "y + a + b + c")),
    ("written.addition", SUM.format("(1, -99), (p, through)", "a + b + c + y")),
    ("written.jump", JUMP.format("2 * x - 2 * level + 1, x, x, gain * x", "2 * x - 2 * level - 1, x, x, -gain * x")),
    ("written.jump", JUMP.format("x - level + HALF, x, gain * x, x", "x - level - HALF, x, -gain * x, x")),
    ("written.jump", JUMP.format("x - level - HALF, 3 * x, -x, gain * x", "x - level + HALF, 3 * x, x, gain * x")),
    ("written.relay", RELAY.format("-1, p", "before")),
    ("written.relay", RELAY.format("-2, p + 1", "before")),
    ("written.relay", RELAY.format("1, -3 * p", "before")),
    ("written.names", NAMES.format("3**k", "levels * z + x", "4 * y")),
    ("written.names", NAMES.format("2**k", "x + 8 * levels * z", "y")),
    ("written.names", NAMES.format("2 ** (levels - k)", "levels * z - x", "4 * y")),
]

WRONG = [
    ("written.largest", ONE.format("Head(-1, x, x, y)")),
    ("written.largest", "return Program([x], [y], [Layer([Head(1, x, x, y), Head(1, x, x, y)])])"),
    ("written.left", PLACED.format("Head(*near(p, p, p2), x, y)")),
    ("written.left", PLACED.format("Head(1, p, x, y, sees=lambda query, key: key < query)")),
    ("written.reverse", BACKWARDS.format("Head(*near(last - p, p, p2), x, y)", "n")),
    ("written.reverse", BACKWARDS.format("Head(*near(p - last, p, p2), x, y)", "n - 1")),
    ("written.prefix_maximum", ONE.format("Head(1, x, x, y)")),
    ("written.prefix_maximum", ONE.format("Head(1, x, x, y, sees=lambda query, key: key >= query)")),
    ("written.occurrences", COUNTED.format("y", "Head((*e, 1), (*e, 0), 1, y)")),
    ("written.occurrences", COUNTED.format("y", 'Head((*e, 1), (*e, -HALF), 1, y, sees="causal")')),
    ("written.first_of_its_kind", FIRST.format('"causal"', "1 + y", "Unit(c - 1, -y)")),
    ("written.first_of_its_kind", FIRST.format("lambda query, key: key > query", "y", "Unit(1 - c, y)")),
    ("written.in_order", SORTED.format("2 * x + p", "(1, key), (-key, 1)")),
    ("written.in_order", SORTED.format("7 * x - p * p", "(1, key), (key, -1)")),
    ("written.parity", PARITY.format("c", "Head(1, 1, x, c)", "table(c, {0: 0, 1: 1}, y)")),
    ("written.parity", PARITY.format("y", "Head(1, 1, x, c)", "table(c, {0: 0, 1: 1, 2: 0}, y)")),
    ("written.rising", RISING.format("y", "*near(p - 1, p, p2)", "x", "Unit(x - z, y)")),
    ("written.rising", RISING.format("y", "*near(p - 1, p, p2)", "x", "Unit(x - z + 1, y), Unit(x - z, -y)")),
    ("written.second_largest", SECOND.format("Unit(x - z + 1, c)", "x - c")),
    ("written.second_largest", SECOND.format("Unit(x - z + 2, c)", "x - 50 * c")),
    ("written.balanced", BALANCED.format("1", "1 - 2 * x", "c", "1 - 2 * x", "below - total")),
    ("written.balanced", BALANCED.format("1", "2 * x - 1", "c", "1 - 2 * x", "2 * below - total")),
    ("written.addition", SUM.format("1, p", "a + b + c + y")),
    ("written.addition", SUM.format("1, p - 50 * through", "a + b + y")),
    ("written.jump", JUMP.format("x - level + HALF, x, x, gain * x", "x - level - HALF, x, x, gain * x")),
    ("written.jump", JUMP.format("x - level, x, x, gain * x", "x - level - 1, x, x, -gain * x")),
    ("written.relay", RELAY.format("1, p", "before")),
    ("written.relay", RELAY.format("-1, p", "x")),
    ("written.names", NAMES.format("k**2", "levels * z + x", "4 * y")),
    ("written.names", NAMES.format("2**k", "z + x", "4 * y")),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
