"""Intervals of payoff differences, with a likelihood's answer beside them where there is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diml_inverse.drawing.palette import BLUE, COLOURS

MOST_ROWS = 40  # of an agent
MOST_PANELS = 6
FURTHEST = 1e6


def interval_picture(table: pd.DataFrame) -> Figure:
    """A panel for each agent, most visited contexts first; columns low and high, payoff_difference if there is one.

    A difference of the likelihood that lies outside its interval is drawn in another colour.
    """
    names = list(dict.fromkeys(table["agent"]))[:MOST_PANELS]
    parts = [table[table["agent"] == name].head(MOST_ROWS) for name in names]
    tall = max([len(part) for part in parts] + [1])
    figure = Figure(figsize=(max(4.5 * len(names), 5), 1.6 + 0.22 * tall), layout="constrained")
    for panel, name, part in zip(figure.subplots(1, max(len(names), 1), squeeze=False)[0], names, parts, strict=False):
        place = np.arange(len(part))
        low, high = part["low"].clip(-FURTHEST, FURTHEST), part["high"].clip(-FURTHEST, FURTHEST)
        panel.hlines(place, low, high, color=BLUE, linewidth=4, alpha=0.5)
        panel.plot((low + high) / 2, place, "|", color=BLUE)
        if "payoff_difference" in part:
            value = part["payoff_difference"].to_numpy()
            outside = (value < part["low"].to_numpy()) | (value > part["high"].to_numpy())
            panel.plot(value[~outside], place[~outside], "o", color=COLOURS[2], markersize=4)
            panel.plot(value[outside], place[outside], "X", color=COLOURS[5], markersize=6)
        panel.axvline(0, color="0.7", linewidth=0.8)
        panel.set_yticks(place, [f"{others}: {action}" for others, action in part[["others", "action"]].values])
        panel.invert_yaxis()
        panel.set_title(str(name))
        panel.set_xlabel("payoff less the mean over own actions")
    figure.legend(handles=_handles("payoff_difference" in table), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _handles(with_likelihood: bool) -> list[Line2D]:
    handles = [Line2D([], [], color=BLUE, linewidth=4, alpha=0.5, label="little regret (no model of learning)")]
    if with_likelihood:
        handles.append(Line2D([], [], linestyle="", color=COLOURS[2], marker="o", label="likelihood, inside"))
        handles.append(Line2D([], [], linestyle="", color=COLOURS[5], marker="X", label="likelihood, outside"))
    return handles
