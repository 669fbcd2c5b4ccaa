"""What a recovered game is made of: kinds of interaction and what each contributes."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from diml_inverse.drawing.palette import BLUE
from diml_inverse.estimate.estimate import Estimate


def composition_table(estimate: Estimate) -> pd.DataFrame:
    """A row for each kind of interaction, largest first.

    Columns: kind; weights (number of parameters) and effective_weights (as many as the data determined);
    prior_variance (payoff units squared); share_of_variance (of payoff differences; shares need not add up to one, as
    kinds overlap); log_evidence (nats by which the play speaks for the kind, the others given).

    Raises:
        ValueError: the estimate is of another kind of fit.
    """
    if "kinds" not in estimate.info:
        raise ValueError("only a fit by InteractionEvidence (DIML with mechanism='auto') says what a game is made of")
    return pd.DataFrame(estimate.info["kinds"])


def composition_chart(estimate: Estimate) -> Figure:
    """Bars of each kind's share in the variance of payoff differences, with the evidence for it."""
    table = composition_table(estimate).iloc[::-1]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(table)), layout="constrained")
    axes = figure.subplots()
    axes.barh(table["kind"], table["share_of_variance"], color=BLUE)
    for place, row in enumerate(table.to_dict("records")):
        found = row["prior_variance"] > 0
        text = f"{row['share_of_variance']:.1%}, evidence {row['log_evidence']:+.0f} nats" if found else "none"
        axes.annotate(
            text,
            (row["share_of_variance"], place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="black" if found else "0.55",
        )
    axes.set(xlabel="share of the variance of payoff differences", title="What this game is made of")
    axes.set_xlim(0, max(1.7 * table["share_of_variance"].max(), 0.1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure
