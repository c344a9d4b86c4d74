"""Train the character model that lab 01 opens with: python -m seqlab.data.train_austen

About a quarter of an hour on one core. Seed and sizes are below; the result is `austen.pt` beside this file.
"""

from __future__ import annotations

import torch

from seqlab import data, models, training

SEED = 0
STEPS = 1500
BATCH = 32


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    train, test = data.split(data.austen())
    config = models.CharConfig(alphabet="".join(sorted(set(data.austen()))))
    model = models.CharModel(config)
    length = config.context + 1
    batches = training.windows(model.encode(train), batch=BATCH, length=length, seed=SEED)
    history = training.fit(model, batches, steps=STEPS)
    held_out = training.windows(model.encode(test), batch=BATCH, length=length, seed=SEED)
    loss = training.evaluate(model, held_out, 50)
    models.save(model, models.DATA / "austen.pt")
    print(f"{history.steps} steps in {history.seconds:.0f} s; {loss:.3f} nats a character on the held-out tenth")


if __name__ == "__main__":
    main()
