"""The one cell that times kernels: a process of its own, on a GPU where one is, and it says what ran."""

import os

import pytest
import torch

from seqlab import course
from seqlab.course import lab
from seqlab.tiles import speed


def test_it_says_what_ran():
    timed = speed.bigbird(512, seed=0)
    assert timed.sparse > 0 and timed.dense > 0
    assert timed.where.startswith("triton: a GPU" if torch.cuda.is_available() else "tiled: the tensors are on cpu")
    assert timed.on_gpu == torch.cuda.is_available()


def test_what_goes_wrong_there_is_told_here():
    with pytest.raises(RuntimeError, match="timing -1 tokens: .*negative dimension"):
        speed.bigbird(-1, seed=0)


def test_with_a_gpu_a_lab_says_where_kernels_run(monkeypatch, capsys):
    monkeypatch.setattr(lab, "in_notebook", lambda: True)
    monkeypatch.setattr(lab, "say", lambda both: print(both[1]))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(lab.sys, "path", list(lab.sys.path))
    for here in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: here)
        course.begin("00_start_here", "smoke", 0)
        assert ("A GPU is here" in capsys.readouterr().out) == here
