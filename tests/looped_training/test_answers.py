"""Right and wrong answers to the exercises of lab 11, as learners write them."""

from tests.answers import told_apart

RIGHT = [
    (
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            x = block(x)
            out.append(x)
        return torch.stack(out, dim=0)
        """,
    ),
    (
        "looped_training.block",
        """
        out = x.new_empty(loops + 1, *x.shape)
        out[0] = x
        for t in range(loops):
            out[t + 1] = block(out[t])
        return out
        """,
    ),
    (
        "looped_training.block",
        """
        if loops == 0:
            return x[None]
        before = looped(x, block, loops - 1)
        return torch.cat([before, block(before[-1])[None]])
        """,
    ),
    ("looped_training.modulated", "return x + gate * part((1 + scale) * F.rms_norm(x, x.shape[-1:], eps=eps))"),
    (
        "looped_training.modulated",
        """
        r = torch.rsqrt((x**2).mean(dim=1, keepdim=True) + eps)
        y = x * r
        return gate * part(y + scale * y) + x
        """,
    ),
    (
        "looped_training.modulated",
        """
        n = x.shape[1]
        root = (x.norm(dim=1, keepdim=True) ** 2 / n + eps) ** 0.5
        return torch.add(x, gate[None] * part((scale[None] + 1) * x / root))
        """,
    ),
    (
        "looped_training.block",
        """
        block(x)
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]))
        return torch.stack(out)
        """,
    ),
    (
        "looped_training.block",
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
    (
        "looped_training.hops",
        """
        return at.gather(0, at)
        """,
    ),
    (
        "looped_training.hops",
        """
        return torch.stack([at[k] for k in at])
        """,
    ),
    (
        "looped_training.hops",
        """
        nodes = at[:-1]
        return torch.cat([nodes[nodes], nodes[at[-1:]]])
        """,
    ),
    (
        "looped_training.wave",
        """
        out = torch.zeros_like(table)
        up, side = table[..., :-1, 1:], table[..., 1:, :-1]
        out[..., 1:, 1:] = torch.where(same, table[..., :-1, :-1] + 1, torch.where(up > side, up, side))
        return out
        """,
    ),
    (
        "looped_training.wave",
        """
        one = same.to(table.dtype)
        best = one * (table[..., :-1, :-1] + 1) + (1 - one) * table[..., 1:, :-1].maximum(table[..., :-1, 1:])
        return F.pad(best, (1, 0, 1, 0))
        """,
    ),
    (
        "looped_training.wave",
        """
        out = table.clone()
        m, n = same.shape[-2:]
        for i in range(m):
            for j in range(n):
                better = torch.maximum(table[..., i, j + 1], table[..., i + 1, j])
                out[..., i + 1, j + 1] = torch.where(same[..., i, j], table[..., i, j] + 1, better)
        return out
        """,
    ),
]

WRONG = [
    (
        "looped_training.block",
        """
        states = [x]
        for _ in range(loops):
            states.append(block(states[-1].detach()))
        return torch.stack(states)
        """,
    ),
    (
        "looped_training.modulated",
        """
        y = x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps).detach()
        return x + gate * part((1 + scale) * y)
        """,
    ),
    ("looped_training.block", "return torch.stack([x] + [block(x)] * loops)"),
    (
        "looped_training.block",
        """
        out = [x, block(x)]
        for _ in range(loops - 1):
            out.append(block(out[-1]))
        return torch.stack(out)
        """,
    ),
    (
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[t // 2]))
        return torch.stack(out)
        """,
    ),
    (
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]))
        return torch.stack(out[::-1])
        """,
    ),
    (
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1].clone()))
        return torch.stack(out, dim=1)
        """,
    ),
    (
        "looped_training.block",
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
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            out.append(block(out[-1]).clamp(-80, 80))
        return torch.stack(out)
        """,
    ),
    (
        "looped_training.block",
        """
        out = [x]
        for t in range(loops):
            x += block(x) - x
            out.append(x.clone())
        return torch.stack(out)
        """,
    ),
    (
        "looped_training.modulated",
        "return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True)).sqrt())",
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True)).sqrt().clamp(min=eps))
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True).sqrt() + eps))
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + eps**2).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        "return x + gate * part((1 + scale) * x / (x.square().sum(-1, keepdim=True) + eps).sqrt())",
    ),
    ("looped_training.modulated", "return x + gate * part((1 + scale) * x / (x.square().mean() + eps).sqrt())"),
    (
        "looped_training.modulated",
        "return x + gate * part((1 + scale) * x / (x.square().mean(0, keepdim=True) + eps).sqrt())",
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * part((1 + scale) * x / (x.square().amax(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + (1 + scale) * part(gate * x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + gate * (1 + scale) * part(x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        return x + part(gate * (1 + scale) * x / (x.square().mean(-1, keepdim=True) + eps).sqrt())
        """,
    ),
    (
        "looped_training.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return y + gate * part((1 + scale) * y)
        """,
    ),
    (
        "looped_training.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return x + gate[0] * part((1 + scale) * y)
        """,
    ),
    (
        "looped_training.modulated",
        """
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return x + gate * part((1 + scale.abs()) * y)
        """,
    ),
    (
        "looped_training.modulated",
        """
        y = torch.nan_to_num(x / x.square().mean(-1, keepdim=True).sqrt())
        return x + gate * part((1 + scale) * y)
        """,
    ),
    (
        "looped_training.hops",
        """
        new = at.clone()
        new[-1] = at[at[-1]]
        return new
        """,
    ),
    (
        "looped_training.hops",
        """
        new = at.clone()
        for k in range(len(at)):
            new[k] = new[new[k]]
        return new
        """,
    ),
    (
        "looped_training.hops",
        """
        return at[at][at]
        """,
    ),
    (
        "looped_training.wave",
        """
        best = torch.maximum(table[..., :-1, 1:], table[..., 1:, :-1])
        return F.pad(best + same, (1, 0, 1, 0))
        """,
    ),
    (
        "looped_training.wave",
        """
        out = table.clone()
        m, n = same.shape[-2:]
        for i in range(m):
            for j in range(n):
                better = torch.maximum(out[..., i, j + 1], out[..., i + 1, j])
                out[..., i + 1, j + 1] = torch.where(same[..., i, j], out[..., i, j] + 1, better)
        return out
        """,
    ),
]

test_the_gate_tells_right_answers_from_wrong_ones = told_apart(RIGHT, WRONG)
