"""`python -m seqlab.documents.questions`: train and judge the readers that the file of results lacks."""

from seqlab.documents.questions.experiment import EXPERIMENT

if __name__ == "__main__":
    EXPERIMENT.main()
