"""The pictures of the page, each a single panel, so that the page can lay them out for any width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator

from diml_inverse.benchmark.page.svg import CELL, INK, NUMBER_OF_COLOURS, SERIES
from diml_inverse.benchmark.reports.figures import MARKERS, readable_ticks
from diml_inverse.benchmark.running.estimators import ESTIMATORS

# Inches: width and height; margins left and below. Fixed, so that panels line up; and to find the least takes seconds.
PANEL, SMALL_PANEL, SWATCH = (3.6, 2.6), (2.0, 1.8), (0.4, 0.2)
MARGINS, SMALL_MARGINS, REST = (0.6, 0.5), (0.52, 0.28), 0.06
MOST_POINTS, MOST_STEPS = 150, 200
BEYOND = 1.3  # times the range of the true differences; what lies further out is drawn at the edge


class Mark(NamedTuple):
    """How an estimator looks in all pictures."""

    colour: str
    marker: str
    line: str


def marks_of(estimators: Iterable[str]) -> dict[str, Mark]:
    """The suite's estimators always look the same; others follow."""
    names = list(estimators)
    order = list(dict.fromkeys([*ESTIMATORS, *names]))
    places = {name: order.index(name) for name in names}
    return {
        name: Mark(
            SERIES[i % NUMBER_OF_COLOURS],
            MARKERS[(i + i // NUMBER_OF_COLOURS) % len(MARKERS)],
            "-" if i < NUMBER_OF_COLOURS else "--",
        )
        for name, i in places.items()
    }


def swatch(mark: Mark) -> Figure:
    """The mark alone, for a legend."""
    figure = Figure(figsize=SWATCH)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 2), ylim=(-1, 1))
    axes.plot([0, 2], [0, 0], color=mark.colour, linestyle=mark.line, linewidth=1.4)
    axes.plot([1], [0], color=mark.colour, marker=mark.marker, markersize=6)
    return figure


def against_time(part: pd.DataFrame, marks: Mapping[str, Mark], floor: float | None = None) -> Figure:
    """Logarithmic both ways; each mark is a cell and links to it.

    Args:
        part: of one task: columns estimator, fit_seconds, value and cell, all positive.
        marks: by estimator.
        floor: where to draw a dotted line.
    """
    figure, axes = _panel(PANEL, MARGINS)
    for name, cells in part.groupby("estimator", sort=False):
        mark = marks[str(name)]
        drawn = axes.scatter(cells["fit_seconds"], cells["value"], s=42, alpha=0.85, c=mark.colour, marker=mark.marker)
        drawn.set_urls([f"{CELL}{number}" for number in cells["cell"]])
    if floor is not None:
        axes.axhline(floor, color=INK, linestyle=":", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="time of the fit (seconds)")
    axes.margins(0.12)
    readable_ticks(axes.xaxis, part["fit_seconds"])
    readable_ticks(axes.yaxis, part["value"])
    return figure


def learning_curves(curves: Sequence[tuple[pd.DataFrame, Mark]]) -> Figure:
    """Log-likelihood against time, of held-out play where the estimator holds some out (strong), else of its own."""
    figure, axes = _panel(PANEL, MARGINS)
    for history, mark in curves:
        for column, alpha in (("train_log_likelihood", 0.55), ("validation_log_likelihood", 1.0)):
            if column in history:
                steps = _thinned(history[["seconds", column]].dropna(), MOST_STEPS)
                single = mark.marker if len(steps) == 1 else ""
                style: dict[str, Any] = {"color": mark.colour, "linestyle": mark.line, "marker": single}
                axes.plot(steps["seconds"], steps[column], alpha=alpha, linewidth=1.4, markersize=6, **style)
    axes.set(xscale="log", xlabel="time since the fit began (seconds)")
    readable_ticks(axes.xaxis, pd.concat([history["seconds"] for history, _ in curves]))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def has_curve(history: pd.DataFrame) -> bool:
    """Whether `learning_curves` can draw it."""
    return {"seconds", "train_log_likelihood"} <= set(history) and bool((history["seconds"] > 0).any())


def recovered_against_true(points: pd.DataFrame, mark: Mark, largest: float) -> Figure:
    """Payoff differences of one task and estimator; on the diagonal they are right.

    Args:
        points: columns true and recovered.
        mark: of the estimator.
        largest: true difference of the task, so that its estimators' panels can be compared.
    """
    figure, axes = _panel(SMALL_PANEL, SMALL_MARGINS)
    end = BEYOND * largest
    axes.plot([-end, end], [-end, end], color=INK, linewidth=0.8, linestyle=":")
    shown = _thinned(points, MOST_POINTS)
    _dots(axes, shown["true"].to_numpy(), shown["recovered"].clip(-end, end).to_numpy(), mark)
    axes.set(xlim=(-1.04 * end, 1.04 * end), ylim=(-1.04 * end, 1.04 * end))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3, symmetric=True))
    return figure


def _panel(size: tuple[float, float], margins: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size)
    (width, height), (left, below) = size, margins
    inner = (width - left - REST) / width, (height - below - REST) / height
    return figure, figure.add_axes((left / width, below / height, *inner))


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray, mark: Mark) -> None:
    """Strokes of no length with round ends: a third of the bytes of as many markers."""
    ends = np.repeat(np.stack([x, y], 1), 2, axis=0)
    outline = Outline(ends, np.tile([Outline.MOVETO, Outline.LINETO], len(x)))
    outline.should_simplify = False
    style = {"edgecolor": mark.colour, "facecolor": "none", "capstyle": "round", "linewidth": 3.2, "alpha": 0.55}
    axes.add_patch(PathPatch(outline, **style))


def _thinned(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many rows, first and last among them."""
    if len(table) <= most:
        return table
    return table.iloc[np.linspace(0, len(table) - 1, most).round().astype(int)]
