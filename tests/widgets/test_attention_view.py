"""AttentionView without a browser: what it accepts, what it sends, and its static twin."""

import re
import struct
import subprocess
import sys
import zlib
from base64 import b64decode

import numpy as np
import pytest
import torch

from seqlab.widgets import AttentionView
from seqlab.widgets.raster import CIVIDIS, max_pool, palette, pool_factor, quantise

SIZES = [(1, 1), (1, 63), (63, 111), (111, 1), (512, 513), (1025, 4096)]


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def sent(view: AttentionView) -> np.ndarray:
    return np.frombuffer(view.frame, np.uint8).reshape(view.info["cells"])


def naive_pool(weights: np.ndarray, query_factor: int, key_factor: int) -> np.ndarray:
    queries, keys = weights.shape
    return np.array(
        [
            [weights[i : i + query_factor, j : j + key_factor].max() for j in range(0, keys, key_factor)]
            for i in range(0, queries, query_factor)
        ]
    )


def ask_row(view: AttentionView, query: int) -> np.ndarray:
    answers = []
    view.send = lambda content, buffers: answers.append((content, buffers))
    view._handle_custom_msg({"ask": "row", "query": query}, [])
    ((content, (row,)),) = answers
    assert (content["query"], content["layer"], content["head"]) == (query, view.layer, view.head)
    return np.frombuffer(row, np.float64)


@pytest.mark.parametrize("shape", SIZES)
def test_pooling_is_exact(shape):
    weights = uniform(*shape)
    for pixels in (1, 40, 512):
        factors = [pool_factor(extent, pixels) for extent in shape]
        if shape == (1025, 4096) and pixels == 512:
            assert factors == [3, 8]
        np.testing.assert_array_equal(max_pool(weights, *factors), naive_pool(weights, *factors))
        assert max(max_pool(weights, *factors).shape) <= pixels


@pytest.mark.parametrize("shape", SIZES)
def test_frame_is_the_pooled_and_quantised_map(shape):
    weights = uniform(*shape)
    view = AttentionView(torch.from_numpy(weights))
    assert max(view.info["cells"]) <= 512
    np.testing.assert_array_equal(
        sent(view), quantise(naive_pool(weights, *view.info["factors"]), float(weights.max()))
    )


def test_one_weight_among_zeros_stays_visible_at_4096():
    weights = torch.zeros(4096, 4096)
    weights[4095, 1234] = 0.5
    view = AttentionView(weights)
    assert np.argwhere(sent(view) == 255).tolist() == [[511, 1234 // 8]] and np.count_nonzero(sent(view)) == 1


def test_window_shows_whole_blocks_around_what_is_visible():
    weights = uniform(1024, 1024)
    view = AttentionView(weights)
    view.window = [100.5, 140.25, 7.0, 1000.0]
    (top, edge), (rows, columns), (query_factor, key_factor) = (
        view.info[name] for name in ("origin", "cells", "factors")
    )
    assert (top, edge, query_factor, key_factor) == (100, 6, 1, 2) and rows == 41 and edge + 2 * columns >= 1000
    np.testing.assert_array_equal(
        sent(view), quantise(naive_pool(weights[100:141, 6:1000], 1, 2), float(weights.max()))
    )
    view.window = [-50, 9999, 3, 3]
    assert view.window == [0, 1024, 3, 4]


def test_more_pixels_bring_a_finer_frame():
    view = AttentionView(uniform(4096, 1024))
    view.pixels = [1024, 256]
    assert view.info["cells"] == [1024, 256]
    view.pixels = [100_000, 0]
    assert view.info["cells"] == [1024, 1]


def test_quantisation_is_monotone_and_spans_the_range():
    weights = np.sort(uniform(1, 4001), axis=1)
    levels = quantise(weights, float(weights.max())).astype(int)
    assert np.all(np.diff(levels) >= 0) and levels[0, -1] == 255 and levels[0, 0] == 0
    assert np.abs(levels / 255 * weights.max() - weights).max() <= weights.max() / 509
    assert quantise(np.array([[2.0, 0.5]]), 1.0).tolist() == [[255, 128]]
    assert quantise(np.zeros((2, 2)), 0.0).max() == 0


def test_scale_one_colours_from_zero_to_one():
    view = AttentionView([[0.25, 0.5]])
    assert sent(view).tolist() == [[128, 255]]
    view.scale = "one"
    assert sent(view).tolist() == [[64, 128]] and view.info["peak"] == 1 and view.info["largest"] == 0.5


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
def test_rows_are_exact(dtype):
    weights = (torch.rand(2, 3, 63, 111, dtype=torch.float64) * 2).to(dtype)
    view = AttentionView(weights, layer=1, head=2)
    np.testing.assert_array_equal(ask_row(view, 62), weights[1, 2, 62].double().numpy())


def test_questions_that_make_no_sense_get_no_answer():
    view = AttentionView(uniform(3, 4))
    view.send = lambda *_: pytest.fail("answered")
    for content in ({}, {"ask": "row", "query": 3}, {"ask": "row", "query": -1}, {"ask": "row", "query": "1"}):
        view._handle_custom_msg(content, [])


def test_non_contiguous_weights_that_need_grad():
    weights = torch.rand(111, 63, requires_grad=True).T
    np.testing.assert_array_equal(AttentionView(weights).weights, weights.detach().numpy())


def test_new_weights_repaint_and_keep_labels_that_fit():
    view = AttentionView(uniform(2, 4, 5, 5), "abcde", layer=1, head=3, head_names="wxyz")
    frame = view.info["frame"]
    view.weights = uniform(2, 4, 5, 5) / 2
    assert view.info["frame"] == frame + 1 and view.key_tokens == list("abcde")
    view.weights = uniform(5, 7)
    assert view.shape == [1, 1, 5, 7] and (view.layer, view.head) == (0, 0) and view.window == [0, 5, 0, 7]
    assert view.query_tokens == list("abcde") and view.key_tokens == [] and view.head_names == []
    assert view.weights.shape == (5, 7) and view.info["cells"] == [5, 7]
    view.show(uniform(2, 2), ["x", "y"])
    assert view.query_tokens == view.key_tokens == ["x", "y"]


def test_a_refused_update_leaves_the_picture_alone():
    view = AttentionView(uniform(5, 5), "abcde")
    before = view.frame, view.info, view.weights
    with pytest.raises(ValueError, match="tokens: got 2 labels"):
        view.show(uniform(3, 3), "ab")
    with pytest.raises(ValueError, match="negative"):
        view.weights = -uniform(5, 5)
    assert view.frame == before[0] and view.info == before[1] and view.weights is not None
    np.testing.assert_array_equal(view.weights, before[2])


def test_layer_and_head_stay_inside():
    view = AttentionView(uniform(2, 3, 4, 4))
    view.layer, view.head = 9, -4
    assert (view.layer, view.head) == (1, 0)
    np.testing.assert_array_equal(view.map, view.weights[1, 0])


@pytest.mark.parametrize(
    "weights, error, words",
    [
        (torch.randn(63, 63), ValueError, "negative.*apply the normalizer first"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), ValueError, r"nan at \(1, 1\).*softmax gives NaN"),
        (np.array([[0.0, np.inf]]), ValueError, r"inf at \(0, 1\)"),
        (np.array([[0.0, -np.inf]]), ValueError, r"-inf at \(0, 1\)"),
        (torch.ones(3, 3, dtype=torch.complex64), TypeError, "complex64.*modulus"),
        ([["a", "b"]], TypeError, "real numbers"),
        ([[1.0], [1.0, 2.0]], TypeError, "equal length"),
        (None, TypeError, "weights: got object"),
        (np.ones(3), ValueError, r"got shape \(3,\).*\"query key\""),
        (np.ones((1, 1, 1, 2, 2)), ValueError, "of a batch"),
        (np.ones((0, 3)), ValueError, "at least one entry"),
        (np.ones((2, 4097), np.float16), ValueError, "4097 keys.*at most 4096"),
    ],
)
def test_errors_teach(weights, error, words):
    with pytest.raises(error, match=words):
        AttentionView(weights)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"tokens": "ab"}, ValueError, "tokens: got 2 labels, wanted one for each of the 3 queries.*key_tokens"),
        (
            {"tokens": "abc", "key_tokens": "ab"},
            ValueError,
            "key_tokens: got 2 labels, wanted one for each of the 4 keys",
        ),
        ({"head_names": ["a", "b"]}, ValueError, "head_names: got 2 labels"),
        ({"layer": 1}, IndexError, "layer: got 1, but the weights have 1"),
        ({"scale": "log"}, ValueError, "scale: got 'log'"),
    ],
)
def test_errors_in_options_teach(options, error, words):
    with pytest.raises(error, match=words):
        AttentionView(uniform(3, 4), **options)


def decode(html: str) -> tuple[np.ndarray, np.ndarray]:
    """The levels and the palette of the PNG inside a figure."""
    data = b64decode(re.search(r"data:image/png;base64,([^\"]+)", html)[1])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, position = {}, 8
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        assert struct.unpack(">I", data[position + 8 + length : position + 12 + length])[0] == zlib.crc32(name + body)
        chunks[name], position = body, position + 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any() and chunks[b"IEND"] == b""
    return lines[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


@pytest.mark.parametrize(
    "shape, cells", [((1, 1), 256), ((4096, 1), 256), ((63, 111), 256), ((256, 256), 160), ((1025, 4096), 160)]
)
def test_twin_is_a_small_png_with_the_right_pixels(shape, cells):
    weights = uniform(*shape)
    html = AttentionView(weights, title="A <map>").twin()
    pixels, colours = decode(html)
    assert (
        len(html.encode()) < 40_000 and 8 <= min(pixels.shape) and max(pixels.shape) <= 320 and "A &lt;map&gt;" in html
    )
    factors = pool_factor(shape[0], cells), pool_factor(shape[1], cells)
    expected = quantise(naive_pool(weights, *factors), float(weights.max()))
    edges = [length // side for length, side in zip(pixels.shape, expected.shape)]
    np.testing.assert_array_equal(pixels, expected.repeat(edges[0], 0).repeat(edges[1], 1))
    np.testing.assert_array_equal(colours, palette())


def test_alt_text_says_what_the_picture_shows():
    weights = np.zeros((2, 3, 4, 5))
    weights[1, 2, 3, 0] = 0.75
    view = AttentionView(weights, "abcd", key_tokens=["x", "y", "z", "ü", "w"], layer=1, head=2, title="Toy")
    assert view.alt == (
        "Toy: weights of 4 queries over 5 keys, layer 1 of 0 to 1, head 2 of 0 to 2; "
        "the largest is 0.75, from query 3 “d” to key 0 “x”."
    )
    assert f'alt="{view.alt}"' in view.twin()


def test_bundle_has_the_widget_and_its_twin():
    view = AttentionView(torch.rand(4096, 4096))
    data, _ = view._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert data["text/html"].startswith(view.twin()) and data["text/plain"] == view.alt
    assert sum(map(len, map(str, data.values()))) < 78_000


def test_palette_is_plotlys_cividis():
    from plotly.colors import sequential

    assert [f"#{stop}" for stop in CIVIDIS] == sequential.Cividis
    assert palette()[[0, 255]].tolist() == [[0x00, 0x22, 0x4E], [0xFE, 0xE8, 0x38]]


def test_importing_seqlab_leaves_widgets_alone():
    code = "import sys, seqlab; assert not {'ipywidgets', 'anywidget', 'plotly'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
