"""`python -m seqlab.sparse [--full] [--dask ADDRESS]`: what lab 03 measured beforehand."""

from seqlab.sparse.copying import EXPERIMENT
from seqlab.train.experiment import main

if __name__ == "__main__":
    main(EXPERIMENT)
