"""The picture of a diagnosis: learning curves above; calibration, autocorrelation and likelihoods below."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from diml_inverse.diagnosis.rivals import MODEL
from diml_inverse.drawing.palette import BLUE, COLOURS, GREY
from diml_inverse.metrics.calibration import draw_reliability

MOST_PANELS = 6
MOST_ACTIONS = 5
WIDTH = 170  # characters of the verdict on a line


def picture(
    verdict: str,
    learning_curves: pd.DataFrame,
    calibration: pd.DataFrame,
    autocorrelations: pd.DataFrame,
    likelihoods: pd.DataFrame,
) -> Figure:
    """All of a `Diagnosis` on one page, the verdict above."""
    agents = list(dict.fromkeys(learning_curves["agent"]))
    shown = agents[:MOST_PANELS]
    columns = 4 if len(shown) == 4 else min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(13.5, 4.9 + 2.8 * rows), layout="constrained")
    figure.suptitle("\n".join(textwrap.wrap(verdict, WIDTH)), fontsize="medium")
    grid = figure.add_gridspec(2, 1, height_ratios=(2.8 * rows, 4.2))
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    panels = above.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    _curves(above, panels, learning_curves, shown, len(agents))
    left, middle, right = below.subplots(1, 3)
    draw_reliability(left, calibration, "Calibration")
    _autocorrelations(middle, autocorrelations, shown)
    _likelihoods(right, likelihoods)
    return figure


def _curves(
    figure: SubFigure, panels: NDArray[np.object_], curves: pd.DataFrame, shown: list[str], number: int
) -> None:
    for axes, agent in zip(panels, shown, strict=False):
        _curve(axes, curves[curves["agent"] == agent], agent)
    drawn = curves[curves["agent"].isin(shown)]
    largest = max((drawn["observed"] + 2 * drawn["standard_error"].fillna(0)).max(), drawn["predicted"].max())
    panels[0].set_ylim(0, 1.25 * largest)  # of all, which share it; room for the legend
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    cut = f", first {len(shown)} of {number} agents" if number > len(shown) else ""
    figure.suptitle(f"Observed choices (points, ± 2 standard errors over episodes) and predicted (lines){cut}")
    figure.supxlabel("round", fontsize="medium")
    figure.supylabel("share of choices", fontsize="medium")


def _curve(axes: Axes, curve: pd.DataFrame, agent: str) -> None:
    sums = curve.groupby("action", sort=False)["observed"].sum()
    most = [action for action in sums.index if action in set(sums.nlargest(MOST_ACTIONS).index)]
    for colour, action in zip(COLOURS, most, strict=False):
        part = curve[curve["action"] == action]
        middle = (part["first_round"] + part["last_round"]) / 2
        error = 2 * part["standard_error"].fillna(0)
        axes.errorbar(middle, part["observed"], yerr=error, fmt="o", color=colour, markersize=3.5, linewidth=1)
        axes.plot(middle, part["predicted"], color=colour, linewidth=2, label=str(action))
    left_out = len(sums) - len(most)
    axes.set_title(agent + (f" ({left_out} rarer actions not shown)" if left_out else ""), fontsize="medium")
    axes.grid(color="0.92")
    axes.legend(
        frameon=False, fontsize="small", ncols=MOST_ACTIONS, loc="upper center", columnspacing=1, handlelength=1
    )


def _autocorrelations(axes: Axes, table: pd.DataFrame, shown: list[str]) -> None:
    """Points of each agent beside each other, over a band of two standard errors of the widest."""
    for place, agent in enumerate(shown):
        part = table[table["agent"] == agent]
        aside = 0.5 * (place - (len(shown) - 1) / 2) / len(shown)
        axes.plot(part["lag"] + aside, part["correlation"], "o", color=COLOURS[place], markersize=3.5, label=agent)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set(xlabel="lag (rounds)", ylabel="correlation", title="Autocorrelation of residuals")
    if table.empty:  # of two rounds
        return
    band = 2 * table.groupby("lag")["standard_error"].max()
    axes.fill_between(band.index, -band, band, color="0.9", linewidth=0, label="± 2 standard errors, right model")
    widest = 1.6 * max(table["correlation"].abs().max(), band.max())
    if widest > 0:
        axes.set_ylim(-widest, widest)
    axes.legend(frameon=False, fontsize="small", ncols=2, loc="upper center")


def _likelihoods(axes: Axes, table: pd.DataFrame) -> None:
    """Above uniform choice, the last row; errors are those of the difference to the model."""
    gains = table["log_likelihood"] - table["log_likelihood"].iloc[-1]
    shown = table.iloc[:-1].assign(gain=gains.replace(-np.inf, np.nan))
    colours = [BLUE if name == MODEL else "0.7" for name in shown["predictor"]]
    errors = 2 * shown["standard_error"].fillna(0)
    axes.bar(shown["predictor"], shown["gain"], yerr=errors, color=colours, error_kw={"linewidth": 1})
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set(ylabel="nats a choice above uniform", title="Log-likelihood\n(± 2 standard errors of difference to model)")
    axes.grid(color="0.92", axis="y")
    axes.set_axisbelow(True)
