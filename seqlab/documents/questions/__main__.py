"""`python -m seqlab.documents.questions [arm …]`: train and judge, resumable; without arms all of them."""

import sys

import torch

from seqlab.documents.questions.experiment import TRAINED, measure

if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(sys.argv[1:] or TRAINED)
