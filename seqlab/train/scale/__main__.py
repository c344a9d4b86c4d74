"""`torchrun --nproc-per-node 8 -m seqlab.train.scale CONFIG [key=value …]`: train at a paper's size, resumable.

CONFIG is one of the TOML files beside this one, or a path; `data=shipped` trains it small, on what comes with seqlab,
and then `python -m seqlab.train.scale CONFIG data=shipped` will do. The model, its loop and its data are those of the
labs; PyTorch's DDP or FSDP spreads them. In the folder `out` stand the last two checkpoints, `curve.json` (a `History`)
and its picture `curve.html`. When a process dies, torchrun ends the others; started again with the same `out`, the run
goes on where its last checkpoint was, with any number of processes.
"""

import json
import os
import shutil
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from seqlab.colours import BLUE
from seqlab.draw.sketch import chart
from seqlab.train.fit import History, adamw, descend, fresh, warm_cosine
from seqlab.train.scale.config import named, read
from seqlab.train.scale.corpus import GAP, Pair, batches, corpus
from seqlab.train.scale.estimate import cost, told

FREE = ("shard", "keep", "out")  # what may be another when a run goes on


class Run(nn.Module):
    """A model that `descend` trains, a batch shared among the processes; its state is left in `config.out`."""

    def __init__(self, config: Namespace, device: torch.device):
        super().__init__()
        self.config, self.device, self.folder = config, device, Path(config.out)
        self.rank, self.world, self.history = dist.get_rank(), dist.get_world_size(), History()
        if config.batch % self.world:
            raise ValueError(f"batch: got {config.batch}, wanted a multiple of {self.world}, the number of processes")
        vocabulary, classes, self.draw = corpus(config)
        make = partial(named(config.model), vocabulary, classes, config.length, **config.sizes)
        self.narrow = dict(narrow=config.precision == "bfloat16")
        if self.rank == 0:
            with torch.device("meta"):
                model = make()
            parts = self.world if config.shard else 1
            needs = cost(model, *self.draw(0, config.batch // self.world), parts=parts, **self.narrow)
            print(told(*needs, device=device, steps=config.steps, **self.narrow), flush=True)
        model = fresh(make, config.seed).to(torch.float64 if config.precision == "float64" else torch.float32)
        # FSDP fears that its output, a view, is changed in place: the loss only reads it
        warnings.filterwarnings("ignore", "FSDP2-wrapped module")
        for part in [*getattr(model, "blocks", ()), model] if config.shard else ():
            fully_shard(part, mesh=init_device_mesh(device.type, (self.world,)))
        self.model = model if config.shard else DistributedDataParallel(model.to(device))
        self.optimizer = adamw(self.model, config.lr, config.weight_decay)

    def loss(self, batch: Pair) -> Tensor:
        """Mean nats per token of the batch that is asked for, whichever process has it."""
        inputs, targets = (part.chunk(self.world)[self.rank].to(self.device) for part in batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow["narrow"]):
            logits = self.model(inputs).flatten(0, -2)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        nats = F.cross_entropy(logits, targets.flatten(), ignore_index=GAP, reduction="sum")
        # the processes' gradients are averaged, so each gives its part of the mean, `world` times
        mine = self.world / (batch[1] != GAP).sum().item() * nats
        dist.all_reduce(mean := mine.detach() / self.world)
        return mine + (mean - mine).detach()  # the value of all, the gradient of this part

    def train_on(self) -> History:
        """To the last step; a checkpoint every `keep` steps and at the end."""
        self.resume()
        config, history = self.config, self.history
        pairs = batches(self.draw, config.seed, config.batch, history.steps)
        how = dict(lr=config.lr, weight_decay=config.weight_decay, rate=partial(warm_cosine, warmup=config.warmup))
        loop = descend(history, self, pairs, steps=config.steps, optimizer=self.optimizer, **how)
        for _ in tqdm(loop, "training", config.steps, initial=history.steps, disable=self.rank > 0):
            if history.steps % config.keep == 0 or history.steps == config.steps:
                self.save()
        return history

    def state(self) -> dict:
        return dict(zip(("model_state_dict", "optim_state_dict"), get_state_dict(self.model, self.optimizer)))

    def save(self) -> None:
        """The curve first: who goes on from a checkpoint needs all steps before it."""
        if self.rank == 0:
            rows = list(zip(self.history.step, self.history.loss))[:: max(1, self.history.steps // 500)]
            line = ("loss", rows, {"stroke": BLUE})
            said = json.dumps({"config": vars(self.config), "history": asdict(self.history)})
            page = "<!doctype html><meta charset='utf-8'><title>Training loss</title>"
            page += chart("Training loss", "nats per token", [line], last=self.config.steps)
            for name, text in (("curve.json", said), ("curve.html", page)):
                self.folder.mkdir(parents=True, exist_ok=True)
                (new := self.folder / f"{name}.new").write_text(text, encoding="utf-8")
                new.replace(self.folder / name)
        save(self.state(), checkpoint_id=self.folder / f"step-{self.history.steps:09}")
        for old in sorted(self.folder.glob("step-*"))[:-2] if self.rank == 0 else ():
            shutil.rmtree(old)

    def resume(self) -> None:
        """Go to the last checkpoint that is whole, if there is one; ValueError where it is one of another run."""
        whole = sorted(self.folder.glob("step-*/.metadata"))
        if not whole:
            return
        said, mine = json.loads((self.folder / "curve.json").read_text(encoding="utf-8")), vars(self.config)
        other = [f"{key} = {old!r}" for key, old in said["config"].items() if key not in FREE and mine.get(key) != old]
        if other:
            raise ValueError(f"out: in {self.folder} is a run with {', '.join(other)}; give another out=, or remove it")
        load(state := self.state(), checkpoint_id=whole[-1].parent)
        set_state_dict(self.model, self.optimizer, **state)
        step = int(whole[-1].parent.name.partition("-")[2])
        for name in ("step", "loss", "gradient"):
            setattr(self.history, name, said["history"][name][:step])
        self.history.seconds = said["history"]["seconds"]
        if self.rank == 0:
            print(f"Goes on after step {step}, from {whole[-1].parent}.", flush=True)


def main(arguments: Sequence[str]) -> History:
    """arguments: CONFIG, then changes; in the processes that torchrun starts, or in one alone."""
    config, device = read(arguments[0], arguments[1:]), torch.device("cpu")
    if torch.cuda.is_available():
        torch.cuda.set_device(device := torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))))
    alone: Any = {} if "RANK" in os.environ else dict(store=dist.HashStore(), rank=0, world_size=1)  # type: ignore
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", **alone)
    try:
        return Run(config, device).train_on()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"seqlab.train.scale: {error}")
