"""`python -m seqlab`: the doctor's report."""

from seqlab.course.doctor import report

if __name__ == "__main__":
    print(report())
