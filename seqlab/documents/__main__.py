"""`python -m seqlab.documents [--full] [--dask ADDRESS]`: what lab 10 measured beforehand, and its reader."""

from seqlab.documents import genome, text
from seqlab.documents.questions import experiment as questions
from seqlab.train.experiment import main

if __name__ == "__main__":
    main(text.EXPERIMENT, genome.EXPERIMENT, questions.EXPERIMENT)
