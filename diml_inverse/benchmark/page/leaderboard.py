"""Estimators ranked: over all tasks of a suite, and over each one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000


def interquartile_mean(values: ArrayLike) -> NDArray[np.float64]:
    """Mean of what is left of the last axis without the lowest and the highest quarter (of n, n // 4 at each end)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(-1))


def stratified_interval(
    runs: Sequence[ArrayLike], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the interquartile mean over all runs, when the seeds of each task are drawn anew.

    Args:
        runs: for each task the values of its seeds. The tasks are taken as given: only seeds are chance.
        confidence: share of such intervals that would hold the value of infinitely many seeds; less with few.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The ends; NaN where some task has a single seed, which says nothing about chance.
    """
    strata = [np.asarray(values, dtype=np.float64) for values in runs]
    if not strata or min(map(len, strata)) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    drawn = [values[generator.integers(len(values), size=(resamples, len(values)))] for values in strata]
    means = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


NO_METRIC = ("skipped", "error")
YARDSTICKS = ("truth_log_likelihood", "histogram_kl_noise_floor", "cramer_rao")
HIGHER_IS_BETTER = ("log_likelihood", "accuracy")


@dataclass(frozen=True)
class Standing:
    """An estimator's place.

    Attributes:
        estimator: its name.
        rank: 1 is best; None for an estimator that has not been measured on all tasks, whose mean would be over
            easier or harder ones.
        mean: interquartile mean over tasks and seeds.
        low, high: ends of its 95 % interval; NaN where a task has one seed.
        mean_rank: mean over its tasks of its place on each, by the mean over seeds; among those measured there.
        tasks, of_tasks: how many it was measured on, and how many any was.
        cells: how many values the mean is over.
        failed: cells that ended in an error.
    """

    estimator: str
    rank: int | None
    mean: float
    low: float
    high: float
    mean_rank: float
    tasks: int
    of_tasks: int
    cells: int
    failed: int


def measured(table: pd.DataFrame) -> list[str]:
    """The metrics that estimators can be ranked by, in the order in which they were found."""
    return [name for name in table["metric"].unique() if name not in (*NO_METRIC, *YARDSTICKS)]


def standings(table: pd.DataFrame, metric: str) -> list[Standing]:
    """Best first, then those without a rank; estimators that the metric does not apply to are left out.

    One of which every cell failed is a row without a mean.

    table: as of `results_table`.
    """
    part = table[(table["metric"] == metric) & table["value"].notna()]
    failed = table[table["metric"] == "error"].groupby("estimator").size()
    of_tasks = part["task"].nunique()
    sign = -1 if metric in HIGHER_IS_BETTER else 1
    ranks = _mean_ranks(part.assign(value=sign * part["value"]))
    found = [
        _standing(
            str(name), [values["value"].to_numpy() for _, values in runs.groupby("task")], of_tasks, failed, ranks
        )
        for name, runs in part.groupby("estimator", sort=False)
    ]
    lost = [name for name in failed.index if name not in {one.estimator for one in found}] if len(part) else []
    none = float("nan")
    found += [Standing(str(name), None, none, none, none, none, 0, of_tasks, 0, int(failed[name])) for name in lost]
    return _ranked(sorted(found, key=lambda one: (one.tasks < of_tasks, not one.tasks, sign * one.mean)))


def _mean_ranks(part: pd.DataFrame) -> dict[str, float]:
    means = part.groupby(["task", "estimator"])["value"].mean()
    places = means.groupby("task").rank()
    return {str(name): float(rank) for name, rank in places.groupby("estimator").mean().items()}


def _standing(
    name: str,
    runs: Sequence[NDArray[np.float64]],
    of_tasks: int,
    failed: pd.Series[int],
    ranks: Mapping[str, float],
) -> Standing:
    values = np.concatenate(runs)
    mean, ends = float(interquartile_mean(values)), stratified_interval(runs)
    lost = int(failed.get(name, 0))
    return Standing(name, None, mean, *ends, ranks[name], len(runs), of_tasks, len(values), lost)


def _ranked(ordered: Sequence[Standing]) -> list[Standing]:
    """With equal ranks for equal means."""
    ranked: list[Standing] = []
    for place, one in enumerate(ordered, start=1):
        rank: int | None = None
        if one.tasks and one.tasks == one.of_tasks:
            tied = bool(ranked) and ranked[-1].mean == one.mean
            rank = ranked[-1].rank if tied else place
        ranked.append(Standing(**{**one.__dict__, "rank": rank}))
    return ranked
