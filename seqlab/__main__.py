"""`python -m seqlab`: the doctor's report."""

from seqlab.doctor import report

if __name__ == "__main__":
    print(report())
