"""Interquartile mean and stratified bootstrap, as Agarwal et al. (2021) recommend for few runs on several tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
