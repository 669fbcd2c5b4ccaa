"""The picture of `human_play.py`: predictions of people left out, and recovered payoff differences against money's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def picture(scores: pd.DataFrame, payoffs: pd.DataFrame) -> Figure:
    """How well each model predicts people left out, and recovered payoff differences against money's."""
    figure = Figure(figsize=(12.5, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    colours = dict(zip(scores["game"].unique(), ("#000000", "#0072B2", "#E69F00", "#009E73"), strict=True))
    predicted(left, scores, colours)
    recovered(right, payoffs, colours)
    return figure


def predicted(axes: Axes, scores: pd.DataFrame, colours: Mapping[str, str]) -> None:
    names = list(dict.fromkeys(scores["model"]))
    for place, (game, part) in enumerate(scores.groupby("game", sort=False)):
        height = np.array([names.index(model) for model in part["model"]]) + 0.16 * (place - 1.5)
        style = {"fmt": "o", "color": colours[str(game)], "ms": 4.5, "capsize": 2, "label": game}
        axes.errorbar(part["nats"], height, xerr=part["over_auto_error"], **style)
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="nats per choice of people left out")
    axes.set_title("Held-out log-likelihood\nbars: standard error of the difference to auto", fontsize=10)
    axes.grid(axis="x", color="0.92")
    axes.legend(frameon=False, loc="lower left")


def recovered(axes: Axes, payoffs: pd.DataFrame, colours: Mapping[str, str]) -> None:
    reach = 1.15 * payoffs["money"].abs().max()
    tall = 1.2 * payoffs[["low", "high"]].abs().to_numpy().max()
    for low, high, side in ((0, tall, (-reach, 0)), (-tall, 0, (0, reach))):
        axes.fill_between(side, low, high, color="0.94", lw=0)
    for row in payoffs.to_dict("records"):
        colour, hollow = colours[row["game"]], row["agent"] == "student"
        same = payoffs["money"].to_numpy() == row["money"]  # points at one place stand side by side
        place = payoffs.loc[same, "game"].tolist().index(row["game"]) - (same.sum() - 1) / 2
        bar = [[row["recovered"] - row["low"]], [row["high"] - row["recovered"]]]
        style = {"fmt": "s" if hollow else "o", "color": colour, "mfc": "white" if hollow else colour, "capsize": 2}
        axes.errorbar(row["money"] + 0.6 * place, row["recovered"], yerr=bar, **style)
        if place == (same.sum() - 1) / 2:
            below = {"xytext": (0, -9), "textcoords": "offset points", "fontsize": 8, "color": colour, "ha": "center"}
            axes.annotate(f"{row['other']}", (row["money"], payoffs.loc[same, "low"].min()), **below)
    axes.axhline(0, color="0.6", lw=0.8)
    axes.axvline(0, color="0.6", lw=0.8)
    axes.set(xlim=(-reach, reach), ylim=(-tall, tall), xlabel="money, points", ylabel="recovered, logits")
    what = "black: trust less control, squares: honest less cheat, colours: defect less cooperate"
    axes.set_title(f"Payoff differences by what the other did (95 %; shaded: wrong sign)\n{what}", fontsize=8)
