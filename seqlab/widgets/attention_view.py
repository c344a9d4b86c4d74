"""AttentionView: weights as a picture that follows the mouse, up to 4096 x 4096 for each head of each layer.

Python keeps the floats. The browser gets one byte for each pixel of the visible window, colours it, and asks back for
the exact weights of the row under the pointer.
"""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from seqlab.widgets.raster import max_pool, palette, pool_factor, quantise
from seqlab.widgets.still import Saved
from seqlab.widgets.twin import describe, figure

LARGEST = 4096
FILMED = (
    *("title", "layer", "head", "scale", "shape", "window", "pixels"),
    *("query_tokens", "key_tokens", "layer_names", "head_names", "palette"),
)
HERE = Path(__file__).parent


class AttentionView(Saved, anywidget.AnyWidget):
    """Attention weights as a map of queries (down) by keys (across), with zoom, exact readout and a row profile.

    weights: tensor, array or nested list, "query key", "head query key" or "layer head query key"; finite and not
    negative, at most 4096 x 4096 a map. They are kept, not copied: assign `view.weights` after changing them in place.
    tokens: labels of the queries, and of the keys where there are as many; key_tokens: labels of the keys otherwise.
    scale: "picture" colours from 0 to the largest weight of the map, "one" from 0 to 1.

    `view.weights = new`, of the same shape or another, repaints; labels that no longer fit give way to indices, and
    `view.show(new, tokens)` brings new ones. `view.layer` and `view.head` are traits. Raises TypeError or ValueError.
    """

    _esm = "\n".join((HERE / name).read_text("utf-8") for name in ("picture.js", "attention_view.js"))
    _css = HERE / "attention_view.css"
    alone = "attention"  # how a page plays it without Python

    title = traitlets.Unicode("Attention").tag(sync=True)
    # no echo: one message less between the key press and the picture
    layer = traitlets.Int(0).tag(sync=True, echo_update=False)
    head = traitlets.Int(0).tag(sync=True, echo_update=False)
    scale = traitlets.Enum(("picture", "one"), "picture").tag(sync=True, echo_update=False)
    shape = traitlets.List([1, 1, 1, 1], help="layer, head, query, key").tag(sync=True)
    window = traitlets.List([0, 1, 0, 1], help="first and last query, first and last key").tag(
        sync=True, echo_update=False
    )
    pixels = traitlets.List([512, 512], help="device pixels of the map: height, width").tag(
        sync=True, echo_update=False
    )
    query_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layer_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    head_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    palette = traitlets.Bytes(palette().tobytes()).tag(sync=True)
    frame = traitlets.Bytes(b"", help="levels 0..255, row by row").tag(sync=True)
    info = traitlets.Dict(help="what the frame shows").tag(sync=True)

    def __init__(
        self,
        weights,
        tokens=None,
        *,
        key_tokens=None,
        title="Attention",
        layer=0,
        head=0,
        layer_names=None,
        head_names=None,
        scale="picture",
    ):
        if scale not in ("picture", "one"):
            raise ValueError(f'scale: got {scale!r}, wanted "picture" (up to the largest weight) or "one" (0 to 1)')
        self._weights, self._version, self._peaks, self._quiet = np.empty((0, 0, 0, 0)), 0, {}, True
        super().__init__(title=title, scale=scale)
        self._take(weights, tokens, key_tokens)
        layers, heads = self.shape[:2]
        for name, value, count in (("layer", layer, layers), ("head", head, heads)):
            if not 0 <= value < count:
                raise IndexError(f"{name}: got {value}, but the weights have {count} (0 to {count - 1})")
        self.layer_names = _labels("layer_names", layer_names, layers, "layers")
        self.head_names = _labels("head_names", head_names, heads, "heads")
        self.layer, self.head, self._quiet = layer, head, False
        self._push()
        self.observe(self._push, ["layer", "head", "scale", "window", "pixels"])
        self.on_msg(self._answer)

    @property
    def weights(self) -> np.ndarray:
        """The weights, with the axes that were given: (query, key), (head, query, key) or (layer, head, query, key)."""
        return self._weights.reshape(self._weights.shape[4 - self._axes :])

    @weights.setter
    def weights(self, new) -> None:
        self._refresh(new)

    @property
    def map(self) -> np.ndarray:
        """The weights of the layer and head that are shown.    -> (query, key)"""
        return self._weights[self.layer, self.head]

    @property
    def alt(self) -> str:
        """One sentence that says what the picture shows."""
        return describe(self)

    def show(self, weights, tokens=None, *, key_tokens=None) -> None:
        """Show other weights with other labels; both as in the constructor."""
        self._refresh(weights, tokens, key_tokens, relabel=True)

    def twin(self) -> str:
        """The current map as a static HTML figure: a PNG of at most 256 x 256 pixels, legend and alt text, < 40 kB."""
        return figure(self)

    def film(self) -> dict:
        """What a page needs to play Python's part: all maps as float16, and the traits that Python does not compute."""
        weights = np.minimum(self._weights, np.finfo(np.float16).max).astype(np.float16)
        return {"weights": weights} | {name: getattr(self, name) for name in FILMED}

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": self.alt}, metadata

    def _refresh(self, weights, tokens=None, key_tokens=None, relabel=False) -> None:
        self._quiet = True
        try:
            with self.hold_sync():  # the shape, the labels and the frame travel in one message
                self._take(weights, tokens, key_tokens, relabel)
                self._push({})
        finally:
            self._quiet = False

    def _take(self, weights, tokens=None, key_tokens=None, relabel=True) -> None:
        array, largest = _checked(weights)
        maps = array.reshape((1,) * (4 - array.ndim) + array.shape)
        layers, heads, queries, keys = maps.shape
        if relabel:
            if tokens is not None and key_tokens is None and queries == keys:
                key_tokens = tokens
            query_labels = _labels("tokens", tokens, queries, "queries")
            key_labels = _labels("key_tokens", key_tokens, keys, "keys")
        else:
            query_labels = self.query_tokens if len(self.query_tokens) == queries else []
            key_labels = self.key_tokens if len(self.key_tokens) == keys else []
        self._weights, self._axes, self._version = maps, array.ndim, self._version + 1
        self._peaks = {(0, 0): largest} if layers * heads == 1 else {}
        self.query_tokens, self.key_tokens = query_labels, key_labels
        if list(maps.shape) != self.shape:
            self.shape, self.window = list(maps.shape), [0, queries, 0, keys]
            self.layer, self.head = min(self.layer, layers - 1), min(self.head, heads - 1)
            self.layer_names = self.layer_names if len(self.layer_names) == layers else []
            self.head_names = self.head_names if len(self.head_names) == heads else []

    @traitlets.validate("layer", "head")
    def _within(self, proposal) -> int:
        count = self.shape[0 if proposal["trait"].name == "layer" else 1]
        return min(max(proposal["value"], 0), count - 1)

    @traitlets.validate("window")
    def _inside(self, proposal) -> list[float]:
        first, last, left, right = map(float, proposal["value"])
        queries, keys = self.shape[2:]
        first, left = min(max(first, 0), queries - 1), min(max(left, 0), keys - 1)
        return [first, min(max(last, first + 1), queries), left, min(max(right, left + 1), keys)]

    def _largest(self) -> float:
        here = self.layer, self.head
        if here not in self._peaks:
            self._peaks[here] = float(self.map.max())
        return self._peaks[here]

    def _push(self, change=None) -> None:
        """Pool the visible window to the pixels of the screen and send it."""
        if change and self._quiet:
            return
        first, last, left, right = self.window
        height, width = (min(max(1, pixels), 1024) for pixels in self.pixels)
        query_factor, key_factor = pool_factor(last - first, height), pool_factor(right - left, width)
        top = int(first) // query_factor * query_factor  # whole blocks, so that panning does not flicker
        edge = int(left) // key_factor * key_factor
        cut = self.map[top : int(np.ceil(last)), edge : int(np.ceil(right))]
        largest = self._largest()
        peak = 1.0 if self.scale == "one" else largest
        levels = quantise(max_pool(cut, query_factor, key_factor), peak)
        with self.hold_sync():
            self.frame = levels.tobytes()
            self.info = {
                "frame": self.info.get("frame", 0) + 1,
                "version": self._version,
                "layer": self.layer,
                "head": self.head,
                "origin": [top, edge],
                "cells": list(levels.shape),
                "factors": [query_factor, key_factor],
                "peak": peak,
                "largest": largest,
            }

    def _answer(self, _, content, buffers) -> None:
        """The browser asks for the exact weights of one query."""
        query = content.get("query")
        if content.get("ask") == "row" and isinstance(query, int) and 0 <= query < self.shape[2]:
            row = self.map[query].astype(np.float64)
            self.send(
                {"query": query, "version": self._version, "layer": self.layer, "head": self.head}, [row.tobytes()]
            )


def _checked(weights) -> tuple[np.ndarray, float]:
    """The weights as a float array of two to four axes, and the largest; or an error that says what is wrong."""
    if hasattr(weights, "detach"):
        weights = weights.detach().cpu()
        if weights.dtype.itemsize < 4 and weights.is_floating_point():
            weights = weights.float()  # numpy knows no bfloat16
    try:
        array = np.asarray(weights)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"weights: got {type(weights).__name__}, wanted a tensor, an array or a nested list with rows "
            f"of equal length ({error})"
        ) from None
    if array.dtype.kind not in "fiub":
        cause = "take the real part or the modulus first" if array.dtype.kind == "c" else "are all entries numbers?"
        raise TypeError(f"weights: got {array.dtype} values, wanted real numbers; {cause}")
    if not 2 <= array.ndim <= 4:
        raise ValueError(
            f'weights: got shape {array.shape}, wanted "query key", "head query key" or "layer head query '
            f'key"; of a batch, choose one sequence first'
        )
    if 0 in array.shape:
        raise ValueError(f"weights: got shape {array.shape}, wanted at least one entry along each axis")
    if max(array.shape[-2:]) > LARGEST:
        raise ValueError(
            f"weights: got {array.shape[-2]} queries and {array.shape[-1]} keys, wanted at most {LARGEST} of "
            f"each; show a slice, e.g. weights[..., :{LARGEST}, :{LARGEST}]"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    smallest, largest = float(array.min()), float(array.max())  # both are NaN where any entry is
    if not np.isfinite(largest) or smallest == -np.inf:
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"weights: got {array[place]} at {place}, wanted finite values; a softmax gives NaN for a query "
            f"that may look at no key, and scores masked with -inf still need their normalizer"
        )
    if smallest < 0:
        place = tuple(int(i) for i in np.unravel_index(array.argmin(), array.shape))
        raise ValueError(
            f"weights: got {smallest:.4g} at {place}, wanted no negative value; these look like scores, which "
            f"can be negative: apply the normalizer first"
        )
    return array, largest


def _labels(name: str, labels: Sequence | None, count: int, what: str) -> list[str]:
    if labels is None:
        return []
    labels = [str(label) for label in labels]
    if len(labels) != count:
        hint = "; for keys that are not the queries, pass key_tokens" if what in ("queries", "keys") else ""
        raise ValueError(f"{name}: got {len(labels)} labels, wanted one for each of the {count} {what}{hint}")
    return labels
