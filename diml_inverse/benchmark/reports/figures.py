"""Figures of a run, like the paper's: error against time, error against the number of agents, training curves."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks.catalogue import TASKS, in_order
from diml_inverse.drawing.palette import MANY

MARKERS = "osD^vPXh"
AXES = {
    "payoff_difference_mse_relative": "payoff-difference MSE / knowing nothing",
    "payoff_difference_mse_rescaled": "MSE after rescaling / knowing nothing",
    "histogram_kl": "counterfactual KL (nats)",
    "choice_kl": "choice KL (nats per decision)",
}


def style(name: str) -> dict[str, Any]:
    """Colour and marker, always the same for the suite's estimators; those of others follow from their names."""
    i = _number(name)
    return {"color": MANY[i % len(MANY)], "marker": MARKERS[(i + i // len(MANY)) % len(MARKERS)]}


def _number(name: str) -> int:
    return list(ESTIMATORS).index(name) if name in ESTIMATORS else len(ESTIMATORS) + zlib.crc32(name.encode()) % 64


def against_time(results: pd.DataFrame, metric: str) -> Figure | None:
    """The metric against the time of the fit, a panel for each task; small marks are seeds, large ones their means.

    A dotted line shows the noise floor of the histogram KL. None if the results hold no such metric.
    """
    wide = _wide(results)
    if metric not in wide or wide[metric].notna().sum() == 0:
        return None
    shown = wide.dropna(subset=[metric, "fit_seconds"])
    tasks = in_order(shown["task"].unique(), TASKS)
    figure, panels = _panels(len(tasks))
    for axes, task in zip(panels, tasks, strict=True):
        part = shown[shown["task"] == task]
        for name in in_order(part["estimator"].unique(), ESTIMATORS):
            cells = part[part["estimator"] == name]
            axes.scatter(cells["fit_seconds"], cells[metric], s=14, alpha=0.5, linewidths=0, **style(name))
            axes.scatter(_centre(cells["fit_seconds"]), _centre(cells[metric]), s=75, edgecolors="white", **style(name))
        if metric == "histogram_kl":
            axes.axhline(part["histogram_kl_noise_floor"].mean(), color="0.4", linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", title=task)
        readable_ticks(axes.xaxis, part["fit_seconds"])
        readable_ticks(axes.yaxis, part[metric])
    figure.supxlabel("time of the fit (seconds)")
    figure.supylabel(AXES[metric])
    _legend(figure, in_order(shown["estimator"].unique(), ESTIMATORS), floor=metric == "histogram_kl")
    return figure


def against_agents(results: pd.DataFrame) -> Figure | None:
    """Error and counterfactual KL against the number of agents of the crowds (E7). None with fewer than two sizes."""
    wide = _wide(results)
    crowds = wide[wide["task"].str.startswith("E7-n")].copy()
    crowds["agents"] = crowds["task"].str.removeprefix("E7-n").astype(int)
    metrics = [name for name in ("payoff_difference_mse_relative", "histogram_kl") if name in crowds]
    if crowds["agents"].nunique() < 2 or not metrics:
        return None
    figure, panels = _panels(len(metrics))
    for axes, metric in zip(panels, metrics, strict=True):
        for name in in_order(crowds["estimator"].unique(), ESTIMATORS):
            means = crowds[crowds["estimator"] == name].groupby("agents")[metric].mean().dropna()
            axes.plot(means.index, means, markersize=6, linewidth=1.5, **style(name))
        if metric == "histogram_kl":
            floor = crowds.groupby("agents")["histogram_kl_noise_floor"].mean()
            axes.plot(floor.index, floor, color="0.4", linestyle=":", linewidth=1)
        sizes = sorted(crowds["agents"].unique())
        axes.set(yscale="log", ylabel=AXES[metric], xticks=sizes, xticklabels=[str(size) for size in sizes])
        readable_ticks(axes.yaxis, crowds[metric])
    figure.supxlabel("number of agents")
    _legend(figure, in_order(crowds["estimator"].unique(), ESTIMATORS), floor="histogram_kl" in metrics)
    return figure


def training_curves(results: Path) -> Figure | None:
    """Log-likelihood against epoch, the smallest seed of each task; pale: trained on, strong: held out.

    Of several fits within an estimator the first is shown. None if nothing was trained epoch by epoch.
    """
    curves = _epochs(results / "curves")
    if not curves:
        return None
    tasks = in_order({task for task, _ in curves}, TASKS)
    figure, panels = _panels(len(tasks))
    for axes, task in zip(panels, tasks, strict=True):
        for name in in_order({name for found, name in curves if found == task}, ESTIMATORS):
            _curve(axes, curves[task, name], {"color": style(name)["color"], "linestyle": _line(name)})
        axes.set(xscale="log", title=task)
    figure.supxlabel("epoch")
    figure.supylabel("log-likelihood (nats per decision)")
    _legend(figure, in_order({name for _, name in curves}, ESTIMATORS), lines=True)
    return figure


def _curve(axes: Axes, history: pd.DataFrame, style: dict[str, Any]) -> None:
    axes.plot(history["epoch"], history["train_log_likelihood"], alpha=0.4, linewidth=1, **style)
    if "validation_log_likelihood" in history:
        axes.plot(history["epoch"], history["validation_log_likelihood"], linewidth=1.6, **style)


def _line(name: str) -> str:
    """Dashed where a colour comes for the second time."""
    return "-" if _number(name) < len(MANY) else "--"


def _epochs(folder: Path) -> dict[tuple[str, str], pd.DataFrame]:
    curves: dict[tuple[str, str], pd.DataFrame] = {}
    for path in sorted(folder.glob("*/*/*.csv"), key=lambda path: int(path.stem)):
        history = pd.read_csv(path)
        if {"epoch", "train_log_likelihood"} <= set(history):
            first = history[history["member"] == 0] if "member" in history else history
            curves.setdefault((path.parts[-3], path.parts[-2]), first)
    return curves


def _wide(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell, a column for each metric."""
    return results.pivot(index=["task", "estimator", "seed"], columns="metric", values="value").reset_index()


def _centre(values: pd.Series[float]) -> float:
    """Geometric mean, since axes are logarithmic."""
    return float(np.exp(np.log(values[values > 0]).mean()))


def readable_ticks(axis: Axis, values: pd.Series[float]) -> None:
    """Ticks within decades too where there are few decades, and no `6 x 10^-1`."""
    positive = values[values > 0]
    spread = np.inf if positive.empty else positive.max() / positive.min()
    if spread < 1.01:  # matplotlib's own limits around a single value are sometimes of no width
        axes, limits = axis.axes, (positive.min() / 5, positive.max() * 5)
        axes.set(xlim=limits) if axis is axes.xaxis else axes.set(ylim=limits)
    fine = 1.01 < spread < 3
    subs = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if fine else (1, 2, 3, 5) if spread < 40 else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _panels(number: int) -> tuple[Figure, Sequence[Axes]]:
    columns = min(number, 4)
    rows = -(-number // columns)
    figure = Figure(figsize=(max(0.8 + 3.2 * columns, 7), 1.4 + 2.9 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[number:]:
        axes.remove()
    for axes in panels[:number]:
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    return figure, panels[:number]


def _legend(figure: Figure, names: Sequence[str], lines: bool = False, floor: bool = False) -> None:
    axes = figure.axes[0]
    handles = [
        axes.plot(
            [],
            [],
            color=style(name)["color"],
            marker="" if lines else style(name)["marker"],
            linestyle=_line(name) if lines else "",
            label=name,
        )[0]
        for name in names
    ]
    if floor:
        handles += axes.plot([], [], color="0.4", linestyle=":", linewidth=1, label="noise floor")
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4), frameon=False)
