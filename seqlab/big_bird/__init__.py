"""Big Bird (Zaheer et al. 2020): attention on random, window and global blocks.

| module      | what it holds                                                                             |
| ----------- | ----------------------------------------------------------------------------------------- |
| plan        | `Plan`: every choice, frozen; as a mask, a layout for the kernels, a pattern              |
| blocked     | `blocked_attention` (the paper's Appendix D, to read), by the kernels, dense; and a layer |
| interface   | `register(plan)` for Hugging Face transformers                                            |
| small_world | patterns as graphs: clustering, paths, spectral gap, growth                               |
| star        | the contextual mapping through one relay token, and what its proof says on the way        |
| budget      | the longest sequence that fits a budget of memory                                         |
"""

from seqlab.big_bird.blocked import BigBirdAttention, blocked_attention, dense_attention, kernel_attention
from seqlab.big_bird.plan import Drawn, Plan

__all__ = ["BigBirdAttention", "Drawn", "Plan", "blocked_attention", "dense_attention", "kernel_attention"]
