"""Right and wrong answers to the exercises of lab 04, as learners write them."""

import pytest

from tests.answers import judged

RIGHT = [
    (
        "turing.relay",
        """
        new = tokens.copy()
        new[k] = new[k] + low * (relay - new[k])
        relay = relay + high * (max(new) - min(new))
        return [relay] + new
        """,
    ),
    (
        "turing.relay",
        """
        new = [t + low * (relay - t) if i == k else t for i, t in enumerate(tokens)]
        return [relay + high * (max(new) - min(new))] + new
        """,
    ),
    (
        "turing.relay",
        """
        a = np.array(tokens)
        a[k] += low * (relay - a[k])
        return [int(relay + high * (a.max() - a.min())), *a.tolist()]
        """,
    ),
    (
        "turing.relay",
        """
        x = (1 - low) * tokens[k] + low * relay
        new = [*tokens[:k], x, *tokens[k + 1 :]]
        s = sorted(new)
        return [relay + high * (s[-1] - s[0]), *new]
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        b = torch.reciprocal((1 + steps) * (1 + step))
        return b * (cell - cells) + b**2 / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = [1 / (step + 1) / (m + 1) for m in steps]
        return torch.stack([b * (cell - c + b / 3) for c, b in zip(cells, e)])
        """,
    ),
]

WRONG = [
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += 2 * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + 8 * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + low ** len(tokens) * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + 2 ** len(tokens) * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += high * (relay - new[k])
        return [relay + low * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += len(tokens) * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[0] += low * (relay - new[0])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[-1] += low * (relay - new[-1])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k - 1] += low * (relay - new[k - 1])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[new.index(min(new))] += low * (relay - new[new.index(min(new))])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[new.index(max(new))] += low * (relay - new[new.index(max(new))])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[k] - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[0] - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (new[-1] - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[-1]), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[0]), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - 0), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (relay - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - new[k]), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(t for t in new if t)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - tokens[k]), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new[:k + 1]) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(new[k:])), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - sorted(new)[-2]), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] = low * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [*new, relay + high * (max(new) - min(new))]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        return [relay + high * (max(new) - min(new)), *sorted(new)]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        for i in range(k + 1):
            new[i] += low * (relay - new[i])
        return [relay + high * (max(new) - min(new)), *new]
        """,
    ),
    (
        "turing.relay",
        """
        new = list(tokens)
        new[k] += low * (relay - new[k])
        new = torch.tensor(new).half()
        return [relay + high * int(new.max() - new.min()), *new.int().tolist()]
        """,
    ),
    (
        "turing.relay",
        """
        tokens[k] += low * (relay - tokens[k])
        return [relay + high * (max(tokens) - min(tokens)), *tokens]
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (len(cells) + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (torch.arange(len(cells)) + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / step
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (steps[-1] + 2)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 2)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1.0
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = torch.ones_like(steps)
        return e * em * ((cell - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells - cell) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * (cell - cells) + e * em / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (cell - cells) + e * em / 3
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 4)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells).abs() + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (e * em * ((cell - cells) + e * em / 3)).abs()
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return (e * em * ((cell - cells) + e * em / 3)).float().double()
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells[-1] - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cells[0] - cells) + e * em / 3)
        """,
    ),
    (
        "turing.lookup",
        """
        e = 1 / (step + 1)
        em = 1 / (steps + 1)
        return e * em * ((cell - cells) + e * em / 3).flip(0)
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
