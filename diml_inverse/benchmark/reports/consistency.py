"""Consistency: how fast each estimator's error falls with the number of episodes; the report's part on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import linregress, t

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.reports.figures import readable_ticks, style
from diml_inverse.benchmark.reports.tables import markdown
from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks.catalogue import in_order
from diml_inverse.benchmark.tasks.consistency import CONSISTENCY

METRIC = "payoff_difference_mse"
FEWEST = (0, 16)  # training episodes from which a slope is taken: all sizes, and where errors are small
LEVEL = 0.95


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Errors of these tasks and their Cramér-Rao bounds: columns estimator, seed, episodes (trained on), mse."""
    part = results[results["task"].isin(CONSISTENCY) & results["metric"].isin([METRIC, "cramer_rao"])]
    names = part["estimator"].where(part["metric"] == METRIC, "cramer_rao")
    trained = part["task"].map({name: int(task.num_episodes * task.train_share) for name, task in CONSISTENCY.items()})
    found = pd.DataFrame({"estimator": names, "seed": part["seed"], "episodes": trained, "mse": part["value"]})
    return found[found["mse"] > 0].sort_values(["estimator", "seed", "episodes"], ignore_index=True)


def slopes(found: pd.DataFrame) -> pd.DataFrame:
    """Slope of log mse in log episodes for each estimator in `errors`, over all sizes and over those from 16 on.

    A least-squares slope for each seed (a game and play of its own), then their mean with a t interval over seeds, so
    that nothing is assumed of how errors of different sizes go together. With a single seed the interval is that of
    its regression, which takes errors of different sizes as independent. Seeds that lack a size are left out, and
    where there are fewer than three sizes there is no row.

    Columns: estimator, slope, low, high (95 %), seeds, from_episodes, to_episodes.
    """
    names = in_order(found["estimator"], (*ESTIMATORS, "cramer_rao"))
    parts = [found[(found["estimator"] == name) & (found["episodes"] >= fewest)] for name in names for fewest in FEWEST]
    rows = [row for part in parts for row in _slope(part)]
    columns = ["estimator", "slope", "low", "high", "seeds", "from_episodes", "to_episodes"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates()


def _slope(part: pd.DataFrame) -> Iterator[tuple[str, float, float, float, int, int, int]]:
    """A row, if there is enough for one."""
    fits = list(_regressions(part))
    if not fits:
        return
    by_seed = np.array([slope for slope, _, _ in fits])
    if len(fits) > 1:
        error, freedom = by_seed.std(ddof=1) / np.sqrt(len(fits)), len(fits) - 1
    else:
        _, error, freedom = fits[0]
    centre, half = by_seed.mean(), t.ppf((1 + LEVEL) / 2, freedom) * error
    sizes = part["episodes"]
    yield part["estimator"].iloc[0], centre, centre - half, centre + half, len(fits), int(sizes.min()), int(sizes.max())


def _regressions(part: pd.DataFrame) -> Iterator[tuple[float, float, int]]:
    """Slope, its standard error and degrees of freedom, of each seed with all the sizes there are, three at least."""
    sizes = part["episodes"].nunique()
    for _, cells in part.groupby("seed"):
        if sizes >= 3 and cells["episodes"].nunique() == sizes:
            line = linregress(np.log(cells["episodes"]), np.log(cells["mse"]))
            yield line.slope, line.stderr, sizes - 2


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
