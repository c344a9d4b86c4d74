"""What torchrun runs for the tests: each configuration in float64, by DDP and by FSDP; curves go into a folder."""

import sys

import torch
import torch.distributed as dist

from seqlab.train.scale.__main__ import Run
from seqlab.train.scale.config import read

SMALL = ["data=shipped", "precision=float64", "steps=3", "keep=2", "batch=4"]
NAMES = ("looped", "sigmoid", "big_bird", "one_layer")

if __name__ == "__main__":
    dist.init_process_group("gloo")
    for name in NAMES:
        for shard in ("false", "true"):
            config = read(name, [*SMALL, f"shard={shard}", f"out={sys.argv[1]}/{name}-{shard}"])
            Run(config, torch.device("cpu")).train_on()
    dist.destroy_process_group()
