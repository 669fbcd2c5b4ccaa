"""Picture of a prediction: shares of each action over the rounds, with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from diml_envs.traces import MISSING, Traces
from diml_inverse.drawing.palette import COLOURS
from diml_inverse.prediction.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = ("-", "--", ":", "-.")
MOST_PANELS, COLUMNS = 12, 5


def shares_over_rounds(
    predictions: Mapping[str, Prediction], observed: Traces | None = None, level: float = 0.95
) -> Figure:
    """Mean over agents of the share of each action in each round, a panel for each action, a line for each prediction.

    Bands: where shares observed in as many episodes as `observed` has, or else as were simulated, would lie.

    Args:
        predictions: by name, of games with the same actions; `{"with toll": prediction}`.
        observed: play to compare with, as points.
        level: of the bands.

    Raises:
        ValueError: no prediction, or one whose agents have different actions.
    """
    from matplotlib.figure import Figure  # only a picture needs matplotlib, and it takes long to load

    labels = {choices for prediction in predictions.values() for choices in prediction.traces.action_labels}
    if len(labels) != 1:
        raise ValueError("a picture of shares over rounds needs predictions, and all agents to have the same actions")
    actions = labels.pop()[:MOST_PANELS]
    rows, columns = math.ceil(len(actions) / COLUMNS), min(len(actions), COLUMNS)
    figure = Figure(figsize=(1 + 2.9 * columns, 1.2 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for number, action in enumerate(actions):
        for place, (name, prediction) in enumerate(predictions.items()):
            _line(panels[number], prediction, number, name, place, level, None if observed is None else len(observed))
        if observed is not None:
            _points(panels[number], observed, number)
        panels[number].set(title=str(action))
        panels[number].grid(color="0.92")
    panels[0].set_ylim(0)  # of all, and once all is drawn, or the first panel's top would cut the others off
    for panel in panels[len(actions) :]:
        panel.set_axis_off()
    figure.supxlabel("round")
    figure.supylabel("share of choices, mean over agents")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _line(
    axes: Axes, prediction: Prediction, action: int, name: str, place: int, level: float, episodes: int | None
) -> None:
    bands = prediction.mean_over_agents(level, episodes)
    rounds, colour = np.arange(len(bands.value)), COLOURS[place % len(COLOURS)]
    axes.fill_between(rounds, bands.low[:, action], bands.high[:, action], color=colour, alpha=0.2, linewidth=0)
    axes.plot(rounds, bands.value[:, action], STYLES[place % len(STYLES)], color=colour, linewidth=2, label=name)


def _points(axes: Axes, observed: Traces, action: int) -> None:
    seen = observed.actions != MISSING
    share = ((observed.actions == action) & seen).sum((0, 2)) / np.maximum(seen.sum((0, 2)), 1)
    axes.plot(np.arange(len(share)), share, "o", color="black", markersize=2.5, alpha=0.7, label="observed")
