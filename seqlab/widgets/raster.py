"""From a map of weights to pixels: max-pooling, 256 levels, the colours of cividis, and a PNG; numpy alone."""

import struct
import zlib
from math import ceil

import numpy as np
from jaxtyping import Real, UInt8

# plotly's cividis at ten equal steps: dark blue to yellow, even in lightness for colour-blind eyes too
CIVIDIS = ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838")


def palette() -> UInt8[np.ndarray, "256 3"]:
    """Cividis as 256 red-green-blue triples."""
    stops = np.array([tuple(bytes.fromhex(stop)) for stop in CIVIDIS], float)
    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(np.linspace(0, 1, 256), at, channel) for channel in stops.T]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def max_pool(
    weights: Real[np.ndarray, "query key"], query_factor: int, key_factor: int
) -> Real[np.ndarray, "row column"]:
    """The largest weight of each block of query_factor x key_factor; blocks at the end may be smaller.

    A maximum and not a mean, because a single large weight among zeros is what one looks for in a sparse map.
    """
    rows = _strided_max(weights, query_factor)
    return _strided_max(rows.T, key_factor).T


def _strided_max(weights: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return weights
    largest = weights[::factor].copy(order="K")
    for offset in range(1, min(factor, len(weights))):
        part = weights[offset::factor]  # shorter than `largest` where the last block is cut off
        np.maximum(largest[: len(part)], part, out=largest[: len(part)])
    return largest


def pool_factor(extent: float | int, pixels: int) -> int:
    """The smallest block edge that fits `extent` weights into `pixels`."""
    return max(1, ceil(extent / max(1, pixels)))


def quantise(weights: Real[np.ndarray, "query key"], peak: float) -> UInt8[np.ndarray, "query key"]:
    """Weights in 0..peak as levels 0..255, rounded; larger weights are clipped."""
    scaled = np.multiply(weights, 255 / peak if peak > 0 else 0.0, dtype=np.float32)
    return np.minimum(np.rint(scaled), 255).astype(np.uint8)


def png(levels: UInt8[np.ndarray, "row column"]) -> bytes:
    """A PNG with the cividis palette whose pixel values are the levels themselves."""
    height, width = levels.shape

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits a pixel, indices into a palette
    scanlines = np.pad(levels, ((0, 0), (1, 0))).tobytes()  # each line starts with filter type 0
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette().tobytes()),
            chunk(b"IDAT", zlib.compress(scanlines, 9)),
            chunk(b"IEND", b""),
        )
    )
