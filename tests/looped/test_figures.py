"""Pictures of the looped construction: alt text tells what the numbers say."""

import pytest

from seqlab import looped
from seqlab.looped import figures, moduli


def test_loops_guaranteed_and_needed():
    picture = figures.loops_needed({1: 4, 2: 34, 10: 20002}, {2: 13, 10: 1909})
    assert "guaranteed by the theorem: 4 to 20,002" in picture.layout.meta["alt"]
    assert [list(trace.x) for trace in picture.data] == [[1, 2, 10], [2, 10]]


def test_memoriser_pictures():
    labels = [0.0, 1.0, 0.5, 0.75]
    recalled = {"without a clock": [float(v) for (v,) in looped.walk(labels).run(range(4))], "exact": labels}
    picture = figures.recalled_table(labels, recalled, 1.0)
    assert "exact: largest error 0" in picture.layout.meta["alt"] and len(picture.data) == 4
    curves = {"smooth": [(0.1, 0.2), (0.01, 0.02)], "shuffled": [(0.5, 1.0), (0.4, 0.9)]}
    assert "smooth: from 0.1 to 0.01" in figures.roughness_curves([4, 40], curves).layout.meta["alt"]
    lost = figures.lost_digits({"float64": [33, 34, None, 34], "float32": [15]})
    with pytest.raises(ValueError, match="float64 read every number"):
        figures.lost_digits({"float64": [None]})
    assert "float64: from position 33 to 34" in lost.layout.meta["alt"] and lost.data[0].y == (1, 2)


def test_rate_and_moduli_pictures():
    points = looped.curve(looped.times_mean, [2, 3])
    picture = figures.rate_curves({"without a clock": points})
    assert "from 34 to 164" in picture.layout.meta["alt"] and "r to the power -0.25" in [t.name for t in picture.data]
    assert figures.slope_curve([16, 64], [0.2, 0.1]).layout.meta["alt"].endswith("from 0.2 to 0.1.")
    found = {"reads context": moduli.moduli(moduli.reads_context, 0.5, points=5)}
    assert "sequence: " in figures.moduli_bars(found).layout.meta["alt"]
