"""The exercises of lab 06 on training: the bias from the length, causal weights, hybrid-norm."""

import math

import torch

from seqlab.course.cases import coins, drawn, normal
from seqlab.course.check import Exercise, Mutant


def length_bias(trained, n):
    """The bias with which a row of n weights sums to what it summed to before.
    trained: (length, bias that was right there) -> number
    """
    length, bias = trained
    return bias + math.log(length) - math.log(n)


def causal_sigmoid(scores, real):
    """Sigmoid weights where query i sees the real ones of the keys up to i.
    scores: (query, key), real: bool (key) -> (query, key)

    Each row has a bias of its own, -log of the number of keys that it sees. What it does not see has weight 0.
    """
    seen = torch.ones_like(scores, dtype=torch.bool).tril() & real
    keys = seen.sum(-1, keepdim=True).clamp(min=1)
    return torch.sigmoid(scores - keys.log()).masked_fill(~seen, 0)


def hybrid_norm(x, attention, eps):
    """A pre-norm block without learned scales, in which what attention returns is normalised, too.
    x: (token, dim), attention: a function (token, dim) -> (token, dim) -> (token, dim)

    Normalised: each token less its mean, over √(its variance + eps).
    """

    def norm(y):
        return (y - y.mean(-1, keepdim=True)) / torch.sqrt(y.var(-1, correction=0, keepdim=True) + eps)

    return x + norm(attention(norm(x)))


def _same_length(result, trained, n):
    length, bias = trained
    if n == length and abs(result - bias) > 1e-6:
        return f"at the length where {bias:.4g} was right it is still right; yours is {result:.4g}."


def _keeps_the_sum(result, trained, n):
    length, bias = trained
    before, after = length * math.exp(bias), n * math.exp(min(result, 50.0))
    if not math.isclose(before, after, rel_tol=1e-4):
        return (
            f"n e^b was {length} · e^{bias:.4g} = {before:.4g}; "
            f"with your bias it is {n} · e^{result:.4g} = {after:.4g}."
        )


BIAS = Exercise(
    id="sigmoid.bias",
    title="The bias from the length.",
    reference=length_bias,
    cases=lambda: [
        ((1, 0.0), 2),
        ((64, -math.log(64)), 64),
        ((64, -math.log(64)), 256),
        ((64, -10.0), 1024),
        ((2048, -7.62), 16),
    ],
    properties=(("leaves the bias alone where the length is the same", _same_length), ("keeps n e^b", _keeps_the_sum)),
    draw=lambda random: ((random.randint(2, 4096), random.uniform(-12, 0)), random.randint(2, 4096)),
    hints=(
        "Twice as many keys, twice the sum. By what must every weight shrink, and which change of b does that?",
        "n e^b must be length e^bias. Take the logarithm of both sides.",
        "b = bias + log(length) - log(n). With one key and bias 0 as the start, that is the paper's b = -log n.",
    ),
    mutants=(
        Mutant(
            {" + math.log(length) - math.log(n)": ""},
            "keeps n e^b",
            "That is what a model does whose bias was fixed at the training length: its row sums grow with n.",
        ),
        Mutant(
            {"bias + math.log(length) - math.log(n)": "-math.log(n)"},
            "keeps n e^b",
            "-log n is right for a row sum of about 1. The trained bias may have aimed at another sum: keep that one.",
        ),
        Mutant(
            {"+ math.log(length) - math.log(n)": "- math.log(length) + math.log(n)"},
            "keeps n e^b",
            "The sign is turned: more keys need a lower bias.",
        ),
        Mutant(
            {"bias + math.log(length) - math.log(n)": "bias * length / n"},
            "keeps n e^b",
            "A weight scales with e^b, not with b: what multiplies the sum is added to b, as a logarithm.",
        ),
        Mutant(
            {"math.log(length)": "math.log2(length)", "math.log(n)": "math.log2(n)"},
            "keeps n e^b",
            "The natural logarithm belongs to e; here it is the one to base 2.",
        ),
    ),
)


def _causal_cases():
    every = torch.ones(4, dtype=torch.bool)
    return [
        (torch.zeros(1, 1), every[:1]),
        (torch.zeros(2, 2), every[:2]),
        (torch.zeros(3, 3), torch.tensor([True, True, False])),
        (normal(4, 4), every),
        (2 * normal(5, 5), torch.tensor([False, True, True, False, True])),
        (torch.tensor([[1e4, -1e4, 1e4], [3e4, 0.0, 3e4], [-1e4, 1e4, 2.0]]), torch.tensor([False, True, True])),
    ]


def _hidden_is_zero(result, scores, real):
    for i, j in result.nonzero().tolist():
        if j > i or not real[j]:
            why = "it comes after the query" if j > i else "it is padding"
            return f"query {i} must not see key {j}, {why}; its weight is {result[i, j]:.4g}."


def _own_bias(result, scores, real):
    first = int(real.nonzero()[0])
    for i in range(first, len(scores)):
        keys = int(real[: i + 1].sum())
        want, got = torch.sigmoid(scores[i, first] - math.log(keys)), result[i, first]
        if not torch.isclose(got, want, atol=1e-4):
            return (
                f"query {i} sees {keys} key(s), so its bias is -log {keys}; "
                f"its weight on key {first} should be {want:.4f}, yours is {got:.4f}."
            )


CAUSAL = Exercise(
    id="sigmoid.causal",
    title="Causal sigmoid weights, with padding.",
    mark="••",
    reference=causal_sigmoid,
    cases=_causal_cases,
    properties=(
        ("hides the future and the padding", _hidden_is_zero),
        ("gives each row the bias of its own keys", _own_bias),
    ),
    draw=lambda random: (
        random.choice((1, 3e4)) * drawn(random, n := random.randint(4, 7), n),
        coins(random, n) | (torch.arange(n) == 1),
    ),
    hints=(
        "First say who sees whom: a matrix of True and False from the order of the tokens and from what is real.",
        "seen = tril & real; the number of keys of a row is seen.sum(-1, keepdim=True). "
        "A row that sees nothing: clamp the number at 1.",
        "σ(scores - log keys), then 0 where not seen. "
        "A hidden score set to 0 before σ would still weigh σ(-log keys), not 0.",
    ),
    mutants=(
        Mutant(
            {"keys.log()": "math.log(len(scores))"},
            "gives each row the bias of its own keys",
            "One bias for all rows is too low for the early ones: row i sees only i + 1 keys.",
        ),
        Mutant(
            {"scores - keys": "seen * scores - keys", ".masked_fill(~seen, 0)": ""},
            "hides the future and the padding",
            "A score of 0 is not hidden: σ(0) is 1/2. Put the score at -∞, or the weight at 0.",
        ),
        Mutant(
            {" & real": ""},
            "hides the future and the padding",
            "The future is hidden, the padding is not. Under softmax too, padding needs a mask of its own.",
        ),
        Mutant(
            {"seen.sum(-1, keepdim=True)": "torch.arange(1, len(scores) + 1)[:, None]"},
            "gives each row the bias of its own keys",
            "The bias counts padding among the keys of a row. Count what the row sees.",
        ),
        Mutant(
            {"torch.sigmoid(scores - keys.log())": "(torch.sigmoid(scores) / keys)"},
            "gives each row the bias of its own keys",
            "This divides the weights by the number of keys. "
            "That is the 1/n normalisation, another remedy: the bias goes inside the sigmoid.",
        ),
        Mutant(
            {"torch.sigmoid(scores - keys.log())": "torch.softmax(scores.masked_fill(~seen, -1e9), -1)"},
            "gives each row the bias of its own keys",
            "That is softmax. Each sigmoid weight depends on its own score alone.",
        ),
        Mutant(
            {"torch.sigmoid(scores - keys.log())": "(lambda e: e / (1 + e))(torch.exp(scores - keys.log()))"},
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. torch.sigmoid knows both ends.",
        ),
        Mutant(
            {"scores - keys.log()": "scores - keys.log() - 1e4 * ~seen", ".masked_fill(~seen, 0)": ""},
            "hides the future and the padding",
            "A large score can be larger than what is taken off to hide it. "
            "Put the score at -∞ (masked_fill), or the weight at 0.",
        ),
    ),
)


def thousandfold(x):
    """Attention with large row sums: the mean over all tokens, 1,000 times, and a little of the token itself."""
    return 1000 * x.mean(0, keepdim=True) + 10 * x


def mix(x):
    """A mild mix: each token and its neighbour."""
    return x + 0.5 * x.roll(1, 0) + torch.arange(x.shape[1])


def _tame(result, x, attention, eps):
    bound, length = math.sqrt(x.shape[1]), (result - x).norm(dim=-1).max()
    if length > 1.001 * bound:
        return (
            f"what a normalized attention adds to a token has length √dim = {bound:.3g} at most, "
            f"however large its rows; yours adds {length:.4g}."
        )


def _stream(result, x, attention, eps):
    if attention is torch.zeros_like and not torch.allclose(result, x, atol=1e-5):
        return "where attention returns zeros, the stream x passes unchanged."


def _centred(result, x, attention, eps):
    if ((result - x).mean(-1).abs() > 1e-3).any():
        return "what is added to x is normalized, so its mean over each token's entries is 0; yours is not."


HYBRID = Exercise(
    id="sigmoid.hybrid_norm",
    title="Hybrid-norm: tame what attention adds.",
    reference=hybrid_norm,
    cases=lambda: [
        (torch.tensor([[1.0, 3.0]]), torch.zeros_like, 1e-5),
        (torch.tensor([[1.0, 3.0]]), mix, 1e-5),
        (torch.tensor([[1.0, 3.0, 2.0], [0.0, 1.0, 5.0]]), thousandfold, 1e-5),
        (normal(4, 6), mix, 1e-5),
        (3 + normal(4, 8), thousandfold, 1e-5),
        (1e-2 * normal(3, 4), mix, 1e-3),
    ],
    properties=(
        ("leaves the stream itself alone", _stream),
        ("adds at most √dim to a token", _tame),
        ("adds something with mean 0", _centred),
    ),
    draw=lambda random: (
        random.choice((0.01, 1, 5)) * (drawn(random, random.randint(2, 5), random.randint(4, 8)) + 1),
        random.choice((mix, thousandfold)),
        random.choice((1e-5, 1e-3)),
    ),
    hints=(
        "Two normalizations: one in front of attention, as in every pre-norm block, and one on what comes out. "
        "Neither touches x itself.",
        "Write norm(y) once: over the last axis, mean 0 and variance 1, the variance over all entries (correction=0).",
        "return x + norm(attention(norm(x))).",
    ),
    mutants=(
        Mutant(
            {"norm(attention(norm(x)))": "attention(norm(x))"},
            "adds at most √dim to a token",
            "That is the plain pre-norm block: what sigmoid attention adds is as large as its row sums.",
        ),
        Mutant(
            {"x + norm(attention(norm(x)))": "norm(x + attention(norm(x)))"},
            "leaves the stream itself alone",
            "This normalizes the sum, x included, as post-norm does. Normalize what attention returns, then add.",
        ),
        Mutant(
            {"attention(norm(x))": "attention(x)"},
            "equals the reference",
            "The norm in front of attention is gone. Hybrid-norm keeps it, and adds one behind.",
        ),
        Mutant(
            {"x + norm": "norm(x) + norm"},
            "leaves the stream itself alone",
            "The stream itself is normalized here. x is added as it came.",
        ),
        Mutant(
            {"correction=0, ": ""},
            "equals the reference",
            "torch's var and std divide by dim - 1 unless told otherwise. LayerNorm divides by dim: correction=0.",
        ),
        Mutant(
            {"norm(attention(norm(x)))": "torch.nn.functional.normalize(attention(norm(x)), dim=-1, eps=eps)"},
            "adds something with mean 0",
            "This makes the length 1; "
            "LayerNorm takes away the mean of each token and divides by its standard deviation.",
        ),
    ),
)
