"""The living book: all labs executed, as pages in which the widgets move. `python -m ci.book`, or `make book`."""
