"""Train the character model that lab 01 opens with: python -m seqlab.names.train_austen

About a quarter of an hour on one core. Seed and sizes are below; the result is `austen.pt` beside this file.
"""

from __future__ import annotations

import torch

from seqlab import data
from seqlab.train import characters
from seqlab.train.fit import evaluate, fit, windows

SEED = 0
STEPS = 1500
BATCH = 32


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    train, test = data.split(data.austen())
    config = characters.CharConfig(alphabet="".join(sorted(set(data.austen()))))
    model = characters.CharModel(config)
    length = config.context + 1
    batches = windows(model.encode(train), batch=BATCH, length=length, seed=SEED)
    history = fit(model, batches, steps=STEPS)
    held_out = windows(model.encode(test), batch=BATCH, length=length, seed=SEED)
    loss = evaluate(model, held_out, 50)
    characters.save(model, characters.DATA / "austen.pt")
    print(f"{history.steps} steps in {history.seconds:.0f} s; {loss:.3f} nats a character on the held-out tenth")


if __name__ == "__main__":
    main()
