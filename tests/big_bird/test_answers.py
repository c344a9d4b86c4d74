"""Right and wrong answers to the exercises of lab 04, as learners write them."""

import pytest

from tests.answers import judged

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
]

WRONG = [
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
]


@pytest.mark.parametrize("id, body", RIGHT)
def test_the_gate_accepts(id, body):
    judgement = judged(id, body)
    assert judgement.right, judgement


@pytest.mark.parametrize("id, body", WRONG)
def test_the_gate_rejects(id, body):
    assert not judged(id, body).right
