"""Training, one step at a time: loss and gradient of each step, and now and then every norm of every layer.

Whoever drives it decides when the next step comes, so that a Stop button gets its turn, and sees the length of the
gradient before it is clipped, where trouble shows first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from seqlab.sigmoid.telemetry import MEASURES, measure
from seqlab.sigmoid.transformer import Batch, Transformer
from seqlab.train.fit import History, descend

PROBES = 6


@dataclass
class Run(History):
    """What a training of `planned` steps left behind. probes[measure][k] belongs to step probed[k].

    A probe holds one number a layer: `probes["row sum"][k][layer]`.
    """

    planned: int = 0
    probed: list[int] = field(default_factory=list)
    probes: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in MEASURES})

    @property
    def done(self) -> bool:
        return self.steps == self.planned

    def smooth(self, width: int = 10) -> list[float]:
        """The loss, averaged over the last `width` steps."""
        return [
            sum(part) / len(part) for at in range(1, len(self.loss) + 1) if (part := self.loss[max(0, at - width) : at])
        ]


def follow(model: Transformer, batches: Iterator[Batch], *, steps: int, lr: float, probe: Batch) -> Iterator[Run]:
    """Train with AdamW, warm-up and cosine decay; yield the growing Run before the first and after every step.

    probe: the batch on which the norms are measured, before the first step and `PROBES` times more

    Raises what `descend` raises.
    """
    run, due = Run(planned=steps), {round(k * steps / PROBES) for k in range(PROBES + 1)}

    def look() -> Run:
        if run.steps in due:
            run.probed.append(run.steps)
            for name, layers in measure(model, probe).items():
                run.probes[name].append(layers)
        return run

    yield look()
    for _ in descend(run, model, batches, steps=steps, lr=lr, weight_decay=0.01, rate=rate):
        yield look()


def rate(step: int, steps: int) -> float:
    """`warm_cosine` with a rise that is rounded, and a fall that begins one step sooner."""
    rising = max(1, round(0.05 * steps))
    if step <= rising:
        return step / rising
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
