"""A memorisation certificate for your own data: which separation one head of rank one reaches on it, and that it fits.

One format of text, CSV in UTF-8 with a header:

    sequence,token,label        then one token a line, in the order of the sequence (quotes allowed; semicolons or tabs
    1,the,DET                   in place of commas, as in the header; blank lines are skipped)
    1,dog,NOUN

Tokens are any strings. Each different one gets a vector of its own from a seeded generator: a code, not a meaning.
"""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.one_layer import mapping
from seqlab.one_layer.head import theorem_delta, theorem_kappa
from seqlab.one_layer.memoriser import COROLLARY_1, OneLayerMemoriser, memorise
from seqlab.one_layer.sequences import Data, inconsistency
from seqlab.theorem import Verdict, judge

CHARACTERS, SEQUENCES, LENGTH, TOKENS, WORD = 200_000, 400, 60, 4000, 60  # the limits
HEADER = ["sequence", "token", "label"]


class Certificate(NamedTuple):
    """What is known about one labelled data set. Made by `certificate`.

    memoriser:  one head of rank one and one ReLU layer that give every token its label; None where nothing can
    verdict:    Corollary 1 on these data, with what was measured; the witness of one that fails carries two places
                (sequence, position), with one context and two labels where nothing can give both
    """

    data: Data
    labels: list[list[str]]
    memoriser: OneLayerMemoriser | None
    verdict: Verdict


def certificate(text: str, *, dim: int = 3, watch: Callable[[int], object] = lambda names: None) -> Certificate:
    """The certificate for labelled sequences in the format of this module.

    dim:   length of the code vectors; 1 gives one number per token
    watch: see `memorise`; nearly all time goes into exact names
    Tokens that repeat inside a sequence are outside the theorem; the table then lists multisets, and the notes say so.

    Raises ValueError where the text cannot be read, with the line, what came and what was wanted, or is beyond the
    limits: 200,000 characters, 400 sequences, 60 tokens in one, 4,000 in all, 60 characters in a token or a label.
    """
    tokens, labels = parse(text)
    words = sorted({token for row in tokens for token in row})
    index = {word: at for at, word in enumerate(words)}
    data = Data(code(len(words), dim), [tuple(index[token] for token in row) for row in tokens], words)
    return certify(data, labels, watch=watch)


def certify(
    data: Data,
    labels: list[list[str]],
    kappa: float | None = None,
    watch: Callable[[int], object] = lambda names: None,
) -> Certificate:
    """The same for data that were read. kappa: the scale; the best one for float64 unless given."""
    different = f"{len(data.vectors)} different, {len({label for row in labels for label in row})} labels"
    notes = [
        f"data: {len(data.coded)} sequences, {len(data.places):,} tokens, {different}",
        f"tokenwise separated: r_min = {data.r_min:.4g}, r_max = {data.r_max:.4g}, ε = {data.epsilon:.4g} "
        f"(d = {data.dim})",
        "tokens are coded by seeded random vectors: any code with the same separation would do",
    ]
    if not data.hypotheses["length"]:
        notes.append(
            "the sequences have different lengths; the theorem is for one length, what is measured here is not"
        )
    if witness := inconsistency(data, labels):
        broken = COROLLARY_1.under(consistent=False, **data.hypotheses)
        verdict = judge(0.0, broken, witness=witness, checked=len(data.places), notes=notes)
        return Certificate(data, labels, None, verdict)
    made = memorise(data, labels, kappa=kappa, watch=watch)
    verdict = made.check()
    notes += [_separation(made), f"{made.fit:.1%} of {len(data.places):,} labels right", *verdict.notes]
    return Certificate(data, labels, made, replace(verdict, notes=notes))


def _separation(made: OneLayerMemoriser) -> str:
    data, (near, places) = made.head.data, mapping.closest(made.head)
    if not places:
        return "no token stands in two different contexts, so there is nothing to separate"
    in_float = data.closest(made.head.along)
    said = f"separation of ids: 10^{near:.2f} exactly, {in_float:.3g} in float64 (measured, not guaranteed)"
    if data.length == 1 or not all(data.hypotheses.values()):
        return said
    return f"{said}; the theorem's κ = {theorem_kappa(data):.4g} guarantees 10^{theorem_delta(data):.1f}"


def parse(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """Tokens and labels of each sequence from text in the format of this module.

    Lines of one sequence need not be neighbours.
    """
    if len(text) > CHARACTERS:
        raise ValueError(f"text: got {len(text):,} characters, wanted at most {CHARACTERS:,}")
    rows = [(at, line) for at, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1) if line.strip()]
    first, header = rows[0] if rows else (1, "")
    delimiter = next((mark for mark in ",;\t" if _cells(header.lower(), mark) == HEADER), None)
    if delimiter is None:
        raise ValueError(f"line {first}: got {header[:50]!r}, wanted the header sequence,token,label")
    tokens: dict[str, list[str]] = defaultdict(list)
    labels: dict[str, list[str]] = defaultdict(list)
    for at, line in rows[1:]:
        cells = _cells(line, delimiter)
        if len(cells) != 3 or not all(0 < len(cell) <= WORD for cell in cells):
            wanted = f"three entries of 1 to {WORD} characters: {delimiter.join(HEADER)}"
            quotes = f"a {delimiter!r} inside one needs quotes, and these an end"
            raise ValueError(f"line {at}: got {line[:50]!r}, wanted {wanted} ({quotes})")
        name, token, label = cells
        tokens[name].append(token)
        labels[name].append(label)
    longest = max(tokens, key=lambda name: len(tokens[name]), default="")
    for got, most, what in (
        (len(tokens), SEQUENCES, "sequences"),
        (len(rows) - 1, TOKENS, "tokens"),
        (len(tokens[longest]), LENGTH, f"tokens in sequence {longest!r}"),
    ):
        if not 0 < got <= most:
            raise ValueError(f"text: got {got:,} {what}, wanted 1 to {most:,}")
    return list(tokens.values()), list(labels.values())


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


def code(size: int, dim: int) -> Float[Tensor, "token dim"]:
    """So many different vectors: random unit vectors, or for dim = 1 numbers between 1 and 2."""
    if dim < 1:
        raise ValueError(f"dim: got {dim}, wanted at least 1")
    draw = torch.Generator().manual_seed(0)
    if dim == 1:
        places = torch.randperm(size, generator=draw)
        return (1 + (places + 0.5 * torch.rand(size, generator=draw, dtype=torch.float64)) / size)[:, None]
    return torch.nn.functional.normalize(torch.randn(size, dim, generator=draw, dtype=torch.float64), dim=-1)
