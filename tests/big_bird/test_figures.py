"""Every picture of Big Bird's graph says its numbers in its alt text and never by colour alone."""

import math

from seqlab.big_bird import figures as pictures
from seqlab.big_bird import small_world


def test_path_lengths():
    picture = pictures.path_lengths([64, 128, 256], {"ring": [5.0, 10.0, 20.0], "islands": [2.0, math.inf, math.inf]})
    alt = picture.layout.meta["alt"]
    assert "ring 5 to 20, like n^1.00 at the end" in alt and "islands 2 to inf." in alt
    assert len({trace.line.dash for trace in picture.data}) == len({trace.marker.symbol for trace in picture.data}) == 2
    assert picture.layout.yaxis.type == picture.layout.xaxis.type == "log"


def test_small_world_plane():
    shares = [0, 0.1, 1]
    rewired = [small_world.statistics(small_world.watts_strogatz(64, 6, share)) for share in shares]
    bird = small_world.statistics(small_world.bigbird(256, 16))
    picture = pictures.small_world_plane(shares, rewired, {"Big Bird": bird})
    assert "clustering falls from 0.60" in picture.layout.meta["alt"] and "Big Bird has" in picture.layout.meta["alt"]
    assert list(picture.data[0].text) == ["p = 0", "p = 0.1", "p = 1"]
    assert (picture.data[1].x, picture.data[1].y) == ((bird.clustering,), (bird.mean_path,))


def test_spectral_gaps_show_zero():
    picture = pictures.spectral_gaps({"window": 0.0014, "random": 0.26, "islands": 0.0})
    assert min(picture.data[0].y) > 0 and list(picture.data[0].text) == ["0.0014", "0.26", "0"]
    assert "window 0.0014, random 0.26, islands 0." in picture.layout.meta["alt"]


def test_random_sources():
    picture = pictures.random_sources({"published": [2, 1, 0, 0], "even": [1, 1, 1, 0]}, 64)
    alt = picture.layout.meta["alt"]
    assert "published: 3 draws from tokens 0 to 127, 2 of 4 blocks" in alt and "even: 3 draws" in alt
    assert list(picture.data[0].x) == [0, 64, 128, 192] and picture.data[0].width == 64
