"""A memorisation certificate for your own data: which separation one head of rank one reaches on it, and that it fits.

One format of text, CSV in UTF-8 with a header:

    sequence,token,label        then one token a line, in the order of the sequence (quotes allowed; semicolons or tabs
    1,the,DET                   in place of commas, as in the header; blank lines are skipped)
    1,dog,NOUN

Tokens are any strings. Each different one gets a vector of its own from a seeded generator: a code, not a meaning.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace

import torch

from seqlab.one_layer import mapping
from seqlab.one_layer.head import theorem_delta, theorem_kappa
from seqlab.one_layer.memoriser import COROLLARY_1, OneLayerMemoriser, memorise
from seqlab.one_layer.sequences import Data, inconsistency, read
from seqlab.theorem import Verdict, Witness, judge

CHARACTERS, SEQUENCES, LENGTH, TOKENS, WORD = 200_000, 400, 60, 4000, 60  # the limits
HEADER = ["sequence", "token", "label"]


@dataclass(frozen=True)
class LabelledText:
    """Parsed text: per sequence its name, its tokens and its labels."""

    names: list[str]
    tokens: list[list[str]]
    labels: list[list[str]]


@dataclass(frozen=True)
class Certificate:
    """What is known about one labelled data set. Made by `certificate`.

    memoriser:  one head of rank one and one ReLU layer that give every token its label; None where nothing can
    verdict:    Corollary 1 on these data, with what was measured; the witness of one that fails carries two places
                (sequence, position), with one context and two labels where nothing can give both
    """

    text: LabelledText
    data: Data
    memoriser: OneLayerMemoriser | None
    verdict: Verdict

    @property
    def holds(self) -> bool:
        return self.verdict.holds

    @property
    def collision(self) -> Witness | None:
        """Where it does not hold, why."""
        return self.verdict.witness

    @property
    def fit(self) -> float:
        return self.memoriser.fit if self.memoriser else 0.0

    def __str__(self) -> str:
        return "\n".join([str(self.verdict), *self.verdict.notes])

    def _repr_html_(self) -> str:
        return self.verdict._repr_html_()


def certificate(text: str | LabelledText, *, dim: int = 3, kappa: float | None = None) -> Certificate:
    """The certificate for labelled sequences, as text in the format of this module or parsed.

    dim:    length of the code vectors; 1 gives one number per token
    kappa:  the scale; the best one for float64 unless given
    Tokens that repeat inside a sequence are outside the theorem; the table then lists multisets, and the notes say so.

    Raises ValueError where the text cannot be read, with the line, what came and what was wanted, or is beyond the
    limits: 200,000 characters, 400 sequences, 60 tokens in one, 4,000 in all, 60 characters in a token or a label.
    """
    found = parse(text) if isinstance(text, str) else text
    codes = code(sorted({token for row in found.tokens for token in row}), dim)
    data = read([[codes[token] for token in row] for row in found.tokens])
    different = f"{len(codes)} different, {len({label for row in found.labels for label in row})} labels"
    constants = f"r_min = {data.r_min:.4g}, r_max = {data.r_max:.4g}, ε = {data.epsilon:.4g} (d = {data.dim})"
    notes = [
        f"data: {len(data.sequences)} sequences, {len(data.places):,} tokens, {different}",
        f"tokenwise separated: {constants}",
        "tokens are coded by seeded random vectors: any code with the same separation would do",
    ]
    if not data.hypotheses["length"]:
        notes.append(
            "the sequences have different lengths; the theorem is for one length, what is measured here is not"
        )
    if witness := inconsistency(data, found.labels):
        statement = COROLLARY_1.under(consistent=False, **data.hypotheses)
        told = _in_words(witness, found)
        verdict = judge(0.0, statement, witness=told, checked=len(data.places), notes=notes)
        return Certificate(found, data, None, verdict)
    made = memorise(data, found.labels, kappa=kappa)
    verdict = made.check()
    notes += [_separation(made), f"{made.fit:.1%} of {len(data.places):,} labels right", *verdict.notes]
    return Certificate(found, data, made, replace(verdict, notes=notes))


def _separation(made: OneLayerMemoriser) -> str:
    data, (near, places) = made.head.data, mapping.closest(made.head)
    if not places:
        return "no token stands in two different contexts, so there is nothing to separate"
    in_float = data.closest(made.head.along)
    said = f"separation of ids: 10^{near:.2f} exactly, {in_float:.3g} in float64 (measured, not guaranteed)"
    if data.length == 1 or not all(data.hypotheses.values()):
        return said
    return f"{said}; the theorem's κ = {theorem_kappa(data):.4g} guarantees 10^{theorem_delta(data):.1f}"


def _in_words(found: Witness, text: LabelledText) -> Witness:
    """The same witness, told with the words of the text."""
    said = (
        f"{text.labels[i][k]!r} in sequence {text.names[i]} ({_short(' '.join(text.tokens[i]))})"
        for i, k in found.objects
    )
    i, k = found.objects[0]
    around = "the same token among the same tokens. A layer without positions cannot tell them apart"
    return Witness(f"{text.tokens[i][k]!r} is labelled {' and '.join(said)}: {around}", found.objects)


def parse(text: str) -> LabelledText:
    """Labelled sequences from text in the format of this module; lines of one sequence need not be neighbours."""
    if len(text) > CHARACTERS:
        raise ValueError(f"text: got {len(text):,} characters, wanted at most {CHARACTERS:,}")
    rows = [(at, line) for at, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1) if line.strip()]
    first, header = rows[0] if rows else (1, "")
    delimiter = next((mark for mark in ",;\t" if _cells(header.lower(), mark) == HEADER), None)
    if delimiter is None:
        raise ValueError(
            f"line {first}: got {_short(header) if header else 'nothing'}, wanted the header sequence,token,label"
        )
    found: dict[str, list[list[str]]] = {}
    for at, line in rows[1:]:
        cells = _cells(line, delimiter)
        if len(cells) != 3 or not all(0 < len(cell) <= WORD for cell in cells):
            wanted = f"three entries of 1 to {WORD} characters: {delimiter.join(HEADER)}"
            quotes = f"a {delimiter!r} inside one needs quotes, and these an end"
            raise ValueError(f"line {at}: got {_short(line)}, wanted {wanted} ({quotes})")
        found.setdefault(cells[0], []).append(cells[1:])
    longest = max(found, key=lambda name: len(found[name]), default="")
    for got, most, what in (
        (len(found), SEQUENCES, "sequences"),
        (sum(map(len, found.values())), TOKENS, "tokens"),
        (len(found.get(longest, ())), LENGTH, f"tokens in sequence {longest!r}"),
    ):
        if not 0 < got <= most:
            raise ValueError(f"text: got {got:,} {what}, wanted 1 to {most:,}")
    columns = [[list(column) for column in zip(*pairs)] for pairs in found.values()]
    return LabelledText(list(found), *map(list, zip(*columns)))


def _cells(line: str, delimiter: str) -> list[str]:
    """The entries of one line; none where a quote is not closed.

    Each line is read by itself: a quote that is not closed would otherwise swallow the lines after it, whose number the
    message could not tell. So an entry cannot go over a line's end, which no token or label needs to.
    """
    try:
        rows = list(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return []
    return [cell.strip() for row in rows for cell in row]


def code(types: list[str], dim: int) -> dict[str, tuple[float, ...]]:
    """A vector for every string: random unit vectors, or for dim = 1 different numbers between 1 and 2."""
    draw = torch.Generator().manual_seed(0)
    if dim == 1:
        places = torch.randperm(len(types), generator=draw)
        places = places + 0.5 * torch.rand(len(types), generator=draw, dtype=torch.float64)
        vectors = (1 + places / len(types))[:, None]
    else:
        vectors = torch.randn(len(types), dim, generator=draw, dtype=torch.float64)
        vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    return {word: tuple(vector) for word, vector in zip(types, vectors.tolist())}


def _short(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:47]}…")
