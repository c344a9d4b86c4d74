"""Grading a class: what a student handed in, judged in a sandbox by the judge of the notebooks.

wire       plain data over a pipe, and the judge's functions by number: nothing is ever unpickled
submission what of a notebook is needed: the gated functions and whatever they use
box        the student's process: it runs that, and answers calls
sandbox    how it is started: bubblewrap where there is one
grade      the trusted side: the judge, with a proxy in the function's place
book       the class: results kept one by one, gradebook, feedback
nbgrader   the labs as a course for nbgrader, whose grades can be forged
"""
