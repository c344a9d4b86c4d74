"""A real pretrained model, read from its file and run by our own forward pass.

`ReactionModel` is the chemistry ALBERT of Schwaller et al. 2021: trained to fill in masked tokens of chemical reactions
(reactants>>product, as SMILES strings), never told which atom goes where. Its files stand in `seqlab/data/reactions`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data import FOLDER
from seqlab.start.encoder import Encoder

# Small and real: an aromatic fluorine gives way to the sulfur of a thiol (SNAr); solvent and base are listed too.
REACTION = "CC(C)S.CN(C)C=O.Fc1cccnc1F.O=C([O-])[O-].[K+].[K+]>>CC(C)Sc1ncccc1F"

# Which reactant atoms each product atom of REACTION comes from, by token, as the model's authors publish it for this
# very reaction; the two methyl groups cannot be told apart, so either is right.
KNOWN_MAP = {
    40: {1, 4},
    41: {2},
    43: {1, 4},
    45: {6},
    46: {24},
    48: {23},
    49: {22},
    50: {21},
    51: {20},
    52: {18},
    54: {17},
}

_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|>>|%\d\d|[BCNOSPFIbcnosp]|[0-9]|[()=#+\-\\/:~.@?*$]")
_ATOM = re.compile(r"\[[^\]]*[A-Za-z][^\]]*\]|Br|Cl|[BCNOSPFIbcnosp]")


@dataclass
class ReactionTrace:
    """What the model computed for one reaction. Token 0 is [CLS], the last one [SEP]."""

    tokens: list[str]
    weights: Float[Tensor, "layer head query key"]
    logits: Float[Tensor, "token vocabulary"]
    hidden: Float[
        Tensor, "loop token dim"
    ]  # hidden[0] is the embedding, hidden[r] what r applications of the layer left


class ReactionModel:
    """ALBERT for masked reactions: 12 applications of one layer, 8 heads, dim 256; 0.88 M numbers in all."""

    def __init__(self, folder: Path | str = FOLDER / "reactions"):
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.vocabulary = (folder / "vocab.txt").read_text().split("\n")
        self.ids = {token: at for at, token in enumerate(self.vocabulary)}
        self.weights = torch.load(folder / "pytorch_model.bin", weights_only=True, map_location="cpu")
        self.encoder = Encoder(self.config, self.weights)
        self.numbers = sum(x.numel() for x in self.weights.values())

    def tokenize(self, reaction: str | list[str]) -> list[str]:
        """[CLS], the SMILES tokens, [SEP]; a list counts as tokens already.

        ValueError names the first character that is no SMILES.
        """
        if not isinstance(reaction, str):
            return list(reaction)
        tokens = _TOKEN.findall(reaction)
        if "".join(tokens) != reaction:
            at = next(i for i in range(len(reaction) + 1) if not "".join(_TOKEN.findall(reaction[:i])) == reaction[:i])
            wanted = "wanted reactants>>product without spaces"
            raise ValueError(f"reaction: character {at} ({reaction[at - 1]!r}) is not SMILES; {wanted}")
        return ["[CLS]", *tokens, "[SEP]"]

    @torch.no_grad()
    def trace(self, reaction: str | list[str], loops: int | None = None) -> ReactionTrace:
        """Run the model on a reaction (or on its tokens, some of them "[MASK]") and keep all attention weights.

        loops: how many times the layer is applied; None for the 12 of its training
        """
        tokens = self.tokenize(reaction)
        hidden, maps = zip(*self.loop(self.numbers_of(tokens)[None], loops))
        stream = torch.cat(hidden)
        return ReactionTrace(tokens, torch.cat(maps[1:]), self.scores(stream[-1]), stream)

    def numbers_of(self, tokens: list[str]) -> Int[Tensor, "token"]:
        """Token ids. ValueError for more tokens than the model has positions."""
        if len(tokens) > self.config["max_position_embeddings"]:
            raise ValueError(
                f"reaction: got {len(tokens)} tokens, the model reads at most {self.config['max_position_embeddings']}"
            )
        return torch.tensor([self.ids.get(token, self.ids["[UNK]"]) for token in tokens])

    @torch.no_grad()
    def loop(self, ids: Int[Tensor, "batch token"], loops: int | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """(embedding, None), then (stream, attention weights) after each application of the one layer."""
        loops = self.config["num_hidden_layers"] if loops is None else loops
        if loops < 1:
            raise ValueError(f"loops: got {loops}, wanted at least one application of the layer")
        x = self.encoder.enter(ids)
        yield x, None
        for _ in range(loops):  # the same weights every time
            x, weights = self.encoder.layers[0].with_weights(x)
            yield x, weights

    def fill_in(self, reaction: str | list[str], loops: int | None = None) -> list[tuple[str, str]]:
        """Mask each token in turn: (true token, the model's first guess) for all tokens but [CLS] and [SEP]."""
        tokens = self.tokenize(reaction)
        *_, (x, _) = self.loop(self.masked(tokens), loops)
        return list(zip(tokens[1:-1], self.guesses(x)))

    def masked(self, tokens: list[str]) -> Int[Tensor, "case token"]:
        """Token ids, once for each token but [CLS] and [SEP]: row i has a [MASK] in place of token i + 1."""
        ids = self.numbers_of(tokens).repeat(max(0, len(tokens) - 2), 1)
        rows = torch.arange(len(ids))
        ids[rows, rows + 1] = self.ids["[MASK]"]
        return ids

    def guesses(self, x: Float[Tensor, "case token dim"]) -> list[str]:
        """The first guess for the [MASK] of each row of `masked`, from the stream of all rows."""
        rows = torch.arange(len(x))
        return [self.vocabulary[at] for at in self.scores(x[rows, rows + 1]).argmax(-1).tolist()]

    def scores(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch vocabulary"]:
        """Logits from the stream, after however many loops."""
        w, norm = self.weights, "predictions.LayerNorm."
        x = F.gelu(F.linear(x, w["predictions.dense.weight"], w["predictions.dense.bias"]))
        x = F.layer_norm(x, x.shape[-1:], w[norm + "weight"], w[norm + "bias"], self.config["layer_norm_eps"])
        return x @ w["albert.embeddings.word_embeddings.weight"].T + w["predictions.bias"]


def atom_map(trace: ReactionTrace, layer: int = 10, head: int = 5) -> dict[int, int]:
    """For each atom of the product, the reactant atom that one head looks at most: {product token: reactant token}.

    The head is the one that the authors found to carry the map: layer 10, head 5, counted from 0.
    """
    if ">>" not in trace.tokens:
        raise ValueError(f"reaction: {''.join(trace.tokens[1:-1])!r} has no >>, wanted reactants>>product")
    arrow = trace.tokens.index(">>")
    atoms = [
        at
        for at, token in enumerate(trace.tokens)
        if _ATOM.fullmatch(token) and token[1:-1] not in ("CLS", "SEP", "MASK", "UNK")
    ]
    reactant = [at for at in atoms if at < arrow]
    weights = trace.weights[layer, head]
    return {product: reactant[int(weights[product, reactant].argmax())] for product in atoms if product > arrow}


def atoms_right(mapping: dict[int, int], known: dict[int, set[int]] = KNOWN_MAP) -> int:
    """How many product atoms of `mapping` go back to a right reactant atom."""
    return sum(mapping.get(product) in reactants for product, reactants in known.items())
