"""`python -m seqlab.one_layer [--full] [--dask ADDRESS]`: what lab 05 measured beforehand."""

from seqlab.one_layer.trained import EXPERIMENT
from seqlab.train.experiment import main

if __name__ == "__main__":
    main(EXPERIMENT)
