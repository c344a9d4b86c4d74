"""Right and wrong answers to the exercises of lab 13: exercise, body, and whether it is accepted."""

from tests.answers import told_apart

FAR = "d = (names[:, None] - names[None]).norm(dim=-1)\n"
PAIRS = "n = len(names)\npairs = [(i, j) for i in range(n) for j in range(i)]\n"
ROWS = "w = scores.softmax(-1)\n"
SEEN = "seen = (scores > -float('inf')).to(scores)\n"
THREE = "return torch.stack([(w - x).abs().sum(1).mean() / 2 for x in (h, a, s)])"
HARD = "h = (scores == scores.amax(-1, keepdim=True)).to(scores)\n"
FLAT = "a = seen / seen.sum(-1, keepdim=True)\n"
SIGMOID = "s = torch.sigmoid(scores + bias)\n"
SHARES = "p = torch.linalg.svd(w_k.T @ w_q).S\np = p / p.sum()\np = p[p > 0]\n"
SORTED = "s = weights.reshape(len(weights), -1).sort(descending=True).values\n"
OWN = "own = (weights * hits).sum()\nd = [(weights[:, o] * hits).sum() >= own - 1e-12 for o in orders]\n"
OTHER = "o = ~torch.eye(len(names), dtype=torch.bool)\n"
ENTROPY = "return torch.exp(-(p * p.log()).sum())"
MEAN = "m = lambda b: torch.stack([d[p] for p in pairs if same[p] == b]).mean()\nreturn m(1) / m(0)"
EQUAL = "a = torch.softmax(torch.where(scores.isfinite(), 0, scores), -1)\n"
COUNT = "return (1 + sum(map(int, d))) / (1 + len(d))"

RIGHT = [
    ("microscope.apart", FAR + OTHER + "return d[same & o].mean() / d[~same].mean()"),
    ("microscope.apart", FAR + PAIRS + MEAN),
    (
        "microscope.apart",
        "i, j = torch.triu_indices(len(names), len(names), 1)\n"
        "far, alike = (names[i] - names[j]).norm(dim=1), same[i, j]\n"
        "return far[alike].mean() / far[~alike].mean()",
    ),
    ("microscope.near", ROWS + SEEN + HARD + FLAT + SIGMOID + THREE),
    (
        "microscope.near",
        "far = []\n"
        "for row in scores:\n"
        "    w, seen = row.softmax(0), row > -float('inf')\n"
        "    hard = torch.zeros_like(w)\n"
        "    hard[row.argmax()] = 1\n"
        "    others = hard, seen / seen.sum(), torch.sigmoid(row + bias)\n"
        "    far.append(torch.stack([(w - other).abs().sum() / 2 for other in others]))\n"
        "return torch.stack(far).mean(0)",
    ),
    ("microscope.near", ROWS + HARD + EQUAL + SIGMOID + THREE),
    ("microscope.directions", SHARES + ENTROPY),
    ("microscope.directions", SHARES.replace("w_k.T @ w_q", "w_q.T @ w_k") + ENTROPY),
    ("microscope.directions", SHARES + "return torch.prod(p**-p)"),
    (
        "microscope.fewest",
        "found = []\n"
        "for head in weights:\n"
        "    left, kept, count = sorted(head.flatten().tolist(), reverse=True), 0.0, 0\n"
        "    while kept < share * sum(left):\n"
        "        kept, count = kept + left[count], count + 1\n"
        "    found.append(count)\n"
        "return torch.tensor(found)",
    ),
    ("microscope.fewest", SORTED + "return torch.stack([(r.cumsum(0) < share * r.sum()).sum() + 1 for r in s])"),
    (
        "microscope.fewest",
        SORTED + "return torch.searchsorted(s.cumsum(-1), share * s.sum(-1, keepdim=True))[:, 0] + 1",
    ),
    ("microscope.p_value", OWN + COUNT),
    (
        "microscope.p_value",
        "own = weights[hits].sum()\n"
        "drawn = torch.stack([weights[:, order][hits].sum() for order in orders])\n"
        "return (1 + (drawn >= own - 1e-12).sum()) / (1 + len(orders))",
    ),
    (
        "microscope.p_value",
        "drawn = torch.einsum('qdk,qk->d', weights[:, orders], hits.to(weights))\n"
        "return (sum(drawn > (weights * hits).sum() - 1e-9).item() + 1) / (len(orders) + 1)",
    ),
]
WRONG = [
    ("microscope.apart", FAR + "return d[same].mean() / d[~same].mean()"),
    ("microscope.apart", FAR + "return d[same].sum() / d[~same].sum()"),
    ("microscope.apart", FAR + OTHER + "return (d[same & o]**2).mean() / (d[~same]**2).mean()"),
    ("microscope.near", ROWS + SEEN + HARD + FLAT + SIGMOID + THREE.replace("/ 2", "")),
    ("microscope.near", ROWS + SEEN + HARD + FLAT + SIGMOID.replace("+ bias", "- bias") + THREE),
    ("microscope.near", ROWS + HARD + "a = torch.full_like(w, 1 / w.shape[1])\n" + SIGMOID + THREE),
    ("microscope.directions", SHARES + "return torch.exp((p * p.log()).sum())"),
    ("microscope.directions", SHARES + "return 1 / (p**2).sum()"),
    ("microscope.directions", "return torch.linalg.matrix_rank(w_k.T @ w_q).double()"),
    ("microscope.fewest", SORTED + "return (s.cumsum(-1) < share).sum(-1) + 1"),
    ("microscope.fewest", "return (weights > 1 - share).sum((1, 2))"),
    ("microscope.p_value", OWN + "return sum(map(int, d)) / len(d)"),
    ("microscope.p_value", OWN.replace("weights[:, o]", "weights[o][:, o % len(weights)]") + COUNT),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
