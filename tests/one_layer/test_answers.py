"""Right and wrong answers to the exercises of lab 05, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    ("one_layer.gradient", "p = torch.softmax(a, 0)\nreturn p + (torch.diag(p) - torch.outer(p, p)) @ a"),
    (
        "one_layer.memoriser",
        """
        slope = labels.diff() / ids.diff()
        zero = torch.zeros(1, dtype=z.dtype)
        change = torch.cat([slope, zero]) - torch.cat([zero, slope])
        return labels[0] + torch.relu(z[:, None] - ids) @ change
        """,
    ),
    (
        "one_layer.memoriser",
        """
        def relu(t):
            return t.clamp(min=0)
        steps = [(relu(z - a) - relu(z - b)) / (b - a) for a, b in zip(ids[:-1], ids[1:])]
        out = labels[0] + 0 * z
        for s, d in zip(steps, labels.diff()):
            out = out + d * s
        return out
        """,
    ),
    (
        "one_layer.boltz",
        """
        p = torch.exp(a - a.max())
        return (p * a).sum() / p.sum()
        """,
    ),
    ("one_layer.boltz", "return (F.softmax(a, 0) * a).sum()"),
    (
        "one_layer.boltz",
        """
        w = torch.exp(a - torch.logsumexp(a, 0))
        return sum(x * y for x, y in zip(w, a))
        """,
    ),
    (
        "one_layer.gradient",
        """
        p = a.softmax(0)
        return p + p * (a - (p * a).sum())
        """,
    ),
    (
        "one_layer.gradient",
        """
        p = torch.softmax(a, 0)
        m = boltz(a)
        return torch.stack([p[i] * (1 + a[i] - m) for i in range(len(a))])
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = sorted(first)[::-1], sorted(second)[::-1]
        return (a[0], *(-x for x in a[1:])) > (b[0], *(-x for x in b[1:]))
        """,
    ),
    (
        "one_layer.order",
        """
        if max(first) != max(second):
            return max(first) > max(second)
        return sorted(first, reverse=True) < sorted(second, reverse=True)
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = list(first), list(second)
        place = 0
        while a:
            x, y = max(a), max(b)
            if x != y:
                return x > y if place == 0 else y > x
            a.remove(x); b.remove(y); place += 1
        return False
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).sort(1).values
        return t.abs().min(1).values * (t[:, 1:] - t[:, :-1]).min(1).values
        """,
    ),
    (
        "one_layer.projection",
        """
        t = candidates @ tokens.T
        d = (t[:, :, None] - t[:, None]).abs()
        n = t.shape[1]
        d = d + torch.diag(torch.full((n,), float('inf')))
        return t.abs().amin(1) * d.flatten(1).amin(1)
        """,
    ),
    (
        "one_layer.projection",
        """
        out = []
        for v in candidates:
            s = tokens @ v
            gap = min(abs(s[i] - s[j]) for i in range(len(s)) for j in range(i))
            out.append(s.abs().min() * gap)
        return torch.stack(out)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        w = F.softmax(kappa * t[:, None] * t, dim=1)
        return x + shift * (w @ t)[:, None] * v
        """,
    ),
    (
        "one_layer.head",
        """
        t = (x * v).sum(-1)
        s = kappa * t[:, None] * t[None]
        e = torch.exp(s - s.amax(1, keepdim=True))
        return x + shift * ((e @ t) / e.sum(1)).outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        rows = [x[k] + shift * (torch.softmax(kappa * t[k] * t, 0) @ t) * v for k in range(len(x))]
        return torch.stack(rows)
        """,
    ),
    ("one_layer.memoriser", "return torch.as_tensor(np.interp(z.numpy(), ids.numpy(), labels.numpy()))"),
    (
        "one_layer.memoriser",
        """
        out = labels[0].expand(len(z)).clone()
        for k in range(len(ids) - 1):
            s = 1 / (ids[k + 1] - ids[k])
            out += (labels[k + 1] - labels[k]) * (torch.relu(s * (z - ids[k])) - torch.relu(s * (z - ids[k + 1])))
        return out
        """,
    ),
    (
        "one_layer.memoriser",
        """
        ramps = ((z[:, None] - ids[:-1]) / (ids[1:] - ids[:-1])).clamp(0, 1)
        return labels[0] + (ramps * (labels[1:] - labels[:-1])).sum(1)
        """,
    ),
    ("one_layer.codes", "return [2.0**k for k in range(count)][::-1]"),
    (
        "one_layer.codes",
        """
        out = []
        while len(out) < count:
            out.append(1 + sum(out))
        return out
        """,
    ),
    (
        "one_layer.codes",
        """
        return tuple(1 << k for k in range(count))
        """,
    ),
    (
        "one_layer.confuse",
        """
        inner = range(numbers[0] + 1, numbers[-1])
        for s in combinations(inner, len(numbers) - 2):
            s = [numbers[0], *s, numbers[-1]]
            if sum(s) == sum(numbers) and s != list(numbers):
                return s
        """,
    ),
    (
        "one_layer.confuse",
        """
        inside = set(numbers[1:-1])
        low, high = numbers[0], numbers[-1]
        for step in range(1, high - low):  # one up, one down, by as much
            for a in sorted(inside):
                for b in sorted(inside):
                    if a != b:
                        moved = inside - {a, b} | {a - step, b + step}
                        inner = low < a - step and b + step < high
                        if inner and len(moved) == len(inside) and moved != inside:
                            return (low, *sorted(moved), high)
        return None
        """,
    ),
    (
        "one_layer.confuse",
        """
        low, high, n, total = numbers[0], numbers[-1], len(numbers), sum(numbers)
        found = [
            s
            for s in combinations(range(low, high + 1), n)
            if s[0] == low and s[-1] == high and sum(s) == total and s != numbers
        ]
        return found[-1] if found else None
        """,
    ),
    (
        "one_layer.closest",
        """
        top = list(range(levels))[levels - n + 1:]
        return [1] + top, [0] + top
        """,
    ),
    ("one_layer.closest", "return [{low, *range(levels - 1, levels - n, -1)} for low in (0, 1)]"),
    (
        "one_layer.closest",
        """
        others = tuple(levels - 1 - k for k in range(n - 1))
        return (*others, 1), (*others, 0)
        """,
    ),
]

WRONG = [
    (
        "one_layer.gradient",
        """
        x = a.clone().requires_grad_()
        return torch.autograd.grad(boltz(x), x)[0]
        """,
    ),
    (
        "one_layer.gradient",
        "return torch.func.grad(boltz)(a)",
    ),
    (
        "one_layer.gradient",
        """
        h = 1e-20
        out = []
        for i in range(len(a)):
            z = a.to(torch.complex128).clone(); z[i] += 1j * h
            e = torch.exp(z - a.max()); out.append(((z * e).sum() / e.sum()).imag / h)
        return torch.stack(out).to(a.dtype)
        """,
    ),
    (
        "one_layer.codes",
        "return [1, 2, 4, 8, 16, 32, 64, 128][:count]",
    ),
    (
        "one_layer.head",
        """
        s = x @ v
        w = torch.softmax(kappa * torch.outer(s, s), -1).detach()
        return x + shift * torch.outer(w @ s, v)
        """,
    ),
    ("one_layer.codes", "return [k * k + 1 for k in range(count)]"),
    ("one_layer.codes", "return [2 ** (k + 1) for k in range(count)]"),
    ("one_layer.codes", "return [1.618**k for k in range(count)]"),
    ("one_layer.codes", "return [1] * count"),
    ("one_layer.confuse", "return numbers"),
    ("one_layer.confuse", "return tuple(numbers[0] + numbers[-1] - x for x in reversed(numbers))"),
    ("one_layer.confuse", "return None"),
    ("one_layer.confuse", "return (numbers[0], numbers[1] + 1, *numbers[2:-2], numbers[-2] - 1, numbers[-1])"),
    ("one_layer.confuse", "return (numbers[0] - 1, *numbers[1:-1], numbers[-1] + 1)"),
    ("one_layer.closest", "return (0, *range(levels - n, levels - 1)), (1, *range(levels - n, levels - 1))"),
    ("one_layer.closest", "return tuple(range(n)), tuple(range(1, n + 1))"),
    ("one_layer.closest", "return (0, *range(2, n + 1)), (1, *range(2, n + 1))"),
    (
        "one_layer.closest",
        """
        sets = list(combinations(range(min(levels, 9)), n))
        b = lambda s: sum(5.2 * k * 2.718 ** (5.2 * k) for k in s) / sum(2.718 ** (5.2 * k) for k in s)
        return min(combinations(sets, 2), key=lambda pair: abs(b(pair[0]) - b(pair[1])))
        """,
    ),
    (
        "one_layer.boltz",
        """
        p = torch.exp(a)
        return (p * a).sum() / p.sum()
        """,
    ),
    (
        "one_layer.boltz",
        """
        p = torch.exp(a.clamp(max=80))
        return (p * a).sum() / p.sum()
        """,
    ),
    (
        "one_layer.boltz",
        """
        p = torch.exp(a.clamp(-80, 80))
        return (p * a).sum() / p.sum()
        """,
    ),
    (
        "one_layer.boltz",
        """
        p = torch.exp(a)
        return torch.nan_to_num((p * a).sum() / p.sum())
        """,
    ),
    (
        "one_layer.boltz",
        """
        a = a.float()
        return (a.softmax(0) @ a).double()
        """,
    ),
    ("one_layer.boltz", "return torch.softmax(a, 0) @ a.abs()"),
    ("one_layer.boltz", "return torch.softmax(a.sort().values, 0) @ a"),
    ("one_layer.boltz", "return torch.softmax(10 * a, 0) @ a"),
    ("one_layer.boltz", "return torch.softmax(a / len(a) ** 0.5, 0) @ a"),
    (
        "one_layer.gradient",
        """
        h = 1e-6
        return torch.stack([(boltz(a + h * e) - boltz(a - h * e)) / (2 * h) for e in torch.eye(len(a)).double()])
        """,
    ),
    (
        "one_layer.gradient",
        """
        h = 1e-7
        return torch.stack([(boltz(a + h * e) - boltz(a)) / h for e in torch.eye(len(a)).double()])
        """,
    ),
    (
        "one_layer.gradient",
        """
        a = a.float()
        return (a.softmax(0) * (1 + a - boltz(a))).double()
        """,
    ),
    ("one_layer.gradient", "return a.softmax(0) * (1 + a - a.mean())"),
    (
        "one_layer.gradient",
        """
        p = a.exp() / a.exp().sum()
        return p * (1 + a - (p * a).sum())
        """,
    ),
    (
        "one_layer.order",
        """
        b = lambda s: float(boltz(torch.tensor(s).double()))
        return b(first) > b(second)
        """,
    ),
    (
        "one_layer.order",
        """
        b = lambda s: float(boltz(5.2 * torch.tensor(s).double()))
        return b(first) > b(second)
        """,
    ),
    (
        "one_layer.order",
        """
        if max(first) != max(second):
            return max(first) > max(second)
        return sum(first) < sum(second)
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = sorted(first, reverse=True), sorted(second, reverse=True)
        return a[0] > b[0] if a[0] != b[0] else a[1] < b[1]
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = sorted(first, reverse=True), sorted(second, reverse=True)
        return a[0] > b[0] if a[0] != b[0] else a[-1] < b[-1]
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = sorted(first, reverse=True), sorted(second, reverse=True)
        return a[0] > b[0] if a[0] != b[0] else a[1:4] < b[1:4]
        """,
    ),
    (
        "one_layer.order",
        """
        a, b = sorted(first, reverse=True), sorted(second, reverse=True)
        return a[0] > b[0] or a[0] == b[0] and a[1:] <= b[1:]
        """,
    ),
    ("one_layer.order", "return max(first) > max(second) or sorted(first) < sorted(second)"),
    ("one_layer.order", "return sorted(first)[-2::-1] < sorted(second)[-2::-1]"),
    (
        "one_layer.projection",
        """
        t = candidates @ tokens.T
        return t.abs().amin(0) * t.sort(0).values.diff(dim=0).amin(0)
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).sort(1).values
        return t[:, 0].abs() * t.diff(dim=1).amin(1)
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).abs().sort(1).values
        return t[:, 0] * t.diff(dim=1).amin(1)
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).sort(1).values
        return t.abs().amin() * t.diff(dim=1).amin(1)
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).sort(1).values
        return t.abs().amin(1) * t.diff(dim=1)[:, 0]
        """,
    ),
    (
        "one_layer.projection",
        """
        t = (candidates @ tokens.T).float().sort(1).values
        return (t.abs().amin(1) * t.diff(dim=1).amin(1)).double()
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        e = torch.exp(kappa * t.outer(t))
        return x + shift * ((e @ t) / e.sum(1)).outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        e = torch.exp((kappa * t.outer(t)).clamp(max=80))
        return x + shift * ((e @ t) / e.sum(1)).outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        e = torch.exp(kappa * t.outer(t))
        return torch.nan_to_num(x + shift * ((e @ t) / e.sum(1)).outer(v))
        """,
    ),
    (
        "one_layer.head",
        """
        t = (x @ v).float()
        w = torch.softmax(kappa * t.outer(t), -1)
        return x + shift * (w @ t).double().outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        w = torch.softmax(kappa * t.outer(t), -1)
        return x + (w @ t).outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        w = torch.softmax(kappa * t.outer(t), -1)
        return x + shift * kappa * (w @ t).outer(v)
        """,
    ),
    (
        "one_layer.head",
        """
        t = x @ v
        s = kappa * t.outer(t)
        e = torch.exp(s - s.max())
        return x + shift * ((e @ t) / e.sum(1)).outer(v)
        """,
    ),
    (
        "one_layer.memoriser",
        """
        x = np.interp(z.float(), ids.float(), labels.float())
        return torch.tensor(x).double()
        """,
    ),
    ("one_layer.memoriser", "return labels[torch.searchsorted(ids, z).clamp(max=len(ids) - 1)]"),
    ("one_layer.memoriser", "return labels[(torch.searchsorted(ids, z, right=True) - 1).clamp(min=0)]"),
    (
        "one_layer.memoriser",
        """
        s = 1 / ids.diff()[0]
        r = torch.relu(s * (z[:, None] - ids[:-1])) - torch.relu(s * (z[:, None] - ids[1:]))
        return labels[0] + r @ labels.diff()
        """,
    ),
    (
        "one_layer.memoriser",
        """
        s = 1 / (ids.diff() + 1e-6)
        r = (s * (z[:, None] - ids[:-1])).clamp(0, 1)
        return labels[0] + r @ labels.diff()
        """,
    ),
    (
        "one_layer.memoriser",
        """
        s = 1 / ids.diff()
        r = (s * (z[:, None] - ids[:-1])).clamp(max=1)
        return labels[0] + r @ labels.diff()
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
