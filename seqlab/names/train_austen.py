"""Train the character model that lab 01 opens with: python -m seqlab.names.train_austen

About a quarter of an hour on one core. Seed and sizes are below; the result is `austen.pt` among the data of seqlab.
"""

from __future__ import annotations

import torch

from seqlab.train import characters, checkpoint
from seqlab.train.fit import evaluate, fit, windows

SEED, STEPS, BATCH = 0, 1500, 32

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    alphabet, learn, test = characters.novel()
    model = characters.CharModel(characters.CharConfig(alphabet))
    cut = dict(batch=BATCH, length=model.config.context + 1, seed=SEED)
    history = fit(model, windows(learn, **cut), steps=STEPS)
    loss = evaluate(model, windows(test, **cut), 50)
    checkpoint.save(model, characters.FILE)
    print(f"{history.steps} steps in {history.seconds:.0f} s; {loss:.3f} nats a character on the held-out tenth")
