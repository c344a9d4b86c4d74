"""A memorisation certificate for your own data: which separation one head of rank one reaches on it, and that it fits.

One format of text, CSV in UTF-8 with a header:

    sequence,token,label        then one token a line, in the order of the sequence (quotes allowed; semicolons or tabs
    1,the,DET                   in place of commas, as in the header; blank lines are skipped)
    1,dog,NOUN

Tokens are any strings. Each different one gets a vector of its own from a seeded generator: a code, not a meaning.
"""

from __future__ import annotations

import csv
import html
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from seqlab.colours import BLUE, RED
from seqlab.one_layer import mapping
from seqlab.one_layer.head import theorem_delta, theorem_kappa
from seqlab.one_layer.labels import inconsistency
from seqlab.one_layer.memoriser import OneLayerMemoriser, memorise
from seqlab.one_layer.separated import Data, read
from seqlab.theorem import Verdict, Witness

CHARACTERS, SEQUENCES, LENGTH, TOKENS, WORD = 200_000, 400, 60, 4000, 60  # the limits
HEADER = ["sequence", "token", "label"]
DELIMITERS = ",;\t"


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
    refused:    then, the two places (sequence, position) with one context and two labels
    """

    text: LabelledText
    data: Data
    memoriser: OneLayerMemoriser | None
    refused: Witness | None
    notes: tuple[str, ...]

    @cached_property
    def verdict(self) -> Verdict | None:
        return self.memoriser.check() if self.memoriser else None

    @property
    def holds(self) -> bool:
        return bool(self.verdict)

    @property
    def collision(self) -> Witness | None:
        """Where it does not hold, why."""
        return self.verdict.witness if self.verdict else self.refused

    @property
    def fit(self) -> float:
        return self.memoriser.fit if self.memoriser else 0.0

    @cached_property
    def separation(self) -> float:
        """log10 of the distance of the closest two ids of equal tokens, exact."""
        return mapping.closest(self.memoriser.head).log10

    @cached_property
    def float_separation(self) -> float:
        """The distance itself as float64 computes it."""
        return mapping.float_separation(self.memoriser.head)

    @property
    def weights(self) -> dict[str, Tensor]:
        """W_Q, W_K, W_V, W_O of the head."""
        if self.memoriser is None:
            return {}
        head = self.memoriser.head
        return {"W_Q": head.query, "W_K": head.key, "W_V": head.value, "W_O": head.out}

    def lines(self) -> list[tuple[str, str]]:
        """(what, value) pairs, for printing and for a page."""
        data, made = self.data, self.memoriser
        different = f"{len(data.vocabulary)} different, {len({x for row in self.text.labels for x in row})} labels"
        constants = f"r_min = {data.r_min:.4g}, r_max = {data.r_max:.4g}, ε = {data.epsilon:.4g} (d = {data.dim})"
        rows = [
            ("data", f"{len(data.sequences)} sequences, {data.tokens:,} tokens, {different}"),
            ("tokenwise separated", constants),
        ]
        if made:
            right = f"{made.fit:.1%} of {data.tokens:,} labels, in {made.arithmetic} arithmetic"
            rows += [
                ("scale", f"κ = {made.head.kappa:.4g}, ranks of W_K, W_Q, W_V: {made.head.ranks}"),
                ("separation of ids", self._separation()),
                ("fit", f"{right}, margin {self.verdict.margin:.3g}"),
                ("parameters", str(made.parameters)),
            ]
        if self.collision:
            rows.append(("collision", str(self.collision)))
        return rows + [("note", note) for note in self.notes]

    def _separation(self) -> str:
        data = self.data
        if math.isinf(self.separation):
            return "no token stands in two different contexts, so there is nothing to separate"
        said = f"10^{self.separation:.2f} exactly, {self.float_separation:.3g} in float64 (measured, not guaranteed)"
        if data.length == 1 or not all(data.hypotheses.values()):
            return said
        return f"{said}; the theorem's κ = {theorem_kappa(data):.4g} guarantees 10^{theorem_delta(data):.1f}"

    def __str__(self) -> str:
        return "\n".join(["holds" if self.holds else "fails", *(f"{what}: {value}" for what, value in self.lines())])

    def _repr_html_(self) -> str:
        sign, word, colour = ("✓", "memorised", BLUE) if self.holds else ("✗", "cannot be memorised", RED)
        rows = "".join(f"<div><b>{html.escape(what)}</b> {html.escape(value)}</div>" for what, value in self.lines())
        return (
            f"<div style='border-left:4px solid {colour};padding:.2em .8em;margin:.4em 0'>"
            f"<div><b><span style='color:{colour}'>{sign}</span> {word}</b></div>{rows}</div>"
        )


def certificate(text: str, *, dim: int = 3, seed: int = 0) -> Certificate:
    """The certificate for labelled sequences in the format of this module.

    dim:   length of the code vectors; 1 gives one number per token
    Tokens that repeat inside a sequence are outside the theorem; the table then lists multisets, and the notes say so.

    Raises ValueError where the text cannot be read, with the line, what came and what was wanted, or is beyond the
    limits: 200,000 characters, 400 sequences, 60 tokens in one, 4,000 in all, 60 characters in a token or a label.
    """
    if not isinstance(dim, int) or not 1 <= dim <= 64:
        raise ValueError(f"dim: got {dim!r}, wanted a whole number from 1 to 64")
    found = parse(text)
    codes = code(sorted({token for row in found.tokens for token in row}), dim, seed)
    data = read([[codes[token] for token in row] for row in found.tokens])
    context = "multiset" if data.repeats else "set"
    notes = ["tokens are coded by seeded random vectors: any code with the same separation would do"]
    if len(set(map(len, found.tokens))) > 1:
        notes.append(
            "the sequences have different lengths; the theorem is for one length, what is measured here is not"
        )
    if data.repeats:
        notes.append(
            "a token repeats inside a sequence, which the theorem excludes: names count repetitions, so the table lists"
            " multisets"
        )
    if witness := inconsistency(data, found.labels, context):
        return Certificate(found, data, None, _in_words(witness, found, context), tuple(notes))
    made = memorise(data, found.labels, context=context, seed=seed)
    return Certificate(found, data, made, None, tuple(notes))


def parse(text: str) -> LabelledText:
    """Labelled sequences from text in the format of this module; lines of one sequence need not be neighbours."""
    if len(text) > CHARACTERS:
        raise ValueError(f"text: got {len(text):,} characters, wanted at most {CHARACTERS:,}")
    rows = [(at, line) for at, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1) if line.strip()]
    first, header = rows[0] if rows else (1, "")
    delimiter = next((mark for mark in DELIMITERS if _cells(header.lower(), mark) == HEADER), None)
    if delimiter is None:
        came = _short(header) if header else "nothing"
        raise ValueError(f"line {first}: got {came}, wanted the header sequence,token,label")
    found: dict[str, tuple[list[str], list[str]]] = {}
    count = 0
    for at, line in rows[1:]:
        cells = _cells(line, delimiter)
        if len(cells) != 3 or not all(cells):
            wanted = (
                f"three entries: {delimiter.join(HEADER)} (a {delimiter!r} inside one needs quotes, and these an end)"
            )
            raise ValueError(f"line {at}: got {_short(line)}, wanted {wanted}")
        if long := next((cell for cell in cells if len(cell) > WORD), None):
            raise ValueError(f"line {at}: got {len(long)} characters, wanted 1 to {WORD}: {_short(long)}")
        name, token, label = cells
        tokens, labels = found.setdefault(name, ([], []))
        tokens.append(token)
        labels.append(label)
        count += 1
        for what, got, most in (
            ("sequences", len(found), SEQUENCES),
            (f"tokens in sequence {name!r}", len(tokens), LENGTH),
            ("tokens", count, TOKENS),
        ):
            if got > most:
                raise ValueError(f"line {at}: got more than {most:,} {what}, the limit; shorten the data")
    if not found:
        raise ValueError("text: got none of the lines after the header, wanted at least one token with a label")
    return LabelledText(list(found), [tokens for tokens, _ in found.values()], [labels for _, labels in found.values()])


def code(types: list[str], dim: int, seed: int = 0) -> dict[str, tuple[float, ...]]:
    """A vector for every string: random unit vectors, or for dim = 1 different numbers between 1 and 2."""
    draw = torch.Generator().manual_seed(seed)
    if dim == 1:
        places = torch.randperm(len(types), generator=draw)
        places = places + 0.5 * torch.rand(len(types), generator=draw, dtype=torch.float64)
        vectors = (1 + places / len(types))[:, None]
    else:
        vectors = torch.randn(len(types), dim, generator=draw, dtype=torch.float64)
        vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    return {word: tuple(vector) for word, vector in zip(types, vectors.tolist())}


def _cells(line: str, delimiter: str) -> list[str]:
    """The entries of one line; none where a quote is not closed.

    Each line is read by itself: a quote that is not closed would otherwise swallow the lines after it, whose number the
    message could not tell. So an entry cannot go over a line's end, which no token or label needs to.
    """
    try:
        return [
            cell.strip()
            for cell in next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
        ]
    except csv.Error:
        return []


def _in_words(found: Witness, text: LabelledText, context: str) -> Witness:
    """The same witness, told with the words of the text."""
    said = (
        f"{text.labels[i][k]!r} in sequence {text.names[i]} ({_short(' '.join(text.tokens[i]))})"
        for i, k in found.objects
    )
    i, k = found.objects[0]
    return Witness(
        f"{text.tokens[i][k]!r} is labelled {' and '.join(said)}: the same token in the same {context} of tokens. "
        "A layer without positions cannot tell them apart",
        found.objects,
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:47]}…")
