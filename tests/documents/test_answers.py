"""Right and wrong answers to the exercises of lab 10, as learners write them."""

import pytest

from tests.answers import judged

RIGHT = [
    (
        "documents.exchange",
        """
        n = ids.shape[1]
        place = torch.arange(n)
        near = (place >= (n - keep) // 2) & (place < (n + keep) // 2)
        return torch.where(near, ids, other)
        """,
    ),
    (
        "documents.exchange",
        """
        a = (ids.shape[1] - keep) // 2
        return torch.cat([other[:, :a], ids[:, a : a + keep], other[:, a + keep :]], 1)
        """,
    ),
    (
        "documents.exchange",
        """
        out = ids.clone()
        a = (ids.shape[1] - keep) // 2
        out[:, :a] = other[:, :a]
        out[:, a + keep :] = other[:, a + keep :]
        return out
        """,
    ),
    (
        "documents.heard",
        """
        k = torch.zeros(layers.shape[1])
        k[0] = 1
        for a in layers.float():
            k = ((a @ k + k) > 0).float()
        return k.bool()
        """,
    ),
    (
        "documents.heard",
        """
        known = {0}
        for sees in layers:
            known = known | {q for q in range(len(sees)) if any(sees[q, k] for k in known)}
        return torch.tensor([b in known for b in range(layers.shape[1])])
        """,
    ),
    (
        "documents.heard",
        """
        n = layers.shape[1]
        way = torch.eye(n, dtype=torch.bool)
        for sees in layers:
            way = ((sees | torch.eye(n).bool()).float() @ way.float()) > 0
        return way[:, 0]
        """,
    ),
    (
        "documents.ceiling",
        """
        n = heard.sum().item()
        return 1.0 if n == len(heard) else (n + 1) / len(heard)
        """,
    ),
    (
        "documents.ceiling",
        """
        return min(int(heard.sum()) + 1, len(heard)) / len(heard)
        """,
    ),
    (
        "documents.ceiling",
        """
        right = [True if h else None for h in heard.tolist()]
        if None in right:
            right[right.index(None)] = True
        return sum(1 for r in right if r) / len(right)
        """,
    ),
    (
        "documents.bm25",
        """
        mean = np.mean([len(s) for s in sections])
        def one(w, s):
            t = s.count(w)
            m = sum(w in x for x in sections)
            idf = math.log(1 + (len(sections) - m + 0.5) / (m + 0.5))
            return idf * 2.2 * t / (t + 1.2 * (0.25 + 0.75 * len(s) / mean))
        return [float(sum(one(w, s) for w in question)) for s in sections]
        """,
    ),
    (
        "documents.bm25",
        """
        from collections import Counter

        bags = [Counter(s) for s in sections]
        n = len(sections)
        mean = sum(len(s) for s in sections) / n
        m = Counter(w for bag in bags for w in bag)
        idf = {w: math.log(1 + (n - m[w] + 0.5) / (m[w] + 0.5)) for w in question}
        norm = [1.2 * (0.25 + 0.75 * len(s) / mean) for s in sections]
        return [sum(idf[w] * 2.2 * bag[w] / (bag[w] + k) for w in question) for bag, k in zip(bags, norm)]
        """,
    ),
    (
        "documents.bm25",
        """
        out = []
        for s in sections:
            total = 0
            for w in question:
                t = sum(x == w for x in s)
                m = len([1 for x in sections if w in x])
                long = len(s) * len(sections) / sum(map(len, sections))
                total += math.log((len(sections) + 1) / (m + 0.5)) * t * 2.2 / (t + 0.3 + 0.9 * long)
            out.append(total)
        return out
        """,
    ),
]

WRONG = [
    (
        "documents.bm25",
        """
        S = len(sections); mean = sum(map(len, sections)) / S
        c = lambda w, s: " ".join(s).count(w)
        m = lambda w: sum(c(w, x) > 0 for x in sections)
        f = lambda w: math.log(1 + (S - m(w) + 0.5) / (m(w) + 0.5))
        term = lambda w, s: f(w) * 2.2 * c(w, s) / (c(w, s) + 1.2 * (0.25 + 0.75 * len(s) / mean))
        return [sum(term(w, s) for w in question) for s in sections]
        """,
    ),
    (
        "documents.exchange",
        """
        a = (ids.shape[1] - keep) // 2
        other[:, a : a + keep] = ids[:, a : a + keep]
        return other
        """,
    ),
    (
        "documents.exchange",
        """
        a = (ids.shape[1] - keep) // 2
        return torch.cat([other[:, :a], ids[:, a:-a], other[:, -a:]], 1)
        """,
    ),
    (
        "documents.exchange",
        """
        return ids.clone()
        """,
    ),
    (
        "documents.heard",
        """
        knows = torch.arange(layers.shape[1]) == 0
        for sees in layers:
            knows = (sees & knows).any(1)
        return knows
        """,
    ),
    (
        "documents.heard",
        """
        return layers.any(0)[:, 0]
        """,
    ),
    (
        "documents.heard",
        """
        knows = torch.arange(layers.shape[1]) == 0
        sees = layers.any(0)
        for _ in layers:
            knows = knows | (sees & knows).any(1)
        return knows
        """,
    ),
    (
        "documents.heard",
        """
        knows = torch.arange(layers.shape[1]) == 0
        for sees in layers:
            for q in range(len(knows)):
                knows[q] |= (sees[q] & knows).any()
        return knows
        """,
    ),
    (
        "documents.ceiling",
        """
        return heard.double().mean().item()
        """,
    ),
    (
        "documents.ceiling",
        """
        return (int(heard.sum()) + 1) / len(heard)
        """,
    ),
    (
        "documents.ceiling",
        """
        return heard.double().mean().item() + 1 / len(heard) / len(heard)
        """,
    ),
    (
        "documents.bm25",
        """
        return [sum(s.count(w) for w in question) for s in sections]
        """,
    ),
    (
        "documents.bm25",
        """
        mean = sum(map(len, sections)) / len(sections)
        out = []
        for s in sections:
            total = 0.0
            for w in set(question):
                t, m = s.count(w), sum(w in x for x in sections)
                idf = math.log(1 + (len(sections) - m + 0.5) / (m + 0.5))
                total += idf * 2.2 * t / (t + 1.2 * (0.25 + 0.75 * len(s) / mean))
            out.append(total)
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
