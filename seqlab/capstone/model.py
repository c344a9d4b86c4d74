"""A design as layers: `Core` takes vectors and names them, `Reader` puts a genome in front and answers behind."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

import kernels
from seqlab.attention import attention
from seqlab.capstone.design import Design
from seqlab.documents.model import LongModel
from seqlab.layers import Block, FeedForward, Fused, Tokens
from seqlab.looped_training.model import Clock
from seqlab.positions import alibi, alibi_slopes, rotary

CLASSES, TOKENS, BLOCK = 7, 65, 4  # of the genome: answers, tokens, tokens in a block of connections


class Core(nn.Module):
    """The layers of a design for n tokens, between vectors and names.

    oracle: attention as `seqlab.attention` reads; else by `kernels`, where the normalizer has a kernel
    """

    def __init__(self, design: Design, n: int, block: int = 1, *, oracle: bool = False):
        super().__init__()
        self.design, d = design, design
        instance = d.who(n, block).at(n)
        self.keys = [count / n for count in instance.connections()]
        self.fast = not oracle and d.normalizer in ("softmax", "sigmoid")
        self.seen = [instance.layout(block, at) if self.fast else instance.masks()[at] for at in range(d.sets)]
        self.slopes = alibi_slopes(d.heads) if d.positions == "alibi" else None
        if d.positions == "learned":
            self.place = nn.Parameter(torch.randn(n, d.width) * 0.1)
        attend = [partial(self.attend, at % d.sets) for at in range(d.layers)]
        made = (
            Block(d.width, Fused(d.width, d.heads, each), FeedForward(d.width, 4 * d.width, "gelu")) for each in attend
        )
        self.blocks = nn.ModuleList(made)
        self.clock = Clock(d.width, 1) if d.form == "loop with clock" else None

    def forward(self, x: Tokens) -> Tokens:
        x = x + self.place if self.design.positions == "learned" else x
        for t in range(self.design.depth):
            x = x if self.clock is None else x + self.clock(t + 1)[0]
            x = self.blocks[t % len(self.blocks)](x)
        return x

    def attend(self, at: int, q: Tensor, k: Tensor, v: Tensor) -> Float[Tensor, "batch head token dim"]:
        """What the queries find, in the set of connections with this number."""
        q, k = (rotary(q), rotary(k)) if self.design.positions == "rope" else (q, k)
        normalizer = self.design.weigh(self.keys[at])
        if self.fast:
            name, _, shift = normalizer.kernel(q.shape[-2])
            options: Any = dict(normalizer=name, bias=shift, layout=self.seen[at], alibi=self.slopes)
            return cast(Any, kernels.attention)(q, k, v, **options)
        bias = None if self.slopes is None else alibi(self.slopes, q.shape[-2], k.shape[-2]).to(q.dtype)
        return attention(q, k, v, normalizer=normalizer, pattern=self.seen[at], bias=bias)


class Reader(LongModel):
    """Which strand and phase of a gene does each token of a genome lie in? Loss and judgement are those of lab 10.

    A convolution over five neighbours reads codons, the same in every design; the design is left with what lies
    further off.
    """

    def __init__(self, design: Design, n: int):
        nn.Module.__init__(self)
        self.embed, self.stem = nn.Embedding(TOKENS, design.width), nn.Conv1d(design.width, design.width, 5, padding=2)
        self.norm, self.out = nn.LayerNorm(design.width), nn.Linear(design.width, CLASSES)
        self.core = Core(design, n, BLOCK)  # last: designs of one width share all other first values

    def forward(
        self, ids: Int[Tensor, "batch token"], at: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "target answer"]:
        """Logits at the chosen positions."""
        x = self.embed(ids)
        return self.out(self.norm(self.core(x + self.stem(x.mT).mT)[at]))
