"""The exercises of lab 10: a control that exchanges distant context, who has heard the question, a bound, BM25."""

import torch

from seqlab.course.cases import coins
from seqlab.course.check import Exercise, Mutant
from seqlab.documents.questions.text import bm25


def exchange(ids, other, keep):
    """The middle `keep` tokens of each sequence of `ids`; all that stands further off comes from `other`.
    ids, other: (batch, token), equally long; keep: even, like the number of tokens -> (batch, token)
    """
    start = (ids.shape[1] - keep) // 2
    out = other.clone()
    out[:, start : start + keep] = ids[:, start : start + keep]
    return out


def heard(layers):
    """Which blocks can know something of the question after all layers. Block 0 holds the question.
    layers: bool (layer, query, key), who sees whom in each layer, the first layer first -> bool (block,)

    What a block knows stays in its residual stream, whether it sees itself or not.
    """
    knows = torch.arange(layers.shape[1]) == 0
    for sees in layers:
        knows = knows | (sees & knows).any(dim=1)
    return knows


def ceiling(heard):
    """The largest share of questions whose section any weights can put first, if the question of each section is asked
    once, and one section is put first for each.
    heard: bool (section,), whether anything of the question can reach it -> a number

    A section that has not heard the question has one score, whatever is asked.
    """
    deaf = int((~heard).sum())
    return (len(heard) - deaf + (deaf > 0)) / len(heard)


def _near(result, ids, other, keep):
    start = (ids.shape[1] - keep) // 2
    for at in range(start, start + keep):
        if not torch.equal(result[:, at], ids[:, at]):
            return f"token {at} is one of the middle {keep} and must stay."


def _far(result, ids, other, keep):
    start = (ids.shape[1] - keep) // 2
    for at in (*range(start), *range(start + keep, ids.shape[1])):
        if not torch.equal(result[:, at], other[:, at]):
            return f"token {at} is not one of the middle {keep}: it comes from `other`, from the same place."


def _tokens(batch, length, keep):
    ids = torch.arange(batch * length).view(batch, length)
    return ids, ids + 1000, keep


EXCHANGE = Exercise(
    id="documents.exchange",
    title="The control: distant context from another place.",
    reference=exchange,
    cases=lambda: [_tokens(1, 4, 2), _tokens(2, 8, 4), _tokens(3, 6, 6), _tokens(2, 6, 0), _tokens(1, 10, 2)],
    properties=(("keeps what is near", _near), ("exchanges what is far", _far)),
    draw=lambda random: (
        torch.arange(3 * (n := random.choice((4, 6, 8)))).view(3, n) + (at := random.randint(2, 9999)),
        torch.arange(3 * n).view(3, n) - at,
        random.randrange(0, n, 2),
    ),
    hints=(
        "Where do the middle tokens begin, if as many stand in front of them as behind?",
        "Take a copy of `other`, and write the middle of `ids` into it: from (length - keep) // 2, keep tokens.",
        "start = (ids.shape[1] - keep) // 2; out = other.clone();"
        " out[:, start : start + keep] = ids[:, start : start + keep].",
    ),
    mutants=(
        Mutant(
            {"(ids.shape[1] - keep) // 2": "0"},
            "keeps what is near",
            "The first tokens are kept. The targets stand in the middle, and so does what is near to them.",
        ),
        Mutant(
            {"out = other.clone()": "out, ids = ids.clone(), other"},
            "keeps what is near",
            "It is the other way round: the middle was exchanged, and what is far was kept.",
        ),
        Mutant(
            {"out = other.clone()": "out = other.flip(1)"},
            "exchanges what is far",
            "The other sequence is turned round: the control must change what is said, and nothing of its order.",
        ),
    ),
)


def _told(result, layers):
    want = heard(layers)
    for at in (result != want).nonzero().flatten().tolist():
        return f"block {at} " + ("can know of it, by a chain of keys." if want[at] else "cannot have heard anything.")


def _chain(blocks, layers, reach=1):
    place = torch.arange(blocks)
    return ((place[:, None] - place).abs() <= reach).expand(layers, -1, -1).clone()


def _drawn(blocks, layers, seed, share=0.15):
    draw = torch.rand(layers, blocks, blocks, generator=torch.Generator().manual_seed(seed))
    return draw < share


HEARD = Exercise(
    id="documents.heard",
    title="Who can have heard the question?",
    mark="••",
    reference=heard,
    cases=lambda: [
        (each,)
        for each in (
            torch.eye(2).bool()[None],
            torch.tensor([[[False, False], [True, False]]]),
            torch.tensor([[[True, True], [False, True]]]),
            torch.tensor([[[0, 0, 0], [0, 0, 0], [0, 1, 0]], [[0, 0, 0], [1, 0, 0], [0, 0, 0]]]).bool(),
            torch.tensor([[[0, 0, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 1, 0]]]).bool(),
            _chain(6, 2),
            _chain(9, 3, 2),
            _drawn(12, 2, 0),
            _drawn(12, 3, 1),
            _drawn(20, 1, 2),
        )
    ],
    properties=(("follows the question through the layers", _told),),
    draw=lambda random: (
        _drawn(random.randint(5, 14), random.randint(2, 4), random.randint(9, 10**9), random.choice((0.1, 0.2))),
    ),
    hints=(
        "In one layer a block hears of the question if one of its keys knows of it. Who knows at the start?",
        "Keep a list of who knows. In each layer in turn: those that know already, and those that see one who knows.",
        "knows = torch.arange(layers.shape[1]) == 0; for sees in layers: knows = knows | (sees & knows).any(dim=1).",
    ),
    mutants=(
        Mutant(
            {"(sees & knows).any(dim=1)": "(sees.T & knows).any(dim=1)"},
            "follows the question through the layers",
            "News goes to whom the knowing ones look at. It goes the other way: a query hears from its keys.",
        ),
        Mutant(
            {"knows | (sees & knows)": "(sees & knows)"},
            "follows the question through the layers",
            "A block that does not see itself forgets: what it knew stays in its residual stream.",
        ),
        Mutant(
            {"for sees in layers": "for sees in layers[:1]"},
            "follows the question through the layers",
            "Only one layer is walked through.",
        ),
        Mutant(
            {"for sees in layers": "for sees in layers.flip(0)"},
            "follows the question through the layers",
            "The layers come in the wrong order: the first one is walked through first.",
        ),
    ),
)

CEILING = Exercise(
    id="documents.ceiling",
    title="The best that any weights could do.",
    mark="••",
    reference=ceiling,
    cases=lambda: [
        (torch.tensor(each).bool(),)
        for each in ([1], [0], [1, 1], [1, 0], [0, 0], [1, 1, 0], [0, 1, 0, 0], [0] * 7, [1] * 5 + [0] * 11)
    ],
    draw=lambda random: (coins(random, random.randint(8, 40), share=random.choice((0.3, 0.8, 1.0))),),
    hints=(
        "Ask each question in turn. For those whose section has heard, weights can be perfect. And for the others?",
        "Sections that have heard nothing have one order, whatever is asked. Which of them can be first, and how often"
        " is that right?",
        "If some are deaf, one of them is always before the others: right once. (hearing + (deaf > 0)) / all.",
    ),
    mutants=(
        Mutant(
            {" + (deaf > 0)": ""},
            "equals the reference",
            "One of the deaf sections always stands before the other deaf ones, and its own question comes once.",
        ),
        Mutant(
            {"(deaf > 0)": "1"},
            "equals the reference",
            "Where all have heard there is nobody to guess.",
        ),
        Mutant(
            {"(deaf > 0)": "deaf / len(heard)"},
            "equals the reference",
            "The deaf sections are not drawn anew for each question: their order is the same for all, so that exactly"
            " one of their questions is right.",
        ),
    ),
)

SECTIONS = [
    ["a", "file", "is", "open"],
    ["close", "the", "file", "file", "now"],
    ["the", "sun"],
    ["is", "it", "the", "end"],
]

BM25 = Exercise(
    id="documents.bm25",
    title="A formula of 1994.",
    mark="••",
    reference=bm25,
    cases=lambda: [
        (["a"], [["a"], ["b"]]),
        (["a"], [["a", "a"], ["a", "b"]]),
        (["file"], SECTIONS),
        (["the", "open", "file"], SECTIONS),
        (["file", "file", "nowhere"], SECTIONS),
        ([], SECTIONS),
        (["x"], [["x"] * 9 + ["y"], ["y"], ["x", "z", "z"]]),
        (["the"], [["then", "other"], ["the"], ["now", "then", "there"]]),
    ],
    draw=lambda random: (
        random.choices("abcdef", k=3),
        [random.choices("abcdef", k=random.randint(1, 6)) for _ in range(random.randint(2, 6))],
    ),
    hints=(
        "A Counter for each section says how often a word stands in it. The rest is one sum.",
        "For each word of the question: m, its idf, then for each section t and 2.2 t over t plus a term that grows"
        " with the section's length.",
        "idf = math.log(1 + (len(sections) - m + 0.5) / (m + 0.5));"
        " scores[at] += idf * 2.2 * t / (t + 1.2 * (0.25 + 0.75 * len(sections[at]) / mean)).",
    ),
    mutants=(
        Mutant(
            {"idf * 2.2": "2.2"},
            "equals the reference",
            "All words count alike. A word that every section has says nothing: multiply by its idf.",
        ),
        Mutant(
            {"times = bag[word]": "times = int(word in bag)"},
            "equals the reference",
            "How often a word stands in the section does not count here.",
        ),
        Mutant(
            {"sum(word in bag for bag in bags)": "sum(bag[word] for bag in bags)"},
            "equals the reference",
            "m counts how often the word stands in all sections together. It is how many sections have it.",
        ),
        Mutant(
            {"math.log(1 + ": "math.log("},
            "equals the reference",
            "The 1 under the logarithm is missing: with it no word counts against a section.",
        ),
        Mutant(
            {"0.25 + 0.75": "0.75 + 0.25"},
            "equals the reference",
            "The two shares are exchanged: a quarter is there for every section, three quarters go with its length.",
        ),
        Mutant(
            {"0.25 + 0.75 * len(sections[at]) / mean": "1.0"},
            "equals the reference",
            "The length of the section does not count: a long section has every word.",
        ),
    ),
)
