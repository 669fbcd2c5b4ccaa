"""Consistency: how fast the error of each estimator falls with the number of episodes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

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
