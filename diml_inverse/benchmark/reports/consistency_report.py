"""The report's part on consistency: slopes as a table and a CSV file, and errors against episodes as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.reports.consistency import errors, slopes
from diml_inverse.benchmark.reports.figures import readable_ticks, style
from diml_inverse.benchmark.reports.tables import markdown

SLOPES, PICTURE = "consistency_slopes.csv", "consistency.png"
ABOUT = (
    "Slope of log payoff-difference MSE in log training episodes: a regression for each seed, their mean with a t "
    "interval over seeds. Maximum likelihood of the right form falls as 1 / episodes, slope -1; so does the "
    "Cramér-Rao bound."
)
WHY = (
    "A free table falls faster than that while most differences rest on fewer than about ten effective observations "
    "(`diml_inverse.identify`): the likelihood's maximum then lies far out, held by the ridge alone. A network falls "
    "slower at first, when it is still near no differences."
)
BOUND = {"color": "0.25", "linestyle": "--", "linewidth": 1.5}


def consistency_section(results: Path, table: pd.DataFrame) -> str:
    """Write both files beside the report, if these tasks were run; the section's text, or none.

    Args:
        results: the folder of the run.
        table: `results_table` of its cells.
    """
    found = errors(table)
    if found.empty:
        return ""
    fitted = slopes(found)
    with atomic_write(results / SLOPES) as temporary:
        fitted.to_csv(temporary, index=False, float_format="%.4g")
    with atomic_write(results / PICTURE) as temporary:
        error_against_episodes(found, fitted).savefig(temporary, dpi=130, format="png")
    header = ["estimator", "training episodes", "seeds", "slope", "95 % interval"]
    rows = [
        [
            str(row.estimator),
            f"{row.from_episodes} to {row.to_episodes}",
            f"{row.seeds}",
            f"{row.slope:.2f}",
            f"{row.low:.2f} to {row.high:.2f}",
        ]
        for row in fitted.itertuples()
    ]
    return f"## Consistency\n\n{ABOUT}\n\n{markdown(header, rows)}\n\n{WHY}\n\n![consistency]({PICTURE})"


def error_against_episodes(found: pd.DataFrame, fitted: pd.DataFrame) -> Figure:
    """`errors` on logarithmic axes: small marks are seeds, lines their means; the dashed line is the bound.

    fitted: `slopes` of them, for the legend: those over the largest sizes.
    """
    figure = Figure(figsize=(7.4, 5.8), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(fitted["estimator"]) or found["estimator"].unique():
        part = found[found["estimator"] == name]
        look = BOUND if name == "cramer_rao" else {**style(name), "linewidth": 1.5}
        if name != "cramer_rao":
            axes.scatter(part["episodes"], part["mse"], s=12, alpha=0.4, linewidths=0, **style(name))
        means = part.groupby("episodes")["mse"].mean()
        axes.plot(means.index, means, label=_label(name, fitted), **look)
    sizes = sorted(found["episodes"].unique())
    axes.set(xscale="log", yscale="log", xlabel="training episodes", ylabel="payoff-difference MSE (payoff units²)")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    readable_ticks(axes.yaxis, found["mse"])
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    axes.set_title("Error against the number of episodes, congestion game of E2")
    return figure


def _label(name: str, fitted: pd.DataFrame) -> str:
    shown = "Cramér-Rao bound" if name == "cramer_rao" else name
    rows = fitted[fitted["estimator"] == name]
    if rows.empty:
        return shown
    row = rows.iloc[-1]
    half = (row["high"] - row["low"]) / 2
    return f"{shown}: slope {row['slope']:.2f} ± {half:.2f} from {row['from_episodes']} episodes"
