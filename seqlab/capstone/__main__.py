"""`python -m seqlab.capstone [--full] [--dask ADDRESS]`: what lab 12 measured beforehand."""

from seqlab.capstone.quality import EXPERIMENT
from seqlab.train.experiment import main

if __name__ == "__main__":
    main(EXPERIMENT)
