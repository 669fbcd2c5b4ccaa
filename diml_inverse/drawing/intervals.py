"""Intervals in pictures: bars, and arrows where an end is infinite."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

ARROW = 0.06  # length of an arrow, share of the axis


def draw_intervals(axes: Axes, x: ArrayLike, value: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
    """Vertical bars from low to high; an arrow from the value (or the finite end, if further) towards an infinite end.

    What is infinite on both sides, or not known, is not drawn. To be called when the axis has its limits.
    """
    places, middle, low, high = (np.asarray(part, float) for part in (x, value, low, high))
    drawn = np.isfinite(places) & np.isfinite(middle) & (np.isfinite(low) | np.isfinite(high))
    bottom, top = axes.get_ylim()
    length = ARROW * (top - bottom)
    ends = np.where(np.isfinite(low), low, middle - length), np.where(np.isfinite(high), high, middle + length)
    axes.vlines(places[drawn], ends[0][drawn], ends[1][drawn], color="0.55", linewidth=0.8, zorder=1.5)
    for infinite, end, marker in ((np.isinf(low), ends[0], "v"), (np.isinf(high), ends[1], "^")):
        some = drawn & infinite
        axes.plot(places[some], end[some], marker, color="0.55", markersize=4, linestyle="none", zorder=1.6)
