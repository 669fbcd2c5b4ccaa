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
    share_of_variance (its square over that of all differences; shares need not add up to one, as kinds overlap; none
    where nothing was found); log_evidence (nats by which the play speaks for the kind, the others given).

    Raises:
        ValueError: the estimate is of another kind of fit.
    """
    if "kinds" not in estimate.info:
        raise ValueError("only a fit by InteractionEvidence (DIML with mechanism='auto') says what a game is made of")
    return pd.DataFrame(estimate.info["kinds"])


def composition_chart(estimate: Estimate) -> Figure:
    """Bars of each kind's contribution to payoff differences, root mean square in payoff units, with the evidence for
    it: variances of kinds that overlap do not add up, so that shares of them would mislead."""
    table = composition_table(estimate).iloc[::-1]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(table)), layout="constrained")
    axes = figure.subplots()
    sizes = table["root_mean_square"]
    axes.barh(table["kind"], sizes, color=BLUE)
    for place, row in enumerate(table.to_dict("records")):
        found = row["prior_variance"] > 0 and not estimate.info.get("nothing_found", False)
        text = f"{row['root_mean_square']:.2g}, evidence {row['log_evidence']:+.0f} nats" if found else "none"
        axes.annotate(
            text,
            (row["root_mean_square"], place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="black" if found else "0.55",
        )
    title = "What this game is made of"
    if estimate.info.get("nothing_found", False):
        title += "\nnothing found: the play predicts no better than chance"
    axes.set(xlabel="contribution to payoff differences (root mean square, payoff units)", title=title)
    axes.set_xlim(0, 1.7 * sizes.max() if sizes.max() > 0 else 1.0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
