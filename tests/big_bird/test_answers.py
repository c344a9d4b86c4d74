"""Right and wrong answers to the exercises of lab 04, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "big_bird.window",
        """
        n, w = len(keys), window // 2
        parts = []
        for s in range(-w, w + 1):
            moved = torch.roll(keys, -s, 0).clone()
            for i in range(n):
                if not 0 <= i + s < n:
                    moved[i] = 0
            parts.append(moved)
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        w = window // 2
        pad = torch.zeros(w, *keys.shape[1:], dtype=keys.dtype)
        long = torch.cat([pad, keys, pad])
        return torch.stack([long[i : i + window].flatten(0, 1) for i in range(len(keys))])
        """,
    ),
    (
        "big_bird.window",
        """
        w = window // 2
        long = F.pad(keys, (0, 0, 0, 0, w, w))
        return long.unfold(0, window, 1).permute(0, 3, 1, 2).flatten(1, 2)
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        for t in tokens:
            new[t] = True
            new[:, t] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        g = torch.zeros(len(allowed), dtype=torch.bool)
        g[tokens] = True
        return allowed | g | g[:, None]
        """,
    ),
    (
        "big_bird.global",
        """
        n = len(allowed)
        ids = {t % n for t in tokens}
        return torch.tensor([[bool(allowed[i, j]) or i in ids or j in ids for j in range(n)] for i in range(n)])
        """,
    ),
    (
        "big_bird.random",
        """
        out = torch.zeros_like(taken)
        for i in range(len(ranks)):
            free = [j for j in range(ranks.shape[1]) if not taken[i, j]]
            for j in sorted(free, key=lambda j: ranks[i, j])[:count]:
                out[i, j] = True
        return out
        """,
    ),
    (
        "big_bird.random",
        """
        r = torch.where(taken, torch.inf, ranks)
        out = torch.zeros(ranks.shape, dtype=torch.bool)
        best = r.topk(count, dim=1, largest=False).indices
        out[torch.arange(len(r))[:, None], best] = True
        return out
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.clone()
        r[taken] = float('inf')
        place = r.argsort(1).argsort(1)
        return place < count
        """,
    ),
    (
        "big_bird.relay",
        """
        new = tokens.copy()
        new[k] = new[k] + low * (relay - new[k])
        relay = relay + high * (max(new) - min(new))
        return [relay] + new
        """,
    ),
    (
        "big_bird.relay",
        """
        new = [t + low * (relay - t) if i == k else t for i, t in enumerate(tokens)]
        return [relay + high * (max(new) - min(new))] + new
        """,
    ),
    (
        "big_bird.relay",
        """
        a = np.array(tokens)
        a[k] += low * (relay - a[k])
        return [int(relay + high * (a.max() - a.min())), *a.tolist()]
        """,
    ),
    (
        "big_bird.relay",
        """
        x = (1 - low) * tokens[k] + low * relay
        new = [*tokens[:k], x, *tokens[k + 1 :]]
        s = sorted(new)
        return [relay + high * (s[-1] - s[0]), *new]
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = torch.cat(keys, 1), torch.cat(values, 1), torch.cat(counts, 1)
        s = q @ k.mT / q.shape[-1] ** 0.5
        s = torch.where(c.unsqueeze(1), s, -torch.inf)
        return torch.softmax(s, -1) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        scores = [(q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~c[:, None], -torch.inf) for k, c in zip(keys, counts)]
        most = torch.cat(scores, -1).amax(-1, keepdim=True)
        parts = [(s - most).exp() for s in scores]
        total = sum(p.sum(-1, keepdim=True) for p in parts)
        return sum(p @ v for p, v in zip(parts, values)) / total
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        out = []
        for i in range(len(q)):
            k = torch.cat([part[i][c[i]] for part, c in zip(keys, counts)])
            v = torch.cat([part[i][c[i]] for part, c in zip(values, counts)])
            out.append((q[i] @ k.T / k.shape[1] ** 0.5).softmax(1) @ v)
        return torch.stack(out)
        """,
    ),
    (
        "big_bird.merge",
        """
        w = (logs - logs.amax(0)).exp()
        return (w[..., None] * outs).sum(0) / w.sum(0)[..., None]
        """,
    ),
    (
        "big_bird.merge",
        """
        total = torch.logsumexp(logs, 0)
        return ((logs - total).exp().unsqueeze(-1) * outs).sum(0)
        """,
    ),
    (
        "big_bird.merge",
        """
        out, log = outs[0], logs[0]
        for o, l in zip(outs[1:], logs[1:]):
            both = torch.logaddexp(log, l)
            out = (log - both).exp()[:, None] * out + (l - both).exp()[:, None] * o
            log = both
        return out
        """,
    ),
]

WRONG = [
    (
        "big_bird.one_softmax",
        """
        k, v, c = (torch.cat(list(x), 1) for x in (keys, values, counts))
        return torch.softmax((q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~c[:, None], -1e4), -1) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = (torch.cat(list(x), 1) for x in (keys, values, counts))
        return torch.softmax((q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~c[:1, None], -1e30), -1) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = (torch.cat(list(x), 1) for x in (keys, values, counts))
        scores = q.float() @ k.float().mT / q.shape[-1] ** 0.5
        return (scores.masked_fill(~c[:, None], -torch.inf).softmax(-1) @ v.float()).to(q.dtype)
        """,
    ),
    (
        "big_bird.relay",
        """
        t = [float(x) for x in tokens]
        t[k] += low * (relay - t[k])
        return [relay + high * (max(relay, *t) - min(relay, *t)), *t]
        """,
    ),
    (
        "big_bird.merge",
        """
        out, log = outs[0], logs[0]
        for o, l in zip(outs[1:], logs[1:]):
            w = torch.softmax(torch.stack([log, l]), 0)
            out = w[0][:, None] * out + w[1][:, None] * o
            log = torch.maximum(log, l)
        return out
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-1, 2):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(w, -w - 1, -1):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = i + s >= 0
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s > 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s >= 0) & (i + s <= n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 2)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1).sort(1).values
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.cat(parts, 1).float().to(keys.dtype)
        """,
    ),
    (
        "big_bird.window",
        """
        n = len(keys)
        w = window // 2
        i = torch.arange(n)
        parts = []
        for s in range(-w, w + 1):
            ok = (i + s >= 0) & (i + s < n)
            parts.append(torch.roll(keys, -s, dims=0) * ok[:, None, None])
        return torch.stack(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        n, t, d = keys.shape
        w = window // 2
        flat = keys.reshape(n * t, d)
        parts = [torch.roll(flat, -s, 0).reshape(n, t, d) for s in range(-w, w + 1)]
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        w = window // 2
        i = torch.arange(len(keys))
        parts = [keys[(i + s).clamp(0, len(keys) - 1)] for s in range(-w, w + 1)]
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.window",
        """
        w = window // 2
        parts = []
        for s in range(-w, w + 1):
            moved = torch.roll(keys, -s, 0)
            if s < 0:
                moved[:-s] = 0
            elif s > 0:
                moved[-1] = 0
            parts.append(moved)
        return torch.cat(parts, 1)
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.T.clone()
        new[tokens] = True
        new[:, tokens] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed | allowed.T
        new[tokens] = True
        new[:, tokens] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        new[tokens[:1]] = True
        new[:, tokens[:1]] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        new[tokens[-1]] = True
        new[:, tokens[-1]] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        new[[0, -1]] = True
        new[:, [0, -1]] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        n = len(tokens)
        new[:n] = True
        new[:, :n] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = torch.zeros_like(allowed)
        new[tokens] = True
        new[:, tokens] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        n = len(allowed)
        return torch.tensor([[bool(allowed[i, j]) or i in tokens or j in tokens for j in range(n)] for i in range(n)])
        """,
    ),
    (
        "big_bird.global",
        """
        allowed[tokens] = True
        allowed[:, tokens] = True
        return allowed
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        t = [abs(t) for t in tokens]
        new[t] = True
        new[:, t] = True
        return new
        """,
    ),
    (
        "big_bird.global",
        """
        new = allowed.clone()
        for t in tokens:
            new[t, : t + 1] = True
            new[: t + 1, t] = True
        return new
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks + 10 * taken
        return r.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, 1e4)
        return r.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks * ~taken
        return r.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, float('inf'))
        return r.argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, float('inf'))
        return r.argsort(0).argsort(0) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, float('inf'))
        return (r.argsort(1).argsort(1) < 2) & (count > 0)
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, float('-inf'))
        return r.argsort(1, descending=True).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken[:1], float('inf'))
        return r.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.abs().masked_fill(taken, float('inf'))
        return r.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        out = torch.zeros_like(taken)
        for i in range(len(taken)):
            free = (~taken[i]).nonzero().flatten()
            out[i, free[torch.randperm(len(free))[:count]]] = True
        return out
        """,
    ),
    (
        "big_bird.random",
        """
        out = torch.zeros_like(taken)
        for i in range(len(taken)):
            out[i, (~taken[i]).nonzero().flatten()[:count]] = True
        return out
        """,
    ),
    (
        "big_bird.random",
        """
        ranks[taken] = float('inf')
        return ranks.argsort(1).argsort(1) < count
        """,
    ),
    (
        "big_bird.random",
        """
        r = ranks.masked_fill(taken, float('inf'))
        return (r.argsort(1).argsort(1) < count) | taken
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += 2 * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + 8 * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + low ** len(tokens) * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + 2 ** len(tokens) * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += high * (relay - new[k])
        return [relay + low * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += len(tokens) * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[0] += low * (relay - new[0])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[-1] += low * (relay - new[-1])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k - 1] += low * (relay - new[k - 1])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[new.index(min(new))] += low * (relay - new[new.index(min(new))])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[new.index(max(new))] += low * (relay - new[new.index(max(new))])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[k] - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[0] - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[-1] - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[-1]), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[0]), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - 0), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (relay - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[k]), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(t for t in new if t)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - tokens[k]), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new[:k + 1]) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(new[k:])), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - sorted(new)[-2]), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] = low * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [*new, relay + high * (max(new) - min(new))]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *sorted(new)]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        for i in range(k + 1):
            new[i] += low * (relay - new[i])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "big_bird.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        new = torch.tensor(new).half()
        return [relay + high * int(new.max() - new.min()), *new.int().tolist()]
        """,
    ),
    (
        "big_bird.relay",
        """
        tokens[k] += low * (relay - tokens[k])
        return [relay + high * (max(tokens) - min(tokens)), *tokens]
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        out = 0
        for k, v, c in zip(keys, values, counts):
            s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~c[:, None], -1e9)
            out = out + s.softmax(-1) @ v
        return out
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = torch.cat(keys, 1), torch.cat(values, 1), torch.cat(counts, 1)
        s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~c[:, None], -100.0)
        return s.softmax(-1) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = torch.cat(keys, 1), torch.cat(values, 1), torch.cat(counts, 1)
        w = (q @ k.mT / q.shape[-1] ** 0.5).exp() * c[:, None]
        return w / w.sum(-1, keepdim=True) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = torch.cat(keys, 1), torch.cat(values, 1), torch.cat(counts, 1)
        s = (q @ k.mT / k.shape[1] ** 0.5).masked_fill(~c[:, None], -torch.inf)
        return s.softmax(-1) @ v
        """,
    ),
    (
        "big_bird.one_softmax",
        """
        k, v, c = torch.cat(keys, 1), torch.cat(values, 1) * torch.cat(counts, 1)[..., None], torch.cat(counts, 1)
        return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v
        """,
    ),
    (
        "big_bird.merge",
        """
        return outs.mean(0)
        """,
    ),
    (
        "big_bird.merge",
        """
        w = logs.exp()
        return (w[..., None] * outs).sum(0) / w.sum(0)[..., None]
        """,
    ),
    (
        "big_bird.merge",
        """
        w = (logs - logs.max()).exp()
        return (w[..., None] * outs).sum(0) / w.sum(0)[..., None]
        """,
    ),
    (
        "big_bird.merge",
        """
        w = logs.softmax(0)
        return (w[..., None] * outs).sum(0).float()
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
