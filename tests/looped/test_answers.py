"""Right and wrong answers to the exercises of lab 07, as learners write them."""

import pytest

from tests.answers import judged

RIGHT = [
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
        "looped.clock",
        """
        y = labels[0] + 0 * k
        for t in range(1, len(labels)):
            y = y + (labels[t] - labels[t - 1]) * (k - t + 1).clamp(0, 1)
        return y
        """,
    ),
    (
        "looped.clock",
        """
        eta = labels.diff()
        t = torch.arange(1, len(labels))
        gates = torch.relu(k[:, None] - t + 1) - torch.relu(k[:, None] - t)
        return labels[0] + gates @ eta
        """,
    ),
    (
        "looped.clock",
        """
        y = torch.full_like(k, labels[0].item())
        for t in range(1, len(labels)):
            y += (labels[t] - labels[t - 1]) * (F.relu(k - (t - 1)) - F.relu(k - t))
        return y
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
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            x = block(x)
            out.append(x)
        return torch.stack(out, dim=0)
        """,
    ),
    (
        "looped.block",
        """
        out = x.new_empty(loops + 1, *x.shape)
        out[0] = x
        for t in range(loops):
            out[t + 1] = block(out[t])
        return out
        """,
    ),
    (
        "looped.block",
        """
        if loops == 0:
            return x[None]
        before = looped(x, block, loops - 1)
        return torch.cat([before, block(before[-1])[None]])
        """,
    ),
    ("looped.modulated", "return x + gate * part((1 + scale) * F.rms_norm(x, x.shape[-1:], eps=eps))"),
    (
        "looped.modulated",
        """
        r = torch.rsqrt((x**2).mean(dim=1, keepdim=True) + eps)
        y = x * r
        return gate * part(y + scale * y) + x
        """,
    ),
    (
        "looped.modulated",
        """
        n = x.shape[1]
        root = (x.norm(dim=1, keepdim=True) ** 2 / n + eps) ** 0.5
        return torch.add(x, gate[None] * part((scale[None] + 1) * x / root))
        """,
    ),
    (
        "looped.block",
        """
        block(x)
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]))
        return torch.stack(out)
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            y = x
            for _ in range(t + 1):
                y = block(y)
            out.append(y)
        return torch.stack(out)
        """,
    ),
]

WRONG = [
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
    ("looped.clock", "return labels[k.long()]"),
    ("looped.clock", "return labels[k.long().clamp(0, len(labels) - 1)]"),
    ("looped.clock", "return labels[k.round().long().clamp(0, len(labels) - 1)]"),
    (
        "looped.clock",
        """
        y = labels[0].expand(len(k))
        for t in range(1, len(labels)):
            y = y + (labels[t] - labels[t - 1]) * (k >= t)
        return y
        """,
    ),
    (
        "looped.clock",
        """
        y = labels[0].expand(len(k))
        for t in range(1, len(labels)):
            y = y + (labels[t] - labels[t - 1]) * (torch.relu(k - t + 0.5) - torch.relu(k - t - 0.5))
        return y
        """,
    ),
    (
        "looped.clock",
        """
        y = labels[0].expand(len(k))
        for t in range(1, len(labels)):
            y = y + (labels[t] - labels[t - 1]) * 2 * (torch.relu(k - t + 0.5) - torch.relu(k - t))
        return y
        """,
    ),
    (
        "looped.clock",
        """
        y = labels[0].expand(len(k))
        for t in range(1, len(labels) - 1):
            y = y + (labels[t] - labels[t - 1]) * (k - t + 1).clamp(0, 1)
        return y
        """,
    ),
    (
        "looped.clock",
        """
        y = labels[0].expand(len(k))
        for t in range(1, len(k)):
            y = y + (labels[t] - labels[t - 1]) * (k - t + 1).clamp(0, 1)
        return y
        """,
    ),
    (
        "looped.clock",
        """
        labels = labels.float()
        y = labels[0].expand(len(k))
        for t in range(1, len(labels)):
            y = y + (labels[t] - labels[t - 1]) * (k - t + 1).clamp(0, 1)
        return y.double()
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
    ("looped.block", "return torch.stack([x] + [block(x)] * loops)"),
    (
        "looped.block",
        """
        out = [x, block(x)]
        for _ in range(loops - 1):
            out.append(block(out[-1]))
        return torch.stack(out)
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[t // 2]))
        return torch.stack(out)
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]))
        return torch.stack(out[::-1])
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1].clone()))
        return torch.stack(out, dim=1)
        """,
    ),
    (
        "looped.block",
        """
        n, d = x.shape
        out = torch.zeros(loops + 1, n, d)
        out[0] = x
        for t in range(loops):
            out[t + 1] = block(out[t])
        return out
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]).clamp(-80, 80))
        return torch.stack(out)
        """,
    ),
    (
        "looped.block",
        """
        out = [x]
        for t in range(loops):
            x += block(x) - x
            out.append(x.clone())
        return torch.stack(out)
        """,
    ),
    ("looped.modulated", "return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True)).sqrt())"),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True)).sqrt().clamp(min=eps))
        """,
    ),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True).sqrt() + eps))
        """,
    ),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + eps**2).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt())
        """,
    ),
    ("looped.modulated", "return x + gate * part((1 + scale) * x / (x.square().sum(-1, keepdim=True) + eps).sqrt())"),
    ("looped.modulated", "return x + gate * part((1 + scale) * x / (x.square().mean() + eps).sqrt())"),
    ("looped.modulated", "return x + gate * part((1 + scale) * x / (x.square().mean(0, keepdim=True) + eps).sqrt())"),
    (
        "looped.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().amax(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        return x + (1 + scale) * part(gate * x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        return x + gate * (1 + scale) * part(x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        return x + part(gate * (1 + scale) * x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return y + gate * part((1 + scale) * y)
        """,
    ),
    (
        "looped.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return x + gate[0] * part((1 + scale) * y)
        """,
    ),
    (
        "looped.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return x + gate * part((1 + scale.abs()) * y)
        """,
    ),
    (
        "looped.modulated",
        """
        y = torch.nan_to_num(x / x.square().mean(-1, keepdim=True).sqrt())
        return x + gate * part((1 + scale) * y)
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
