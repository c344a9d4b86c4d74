"""`python -m seqlab.sigmoid [--full] [--dask ADDRESS]`: what lab 06 measured beforehand."""

from seqlab.sigmoid.modalities import EXPERIMENT
from seqlab.train.experiment import main

if __name__ == "__main__":
    main(EXPERIMENT)
