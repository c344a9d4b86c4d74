"""Right and wrong answers to the exercises of lab 07, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "looped.quantiser",
        """
        s = (x >= delta).double()
        return x - delta * s, count + s
        """,
    ),
    (
        "looped.clock",
        "return c - 1, y + eta * (torch.relu(c) - torch.relu(c - 1))",
    ),
    (
        "looped.quantiser",
        """
        full = x >= delta
        return torch.stack([torch.where(full, x - delta, x), torch.where(full, count + 1, count)])
        """,
    ),
    (
        "looped.quantiser",
        """
        step = (x - delta >= 0).double()
        return torch.stack((x - step * delta, step + count), dim=0)
        """,
    ),
    (
        "looped.quantiser",
        """
        x, count = x.clone(), count.clone()
        count[x >= delta] += 1
        x[x >= delta] -= delta
        return torch.stack([x, count])
        """,
    ),
    (
        "looped.sequence_id",
        """
        keys = list(keys)
        at = keys.index(max(keys))
        digit = keys[at]
        keys[at] = -1
        return [keys, acc * columns + digit]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        keys = [k if k < m else -1 for k in keys]
        return [keys, acc * columns + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        a = np.array(keys)
        m = int(a.max())
        return [np.where(a == m, -1, a).tolist(), int(columns) * acc + m]
        """,
    ),
    (
        "looped.moduli",
        """
        worst = 0.0
        for a in range(len(x)):
            for b in range(a):
                if (x[a] - x[b]).norm() <= delta:
                    for n in range(x.shape[1]):
                        if x[a, n] == x[b, n]:
                            worst = max(worst, float(abs(y[a, n] - y[b, n])))
        return worst
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).pow(2).sum(-1).sqrt() <= delta
        same = x[:, None] == x
        return ((y[:, None] - y).abs() * (near[..., None] & same)).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = torch.cdist(x, x) <= delta
        gaps = [(y[a] - y[b]).abs()[x[a] == x[b]] for a, b in near.nonzero()]
        return torch.cat(gaps).max().item()
        """,
    ),
    (
        "looped.clock",
        """
        going = torch.relu(c) - F.relu(c - 1)
        return torch.stack([c - 1, y + going * eta])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack((c + -1, y + eta * c.clamp(0, 1)))
        """,
    ),
    (
        "looped.clock",
        """
        moved = y + eta - eta * torch.relu(1 - torch.relu(c))
        return torch.stack([c - 1, moved])
        """,
    ),
    (
        "looped.clock",
        """
        y = torch.add(y, eta * torch.minimum(F.relu(c), torch.ones_like(c)))
        c = torch.sub(c, 1)
        return torch.stack([c, y], dim=0)
        """,
    ),
    (
        "looped.pack",
        """
        return sum((Fraction(digit, 3**t) for t, digit in enumerate(digits, 1)), Fraction(0))
        """,
    ),
    (
        "looped.pack",
        """
        theta = Fraction(0)
        for digit in reversed(digits):
            theta = (theta + digit) / 3
        return theta
        """,
    ),
    (
        "looped.pack",
        """
        top = 0
        for digit in digits:
            top = 3 * top + digit
        return Fraction(top, 3 ** len(digits))
        """,
    ),
    (
        "looped.unpack",
        """
        digit = round(3 * theta)
        return [digit, 3 * theta - digit]
        """,
    ),
    (
        "looped.unpack",
        """
        if theta > Fraction(1, 6):
            return [1, 3 * theta - 1]
        if theta < Fraction(-1, 6):
            return [-1, 3 * theta + 1]
        return [0, 3 * theta]
        """,
    ),
    (
        "looped.unpack",
        """
        theta = 3 * theta
        half = Fraction(1, 2)
        digit = int(theta > half) - int(theta < -half)
        return digit, theta - digit
        """,
    ),
    (
        "looped.unpack",
        """
        steep = 10**40
        relu = lambda u: max(u, 0)
        ramp = lambda u: relu(steep * u) - relu(steep * u - 1)
        digit = ramp(theta - Fraction(1, 6)) - ramp(-theta - Fraction(1, 6))
        return [digit, 3 * theta - digit]
        """,
    ),
    (
        "looped.follow",
        """
        step = max(abs(b - a) for a, b in zip(labels, labels[1:])) / m
        value, digits = labels[0], []
        for label in labels[1:]:
            digit = max(-m, min(m, round((label - value) / step)))
            value += digit * step
            digits.append(digit)
        return digits
        """,
    ),
    (
        "looped.follow",
        """
        step = Fraction(max(abs(b - a) for a, b in zip(labels, labels[1:])), m)
        places = [((label - labels[0]) / step + Fraction(1, 2)) // 1 for label in labels]
        return [b - a for a, b in zip(places, places[1:])]
        """,
    ),
    (
        "looped.follow",
        """
        step = max(abs(b - a) for a, b in zip(labels, labels[1:])) / m
        places = [round((label - labels[0]) / step) for label in labels]
        return np.diff(places).tolist()
        """,
    ),
]

WRONG = [
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k for k in keys], float(acc) * columns + m]
        """,
    ),
    (
        "looped.follow",
        """
        eps = max(abs(b - a) for a, b in zip(labels, labels[1:]))
        value, out = Fraction(0), []
        for y in labels[1:]:
            d = max(-m, min(m, round((y - value) * m / eps))) if eps else 0
            out.append(d); value += d * eps / m
        return out
        """,
    ),
    (
        "looped.quantiser",
        """
        full = x > delta
        return torch.stack([torch.where(full, x - delta, x), count + full])
        """,
    ),
    (
        "looped.quantiser",
        """
        cells = (x / delta).floor()
        return torch.stack([x - delta * cells, count + cells])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = x >= delta
        return torch.stack([x % delta, count + full])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = x >= delta
        return torch.stack([torch.where(full, x - 0.25, x), count + full])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = x >= 0.25
        return torch.stack([torch.where(full, x - delta, x), count + full])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = (x >= delta).double()
        return torch.stack([x - delta * full, full])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = (x >= delta).double()
        return torch.stack([count + full, x - delta * full])
        """,
    ),
    (
        "looped.quantiser",
        """
        full = (x >= delta).double()
        return torch.stack([x - delta * full, count + full], dim=1)
        """,
    ),
    (
        "looped.quantiser",
        """
        full = x >= delta - 1e-6
        return torch.stack([torch.where(full, x - delta, x), count + full])
        """,
    ),
    (
        "looped.quantiser",
        """
        step = torch.relu(torch.sign(x - delta))
        return torch.stack([x - delta * step, count + step])
        """,
    ),
    (
        "looped.quantiser",
        """
        step = torch.sigmoid(1e4 * (x - delta))
        return torch.stack([x - delta * step, count + step])
        """,
    ),
    (
        "looped.quantiser",
        """
        x = x.float()
        step = (x >= delta).float()
        return torch.stack([x - delta * step, count + step]).double()
        """,
    ),
    (
        "looped.quantiser",
        """
        x -= delta * (x >= delta)
        return torch.stack([x, count])
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[k for k in keys if k != m], columns * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[0 if k == m else k for k in keys], columns * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k for k in keys], len(keys) * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k for k in keys], (m + 1) * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k for k in keys], 10 * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k for k in keys], acc + m * columns ** sum(k < 0 for k in keys)]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = keys[0]
        return [[-1, *keys[1:]], columns * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [sorted(-1 if k == m else k for k in keys), columns * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        return [[-1 if k == m else k - 1 for k in keys], columns * acc + m]
        """,
    ),
    (
        "looped.sequence_id",
        """
        for _ in keys:
            m = max(keys)
            keys, acc = [-1 if k == m else k for k in keys], columns * acc + m
        return [keys, acc]
        """,
    ),
    (
        "looped.sequence_id",
        """
        m = max(keys)
        keys[keys.index(m)] = -1
        return [keys, columns * acc + m]
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).abs().amax(-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).abs().sum(-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).pow(2).sum(-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).pow(2).mean(-1).sqrt() <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) < delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (y[:, None] - y).norm(dim=-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x))).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) <= delta
        return ((y[:, None] - y) * (near[..., None] & (x[:, None] == x))).norm(dim=-1).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x)))[..., 0].max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x)))[..., -1].max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) <= delta
        return ((y[:, None] - y).abs() * (near[..., None] & (x[:, None] == x)))[0].max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        near = (x[:, None] - x).norm(dim=-1) <= delta
        seen = near[..., None] & (x[:, None] == x).any(-1, keepdim=True)
        return ((y[:, None] - y).abs() * seen).max().item()
        """,
    ),
    (
        "looped.moduli",
        """
        worst = 0.0
        for a in range(len(x) - 1):
            b = a + 1
            if (x[a] - x[b]).norm() <= delta:
                worst = max([worst, *(y[a] - y[b]).abs()[x[a] == x[b]].tolist()])
        return worst
        """,
    ),
    (
        "looped.moduli",
        """
        worst = 0.0
        for a in range(len(x)):
            for b in range(a):
                if (x[a] - x[b]).norm() <= delta:
                    worst = max([worst, *(y[b] - y[a])[x[a] == x[b]].tolist()])
        return worst
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([c - 1, y + eta * (c >= 1)])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([c - 1, y + eta * torch.relu(c)])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([torch.relu(c - 1), y + eta * c.clamp(0, 1)])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([c, y + eta * c.clamp(0, 1)])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([y + eta * c.clamp(0, 1), c - 1])
        """,
    ),
    (
        "looped.clock",
        """
        return torch.stack([c - 1, y + eta * torch.sign(c)])
        """,
    ),
    (
        "looped.pack",
        """
        return float(sum(digit / 3**t for t, digit in enumerate(digits, 1)))
        """,
    ),
    (
        "looped.pack",
        """
        return sum((Fraction(digit, 3**t) for t, digit in enumerate(digits)), Fraction(0))
        """,
    ),
    (
        "looped.pack",
        """
        return sum((Fraction(digit, 3**t) for t, digit in enumerate(reversed(digits), 1)), Fraction(0))
        """,
    ),
    (
        "looped.unpack",
        """
        digit = int(3 * theta)
        return [digit, 3 * theta - digit]
        """,
    ),
    (
        "looped.unpack",
        """
        digit = math.floor(3 * theta)
        return [digit, 3 * theta - digit]
        """,
    ),
    (
        "looped.unpack",
        """
        digit = round(3 * theta)
        return [digit, theta - Fraction(digit, 3)]
        """,
    ),
    (
        "looped.unpack",
        """
        digit = round(3 * theta)
        return [3 * theta - digit, digit]
        """,
    ),
    (
        "looped.follow",
        """
        step = max(abs(b - a) for a, b in zip(labels, labels[1:])) / m
        return [round((b - a) / step) for a, b in zip(labels, labels[1:])]
        """,
    ),
    (
        "looped.follow",
        """
        return [0] * (len(labels) - 1)
        """,
    ),
    (
        "looped.follow",
        """
        return [b - a for a, b in zip(labels, labels[1:])]
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
