"""A Big Bird encoder at the paper's size, which says what hidden tokens were.

`torchrun -m seqlab.train.scale big_bird` trains it (Zaheer et al. 2020, section 4: masked language modelling).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.big_bird.blocked import BigBirdAttention
from seqlab.big_bird.plan import Plan
from seqlab.layers import Block, FeedForward


class BigBirdLanguage(nn.Module):
    """Embedding and learned positions, pre-norm blocks of Big Bird attention, a linear answer for every token.

    BigBird-ITC base where nothing else is said: first and last block global, random blocks for each head.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        length: int,
        *,
        block: int = 64,
        window: int = 3,
        random_blocks: int = 3,
        dim: int = 768,
        heads: int = 12,
        layers: int = 12,
    ):
        super().__init__()
        plan = Plan(block, window, (0, -1), random_blocks, heads=heads)
        made = lambda: Block(dim, BigBirdAttention(dim, heads, plan=plan), FeedForward(dim, 4 * dim, "gelu"))
        self.embed, self.place = nn.Embedding(vocabulary, dim), nn.Parameter(torch.randn(length, dim) * 0.02)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(made() for _ in range(layers))
        self.read = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, "batch token answer"]:
        """Logits of the token that stood there."""
        x = self.embed(ids) + self.place
        for block in self.blocks:
            x = block(x)
        return self.read(x)
