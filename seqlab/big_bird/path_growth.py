"""Does the mean path grow like n, as on a ring, or like log n, as with random edges (Zaheer et al. 2020, section 2)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqlab.theorem import Statement, Verdict, Witness


@dataclass(frozen=True)
class Growth:
    """Mean paths against n: the exponent of n^e, the slope per ln n, and how far (rms) each straight line is off."""

    exponent: float
    per_log: float
    linear_off: float
    log_off: float

    @property
    def better(self) -> str:
        """ "linear" or "logarithmic": the law that is less far off."""
        return "linear" if self.linear_off < self.log_off else "logarithmic"

    def verdict(self, law: str) -> Verdict:
        """Whether `law` fits better than the other; margin: how much of the other's misfit it avoids.

        Paths that do not grow follow neither law.
        """
        if law not in ("linear", "logarithmic"):
            raise ValueError(f"law: got {law!r}, wanted 'linear' or 'logarithmic'")
        mine, other = (self.linear_off, self.log_off) if law == "linear" else (self.log_off, self.linear_off)
        grows = self.per_log > 0
        margin = 1 - mine / other if other and grows else 0.0
        told = f"a + b n is {self.linear_off:.2g} off, a + b ln n is {self.log_off:.2g} off"
        told += "" if grows else "; the paths do not grow at all"
        text = f"the mean path grows {'like n' if law == 'linear' else 'like log n'}"
        statement = Statement("path growth", "Zaheer et al. 2020, section 2", text)
        holds = margin > 0
        return Verdict(holds, margin, None if holds else Witness(told), statement, 2, "of the misfit", notes=(told,))


def growth(lengths: Sequence[int], mean_paths: Sequence[float]) -> Growth:
    """Fit n^e, a + b n and a + b ln n by least squares; at least three different lengths, finite paths above 0."""
    if len(lengths) != len(mean_paths) or len(set(lengths)) < 3:
        raise ValueError(
            f"lengths: got {len(lengths)} for {len(mean_paths)} paths, wanted a path each, 3 lengths or more"
        )
    n, y = np.asarray(lengths, float), np.asarray(mean_paths, float)
    if not (n > 0).all():
        raise ValueError(f"lengths: got {min(lengths)}, wanted positive ones")
    if not (np.isfinite(y) & (y > 0)).all():
        odd = y[~(np.isfinite(y) & (y > 0))][0]
        raise ValueError(f"mean_paths: got {odd}, wanted finite paths above 0; is one of the graphs not connected?")

    def fit(x: np.ndarray) -> tuple[float, float]:
        slope, start = np.polyfit(x, y, 1)
        off = float(np.sqrt(np.mean((start + slope * x - y) ** 2)))
        return tuple(0.0 if abs(z) < 1e-12 * y.max() else z for z in (float(slope), off))  # below that it is rounding

    per_log, log_off = fit(np.log(n))
    return Growth(float(np.polyfit(np.log(n), np.log(y), 1)[0]), per_log, fit(n)[1], log_off)
