"""Right and wrong answers to the exercises of lab 03: exercise, body, and whether it is accepted."""

from tests.answers import told_apart

SETS = "i = torch.arange(n)\nd = (i[:, None] - i[None]).abs()\nreturn torch.stack([{}])"
REACH = """
p, n, _ = sets.shape
heard = torch.eye(n).bool()
for step in range(1, n * n * p + 1):
    seen = sets[(step - 1) % p]
    heard = (seen.float() @ heard.float()) > 0
    if heard.all():
        return step
return 0
"""
LOOP = """
out = torch.zeros_like(ids)
for q in range(len(ids)):
    if low < ids[q] < high:
        out[q] = ids[seen[q]].max() - ids[seen[q]].min()
return out
"""
SHIFT = (
    "a = ids.where(seen, -torch.inf).amax(1) - ids.where(seen, torch.inf).amin(1)\n"
    "return torch.where((ids > low) & (ids < high), a, 0)"
)
CODE = "code = torch.zeros(len(chain))\nfor place, token in enumerate(chain):\n    code[token] = {}\nreturn code"
RING = "seen = torch.eye(n).bool()\nfor k in range(n):\n    seen[k, {}] = True\nreturn seen"
STAR = "seen = torch.eye(n).bool()\nseen[{0}] = True\nseen[:, {0}] = True\n"
LINES = "others = [k for k in range(n) if k != {}]\nfor a, b in zip(others, others[1:]):\n    seen[b, a] = b != {}\n"
MAX = "return names + c * names.where(seen, -torch.inf).amax(-1)"


ANSWERS = [
    ("sparse.strided", SETS.format("d <= width, d % width == 0"), True),
    (
        "sparse.strided",
        "i = np.arange(n)\nd = abs(i[:, None] - i)\nreturn torch.tensor(np.stack([d <= width, d % width == 0]))",
        True,
    ),
    (
        "sparse.strided",
        "r = range(n)\nreturn torch.tensor([[[abs(q - k) <= width for k in r] for q in r], [[q % width == k % "
        "width for k in r] for q in r]])",
        True,
    ),
    ("sparse.strided", SETS.format("d < width, d % width == 0"), False),
    ("sparse.strided", SETS.format("d <= int(n**0.5), d % width == 0"), False),
    ("sparse.strided", SETS.format("d <= width, d % int(n**0.5) == 0"), False),
    ("sparse.strided", "width = int(n**0.5)\n" + SETS.format("d <= width, d % width == 0"), False),
    ("sparse.strided", "width = 2\n" + SETS.format("d <= width, d % width == 0"), False),
    ("sparse.strided", SETS.format("d <= width, d % width == 0") + ".tril()", False),
    ("sparse.strided", SETS.format("d % width == 0, d <= width"), False),
    ("sparse.strided", SETS.format("d <= width, d == width"), False),
    ("sparse.strided", SETS.format("d <= width, (d % width == 0) & (d > 0)"), False),
    ("sparse.strided", SETS.format("d <= width, d % (width + 1) == 0"), False),
    ("sparse.strided", SETS.format("d <= width, d // width == d"), False),
    ("sparse.strided", SETS.format("d <= width, i % width == 0 * d"), False),
    ("sparse.strided", SETS.format("i[:, None] // width == i // width, d % width == 0"), False),
    ("sparse.strided", SETS.format("d <= width, d % width == 0") + ".any(0)", False),
    ("sparse.reach", REACH, True),
    (
        "sparse.reach",
        REACH.replace("return step", "return np.int64(step)").replace(
            "return np.int64(step)\nreturn", "return np.int64(step)\nreturn"
        ),
        True,
    ),
    (
        "sparse.reach",
        REACH.replace("seen.float() @ heard.float()", "seen[:, :, None] & heard[None]").replace(" > 0", ".any(1)"),
        True,
    ),
    (
        "sparse.reach",
        "p, n, _ = sets.shape\nheard = [{q} for q in range(n)]\nfor step in range(n * n * p):\n"
        "    heard = [set().union(*[heard[k] for k in range(n) if sets[step % p][q, k]]) for q in range(n)]\n"
        "    if all(len(h) == n for h in heard):\n        return step + 1\nreturn 0",
        True,
    ),
    ("sparse.reach", REACH.replace("seen.float() @ heard.float()", "heard.float() @ seen.float()"), False),
    ("sparse.reach", REACH.replace("seen.float() @", "seen.T.float() @"), False),
    ("sparse.reach", REACH.replace("@ heard.float()", "@ heard.T.float()"), False),
    ("sparse.reach", REACH.replace("heard.all()", "heard[0].all()"), False),
    ("sparse.reach", REACH.replace("heard.all()", "heard[-1].all()"), False),
    ("sparse.reach", REACH.replace("heard.all()", "heard[:, 0].all()"), False),
    ("sparse.reach", REACH.replace("heard.all()", "heard[0, -1]"), False),
    ("sparse.reach", REACH.replace("heard.all()", "heard.any(0).all()"), False),
    ("sparse.reach", REACH.replace("(step - 1) % p", "0"), False),
    ("sparse.reach", REACH.replace("(step - 1) % p", "-1"), False),
    ("sparse.reach", REACH.replace("(step - 1) % p", "step % p"), False),
    ("sparse.reach", REACH.replace("(step - 1) % p", "-step % p"), False),
    ("sparse.reach", REACH.replace("sets[(step - 1) % p]", "sets.any(0)"), False),
    ("sparse.reach", REACH.replace("sets[(step - 1) % p]", "sets.all(0)"), False),
    ("sparse.reach", REACH.replace("n * n * p + 1", "n + 1"), False),
    ("sparse.reach", REACH.replace("n * n * p + 1", "n * p + 1"), False),
    ("sparse.reach", REACH.replace("n * n * p + 1", "n"), False),
    ("sparse.reach", REACH.replace("n * n * p + 1", "p + 1"), False),
    ("sparse.reach", REACH.replace("n * n * p + 1", "5"), False),
    ("sparse.reach", REACH.replace("return step", "return step - 1"), False),
    ("sparse.reach", REACH.replace("return step", "return -(-step // p)"), False),
    ("sparse.reach", REACH.replace("return 0", "return n * p"), False),
    ("sparse.reach", REACH.replace("return 0", "return None"), False),
    (
        "sparse.reach",
        REACH.replace("    heard =", "    old = heard\n    heard =").replace(
            "        return step\n", "        return step\n    if (old == heard).all():\n        return 0\n"
        ),
        False,
    ),
    ("sparse.reach", "sets |= torch.eye(sets.shape[1]).bool()\nsets[0, 0, 0] = False\n" + REACH, False),
    ("sparse.shift", LOOP, True),
    ("sparse.shift", SHIFT, True),
    (
        "sparse.shift",
        "return torch.stack([(ids[s].max() - ids[s].min()) * (low < v < high) for v, s in zip(ids, seen)])",
        True,
    ),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "low <= ids[q] <= high"), False),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "low <= ids[q] < high"), False),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "low < ids[q] <= high"), False),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "low < ids[q]"), False),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "ids[q] < high"), False),
    ("sparse.shift", LOOP.replace("low < ids[q] < high", "low + 1e-6 < ids[q] < high - 1e-6"), False),
    ("sparse.shift", LOOP.replace("seen[q]", "seen[:, q]"), False),
    ("sparse.shift", LOOP.replace("ids[seen[q]].max()", "ids.max()"), False),
    ("sparse.shift", LOOP.replace("ids[seen[q]].min()", "ids.min()"), False),
    ("sparse.shift", LOOP.replace("ids[seen[q]].min()", "ids[q]"), False),
    ("sparse.shift", LOOP.replace("ids[seen[q]].max()", "ids[q]"), False),
    (
        "sparse.shift",
        LOOP.replace("ids[seen[q]].max() - ids[seen[q]].min()", "ids[seen[q]][-1] - ids[seen[q]][0]"),
        False,
    ),
    ("sparse.shift", "seen = seen | torch.eye(len(ids)).bool()\n" + SHIFT, False),
    ("sparse.shift", SHIFT.replace("-torch.inf", "-1e4"), False),
    ("sparse.shift", SHIFT.replace("-torch.inf", "-1e9"), False),
    ("sparse.shift", SHIFT.replace(", torch.inf", ", 1e9"), False),
    ("sparse.shift", SHIFT.replace("-torch.inf", "0"), False),
    ("sparse.shift", SHIFT.replace(", torch.inf", ", 0"), False),
    ("sparse.shift", SHIFT.replace("amax(1)", "amax(0)").replace("amin(1)", "amin(0)"), False),
    ("sparse.shift", SHIFT.replace("a, 0)", "a, ids)"), False),
    ("sparse.shift", SHIFT.replace("return ", "return ids + "), False),
    ("sparse.shift", "d, ids = ids.dtype, ids.float()\n" + SHIFT + ".to(d)", False),
    ("sparse.shift", "keep = ids[~seen[0]]\nids[~seen[0]] = 0\n" + SHIFT, False),
    ("sparse.chain", CODE.format("(place - 1) % len(chain)"), True),
    (
        "sparse.chain",
        CODE.format("(place - 1) % len(chain)").replace("len(chain))\n", "len(chain), dtype=int)\n"),
        True,
    ),
    (
        "sparse.chain",
        CODE.format("(place - 1) % len(chain)").replace("len(chain))\n", "len(chain), dtype=torch.float64)\n"),
        True,
    ),
    ("sparse.chain", "return (torch.tensor(chain).argsort() - 1) % len(chain)", True),
    (
        "sparse.chain",
        "n = len(chain)\ncode = torch.zeros(n)\ncode[list(chain)] = torch.tensor([n - 1, *range(n - 1)]).float()\n"
        "return code",
        True,
    ),
    (
        "sparse.chain",
        "n = len(chain)\nreturn torch.tensor([n - 1 if t == chain[0] else chain.index(t) - 1 for t in range(n)])",
        True,
    ),
    (
        "sparse.chain",
        "n = len(chain)\ncode = torch.zeros(n)\ncode[chain] = torch.tensor([n - 1, *range(n - 1)]).float()\n"
        "return code",
        False,
    ),
    ("sparse.chain", CODE.format("place"), False),
    ("sparse.chain", CODE.format("place - 1"), False),
    ("sparse.chain", CODE.format("len(chain) - 1 - place"), False),
    ("sparse.chain", CODE.format("len(chain) if place == 0 else place - 1"), False),
    ("sparse.chain", CODE.format("(place + 1) % len(chain)"), False),
    ("sparse.chain", CODE.format("(place - 1) % len(chain)").replace("code[token]", "code[place]"), False),
    ("sparse.chain", CODE.format("(token - 1) % len(chain)").replace("code[token]", "code[place]"), False),
    ("sparse.chain", "return (torch.tensor(chain) - 1) % len(chain)", False),
    ("sparse.chain", "return (torch.tensor(chain).argsort() - torch.tensor(chain)[0] - 1) % len(chain)", False),
    ("sparse.chain", CODE.format("(place - 1) % len(chain)") + ".tolist()", True),
    ("sparse.all_max", MAX, True),
    ("sparse.all_max", "return torch.stack([v + c * names[s].max() for v, s in zip(names, seen)])", True),
    (
        "sparse.all_max",
        "out = names.clone()\nfor q in range(len(names)):\n"
        "    out[q] += c * max(names[k] for k in range(len(names)) if seen[q, k])\nreturn out",
        True,
    ),
    ("sparse.all_max", MAX.replace("seen", "seen.T"), False),
    ("sparse.all_max", MAX.replace("amax(-1)", "amax(0)"), False),
    ("sparse.all_max", MAX.replace("names + ", ""), False),
    ("sparse.all_max", MAX.replace("c * ", ""), False),
    ("sparse.all_max", MAX.replace("names + c", "names * c"), False),
    ("sparse.all_max", MAX.replace("-torch.inf", "0"), False),
    ("sparse.all_max", MAX.replace("-torch.inf", "-1e4"), False),
    ("sparse.all_max", MAX.replace("-torch.inf", "-1e9"), False),
    ("sparse.all_max", "seen = seen | torch.eye(len(names)).bool()\n" + MAX, False),
    ("sparse.all_max", "return names + c * names.max()", False),
    ("sparse.all_max", "return torch.maximum(names, c * names.where(seen, -torch.inf).amax(-1))", False),
    (
        "sparse.all_max",
        "out = names.clone()\nfor q in range(len(names)):\n    out[q] += c * out[seen[q]].max()\nreturn out",
        False,
    ),
    ("sparse.all_max", "names += c * names.where(seen, -torch.inf).amax(-1)\nreturn names", False),
    (
        "sparse.all_max",
        "d, names = names.dtype, names.float()\n" + MAX.replace("return ", "return (") + ").to(d)",
        False,
    ),
    ("sparse.smallest", RING.format("(k + 1) % n"), True),
    ("sparse.smallest", RING.format("k - 1"), True),
    (
        "sparse.smallest",
        "order = torch.arange(n).flip(0)\nseen = torch.eye(n).bool()\nseen[order, order.roll(1)] = True\nreturn seen",
        True,
    ),
    ("sparse.smallest", "a = torch.eye(n)\nreturn (a + a.roll(1, 1)) > 0", True),
    ("sparse.smallest", "a = torch.eye(n).bool()\nreturn a.roll(1, 0)", False),
    ("sparse.smallest", RING.format("[(k + 1) % n, (k - 1) % n]"), False),
    ("sparse.smallest", RING.format("max(k - 1, 0)"), False),
    ("sparse.smallest", RING.format("0"), False),
    ("sparse.smallest", RING.format("(k + 2) % n"), False),
    ("sparse.smallest", RING.format("k ^ 1 if k ^ 1 < n else 0"), False),
    ("sparse.smallest", STAR.format(0) + "return seen", False),
    ("sparse.smallest", "return torch.ones(n, n).tril().triu(-1).bool()", False),
    ("sparse.smallest", "return torch.ones(n, n).bool()", False),
    ("sparse.smallest", RING.format("k - 1").replace("return seen", "return seen.float()"), False),
    ("sparse.two_steps", STAR.format(0) + LINES.format(0, 2) + "return seen", True),
    ("sparse.two_steps", STAR.format(-1) + LINES.format("n - 1", 1) + "return seen", True),
    ("sparse.two_steps", STAR.format("n // 2") + LINES.format("n // 2", "n // 2 + 1") + "return seen", True),
    ("sparse.two_steps", STAR.format(0) + "for k in range(3, n):\n    seen[k, k - 2] = True\nreturn seen", True),
    ("sparse.two_steps", STAR.format(0) + "return seen", False),
    ("sparse.two_steps", STAR.format(0) + LINES.format(0, -1) + "return seen", False),
    ("sparse.two_steps", STAR.format(0) + LINES.format(0, 3) + "seen[1, 0] = False\nreturn seen", False),
    ("sparse.two_steps", RING.format("k - 1"), False),
    ("sparse.two_steps", "return torch.ones(n, n).bool()", False),
    ("sparse.two_steps", RING.format("[k - 1, 0]"), False),
    ("sparse.two_steps", STAR.format(0) + LINES.format(0, 2) + "seen.fill_diagonal_(False)\nreturn seen", False),
    ("sparse.two_steps", "return torch.ones(n, n).tril(1).triu(-1).bool()", False),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(ANSWERS)
