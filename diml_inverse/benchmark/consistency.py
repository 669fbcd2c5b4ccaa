"""Consistency: E2's game with ever more episodes, and how fast the error of each estimator falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from diml_inverse.benchmark.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks import PAPER, TRAIN_SHARE, Task

METRIC = "payoff_difference_mse"
EPISODES = (5, 10, 20, 40, 80, 160, 320)
FEWEST = 16  # training episodes from which a slope is taken, if there are sizes enough
LEVEL = 0.95


def _task(num_episodes: int) -> Task:
    about = f"Congestion as in E2, {num_episodes} episodes."
    return replace(PAPER["E2"], name=f"consistency-n{num_episodes}", about=about, num_episodes=num_episodes)


CONSISTENCY: dict[str, Task] = {task.name: task for task in map(_task, EPISODES)}


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Errors of these tasks and their Cramér-Rao bounds: columns estimator, seed, episodes (trained on), mse."""
    part = results[results["task"].isin(CONSISTENCY) & results["metric"].isin([METRIC, "cramer_rao"])]
    names = part["estimator"].where(part["metric"] == METRIC, "cramer_rao")
    trained = (part["task"].str.rpartition("-n")[2].astype(int) * TRAIN_SHARE).astype(int)
    found = pd.DataFrame({"estimator": names, "seed": part["seed"], "episodes": trained, "mse": part["value"]})
    return found[found["mse"] > 0].sort_values(["estimator", "seed", "episodes"], ignore_index=True)


def slopes(found: pd.DataFrame) -> pd.DataFrame:
    """Slope of log mse in log episodes, for each estimator in `errors`, over the sizes from `FEWEST` on.

    A least-squares slope for each seed (a game and play of its own), then their mean with a t interval over seeds, so
    that nothing is assumed of how errors of different sizes go together. With a single seed the interval is that of
    its regression, which takes errors of different sizes as independent.

    Columns: estimator, slope, low, high (95 %), seeds, from_episodes, to_episodes.
    """
    return pd.DataFrame(
        [row for name in _in_order(found) if (row := _slope(name, found[found["estimator"] == name])) is not None],
        columns=["estimator", "slope", "low", "high", "seeds", "from_episodes", "to_episodes"],
    )


def _slope(name: str, part: pd.DataFrame) -> tuple[str, float, float, float, int, int, int] | None:
    large = part[part["episodes"] >= FEWEST]
    shown = large if large["episodes"].nunique() >= 3 else part
    fits = list(_regressions(shown))
    if not fits:
        return None
    by_seed = np.array([slope for slope, _, _ in fits])
    if len(fits) > 1:
        error, freedom = by_seed.std(ddof=1) / np.sqrt(len(fits)), len(fits) - 1
    else:
        _, error, freedom = fits[0]
    half = t.ppf((1 + LEVEL) / 2, freedom) * error
    centre, sizes = by_seed.mean(), shown["episodes"]
    return name, centre, centre - half, centre + half, len(fits), int(sizes.min()), int(sizes.max())


def _regressions(part: pd.DataFrame) -> Iterator[tuple[float, float, int]]:
    """Slope, its standard error and degrees of freedom, of each seed with all the sizes there are, three at least."""
    sizes = part["episodes"].nunique()
    for _, cells in part.groupby("seed"):
        if sizes >= 3 and cells["episodes"].nunique() == sizes:
            line = linregress(np.log(cells["episodes"]), np.log(cells["mse"]))
            yield line.slope, line.stderr, sizes - 2


def _in_order(found: pd.DataFrame) -> list[str]:
    return [name for name in (*ESTIMATORS, "cramer_rao") if name in set(found["estimator"])]
