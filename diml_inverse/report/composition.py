"""What a recovered game is made of: kinds of interaction and what each contributes."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from diml_inverse.drawing.palette import BLUE
from diml_inverse.estimate.estimate import Estimate


def composition_table(estimate: Estimate) -> pd.DataFrame:
    """A row for each kind of interaction, largest first.

    Columns: kind; weights (number of parameters) and effective_weights (as many as the data determined);
    prior_variance (payoff units squared); root_mean_square (what the kind adds to payoff differences, payoff units);
    low, high (its 95 % credible interval; empty where the kind is all but ruled out, or has very many weights);
    share_of_variance (its square over that of all differences; shares need not add up to one, as kinds overlap; none
    where nothing was found); log_evidence (nats by which the play speaks for the kind, the others given).

    Raises:
        ValueError: the estimate is of another kind of fit.
    """
    if "kinds" not in estimate.info:
        raise ValueError("only a fit by InteractionEvidence (DIML with mechanism='auto') says what a game is made of")
    table = pd.DataFrame(estimate.info["kinds"])
    return table.astype({name: float for name in ("low", "high") if name in table})  # None is NaN


def composition_chart(estimate: Estimate) -> Figure:
    """Bars of each kind's contribution to payoff differences, root mean square in payoff units, with its interval and
    the evidence for it: variances of kinds that overlap do not add up, so that shares of them would mislead."""
    table = composition_table(estimate).iloc[::-1]
    nothing = bool(estimate.info.get("nothing_found", False))
    figure = Figure(figsize=(9, 1.8 + 0.36 * len(table)), layout="constrained")
    axes = figure.subplots()
    sizes = table["root_mean_square"]
    axes.barh(table["kind"], sizes, color=BLUE, height=0.55)
    known = "high" in table and table["high"].notna().any()
    ends = (table["high"] if known else sizes).astype(float).fillna(sizes)
    for place, (row, end) in enumerate(zip(table.to_dict("records"), ends, strict=True)):
        found = row["prior_variance"] > 0 and not nothing
        text = f"{row['root_mean_square']:.2g}, evidence {row['log_evidence']:+.0f} nats" if found else "not found"
        if known and pd.notna(row["high"]):
            axes.hlines(place, row["low"], row["high"], color="0.25", linewidth=1.2)
            text += f"; {row['low']:.2g} to {row['high']:.2g}" if found else f"; at most {row['high']:.2g}"
        where, colour = (max(end, row["root_mean_square"]), place), "black" if found else "0.45"
        axes.annotate(
            text, where, xytext=(5, 0), textcoords="offset points", va="center", fontsize="small", color=colour
        )
    title = "What this game is made of"
    if nothing:
        title += "\nnothing found: the play predicts no better than chance"
    lines = "lines are 95 % intervals" if known else "no intervals, as this fit is from before they were worked out"
    axes.set(xlabel="contribution to payoff differences\n(root mean square, payoff units)", title=title)
    axes.set_xlim(0, 1.75 * ends.max() if ends.max() > 0 else 1.0)
    axes.spines[["top", "right"]].set_visible(False)
    overlap = "Kinds overlap: contributions do not add up to the whole, nor their squares to 100 % of its variance"
    note = f"{overlap}; {lines}."
    figure.supxlabel(note, x=0.5, fontsize="small", color="0.35")
    return figure
