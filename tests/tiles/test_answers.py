"""Right and wrong answers to the exercises of lab 08, as learners write them."""

import pytest

from tests.answers import judged

RIGHT = [
    (
        "tiles.online",
        """
        m = l = o = None
        for s, v in tiles:
            top = s.max(1, keepdim=True).values
            new = top if m is None else torch.maximum(m, top)
            p = torch.exp(s - new)
            if m is None:
                l, o = p.sum(1, keepdim=True), p @ v
            else:
                c = torch.exp(m - new)
                l, o = l * c + p.sum(1, keepdim=True), o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        rows, dim = tiles[0][0].shape[0], tiles[0][1].shape[1]
        m, l, o = torch.full((rows, 1), -torch.inf), torch.zeros(rows, 1), torch.zeros(rows, dim)
        for s, v in tiles:
            new = torch.maximum(m, s.amax(dim=1, keepdim=True))
            p, c = torch.exp(s - new), torch.exp(m - new)
            l, o, m = c * l + p.sum(dim=1, keepdim=True), c * o + p @ v, new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        log, out = None, None
        for s, v in tiles:
            new = torch.logsumexp(s, -1, keepdim=True)
            part = torch.softmax(s, -1) @ v
            if log is None:
                log, out = new, part
            else:
                both = torch.logaddexp(log, new)
                out = out * torch.exp(log - both) + part * torch.exp(new - both)
                log = both
        return out
        """,
    ),
    (
        "tiles.online",
        """
        s, v = tiles[0]
        m = s.amax(-1, keepdim=True)
        p = torch.exp(s - m)
        l, o = p.sum(-1, keepdim=True), p @ v
        for s, v in tiles[1:]:
            new = torch.maximum(m, s.amax(-1, keepdim=True))
            p = torch.exp(s - new)
            l = l * torch.exp(m - new) + p.sum(-1, keepdim=True)
            o = o * torch.exp(m - new) + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = -math.inf, 0, 0
        for i in range(len(tiles)):
            s, v = tiles[i]
            new = s.amax(-1, keepdim=True).clamp(min=m)
            o = o * torch.exp(m - new) + torch.exp(s - new) @ v
            l = l * torch.exp(m - new) + torch.exp(s - new).sum(-1, keepdim=True)
            m = new
        return o / l
        """,
    ),
    ("tiles.sigmoid", "return sum(torch.sigmoid(s + bias) @ v for s, v in tiles)"),
    (
        "tiles.sigmoid",
        """
        out = torch.zeros(len(tiles[0][0]), tiles[0][1].shape[1])
        for s, v in tiles:
            out += torch.sigmoid(s + bias) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = None
        for s, v in tiles:
            part = (1 / (1 + torch.exp(-(s + bias)))) @ v
            out = part if out is None else out + part
        return out
        """,
    ),
    ("tiles.sigmoid", "return torch.stack([(s + bias).sigmoid() @ v for s, v in tiles]).sum(0)"),
    (
        "tiles.backward",
        """
        p = scores.sigmoid()
        return (grad @ values.T) * p * (1 - p)
        """,
    ),
    (
        "tiles.backward",
        """
        s = scores.clone().requires_grad_()
        o = torch.sigmoid(s) @ values
        o.backward(grad)
        return s.grad
        """,
    ),
    (
        "tiles.backward",
        """
        dp = (values @ grad.T).T
        return torch.sigmoid(scores) * torch.sigmoid(-scores) * dp
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros(len(q), v.shape[1])
        for i, row in enumerate(rows):
            if not row:
                continue
            a = slice(i * block, (i + 1) * block)
            ks = torch.cat([k[j * block : (j + 1) * block] for j in row])
            vs = torch.cat([v[j * block : (j + 1) * block] for j in row])
            out[a] = torch.softmax(q[a] @ ks.T, dim=1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        parts = []
        qs, ks, vs = q.split(block), k.split(block), v.split(block)
        for mine, row in zip(qs, rows):
            if row:
                s = torch.cat([mine @ ks[j].T for j in row], 1)
                parts.append(s.softmax(1) @ torch.cat([vs[j] for j in row]))
            else:
                parts.append(torch.zeros(len(mine), v.shape[1]))
        return torch.cat(parts)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for n in range(len(q)):
            ids = [m for j in rows[n // block] for m in range(j * block, min((j + 1) * block, len(k)))]
            if ids:
                out[n] = torch.softmax(k[ids] @ q[n], 0) @ v[ids]
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(q)
        for i, row in enumerate(rows):
            a = slice(i * block, i * block + block)
            m, l, o = -torch.inf, 0, 0
            for j in row:
                b = slice(j * block, j * block + block)
                s = q[a] @ k[b].T
                new = s.amax(1, keepdim=True).clamp(min=m)
                c, p = torch.exp(m - new), torch.exp(s - new)
                m, l, o = new, l * c + p.sum(1, keepdim=True), o * c + p @ v[b]
            if row:
                out[a] = o / l
        return out
        """,
    ),
]

WRONG = [
    (
        "tiles.online",
        """
        s = torch.cat([s for s, _ in tiles], -1)
        v = torch.cat([v for _, v in tiles])
        return torch.softmax(s, -1) @ v
        """,
    ),
    (
        "tiles.online",
        """
        s, v = zip(*tiles)
        return torch.softmax(torch.cat(s, -1), -1) @ torch.cat(v)
        """,
    ),
    (
        "tiles.online",
        """
        kept = list(tiles)
        s = torch.cat([s for s, _ in kept], -1)
        v = torch.cat([v for _, v in kept])
        return torch.softmax(s, -1) @ v
        """,
    ),
    (
        "tiles.online",
        """
        m = torch.stack([s.amax(-1) for s, _ in tiles]).amax(0)[:, None]
        l = sum(torch.exp(s - m).sum(-1, keepdim=True) for s, v in tiles)
        o = sum(torch.exp(s - m) @ v for s, v in tiles)
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        l = torch.logsumexp(torch.stack([torch.logsumexp(s, -1) for s, _ in tiles]), 0)[:, None]
        return sum(torch.exp(s - l) @ v for s, v in tiles)
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = 0.0, 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = top
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(-math.inf), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = top
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(0.0), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = torch.maximum(m, top)
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(-1e4), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = torch.maximum(m, top)
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(-math.inf), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = torch.maximum(m, top)
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = torch.minimum(m, new)
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(-math.inf), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = torch.maximum(m, s.max())
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        m, l, o = torch.tensor(0.0), 0.0, 0.0
        for s, v in tiles:
            top = s.amax(-1, keepdim=True)
            new = torch.maximum(m, top)
            c = torch.exp(m - new)
            p = torch.exp(s - new)
            l = l * c + p.sum(-1, keepdim=True)
            o = o * c + p @ v
            m = new
        return torch.nan_to_num(o / l)
        """,
    ),
    (
        "tiles.online",
        """
        o = l = 0
        for s, v in tiles:
            p = torch.exp(s.clamp(-80, 80))
            o, l = o + p @ v, l + p.sum(-1, keepdim=True)
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        o = l = 0
        for s, v in tiles:
            p = torch.exp(s)
            o, l = o + p @ v, l + p.sum(-1, keepdim=True)
        return o / l
        """,
    ),
    (
        "tiles.online",
        """
        o = l = 0
        for s, v in tiles:
            p = torch.exp(s.double())
            o, l = o + p @ v.double(), l + p.sum(-1, keepdim=True)
        return (o / l).float()
        """,
    ),
    (
        "tiles.online",
        """
        out = 0.0
        for s, v in tiles:
            out = out + torch.softmax(s, -1) @ v
        return out / len(tiles)
        """,
    ),
    (
        "tiles.online",
        """
        s, v = tiles[0]
        return torch.softmax(s, -1) @ v
        """,
    ),
    (
        "tiles.sigmoid",
        """
        s = torch.cat([s for s, _ in tiles], -1)
        v = torch.cat([v for _, v in tiles])
        return torch.sigmoid(s + bias) @ v
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        for s, v in tiles:
            e = torch.exp(s + bias)
            out = out + (e / (1 + e)) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        for s, v in tiles:
            e = torch.exp(s + bias)
            out = out + torch.nan_to_num(e / (1 + e)) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        for s, v in tiles:
            out = out + (torch.sigmoid(s) + bias) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        for s, v in tiles:
            out = out + torch.sigmoid(s - bias) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        for s, v in tiles:
            out = out + torch.sigmoid(s + bias) @ v
        return out / len(tiles)
        """,
    ),
    (
        "tiles.sigmoid",
        """
        out = 0
        n = sum(s.shape[1] for s, _ in tiles)
        for s, v in tiles:
            out = out + torch.sigmoid(s - math.log(n)) @ v
        return out
        """,
    ),
    (
        "tiles.sigmoid",
        """
        s, v = tiles[0]
        return torch.sigmoid(s + bias) @ v
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.exp(scores) / (1 + torch.exp(scores))
        dp = grad @ values.T
        return p * (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.exp(-scores)
        dp = grad @ values.T
        return p / (1 + p) ** 2 * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = grad @ values.T
        return (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = grad @ values.T
        return p * (1 - p) * dp.T
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = grad.sum(1, keepdim=True) * values.sum(1)
        return p * (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = grad @ values.T
        return p * (p - 1) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = grad[:1] @ values.T
        return p * (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = (grad @ values.T) / values.shape[1] ** 0.5
        return p * (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        p = torch.sigmoid(scores)
        dp = (grad @ values.T).abs()
        return p * (1 - p) * dp
        """,
    ),
    (
        "tiles.backward",
        """
        h = 0.1
        return (torch.sigmoid(scores + h) - torch.sigmoid(scores - h)) / (2 * h) * (grad @ values.T)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        w = torch.softmax((q @ k.T).masked_fill(~seen, -torch.inf), -1)
        return torch.nan_to_num(w) @ v
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        return torch.nan_to_num(torch.softmax((q @ k.T).masked_fill(~seen, -torch.inf), -1) @ v)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        w = torch.softmax((q @ k.T).masked_fill(~seen, -1e9), -1)
        return (w * seen) @ v
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        w = torch.softmax(q @ k.T - 1e4 * ~seen, -1)
        return (w * seen) @ v
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        e = torch.exp(q @ k.T) * seen
        return (e @ v) / e.sum(-1, keepdim=True).clamp(min=1e-9)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        seen = torch.zeros(len(q), len(k), dtype=torch.bool)
        for i, row in enumerate(rows):
            for j in row:
                seen[i * block : (i + 1) * block, j * block : (j + 1) * block] = True
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=1.0)
        return torch.nan_to_num(o)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s / q.shape[1] ** 0.5, -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row])
                s = q[a] @ ks.T
                out[a] = (torch.exp(s) / torch.exp(s).sum(-1, keepdim=True)) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s.clamp(-80, 80), -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row])
                s = q[a] @ ks.T
                out[a] = torch.nan_to_num(torch.exp(s) / torch.exp(s).sum(-1, keepdim=True)) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row[:1]])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row[:1]])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s, -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in row[-1:]])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in row[-1:]])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s, -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in range(min(row), max(row) + 1)])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in range(min(row), max(row) + 1)])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s, -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in [j for j in row if j <= i]])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in [j for j in row if j <= i]])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s, -1) @ vs
        return out
        """,
    ),
    (
        "tiles.block_sparse",
        """
        out = torch.zeros_like(v)
        for i, row in enumerate(rows):
            if row:
                a = slice(i * block, (i + 1) * block)
                ks = torch.cat([k[j * block : (j + 1) * block] for j in [*row, i]])
                vs = torch.cat([v[j * block : (j + 1) * block] for j in [*row, i]])
                s = q[a] @ ks.T
                out[a] = torch.softmax(s, -1) @ vs
        return out
        """,
    ),
]


@pytest.mark.parametrize("id, body", RIGHT)
def test_the_gate_accepts(id, body):
    judgement = judged(id, body)
    assert judgement.right, judgement


@pytest.mark.parametrize("id, body", WRONG)
def test_the_gate_rejects(id, body):
    assert not judged(id, body).right
