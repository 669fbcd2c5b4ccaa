"""Tables of a run's results, as text in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd

from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks.catalogue import TASKS, in_order


class PublishedFigure(NamedTuple):
    """estimator: the suite's name for the paper's method."""

    task: str
    estimator: str
    metric: str
    value: float


PUBLISHED = (
    PublishedFigure("E1", "published", "payoff_difference_mse", 0.0098),
    PublishedFigure("E1", "published", "payoff_difference_mse_relative", 0.47),
    PublishedFigure("E1", "published", "log_likelihood", -1.7651),
    PublishedFigure("E1", "tabular", "payoff_difference_mse", 0.0129),
    PublishedFigure("E2", "published", "payoff_difference_mse", 0.0907),
    PublishedFigure("E2", "published", "payoff_difference_mse_relative", 0.26),
    PublishedFigure("E2", "published", "log_likelihood", -1.5380),
    PublishedFigure("E2", "tabular", "payoff_difference_mse", 0.1332),
    PublishedFigure("E2", "structured", "payoff_difference_mse", 0.0034),
    PublishedFigure("E2", "structured", "log_likelihood", -1.5219),
    PublishedFigure("E3", "published", "payoff_difference_mse", 0.0190),
    PublishedFigure("E3", "published", "payoff_difference_mse_relative", 0.15),
    PublishedFigure("E3", "published", "log_likelihood", -1.9108),
    PublishedFigure("E3", "structured", "payoff_difference_mse", 0.0004),
    PublishedFigure("E3", "structured", "log_likelihood", -1.9030),
    PublishedFigure("E7-n40", "published", "payoff_difference_mse", 0.00024),
    PublishedFigure("E7-n40", "published", "payoff_difference_mse_relative", 0.09),
    PublishedFigure("E7-n40", "published", "log_likelihood", -2.2690),
)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others numbers."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows))


def by_task(results: pd.DataFrame, metric: str, estimators: Sequence[str], yardstick: str | None = None) -> str:
    """Mean and spread over seeds of a metric: a row for each estimator, a column for each task.

    yardstick: a metric that is the same whatever the estimator, for a last row.
    """
    part = results[results["metric"] == metric]
    tasks = in_order(part["task"], TASKS)
    known = [name for name in estimators if name in set(part["estimator"])]
    rows = [[name, *[cell(part, task, name) for task in tasks]] for name in known]
    if yardstick:
        fixed = results[results["metric"] == yardstick].drop_duplicates(["task", "seed"]).assign(estimator=yardstick)
        rows.append([yardstick, *[cell(fixed, task, yardstick) for task in tasks]])
    return markdown(["estimator", *tasks], rows)


def cell(results: pd.DataFrame, task: str, estimator: str, digits: int = 3) -> str:
    """`mean ± standard deviation over seeds`; the mean alone of a single seed; a dash of none."""
    chosen = (results["task"] == task) & (results["estimator"] == estimator)
    values = results.loc[chosen, "value"].dropna()
    if values.empty:
        return "-"
    return f"{values.mean():.{digits}g}" + (f" ± {values.std():.1g}" if len(values) > 1 else "")


def steps(results: pd.DataFrame, metric: str, estimators: Sequence[str]) -> str:
    """Change of a metric from each estimator to the next on the same play: mean and spread over seeds."""
    wide = results[results["metric"] == metric].pivot(index=["task", "seed"], columns="estimator", values="value")
    known = [name for name in estimators if name in wide]
    changes = [
        (wide[after] - wide[before]).rename("value").reset_index().assign(estimator=f"{before} -> {after}")
        for before, after in pairwise(known)
    ]
    if not changes:
        return ""
    long = pd.concat(changes)
    tasks = in_order(long["task"], TASKS)
    names = dict.fromkeys(long["estimator"])
    return markdown(["step", *tasks], [[name, *[cell(long, task, name) for task in tasks]] for name in names])


def families(rows_by_seed: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    """Held-out log-likelihood of each family and its standard error, a column for each seed; chosen ones bold.

    rows_by_seed: `info["families"]` of `FamilyComparison`'s fits to one task.
    """
    found = {seed: {row["family"]: row for row in rows} for seed, rows in rows_by_seed.items()}
    every = {name: row for rows in found.values() for name, row in rows.items()}
    lines = [
        [name, f"{row['parameters']}", *[_held_out(rows.get(name)) for rows in found.values()]]
        for name, row in every.items()
    ]
    return markdown(["family", "parameters", *[f"seed {seed}" for seed in found]], lines)


def _held_out(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row.get("failed"):
        return "failed"
    text = f"{row['held_out_log_likelihood']:.4f}"
    if row["standard_error"] is not None:  # of the difference to the best, which has none to itself
        text += f" ± {row['standard_error']:.1g}"
    return f"**{text}**" if row["chosen"] else text


def beside_published(results: pd.DataFrame) -> str:
    """The paper's figures; the same method here; and here `neural` and `auto` for what the paper's network gave."""
    rows = []
    for task, estimator, metric, value in PUBLISHED:
        part = results[results["metric"] == metric]
        if task in set(part["task"]):
            digits = 5 if metric == "log_likelihood" else 3
            ours = [cell(part, task, name, digits) for name in (estimator, "neural", "auto")]
            rows.append([f"{task} {metric}", estimator, f"{value:.5g}", *ours])
    return markdown(["figure", "method", "published", "same method here", "neural", "auto"], rows)


def against_bound(results: pd.DataFrame) -> str:
    """Error of `structured` and of `auto` over the Cramér-Rao bound, seed by seed, then mean and spread."""
    wide = results.pivot(index=["task", "seed", "estimator"], columns="metric", values="value")
    if "cramer_rao" not in wide:
        return ""
    bound = wide["cramer_rao"].dropna().droplevel("estimator")
    ratios = (wide["payoff_difference_mse"] / bound).dropna().rename("value").reset_index()
    tasks = list(dict.fromkeys(bound.index.get_level_values("task")))
    rows = [
        [task, f"{bound[task].mean():.3g}", *[cell(ratios, task, name) for name in ("structured", "auto")]]
        for task in tasks
    ]
    return markdown(["task", "bound", "structured / bound", "auto / bound"], rows)


def shortfall(results: pd.DataFrame) -> pd.DataFrame:
    """Test log-likelihood less that of the truth, per cell, as a metric `shortfall`."""
    wide = results.pivot(index=["task", "estimator", "seed"], columns="metric", values="value")
    lost = (wide["log_likelihood"] - wide["truth_log_likelihood"]).rename("value").reset_index()
    return lost.assign(metric="shortfall")


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of the main metrics, a row for each task and estimator."""
    error = "payoff_difference_mse"
    shown = (f"{error}_relative", f"{error}_rescaled", "choice_kl", "histogram_kl", "log_likelihood", "fit_seconds")
    wide = results.pivot_table(index=["task", "estimator"], columns="metric", values="value", aggfunc="mean")
    seeds = results.groupby(["task", "estimator"])["seed"].nunique()
    table = wide.reindex(columns=list(shown)).assign(seeds=seeds)
    tasks, estimators = (in_order(table.index.unique(i), known) for i, known in enumerate((TASKS, ESTIMATORS)))
    order = sorted(table.index, key=lambda pair: (tasks.index(pair[0]), estimators.index(pair[1])))
    return table.loc[order].reset_index()[["task", "estimator", "seeds", *shown]]
