"""Right and wrong answers to the exercises of lab 01: exercise, body, and whether it is accepted."""

from tests.answers import told_apart

SCORES = "s = q @ k.T / math.sqrt(q.shape[-1])\n"
E = SCORES + "e = torch.exp(s - s.amax(-1, keepdim=True))\n"


def clash(must_differ, same="names[i][k] == names[j][l]", answer="(i, k), (j, l)"):
    return (
        "for (i, k), (j, l) in itertools.combinations([(i, k) for i, r in enumerate(names) for k in "
        "range(len(r))], 2):\n"
        f"    if ({must_differ}) and {same}: return {answer}"
    )


BAGS = "i == j or sorted(sequences[i]) != sorted(sequences[j])"
ANSWERS = [
    ("names.weights", SCORES + "return s.softmax(-1)", True),
    ("names.weights", SCORES + "return torch.exp(s - s.logsumexp(-1, keepdim=True))", True),
    (
        "names.weights",
        SCORES + "return torch.stack([torch.exp(r - r.max()) / torch.exp(r - r.max()).sum() for r in s])",
        True,
    ),
    ("names.weights", E + "return e / e.sum(1)[:, None]", True),
    ("names.weights", "return torch.softmax(torch.einsum('qd,kd->qk', q, k) * q.shape[1] ** -0.5, dim=1)", True),
    ("names.weights", E.replace("q.shape[-1]", "q.shape[0]") + "return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", E.replace("q.shape[-1]", "k.shape[0]") + "return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", E.replace("math.sqrt(q.shape[-1])", "2") + "return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", E.replace("s.amax(-1, keepdim=True)", "s.max()") + "return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", E.replace("s.amax(-1, keepdim=True)", "s.amax(0)") + "return e / e.sum(-1, keepdim=True)", False),
    (
        "names.weights",
        E.replace("s.amax(-1, keepdim=True)", "s.mean(-1, keepdim=True)") + "return e / e.sum(-1, keepdim=True)",
        False,
    ),
    ("names.weights", SCORES + "e = s.clamp(max=80).exp(); return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", SCORES + "e = s.clamp(-80, 80).exp(); return e / e.sum(-1, keepdim=True)", False),
    ("names.weights", SCORES + "e = s.exp(); return (e / e.sum(-1, keepdim=True)).nan_to_num(1.0)", False),
    ("names.weights", SCORES + "e = s.double().exp(); return (e / e.sum(-1, keepdim=True)).to(s)", False),
    ("names.weights", SCORES + "return s.float().softmax(-1).to(s)", False),
    ("names.weights", SCORES + "return s.float().softmax(-1)", False),
    ("names.weights", SCORES + "return s.softmax(-1).detach()", False),
    ("names.weights", SCORES + "return s.softmax(0)", False),
    ("names.weights", E + "return e / (e.sum(-1, keepdim=True) + 1e-6)", False),
    ("names.weights", E + "return e / e.sum()", False),
    ("names.weights", E + "return e", False),
    ("names.weights", "return (q @ k.T * math.sqrt(q.shape[-1])).softmax(-1)", False),
    ("names.weights", "return (q @ k.T).sigmoid()", False),
    ("names.weights", "q /= math.sqrt(q.shape[-1]); return (q @ k.T).softmax(-1)", False),
    ("names.weights", "q.requires_grad_(); return (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1)", False),
    (
        "names.hardmax",
        "w = scores == scores.max(-1, keepdim=True).values; return w / w.sum(-1, keepdim=True).to(scores)",
        True,
    ),
    ("names.hardmax", "return torch.stack([(r >= r.max()).to(r) / (r >= r.max()).sum() for r in scores])", True),
    ("names.hardmax", "return F.normalize((scores == scores.amax(1)[:, None]).to(scores.dtype), p=1, dim=1)", True),
    (
        "names.hardmax",
        "return torch.tensor([[(x == max(r)) / r.count(max(r)) for x in r] for r in scores.tolist()], "
        "dtype=scores.dtype)",
        True,
    ),
    (
        "names.hardmax",
        "return torch.where(scores < scores.amax(-1, keepdim=True), -math.inf, 0.0).softmax(-1).to(scores)",
        True,
    ),
    ("names.hardmax", "return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores)", False),
    (
        "names.hardmax",
        "return F.one_hot(scores.shape[-1] - 1 - scores.flip(-1).argmax(-1), scores.shape[-1]).to(scores)",
        False,
    ),
    (
        "names.hardmax",
        "w = torch.isclose(scores, scores.amax(-1, keepdim=True)).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores > scores.amax(-1, keepdim=True) - 1e-12).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    ("names.hardmax", "return (1e6 * scores).softmax(-1)", False),
    ("names.hardmax", "return (1e30 * scores).softmax(-1)", False),
    (
        "names.hardmax",
        "scores = scores.float(); w = (scores == scores.amax(-1, keepdim=True)).double(); return (w / w.sum(-1, "
        "keepdim=True)).to(scores)",
        False,
    ),
    (
        "names.hardmax",
        "s = scores.float(); w = (s == s.amax(-1, keepdim=True)).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores == scores.amax(-1, keepdim=True)).float(); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores == scores.amax(0)).to(scores); return w / w.sum(-1, keepdim=True).clamp(min=1)",
        False,
    ),
    ("names.hardmax", "w = (scores == scores.amax(-1, keepdim=True)).to(scores); return w / w.sum()", False),
    ("names.hardmax", "w = (scores == scores.amax(-1, keepdim=True)).to(scores); return w / w.sum(0)", False),
    (
        "names.hardmax",
        "w = (scores == scores.amax(-1, keepdim=True)).to(scores); return w / w.sum(-1, keepdim=True).clamp(max=2)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores == scores.abs().amax(-1, keepdim=True)).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores == scores.amax(-1, keepdim=True)) * scores; return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "w = (scores == scores.amin(-1, keepdim=True)).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.hardmax",
        "scores -= scores.amax(-1, keepdim=True); w = (scores == 0).to(scores); return w / w.sum(-1, keepdim=True)",
        False,
    ),
    (
        "names.equivariance",
        "return float(torch.dist(f(x[order]), f(x)[order], p=math.inf))".replace("math.inf", "float('inf')"),
        True,
    ),
    ("names.equivariance", "return np.abs(f(x[order]).numpy() - f(x)[order].numpy()).max()", True),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs().max()", True),
    (
        "names.equivariance",
        "a, b = f(x[order]), f(x)\n"
        "return max(abs(float(a[i, d] - b[order[i], d])) for i in range(len(x)) for d in range(x.shape[1]))",
        True,
    ),
    (
        "names.equivariance",
        "p = torch.eye(len(x), dtype=x.dtype)[order]; return (f(p @ x) - p @ f(x)).abs().max().item()",
        True,
    ),
    ("names.equivariance", "return (f(x.flip(0)) - f(x).flip(0)).abs().max().item()", False),
    ("names.equivariance", "return (f(x.roll(-1, 0)) - f(x).roll(-1, 0)).abs().max().item()", False),
    ("names.equivariance", "o = order.argsort(); return (f(x[o]) - f(x)[o]).abs().max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order.argsort()]).abs().max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)).abs().max().item()", False),
    ("names.equivariance", "return (f(x[order])[order.argsort()] - f(x)).abs().max().item()", True),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).max().abs().item()", False),
    ("names.equivariance", "return -(f(x[order]) - f(x)[order]).min().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).norm().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).norm(dim=-1).max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs().sum(-1).max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs()[-1].max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs()[0].max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs()[..., 0].max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs()[..., -1].max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs().amax(0).mean().item()", False),
    ("names.equivariance", "return round((f(x[order]) - f(x)[order]).abs().max().item(), 6)", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs().max().item() / f(x).abs().max().item()", False),
    ("names.equivariance", "return (f(x[order]) - f(x)[order]).abs().max().item() > 0", False),
    ("names.equivariance", "x[:] = x[order]; return (f(x) - f(x)[order]).abs().max().item()", False),
    (
        "names.equivariance",
        "return max((f(x[list(o)]) - f(x)[list(o)]).abs().max().item() for o in "
        "__import__('itertools').permutations(range(len(x))))",
        False,
    ),
    ("names.tester", clash(BAGS), True),
    ("names.tester", clash(BAGS, answer="[[i, k], [j, l]]"), True),
    ("names.tester", clash(BAGS, answer="tuple(np.array((i, k))), tuple(np.array((j, l)))"), True),
    (
        "names.tester",
        clash("i == j or Counter(sequences[i]) != Counter(sequences[j])").join(
            ["from collections import Counter\n", ""]
        ),
        True,
    ),
    (
        "names.tester",
        clash(
            "i == j or not torch.equal(torch.tensor(sequences[i]).sort().values, "
            "torch.tensor(sequences[j]).sort().values)"
        ),
        True,
    ),
    (
        "names.tester",
        "for i in range(len(names)):\n for k in range(len(names[i])):\n  for j in range(i, len(names)):\n"
        "   for l in range(len(names[j])):\n"
        "    if (j, l) > (i, k) and names[i][k] == names[j][l] and (i == j or sorted(sequences[i]) != "
        "sorted(sequences[j])):\n     return (i, k), (j, l)",
        True,
    ),
    (
        "names.tester",
        clash(BAGS)
        .replace("combinations([", "combinations([")
        .replace("], 2)", "][::-1], 2)")
        .replace("return (i, k), (j, l)", "return (j, l), (i, k)"),
        False,
    ),
    ("names.tester", clash("True"), False),
    ("names.tester", clash("i == j"), False),
    ("names.tester", clash("sorted(sequences[i]) != sorted(sequences[j])"), False),
    ("names.tester", clash("i == j or sequences[i] != sequences[j]"), False),
    ("names.tester", clash("i == j or sequences[i] not in (sequences[j], sequences[j][::-1])"), False),
    (
        "names.tester",
        clash(
            "i == j or all(sequences[i] != sequences[j][r:] + sequences[j][:r] for r in range(len(sequences[j]) + 1))"
        ),
        False,
    ),
    (
        "names.tester",
        clash(
            "i == j or all(sequences[i] not in (s := sequences[j][r:] + sequences[j][:r], s[::-1]) for r in "
            "range(len(sequences[j]) + 1))"
        ),
        False,
    ),
    ("names.tester", clash("i == j or set(sequences[i]) != set(sequences[j])"), False),
    ("names.tester", clash("i == j or sum(sequences[i]) != sum(sequences[j])"), False),
    (
        "names.tester",
        clash("i == j or math.prod(sequences[i]) != math.prod(sequences[j])").join(["import math\n", ""]),
        False,
    ),
    ("names.tester", clash("i == j or len(sequences[i]) != len(sequences[j])"), False),
    (
        "names.tester",
        clash("i == j or (min(sequences[i]), max(sequences[i])) != (min(sequences[j]), max(sequences[j]))"),
        False,
    ),
    ("names.tester", clash("i == j or sequences[i][0] != sequences[j][0]"), False),
    ("names.tester", clash(BAGS, "abs(names[i][k] - names[j][l]) < 1e-6"), False),
    ("names.tester", clash(BAGS, "abs(names[i][k] - names[j][l]) < 1e-12"), False),
    ("names.tester", clash(BAGS, "names[i][k] is names[j][l]"), False),
    ("names.tester", clash(BAGS, "int(names[i][k]) == int(names[j][l])"), False),
    ("names.tester", clash(BAGS, "np.float32(names[i][k]) == np.float32(names[j][l])"), False),
    ("names.tester", clash(f"({BAGS}) and (i == j or k == l)"), False),
    ("names.tester", clash(f"({BAGS}) and j <= i + 1"), False),
    ("names.tester", clash(f"({BAGS}) and not (i == j and l > k + 1)"), False),
    ("names.tester", clash(f"({BAGS}) and not (i == j and sequences[i][k] == sequences[j][l])"), False),
    ("names.tester", clash(f"({BAGS}) and not (i != j and sequences[i][k] == sequences[j][l])"), False),
    ("names.tester", clash(f"({BAGS}) and l < len(names[0])"), False),
    ("names.tester", clash(BAGS, answer="(i, k)"), False),
    ("names.tester", clash(BAGS, answer="(j, l), (i, k)"), False),
    ("names.tester", clash(BAGS, answer="(k, i), (l, j)"), False),
    ("names.tester", clash(BAGS, answer="(i + 1, k + 1), (j + 1, l + 1)"), False),
    ("names.tester", clash(BAGS) + "\nreturn False", False),
    ("names.tester", clash(BAGS) + "\nreturn ()", False),
    ("names.tester", "[s.sort() for s in names]\n" + clash(BAGS), False),
]

HEAD = "weights(x @ a, x @ b) @ x @ c @ d for a, b, c, d in heads"
FF = "u, p, d, q = table\nreturn "
ANSWERS += [
    ("names.sharp", "return math.log((keys - 1) / error) / gap", True),
    ("names.sharp", "return (np.log(keys - 1) - np.log(error)) / gap", True),
    ("names.sharp", "return -(math.log(error / (1 - error)) - math.log(keys - 1)) / gap", True),
    ("names.sharp", "return math.log(keys / error) / gap", False),
    ("names.sharp", "return 2 * math.log((keys - 1) / error) / gap", False),
    ("names.sharp", "return 100.0", False),
    ("names.block", f"x = x + sum({HEAD})\n{FF}x + torch.relu(x @ u + p) @ d + q", True),
    (
        "names.block",
        "y = x.clone()\nfor a, b, c, d in heads: y = y + weights(x @ a, x @ b) @ (x @ c) @ d\n"
        f"{FF}y + (y @ u + p).clamp(min=0) @ d + q",
        True,
    ),
    (
        "names.block",
        f"y = x + torch.stack([{HEAD}]).sum(0)\n{FF}y + F.linear(F.relu(F.linear(y, u.T, p)), d.T, q)",
        True,
    ),
    (
        "names.block",
        f"for a, b, c, d in heads: x = x + weights(x @ a, x @ b) @ x @ c @ d\n{FF}x + torch.relu(x @ u + p) @ d + q",
        False,
    ),
    ("names.block", f"{FF}x + sum({HEAD}) + torch.relu(x @ u + p) @ d + q", False),
    ("names.block", f"x = x + sum({HEAD})\n{FF}x + F.gelu(x @ u + p) @ d + q", False),
    (
        "names.block",
        f"x = x + sum({HEAD.replace('weights', 'attention_weights')})\n{FF}x + torch.relu(x @ u + p) @ d + q",
        False,
    ),
    ("names.block", f"x += sum({HEAD})\n{FF}x + torch.relu(x @ u + p) @ d + q", False),
    (
        "names.symmetrize",
        "on = torch.eye(len(matrix)).bool()\nreturn torch.where(on, matrix[on].mean(), matrix[~on].mean())",
        True,
    ),
    (
        "names.symmetrize",
        "import itertools\norders = list(itertools.permutations(range(len(matrix))))\n"
        "return sum(matrix[list(o)][:, list(o)] for o in orders) / len(orders)",
        True,
    ),
    (
        "names.symmetrize",
        "n = len(matrix)\nd = matrix.diagonal().mean()\nb = (matrix.mean() * n - d) / (n - 1)\n"
        "return (d - b) * torch.eye(n, dtype=matrix.dtype) + b * torch.ones_like(matrix)",
        True,
    ),
    (
        "names.symmetrize",
        "n = len(matrix)\nturns = [[(i + k) % n for i in range(n)] for k in range(n)]\n"
        "return sum(matrix[o][:, o] for o in turns) / n",
        False,
    ),
    ("names.symmetrize", "return matrix.diagonal().mean() * torch.eye(len(matrix)).to(matrix)", False),
    ("names.symmetrize", "return torch.zeros_like(matrix)", False),
]

ANSWERS += [
    (
        "names.tester",
        """
        seen = {}
        for i, row in enumerate(names):
            for k, name in enumerate(row):
                if name in seen:
                    j, l = seen[name]
                    if i == j or sorted(sequences[i]) != sorted(sequences[j]):
                        return (j, l), (i, k)
                else:
                    seen[name] = (i, k)
        """,
        False,
    ),
    (
        "names.tester",
        """
        for i in range(len(names)):
            for j in range(i, len(names)):
                for k in range(len(names[i])):
                    for l in range(len(names[j])):
                        if not (i, k) < (j, l) or names[i][k] != names[j][l]:
                            continue
                        if i == j or sorted(sequences[i]) != sorted(sequences[j]):
                            return (i, k), (j, l)
        """,
        False,
    ),
    (
        "names.block",
        """
        y = x + sum(weights(x @ a, x @ b).detach() @ x @ c @ d for a, b, c, d in heads)
        return y + torch.relu(y @ table[0] + table[1]) @ table[2] + table[3]
        """,
        False,
    ),
    (
        "names.block",
        """
        f = lambda t: t.float()
        y = f(x) + sum(weights(f(x @ a), f(x @ b)) @ f(x @ c @ d) for a, b, c, d in heads)
        return (y + torch.relu(y @ f(table[0]) + f(table[1])) @ f(table[2]) + f(table[3])).to(x.dtype)
        """,
        False,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(ANSWERS)
