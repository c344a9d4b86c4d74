"""A memorisation certificate for your own data: which separation one head of rank one reaches on it, and that it fits.

Two formats of text, both in UTF-8 (blank lines and lines that start with # and a blank are skipped):

    sequence,token,label        a header, then one token a line, in the order of the sequence (CSV, quotes allowed;
    1,the,DET                   semicolons or tabs in place of commas, as in the header)
    1,dog,NOUN

    the/DET dog/NOUN            one sequence a line, tokens and labels joined by the last slash, separated by blanks

Tokens are any strings. Each different one gets a vector of its own from a seeded generator: a code, not a meaning.
"""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seqlab.colours import BLUE, RED
from seqlab.one_layer import mapping, memoriser, separated
from seqlab.one_layer.head import theorem_delta, theorem_kappa
from seqlab.one_layer.labels import inconsistency
from seqlab.one_layer.memoriser import Memoriser
from seqlab.one_layer.separated import Data, Separation
from seqlab.theorem import Verdict, Witness

CHARACTERS, SEQUENCES, LENGTH, TOKENS, WORD = 200_000, 400, 60, 4000, 60  # the limits
HEADER = ["sequence", "token", "label"]
DELIMITERS = ",;\t"

Rows = Iterable[object]  # (sequence, token, label) each


@dataclass(frozen=True)
class Labelled:
    """Parsed text: per sequence its name, its tokens and its labels."""

    names: list[str]
    tokens: list[list[str]]
    labels: list[list[str]]


@dataclass(frozen=True)
class Certificate:
    """What is known about one labelled data set. Made by `certificate`.

    holds:             one head of rank one and one ReLU layer give every token its label
    separation:        log10 of the distance of the closest two ids of equal tokens, exact
    float_separation:  the same as float64 computes it
    collision:         where it does not hold, the two places (sequence, position) and why
    """

    holds: bool
    text: Labelled
    data: Data
    code: dict[str, tuple[float, ...]]
    constants: Separation
    memoriser: Memoriser | None = None
    separation: float = math.nan
    float_separation: float = math.nan
    verdict: Verdict | None = None
    collision: Witness | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def kappa(self) -> float:
        return self.memoriser.head.kappa if self.memoriser else math.nan

    @property
    def fit(self) -> float:
        return self.memoriser.fit if self.memoriser else 0.0

    @property
    def margin(self) -> float:
        return self.verdict.margin if self.verdict else 0.0

    @property
    def weights(self) -> dict[str, Tensor]:
        """W_Q, W_K, W_V, W_O of the head."""
        if self.memoriser is None:
            return {}
        head = self.memoriser.head
        return {"W_Q": head.query, "W_K": head.key, "W_V": head.value, "W_O": head.out}

    def lines(self) -> list[tuple[str, str]]:
        """(what, value) pairs, for printing and for a page."""
        c, text = self.constants, self.text
        count = sum(map(len, text.tokens))
        rows = [
            (
                "data",
                f"{len(text.tokens)} sequences, {count:,} tokens, {c.size} different, {len({x for row in text.labels for x in row})} labels",
            ),
            ("tokenwise separated", f"r_min = {c.r_min:.4g}, r_max = {c.r_max:.4g}, ε = {c.epsilon:.4g} (d = {c.dim})"),
        ]
        if self.memoriser:
            rows += [
                ("scale", f"κ = {self.kappa:.4g}, ranks of W_K, W_Q, W_V: {self.memoriser.head.ranks}"),
                ("separation of ids", self._separation()),
                (
                    "fit",
                    f"{self.fit:.1%} of {count:,} labels, in {self.memoriser.arithmetic} arithmetic, margin {self.margin:.3g}",
                ),
                ("parameters", str(self.memoriser.parameters)),
            ]
        if self.collision:
            rows.append(("collision", str(self.collision)))
        return rows + [("note", note) for note in self.notes]

    def _separation(self) -> str:
        if math.isinf(self.separation):
            return "no token stands in two different contexts, so there is nothing to separate"
        said = f"10^{self.separation:.2f} exactly, {self.float_separation:.3g} in float64 (measured, not guaranteed)"
        if self.constants.length == 1 or not all(h.holds for h in self.verdict.statement.hypotheses):
            return said
        return f"{said}; the theorem's κ = {theorem_kappa(self.constants):.4g} guarantees 10^{theorem_delta(self.constants):.1f}"

    def __str__(self) -> str:
        return "\n".join(["holds" if self.holds else "fails", *(f"{what}: {value}" for what, value in self.lines())])

    def _repr_html_(self) -> str:
        sign, word, colour = ("✓", "memorised", BLUE) if self.holds else ("✗", "cannot be memorised", RED)
        rows = "".join(f"<div><b>{html.escape(what)}</b> {html.escape(value)}</div>" for what, value in self.lines())
        return (
            f"<div style='border-left:4px solid {colour};padding:.2em .8em;margin:.4em 0'>"
            f"<div><b><span style='color:{colour}'>{sign}</span> {word}</b></div>{rows}</div>"
        )


def certificate(text_or_rows: str | Rows, *, dim: int = 3, seed: int = 0) -> Certificate:
    """The certificate for labelled sequences: text in one of the two formats, or (sequence, token, label) rows.

    dim:   length of the code vectors; 1 gives one number per token
    Tokens that repeat inside a sequence are outside the theorem; the table then lists multisets, and the notes say so.

    Raises ValueError where the text cannot be read, with the line, what came and what was wanted, or is beyond the
    limits: 200,000 characters, 400 sequences, 60 tokens in one, 4,000 in all, 60 characters in a token or a label.
    """
    if not isinstance(dim, int) or not 1 <= dim <= 64:
        raise ValueError(f"dim: got {dim!r}, wanted a whole number from 1 to 64")
    text = parse(text_or_rows) if isinstance(text_or_rows, str) else from_rows(text_or_rows)
    codes = code(sorted({token for row in text.tokens for token in row}), dim, seed)
    known = separated.data([[codes[token] for token in row] for row in text.tokens])
    constants = separated.measure(known)
    repeated = any(len(set(row)) < len(row) for row in text.tokens)
    context = "multiset" if repeated else "set"
    notes = ["tokens are coded by seeded random vectors: any code with the same separation would do"]
    if len(set(map(len, text.tokens))) > 1:
        notes.append(
            "the sequences have different lengths; the theorem is for one length, what is measured here is not"
        )
    if repeated:
        notes.append(
            "a token repeats inside a sequence, which the theorem excludes: names count repetitions, so the table lists multisets"
        )
    options = dict(text=text, data=known, code=codes, constants=constants)
    if clash := inconsistency(known, text.labels, context):
        return Certificate(False, collision=_in_words(clash, text, context), notes=tuple(notes), **options)
    made = memoriser.memorise(known, [[f"={x}" for x in row] for row in text.labels], context=context, seed=seed)
    verdict = made.check()
    return Certificate(
        bool(verdict),
        memoriser=made,
        separation=mapping.closest(made.head).log10,
        float_separation=mapping.float_separation(made.head, residual=True),
        verdict=verdict,
        collision=verdict.witness,
        notes=tuple(notes),
        **options,
    )


def parse(text: str) -> Labelled:
    """Labelled sequences from text in one of the two formats of this module."""
    if len(text) > CHARACTERS:
        raise ValueError(f"text: got {len(text):,} characters, wanted at most {CHARACTERS:,}")
    lines = [(at, line.strip().lstrip("\ufeff")) for at, line in enumerate(text.splitlines(), start=1)]
    lines = [(at, line) for at, line in lines if line and line != "#" and not line.startswith("# ")]
    if not lines:
        raise ValueError("text: got nothing, wanted 'sequence,token,label' lines, or lines of token/label")
    for delimiter in DELIMITERS:
        if [cell.strip().lower() for cell in next(csv.reader([lines[0][1]], delimiter=delimiter))] == HEADER:
            return from_rows(_csv(lines[1:], delimiter))
    if "/" not in lines[0][1]:
        raise ValueError(
            f"line {lines[0][0]}: got {_short(lines[0][1])}, wanted the header sequence,token,label or a sequence such as the/DET dog/NOUN"
        )
    triples = []
    for at, line in lines:
        for word in line.split():
            token, slash, label = word.rpartition("/")
            if not (slash and token and label):
                raise ValueError(f"line {at}: got {_short(word)}, wanted token/label, both at least one character")
            triples.append((f"line {at}", token, label))
    return from_rows(triples)


def from_rows(rows: Rows) -> Labelled:
    """Labelled sequences from (sequence, token, label) triples; rows of one sequence need not be neighbours."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    count = 0
    for at, row in enumerate(rows, start=1):
        if isinstance(row, (str, bytes, dict)) or not hasattr(row, "__len__") or len(row) != 3:
            raise ValueError(f"row {at}: got {_short(str(row))}, wanted three entries: sequence, token, label")
        if any(cell is None or cell != cell for cell in row):
            raise ValueError(f"row {at}: got {row}, in which an entry is missing")
        name, token, label = (str(cell).strip() for cell in row)
        for what, cell in zip(HEADER, (name, token, label)):
            if not 1 <= len(cell) <= WORD:
                raise ValueError(
                    f"row {at}: got a {what} of {len(cell)} characters, wanted 1 to {WORD}: {_short(cell)}"
                )
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
                raise ValueError(f"row {at}: got more than {most:,} {what}, the limit; shorten the data")
    if not found:
        raise ValueError("rows: got none, wanted at least one token with a label")
    return Labelled(list(found), [tokens for tokens, _ in found.values()], [labels for _, labels in found.values()])


def code(types: list[str], dim: int, seed: int = 0) -> dict[str, tuple[float, ...]]:
    """A vector for every string: random unit vectors, or for dim = 1 different numbers between 1 and 2."""
    draw = torch.Generator().manual_seed(seed)
    if dim == 1:
        places = torch.randperm(len(types), generator=draw) + 0.5 * torch.rand(
            len(types), generator=draw, dtype=torch.float64
        )
        vectors = (1 + places / len(types))[:, None]
    else:
        vectors = torch.randn(len(types), dim, generator=draw, dtype=torch.float64)
        vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    return {word: tuple(vector) for word, vector in zip(types, vectors.tolist())}


def _csv(lines: list[tuple[int, str]], delimiter: str) -> list[tuple[str, str, str]]:
    rows = []
    for at, line in lines:
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
        except csv.Error as error:
            raise ValueError(
                f"line {at}: {error}; got {_short(line)}, wanted sequence,token,label (a quote that is not closed?)"
            ) from None
        if len(cells) != 3 or not all(cell.strip() for cell in cells):
            raise ValueError(
                f"line {at}: got {_short(line)}, wanted three entries: {delimiter.join(HEADER)} (a {delimiter!r} inside one needs quotes)"
            )
        rows.append(tuple(cells))
    return rows


def _in_words(clash: Witness, text: Labelled, context: str) -> Witness:
    (j, l), (i, k) = clash.objects
    said = (
        f"{text.tokens[i][k]!r} is labelled {text.labels[j][l]!r} in sequence {text.names[j]} ({_short(' '.join(text.tokens[j]))}) and "
        f"{text.labels[i][k]!r} in sequence {text.names[i]} ({_short(' '.join(text.tokens[i]))}): the same token in the same {context} of tokens. "
        "A layer without positions cannot tell them apart"
    )
    return Witness(said, clash.objects)


def _short(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:47]}…")
