"""Pictures of a fit: recovered against true differences, or observed against predicted choices."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.drawing.intervals import draw_intervals
from diml_inverse.drawing.palette import COLOURS, MARKERS
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.cross_validation import clustered_error
from diml_inverse.report.tables import relative_error

MOST_POINTS = 5000
MOST_PANELS = 6
MOST_ACTIONS = 5
DECISIONS_PER_POINT = 200
FEWEST_BINS = 8
FEW_POINTS = 8  # few enough to be named
MOST_BARS = 300  # intervals of more points would hide the points


def picture(estimate: Estimate, traces: Traces, comparison: pd.DataFrame, scale_known: bool) -> Figure:
    """Recovered against true differences where any true one is known (`comparison_table`), else choices over rounds."""
    name = "payoff_difference" if scale_known else "scaled"
    # A truth without differences has no largest to scale by.
    if f"true_{name}" in comparison and comparison[[name, f"true_{name}"]].notna().all(axis=1).any():
        return recovered_against_true(comparison, scaled=not scale_known)
    return choices_over_rounds(estimate, traces)


def recovered_against_true(comparison: pd.DataFrame, scaled: bool = False) -> Figure:
    """Scatter of `comparison_table`'s differences with the identity line; larger points were visited more often.

    Vertical bars are intervals, where there are any and points are few enough.

    scaled: each agent's differences divided by its largest, for when the precision, and so the unit, is not known.
    """
    name = "scaled" if scaled else "payoff_difference"
    known = comparison.dropna(subset=[name, f"true_{name}"])
    # Shuffled, so that no agent is always drawn on top, nor taken first among contexts visited equally often.
    shown = known.sample(frac=1, random_state=0).nlargest(MOST_POINTS, "visits").sample(frac=1, random_state=0)
    figure = Figure(figsize=(8.6, 6.2), layout="constrained")
    axes = figure.subplots()
    _identity_line(axes, shown[[name, f"true_{name}"]].to_numpy())
    bars = _bars(axes, shown, scaled)
    _points(axes, shown, name, "point size: visits; bars: 95 % intervals" if bars else "point size: visits")
    unit = "each agent's largest = 1" if scaled else "payoff units"
    axes.set(xlabel=f"true payoff difference ({unit})", ylabel=f"recovered payoff difference ({unit})")
    cut = f"\nthe {MOST_POINTS} most visited of {len(known)} points" if len(known) > MOST_POINTS else ""
    error = relative_error(known, scaled)
    axes.set_title(f"Recovered against true payoff differences{cut}\nrelative error {error:.2g} (1 = knowing nothing)")
    return figure


def _identity_line(axes: Axes, values: NDArray[np.float64]) -> None:
    low, high = values.min(), values.max()
    margin = 0.06 * (high - low) or 1.0
    axes.grid(color="0.92", zorder=0)
    axes.axline((0, 0), slope=1, color="0.6", linewidth=1, zorder=1, label="recovered = true")
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
    axes.set_axisbelow(True)


def _points(axes: Axes, shown: pd.DataFrame, name: str, explanation: str) -> None:
    agents = list(shown["agent"].sort_index().unique())
    coloured = len(agents) <= len(COLOURS)
    few = len(shown) <= 100
    size = (90 if few else 45) * (0.1 + 0.9 * shown["visits"] / shown["visits"].max())
    for number, agent in enumerate(agents if coloured else [None]):
        own = shown["agent"] == agent if coloured else pd.Series(True, shown.index)
        marker = MARKERS[number % len(MARKERS)]
        axes.scatter(
            shown.loc[own, f"true_{name}"],
            shown.loc[own, name],
            s=size[own],
            facecolors="none" if few else COLOURS[number],  # outlines, so that points under others still show
            edgecolors=COLOURS[number],
            marker=marker,
            alpha=0.9 if few else 0.35,
            linewidths=1.3 if few else 0,
            zorder=2,
        )
        label = agent if coloured else f"{len(agents)} agents"
        axes.plot([], [], marker, color=COLOURS[number], label=label, markerfacecolor="none" if few else None)
    if len(shown) <= FEW_POINTS:
        _name_points(axes, shown, name)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title=explanation, frameon=False)  # covers no point


def _bars(axes: Axes, shown: pd.DataFrame, scaled: bool) -> bool:
    """Intervals of identified differences, if to be shown; they may reach out of the picture."""
    if scaled or "std_error" not in shown or len(shown) > MOST_BARS:
        return False
    draw_intervals(axes, *(shown[name] for name in ("true_payoff_difference", "payoff_difference", "low", "high")))
    return True


def _name_points(axes: Axes, shown: pd.DataFrame, name: str) -> None:
    middle = np.mean(axes.get_xlim())
    for row in shown.to_dict("records"):
        left = row[f"true_{name}"] > middle
        axes.annotate(
            f"{row['action']}\ngiven {row['others']}",
            (row[f"true_{name}"], row[name]),
            xytext=(-9 if left else 9, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize="small",
        )


def choices_over_rounds(estimate: Estimate, traces: Traces) -> Figure:
    """Share of each action over the rounds, a panel for each agent: observed (points) and predicted (lines).

    Means over episodes and over neighbouring rounds, smaller points where fewer episodes last so long; bars are two
    standard errors of these means over episodes. A prediction uses the play before its round.
    """
    predicted = estimate.choice_probs(traces)
    agents = range(min(traces.num_agents, MOST_PANELS))
    columns = 2 if len(agents) in (2, 4) else min(len(agents), 3)
    rows = -(-len(agents) // columns)
    figure = Figure(figsize=(0.8 + 4.2 * columns, 1.0 + 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, agent in zip(panels, agents, strict=False):
        _choices_of_agent(axes, traces, predicted[:, :, agent], agent)
    panels[0].set_ylim(bottom=0)  # of all, and once all is drawn, or the first panel's top would cut the others off
    for axes in panels[len(agents) :]:
        axes.set_axis_off()
    for axes in panels[len(agents) - columns : len(agents)]:
        axes.tick_params(labelbottom=True)
    cut = f", first {len(agents)} of {traces.num_agents} agents" if traces.num_agents > len(agents) else ""
    figure.suptitle(f"Choices observed (points, ± 2 standard errors over episodes) and predicted (lines){cut}")
    figure.supxlabel("round")
    figure.supylabel("share of choices")
    return figure


def _choices_of_agent(axes: Axes, traces: Traces, predicted: NDArray[np.float64], agent: int) -> None:
    observed, labels = traces.observed[:, :, agent], traces.action_labels[agent]
    chosen = traces.actions[:, :, agent, None] == np.arange(len(labels))  # [E, T, A]
    rounds = np.broadcast_to(np.arange(traces.num_rounds), observed.shape)[observed]
    num_bins = min(max(len(rounds) // DECISIONS_PER_POINT, FEWEST_BINS), traces.num_rounds)
    data = pd.DataFrame({"bin": rounds * num_bins // traces.num_rounds, "round": rounds})
    decisions = data.groupby("bin").size()
    most_chosen = _most_chosen(traces, agent)
    data["unit"] = np.broadcast_to(traces.units[:, agent, None], observed.shape)[observed]
    for colour, marker, action in zip(COLOURS, MARKERS, most_chosen, strict=False):
        data["observed"], data["predicted"] = chosen[observed][:, action], predicted[observed][:, action]
        mean = data.drop(columns="unit").groupby("bin").mean()
        sizes = 8 + 20 * decisions / decisions.max()
        axes.scatter(mean["round"], mean["observed"], s=sizes, color=colour, marker=marker, alpha=0.7, linewidths=0)
        half = 2 * pd.Series({bin_: _error_of_share(part) for bin_, part in data.groupby("bin")}).fillna(0)
        low, high = (mean["observed"] - half).clip(lower=0), (mean["observed"] + half).clip(upper=1)
        axes.vlines(mean["round"], low, high, color=colour, linewidth=0.8, alpha=0.7)
        axes.plot(mean["round"], mean["predicted"], color=colour, linewidth=2, label=str(labels[action]))
    left_out = len(labels) - len(most_chosen)
    axes.set_title(f"{traces.agents[agent]}" + (f" ({left_out} rarer actions not shown)" if left_out else ""))
    axes.grid(color="0.92")
    columns = min(len(most_chosen), 4)  # below the panel, where it covers no point
    axes.legend(frameon=False, fontsize="small", ncols=columns, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def _error_of_share(decisions: pd.DataFrame) -> float:
    """Standard error of the share, over units that share nobody."""
    of_units = decisions.groupby("unit")["observed"].agg(["sum", "count"])
    return float(clustered_error(of_units["sum"].to_numpy(float), of_units["count"].to_numpy()))


def _most_chosen(traces: Traces, agent: int) -> NDArray[np.int64]:
    """The actions to show: the same, and so in the same colours, for all agents who have the same ones."""
    alike = [labels == traces.action_labels[agent] for labels in traces.action_labels]
    actions = traces.actions[:, :, alike][traces.observed[:, :, alike]]
    return np.sort(np.argsort(-np.bincount(actions, minlength=traces.action_counts[agent]))[:MOST_ACTIONS])
