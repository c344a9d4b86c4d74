"""Right and wrong answers to the exercises of lab 06, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        return torch.sigmoid(scores - seen.sum(1, keepdim=True).log()) * seen
        """,
    ),
    ("sigmoid.bias", "return trained[1] + np.log(trained[0]) - np.log(n)"),
    (
        "sigmoid.bias",
        """
        length, bias = trained
        return bias - math.log(n / length)
        """,
    ),
    ("sigmoid.bias", "return math.log(trained[0] * math.exp(trained[1]) / n)"),
    (
        "sigmoid.causal",
        """
        n = len(scores)
        i = torch.arange(n)
        seen = (i[:, None] >= i) & real
        return torch.where(seen, torch.sigmoid(scores - seen.sum(1, keepdim=True).clamp(min=1).log()), 0.0)
        """,
    ),
    (
        "sigmoid.causal",
        """
        out = torch.zeros_like(scores)
        for i in range(len(scores)):
            m = int(real[: i + 1].sum())
            for j in range(i + 1):
                if real[j]:
                    out[i, j] = torch.sigmoid(scores[i, j] - math.log(m))
        return out
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.tril(real.expand(len(scores), -1))
        count = real.cumsum(0).clamp(min=1)
        return torch.sigmoid((scores - count[:, None].log()).masked_fill(~seen, float('-inf')))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: F.layer_norm(y, y.shape[-1:], eps=eps)
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        def norm(y):
            c = y - y.mean(1, keepdim=True)
            return c / (c.pow(2).mean(1, keepdim=True) + eps) ** 0.5
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        def norm(y):
            v, m = torch.var_mean(y, dim=1, unbiased=False, keepdim=True)
            return (y - m) * torch.rsqrt(v + eps)
        return norm(attention(norm(x))) + x
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return (1 + torch.sign(torch.outer(q, k))) / 2 @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return torch.heaviside(q[:, None] * k, torch.tensor(0.5)) @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return torch.sigmoid(1e4 * torch.outer(q, k)) @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(q @ k.T + bias)
        dp = grad @ v.T
        ds = p * (1 - p) * dp
        return torch.cat((ds @ k, ds.T @ q, p.T @ grad), 0)
        """,
    ),
    (
        "sigmoid.backward",
        """
        a, b, c = (t.clone().requires_grad_() for t in (q, k, v))
        o = torch.sigmoid(a @ b.T + bias) @ c
        return torch.cat(torch.autograd.grad(o, (a, b, c), grad))
        """,
    ),
    (
        "sigmoid.backward",
        """
        s = einsum(q, k, 'i d, j d -> i j') + bias
        p = 1 / (1 + torch.exp(-s))
        ds = (grad @ v.T) * (p - p**2)
        return torch.vstack([ds @ k, (q.T @ ds).T, p.mT @ grad])
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid((x @ w_q.T) @ (x @ w_k.T).T + bias)
        n = x.shape[0]
        norm = torch.linalg.matrix_norm
        r = x.norm(dim=1).pow(2).mean()
        return (norm(w_v, 2) * (n * s.max() + 2 * n * (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * r)).item()
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        spec = lambda w: torch.linalg.svdvals(w)[0]
        return float(n * spec(w_v) * (s.max() + 2 * (s - s * s).max() * spec(w_q.T @ w_k) * (x * x).sum() / n))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid((w_q @ x.T).T @ (w_k @ x.T) + bias)
        n = len(x)
        norm = lambda w: torch.linalg.norm(w, ord=2)
        size = norm(w_q.T @ w_k) * x.square().sum(1).mean()
        return n * norm(w_v) * (s.max() + 2 * (s * (1 - s)).max() * size)
        """,
    ),
    (
        "sigmoid.read_back",
        """
        ids, base = [], gain + 1
        for _ in range(length):
            l = total % base or base
            ids = [l] + ids
            total = (total - l) // base + l
        return ids
        """,
    ),
    (
        "sigmoid.read_back",
        """
        def back(t, n):
            if n == 0:
                return []
            l = (t - 1) % (gain + 1) + 1
            return back((t + gain * l) // (gain + 1), n - 1) + [l]
        return back(total, length)
        """,
    ),
    (
        "sigmoid.read_back",
        """
        found = []
        while len(found) < length:
            last = next(l for l in range(1, gain + 2) if (total - l) % (gain + 1) == 0)
            found.append(last)
            total = (total + gain * last) // (gain + 1)
        return tuple(sorted(found))
        """,
    ),
    (
        "sigmoid.read_back",
        """
        ids = []
        for _ in range(length):
            l = total % (gain + 1)
            ids.append(l)
            total = (total + gain * l) // (gain + 1)
        return ids[::-1]
        """,
    ),
]

WRONG = [
    (
        "sigmoid.hybrid_norm",
        """
        n = lambda t: F.layer_norm(t, t.shape[-1:], eps=eps)
        return x + n(attention(n(x).detach()))
        """,
    ),
    (
        "sigmoid.read_back",
        """
        ids = []
        for _ in range(length):
            total, l = divmod(total, gain + 1)
            ids.append(l)
        return ids[::-1]
        """,
    ),
    (
        "sigmoid.read_back",
        """
        ids = []
        for _ in range(length):
            l = (total - 1) % (gain + 1) + 1
            ids.append(l)
            total = int((total + gain * l) / (gain + 1))
        return ids[::-1]
        """,
    ),
    ("sigmoid.read_back", "return [total // length] * length"),
    ("sigmoid.bias", "return trained[1]"),
    ("sigmoid.bias", "return -math.log(n / trained[0])"),
    ("sigmoid.bias", "return trained[1] - math.log(n / 64)"),
    (
        "sigmoid.bias",
        """
        length, bias = trained
        s = length / n / (1 + math.exp(-bias))
        return math.log(s / (1 - s))
        """,
    ),
    ("sigmoid.bias", "return trained[1] + (trained[0] - n) / trained[0]"),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        x = scores - seen.sum(1, keepdim=True).clamp(min=1).log()
        return torch.where(seen, x.exp() / (1 + x.exp()), 0.0)
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        x = scores - seen.sum(1, keepdim=True).clamp(min=1).log()
        return torch.nan_to_num(x.exp() / (1 + x.exp())) * seen
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        return torch.sigmoid(scores - seen.sum(1, keepdim=True).clamp(min=1).log() - 1e4 * ~seen)
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).triu().bool() & real
        return torch.sigmoid(scores - seen.sum(1, keepdim=True).clamp(min=1).log()) * seen
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real[:, None]
        return torch.sigmoid(scores - seen.sum(1, keepdim=True).clamp(min=1).log()) * seen
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        return torch.sigmoid(scores - (seen.sum(1, keepdim=True) + 1).log()) * seen
        """,
    ),
    (
        "sigmoid.causal",
        """
        seen = torch.ones_like(scores).tril().bool() & real
        return torch.sigmoid(scores - seen.sum(0).clamp(min=1).log()) * seen
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: F.layer_norm(y, y.shape[-1:])
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: (y - y.mean(1, keepdim=True)) / (y.std(1, correction=0, keepdim=True) + eps)
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: (y - y.mean(1, keepdim=True)) / (y.var(1, correction=0, keepdim=True) + eps**2).sqrt()
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: y / (y.pow(2).mean(1, keepdim=True) + eps).sqrt()
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: (y - y.mean()) / (y.var(correction=0) + eps).sqrt()
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: (y - y.mean(0)) / (y.var(0, correction=0) + eps).sqrt()
        return x + norm(attention(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: F.layer_norm(y, y.shape[-1:], eps=eps)
        return x + attention(norm(norm(x)))
        """,
    ),
    (
        "sigmoid.hybrid_norm",
        """
        norm = lambda y: F.layer_norm(y, y.shape[-1:], eps=eps)
        return x + norm(norm(attention(norm(x))) * 2)
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return (q[:, None] * k > 0).to(ids.dtype) @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return (q[:, None] * k >= 0).to(ids.dtype) @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    ("sigmoid.shift", "return ((ids > low) & (ids < high)) * ids[ids > high].sum()"),
    ("sigmoid.shift", "return ((ids >= low) & (ids <= high)) * ids[ids > high].sum()"),
    ("sigmoid.shift", "return (ids > low) * ids[ids > high].sum()"),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return torch.sigmoid(torch.outer(q, k)) @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.shift",
        """
        def head(q, k):
            return ((1 + torch.sign(torch.outer(q, k))) / 2).T @ ids
        one = torch.ones_like(ids)
        a, b = ids - low, ids - high
        return 0.5 * (head(a, b) - head(b, b) + head(a, one) - head(b, one))
        """,
    ),
    (
        "sigmoid.backward",
        """
        e = torch.exp(q @ k.T + bias)
        p = e / (1 + e)
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        e = torch.exp(q @ k.T + bias)
        p = torch.nan_to_num(e / (1 + e))
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(q @ k.T + bias)
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(q @ k.T + bias)
        ds = p * (1 - p) * (grad @ v.T).T
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(k @ q.T + bias)
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(q @ k.T - math.log(len(q)))
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad])
        """,
    ),
    (
        "sigmoid.backward",
        """
        p = torch.sigmoid(q @ k.T + bias)
        ds = p * (1 - p) * (grad @ v.T)
        return torch.cat([ds @ k, ds.T @ q, p.T @ grad]) / q.shape[1] ** 0.5
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = s.max() * (1 - s.max()) * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = 0.25 * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T - math.log(len(x)))
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q @ w_k.T, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q, 2) * norm(w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * x.norm(dim=1).mean() ** 2
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(0).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(torch.diag(x @ w_q.T @ w_k @ x.T) + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        s = torch.sigmoid(x @ w_q.T @ w_k @ x.T / len(w_q) ** 0.5 + bias)
        n = len(x)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * n * (s.max() + 2 * part))
        """,
    ),
    (
        "sigmoid.jacobian_bound",
        """
        e = torch.exp(x @ w_q.T @ w_k @ x.T + bias)
        s = e / (1 + e)
        norm = torch.linalg.matrix_norm
        part = (s * (1 - s)).max() * norm(w_q.T @ w_k, 2) * (x**2).sum(1).mean()
        return float(norm(w_v, 2) * len(x) * (s.max() + 2 * part))
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
