"""Right and wrong answers to the exercises of lab 02: exercise, body, and whether it is accepted."""

from tests.answers import told_apart

HEADS = """
def head(b):
    s = (ids - b)[:, None] * ids
    w = {winners}
    return w @ ids
return head(low) - head(high)
"""
HARD = "(s == s.amax(1, keepdim=True)).to(ids)\n    w = w / w.sum(1, keepdim=True)"
GLOBAL = "s = ids[:, None] * ids\nw = {}\nreturn ids + spread * (w @ ids)"
ROUND = "t = x[:, i] - k * delta\nout = x.clone()\nout[{}, i] = {}\nreturn out"
LOOK_UP = "t = x @ u - name\nreturn x + ({}).to(x.dtype)[:, None] * (new - old)"
SMALLEST = "ids.min() if v < 0 else ids.mean() if v == 0 else ids.max()"

MORE = "up = (a * low + b) / epsilon\ndown = (a * (high - epsilon) + b) / epsilon\n"
ANSWERS = [
    (
        "universal.four_relus",
        MORE + "return ((low - epsilon, up), (low, a - up), (high - epsilon, -(a + down)), (high, down))",
        True,
    ),
    (
        "universal.four_relus",
        "places = [low - epsilon, low, high - epsilon, high]\nvalues = [0, a * low + b, a * (high - epsilon) + b, 0]\n"
        "slopes = [(v - u) / (d - c) for c, d, u, v in zip(places, places[1:], values, values[1:])]\n"
        "return list(zip(places, np.diff([0, *slopes, 0]).tolist()))",
        True,
    ),
    (
        "universal.four_relus",
        MORE + "parts = {high: down, high - epsilon: -a - down, low: a - up, low - epsilon: up}\n"
        "return [(place, weight) for place, weight in parts.items() if weight != 0]",
        True,
    ),
    (
        "universal.four_relus",
        MORE + "return [(low - epsilon, up), (low, -up), (high - epsilon, -up), (high, up)]",
        False,
    ),
    (
        "universal.four_relus",
        MORE + "half = epsilon / 2\n"
        "return [(low - half, up), (low + half, a - up), (high - half, -a - down), (high + half, down)]",
        False,
    ),
    (
        "universal.read_off",
        "def back(top, left):\n    last = top % tokens\n"
        "    return [*(back(last + (top - last) // tokens, left - 1) if left > 1 else []), last]\n"
        "return back(top, length)",
        True,
    ),
    (
        "universal.read_off",
        "out = [0] * length\nfor j in reversed(range(length)):\n"
        "    q, out[j] = divmod(top, tokens)\n    top = q + out[j]\nreturn tuple(out)",
        True,
    ),
    ("universal.read_off", "return sorted(top // tokens**k % tokens for k in range(length))", False),
    ("universal.read_off", "return [top % tokens] * length", False),
    (
        "universal.diagonals",
        "r = len(filter) // 2\nw = torch.zeros(length, length, dtype=filter.dtype)\n"
        "for i in range(length):\n    for j in range(length):\n"
        "        if abs(j - i) <= r: w[i, j] = filter[j - i + r]\nreturn w",
        True,
    ),
    (
        "universal.diagonals",
        "r = len(filter) // 2\np = F.pad(filter, (length, length))\n"
        "return torch.stack([p[length + r - i : length + r - i + length] for i in range(length)])",
        True,
    ),
    (
        "universal.diagonals",
        "r = len(filter) // 2\nw = torch.zeros(length, length).to(filter)\nfor d in range(-r, r + 1):\n"
        "    if abs(d) < length: w = w + torch.diag(filter[d + r].expand(length - abs(d)), d)\nreturn w",
        True,
    ),
    (
        "universal.diagonals",
        "r = len(filter) // 2\nw = torch.zeros(length, length, dtype=filter.dtype)\n"
        "for i in range(length):\n    for j in range(length):\n"
        "        if abs(j - i) <= r: w[i, j] = filter[i - j + r]\nreturn w",
        False,
    ),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "k * delta"), True),
    ("universal.quantiser", ROUND.format("(0 < t) & (t < delta)", "k * delta"), True),
    (
        "universal.quantiser",
        "out = x.clone()\nfor row in out:\n    if 0 <= row[i] - k * delta < delta:\n        row[i] = k * delta\n"
        "return out",
        True,
    ),
    (
        "universal.quantiser",
        "t = x[:, i] - k * delta\nadd = torch.zeros_like(x)\nadd[:, i] = -t * ((t >= 0) & (t < delta))\nreturn x + add",
        True,
    ),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < 0.25)", "k * delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < 0.5)", "k * delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t <= delta)", "k * delta"), False),
    ("universal.quantiser", ROUND.format("(t >= -1e-6) & (t < delta)", "k * delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta - 1e-6)", "k * delta"), False),
    ("universal.quantiser", ROUND.format("t < delta", "k * delta"), False),
    ("universal.quantiser", ROUND.format("t >= 0", "k * delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "0"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "k * delta").replace("k * delta", "delta"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "k * delta").replace(", i]", ", -1]"), False),
    ("universal.quantiser", ROUND.format("(t >= 0) & (t < delta)", "k * delta").replace(", i]", ", 0]"), False),
    ("universal.quantiser", "i = min(i, 1)\n" + ROUND.format("(t >= 0) & (t < delta)", "k * delta"), False),
    ("universal.quantiser", "return torch.floor(x / delta) * delta", False),
    ("universal.quantiser", "out = x.clone()\nout[:, i] = torch.floor(x[:, i] / delta) * delta\nreturn out", False),
    ("universal.quantiser", "t = x - k * delta\nreturn torch.where((t >= 0) & (t < delta), k * delta, x)", False),
    (
        "universal.quantiser",
        "t = x[:, i] - k * delta\nreturn torch.where(((t >= 0) & (t < delta))[:, None], k * delta, x)",
        False,
    ),
    ("universal.quantiser", "t = x[:, i] - k * delta\nx[(t >= 0) & (t < delta), i] = k * delta\nreturn x", False),
    (
        "universal.quantiser",
        "x, d = x.float(), x.dtype\n" + ROUND.format("(t >= 0) & (t < delta)", "k * delta") + ".to(d)",
        False,
    ),
    (
        "universal.quantiser",
        "t = x[0, i] - k * delta\nout = x.clone()\nif 0 <= t < delta:\n    out[:, i] = k * delta\nreturn out",
        False,
    ),
    ("universal.selective_shift", HEADS.format(winners=HARD), True),
    ("universal.selective_shift", HEADS.format(winners="hardmax()(s)"), True),
    (
        "universal.selective_shift",
        "def head(b):\n    out = []\n    for q in ids:\n        s = [(k * (q - b)).item() for k in ids]\n"
        "        best = [v for v, x in zip(ids, s) if x == max(s)]\n        out.append(sum(best) / len(best))\n"
        "    return torch.stack(out)\nreturn head(low) - head(high)",
        True,
    ),
    (
        "universal.selective_shift",
        "def head(b):\n    return torch.stack(["
        + SMALLEST.replace("v ", "v - b ")
        + " for v in ids])\nreturn head(low) - head(high)",
        True,
    ),
    ("universal.selective_shift", "return torch.where((ids > low) & (ids < high), ids.max() - ids.min(), 0)", False),
    ("universal.selective_shift", "return torch.where((ids >= low) & (ids <= high), ids.max() - ids.min(), 0)", False),
    ("universal.selective_shift", HEADS.format(winners="torch.softmax(1e3 * s, 1)"), False),
    ("universal.selective_shift", HEADS.format(winners="torch.softmax(1e6 * s, 1)"), False),
    ("universal.selective_shift", HEADS.format(winners="F.one_hot(s.argmax(1), len(ids)).to(ids)"), False),
    (
        "universal.selective_shift",
        HEADS.format(winners="torch.isclose(s, s.amax(1, keepdim=True)).to(ids)\n    w = w / w.sum(1, keepdim=True)"),
        False,
    ),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("head(high)", "head(low + 1)"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("head(high)", "head(high + 1)"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("head(low)", "head(high - 1)"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("head(high)", "ids.min()"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("[:, None] * ids", " * ids[:, None]"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("w @ ids", "ids @ w"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("w @ ids", "w @ ids.abs()"), False),
    ("universal.selective_shift", HEADS.format(winners=HARD).replace("w @ ids", "w @ (ids - b)"), False),
    (
        "universal.selective_shift",
        HEADS.format(winners=HARD).replace("(ids - b)[:, None] * ids", "(ids - b)[:, None] * (ids - b)"),
        True,
    ),
    ("universal.selective_shift", HEADS.format(winners=HARD.replace("sum(1", "sum(0")), False),
    (
        "universal.selective_shift",
        "d, ids = ids.dtype, ids.float()\n"
        + HEADS.format(winners=HARD).rstrip().replace("head(low) - head(high)", "(head(low) - head(high)).to(d)"),
        False,
    ),
    ("universal.sweep", "return ids + gain * (ids == level) * (ids.max() - ids.min())", True),
    ("universal.sweep", "return torch.where(ids == level, level + gain * (ids.max() - ids.min()), ids)", True),
    ("universal.sweep", "return ids + gain * two_heads(ids, level - 0.25, level + 0.75)", True),
    (
        "universal.sweep",
        "out = ids.clone()\nfor j, v in enumerate(ids):\n    if v == level:\n"
        "        out[j] = v + gain * (max(ids) - min(ids))\nreturn out",
        True,
    ),
    ("universal.sweep", "return ids + 4 * two_heads(ids, level - 0.5, level + 0.5)", False),
    ("universal.sweep", "return ids + len(ids) * two_heads(ids, level - 0.5, level + 0.5)", False),
    ("universal.sweep", "return ids + gain * two_heads(ids, level - 1, level + 1)", False),
    ("universal.sweep", "return ids + gain * two_heads(ids, level, level + 1)", False),
    ("universal.sweep", "return ids + gain * two_heads(ids, level - 0.5, level + 1.5)", False),
    ("universal.sweep", "return ids + gain * two_heads(ids, ids.min() - 0.5, ids.min() + 0.5)", False),
    ("universal.sweep", "return ids + gain * two_heads(ids, level - 0.5, 1e9)", False),
    ("universal.sweep", "return ids + gain * (ids == level) * (ids.max() - level)", False),
    (
        "universal.sweep",
        "return ids + gain * (ids == level) * (ids[ids != level].max() - ids.min() if (ids != level).any() else 0)",
        False,
    ),
    ("universal.sweep", "return ids + gain * (ids == level) * ids.max()", False),
    ("universal.sweep", "return torch.where(ids == level, gain * (ids.max() - ids.min()), ids)", False),
    ("universal.sweep", "return torch.where(ids == level, ids.max() + gain * (ids.max() - ids.min()), ids)", False),
    ("universal.sweep", "return torch.where(ids == level, ids.max() + 1, ids)", False),
    (
        "universal.sweep",
        "out = ids.clone()\nhit = (ids == level).nonzero()\nif len(hit):\n"
        "    out[hit[0]] += gain * (ids.max() - ids.min())\nreturn out",
        False,
    ),
    (
        "universal.sweep",
        "out = ids.clone()\nhit = (ids == level).nonzero()\nif len(hit):\n"
        "    out[hit[-1]] += gain * (ids.max() - ids.min())\nreturn out",
        False,
    ),
    ("universal.sweep", "ids += gain * two_heads(ids, level - 0.5, level + 0.5)\nreturn ids", False),
    (
        "universal.sweep",
        "d, ids = ids.dtype, ids.float()\nreturn (ids + gain * two_heads(ids, level - 0.5, level + 0.5)).to(d)",
        False,
    ),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)"), True),
    (
        "universal.global_shift",
        GLOBAL.format("(s == s.amax(1, keepdim=True)).to(ids)\nw = w / w.sum(1, keepdim=True)"),
        True,
    ),
    ("universal.global_shift", "return ids + spread * (two_heads(ids, 0, 1e12) + ids.min())", True),
    ("universal.global_shift", "return torch.stack([v + spread * (" + SMALLEST + ") for v in ids])", True),
    ("universal.global_shift", "return ids + spread * ids.max()", False),
    ("universal.global_shift", "return ids + spread * torch.where(ids > 0, ids.max(), ids.min())", False),
    ("universal.global_shift", "return ids + spread * torch.where(ids >= 0, ids.max(), ids.min())", False),
    (
        "universal.global_shift",
        "return ids + spread * torch.where(ids == 0, 0, torch.where(ids > 0, ids.max(), ids.min()))",
        False,
    ),
    ("universal.global_shift", GLOBAL.format("torch.softmax(s, 1)"), False),
    ("universal.global_shift", GLOBAL.format("torch.softmax(1e3 * s, 1)"), False),
    ("universal.global_shift", GLOBAL.format("torch.softmax(1e6 * s, 1)"), False),
    ("universal.global_shift", GLOBAL.format("F.one_hot(s.argmax(1), len(ids)).to(ids)"), False),
    ("universal.global_shift", GLOBAL.format("(s == s.amax(1, keepdim=True)).to(ids)"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("(w @ ids)", "(w @ ids).max()"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("ids + spread", "ids * spread"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("ids + spread", "spread"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("spread", "100"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("ids[:, None]", "ids.abs()[:, None]"), False),
    ("universal.global_shift", GLOBAL.format("hardmax()(s)").replace("w @ ids", "w @ ids.abs()"), False),
    ("universal.global_shift", "ids += spread * (hardmax()(ids[:, None] * ids) @ ids)\nreturn ids", False),
    (
        "universal.global_shift",
        "d, ids = ids.dtype, ids.float()\nreturn (ids + spread * (hardmax()(ids[:, None] * ids) @ ids)).to(d)",
        False,
    ),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)"), True),
    (
        "universal.values",
        "t = x @ u - name\nreturn torch.where(((-delta / 2 <= t) & (t < delta / 2))[:, None], x + new - old, x)",
        True,
    ),
    (
        "universal.values",
        "out = x.clone()\nfor j in range(len(x)):\n    if -delta / 2 <= x[j] @ u - name < delta / 2:\n"
        "        out[j] += new - old\nreturn out",
        True,
    ),
    (
        "universal.values",
        "hit = torch.floor((x @ u - name) / delta + 0.5) == 0\nreturn x + hit[:, None] * (new - old)",
        True,
    ),
    ("universal.values", LOOK_UP.format("t.abs() < delta / 2"), False),
    ("universal.values", LOOK_UP.format("t.abs() <= delta / 2"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 < t) & (t <= delta / 2)"), False),
    ("universal.values", LOOK_UP.format("t.abs() < delta"), False),
    ("universal.values", LOOK_UP.format("t.abs() < 1e-6"), False),
    ("universal.values", LOOK_UP.format("t == 0"), False),
    ("universal.values", LOOK_UP.format("t < delta / 2"), False),
    ("universal.values", LOOK_UP.format("t >= -delta / 2"), False),
    ("universal.values", LOOK_UP.format("(-delta <= t) & (t < delta / 2)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 3)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 4)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 4 <= t) & (t < delta / 2)"), False),
    ("universal.values", LOOK_UP.format("(-0.125 <= t) & (t < 0.125)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("x @ u", "x.sum(1)"), False),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("x @ u", "x[:, 0]"), False),
    (
        "universal.values",
        LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("x @ u - name", "x @ u - old @ u"),
        True,
    ),
    (
        "universal.values",
        LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("(new - old)", "(new - x)"),
        False,
    ),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("(new - old)", "new"), False),
    (
        "universal.values",
        LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("(new - old)", "(old - new)"),
        False,
    ),
    ("universal.values", LOOK_UP.format("(-delta / 2 <= t) & (t < delta / 2)").replace("x + (", "x * ("), False),
    (
        "universal.values",
        "out = x.clone()\nt = x @ u - name\n"
        "out[((-delta / 2 <= t) & (t < delta / 2)).nonzero()[:1, 0]] += new - old\nreturn out",
        False,
    ),
    (
        "universal.values",
        "d, x = x.dtype, x.float()\nt = x.double() @ u - name\n"
        "return (x + ((-delta / 2 <= t) & (t < delta / 2))[:, None] * (new - old)).to(d)",
        False,
    ),
    (
        "universal.values",
        "t = x @ u - name\nx += ((-delta / 2 <= t) & (t < delta / 2))[:, None] * (new - old)\nreturn x",
        False,
    ),
]

ANSWERS += [
    (
        "universal.read_off",
        """
        if length == 0:
            return []
        last = top % tokens
        return [*read_off((top - last) // tokens + last, tokens, length - 1), last]
        """,
        True,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(ANSWERS)
