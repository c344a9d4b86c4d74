"""BERT and ALBERT as one small encoder, on the attention of the labs; weights come by name from a `state_dict`.

    x_0 = norm(word + position + kind), in ALBERT mapped to the width of its layers
    x   = norm(x + Attn(x)), then norm(x + FF(x))             Devlin et al. 2019; the norm stands behind each part

In ALBERT (Lan et al. 2020) all layers are one layer. Both have softmax with 1/√size, biases everywhere, and gelu.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.layers import FeedForward, SelfAttention, Tokens, Weights, bare

RENAMED = {  # what the files call it, what it is called here
    r"^(albert|bert)\.": "",
    r"^encoder\.(layer|albert_layer_groups\.0\.albert_layers)\.": "layers.",
    r"\.attention\.self\.": ".attention.",
    r"\.attention\.(output\.)?dense\.": ".attention.out.",
    r"\.attention\.(output\.)?LayerNorm\.": ".norm_attention.",
    r"\.(output\.dense|ffn_output)\.": ".feed_forward.down.",
    r"\.(intermediate\.dense|ffn)\.": ".feed_forward.up.",
    r"\.(output\.LayerNorm|full_layer_layer_norm)\.": ".norm.",
    r"^encoder\.embedding_hidden_mapping_in\.": "mapped.",
    r"^embeddings\.LayerNorm\.": "norm.",
    r"^embeddings\.(\w+)_embeddings\.": r"\1.",
}


class Layer(nn.Module):
    """Attention, then feed-forward; each is added, and what comes out is normalized."""

    def __init__(self, dim: int, heads: int, hidden: int, eps: float):
        super().__init__()
        self.attention = SelfAttention(dim, heads, bias=True, linear=bare)
        self.feed_forward = FeedForward(dim, hidden, "gelu", linear=bare)
        self.norm_attention, self.norm = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)

    def forward(self, x: Tokens) -> Tokens:
        return self._rest(x, self.attention(x))

    def with_weights(self, x: Tokens) -> tuple[Tokens, Weights]:
        """The same, and the attention weights "batch head query key"."""
        mixed, weights = self.attention.with_weights(x)
        return self._rest(x, mixed), weights

    def _rest(self, x: Tokens, mixed: Tokens) -> Tokens:
        x = self.norm_attention(x + mixed)
        return self.norm(x + self.feed_forward(x))


class Encoder(nn.Module):
    """A pretrained encoder: `config` as Hugging Face writes it, `weights` by the names that it gives them.

    Raises ValueError where a weight is missing, or the model is none of these two kinds.
    """

    def __init__(self, config: Mapping, weights: Mapping[str, Tensor]):
        super().__init__()
        if config["model_type"] not in ("albert", "bert") or config["hidden_act"] != "gelu":
            raise ValueError(
                f"config: got {config['model_type']} with {config['hidden_act']}, wanted bert or albert, gelu"
            )
        dim, self.depth = config["hidden_size"], config["num_hidden_layers"]
        shared = config["model_type"] == "albert"
        inner = config["embedding_size"] if shared else dim
        sizes = dict(
            word=config["vocab_size"], position=config["max_position_embeddings"], token_type=config["type_vocab_size"]
        )
        self.word, self.position, self.token_type = (nn.Embedding(size, inner) for size in sizes.values())
        self.norm = nn.LayerNorm(inner, config["layer_norm_eps"])
        self.mapped = bare(inner, dim) if shared else nn.Identity()
        options = (dim, config["num_attention_heads"], config["intermediate_size"], config["layer_norm_eps"])
        self.layers = nn.ModuleList(Layer(*options) for _ in range(1 if shared else self.depth))
        found = {_renamed(name): weight for name, weight in weights.items()}
        wanted = self.state_dict()
        if missing := wanted.keys() - found.keys():
            raise ValueError(f"weights: {sorted(missing)[0]} is missing, wanted all that the config speaks of")
        self.load_state_dict({name: found[name] for name in wanted}, assign=True)
        self.requires_grad_(False).eval()

    def forward(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, "state batch token dim"]:
        """The stream before and after every layer."""
        states = [self.enter(ids)]
        for at in range(self.depth):
            states.append(self.layers[at % len(self.layers)](states[-1]))
        return torch.stack(states)

    def enter(self, ids: Int[Tensor, "batch token"]) -> Tokens:
        """What the first layer reads. ValueError for more tokens than there are positions."""
        if ids.shape[-1] > self.position.num_embeddings:
            raise ValueError(f"ids: got {ids.shape[-1]} tokens, the model reads at most {self.position.num_embeddings}")
        x = self.word(ids) + self.position.weight[: ids.shape[-1]] + self.token_type.weight[0]
        return self.mapped(self.norm(x))


def _renamed(name: str) -> str:
    for old, new in RENAMED.items():
        name = re.sub(old, new, name)
    return name
