"""`python -m seqlab.looped_training [--full] [--dask ADDRESS]`: what lab 11 measured beforehand."""

from seqlab.looped_training.experiments import EXPERIMENT
from seqlab.train.experiment import main

PAPER = {"action": "store_true", "help": "the paper's sizes instead"}
DEVICE = {"default": "cpu", "help": "where to train: cpu, or cuda where a GPU is"}

if __name__ == "__main__":
    main(EXPERIMENT, paper=PAPER, device=DEVICE)
