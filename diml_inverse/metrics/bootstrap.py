"""Bootstrap intervals over episodes, for any metric that is a function of sums over episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class EpisodeSums:
    """What each episode adds to a metric.

    Attributes:
        sums: [E, *S], a contribution from each episode.
        value_of: the metric, from the contributions' total [*S].
        clusters: of each episode, [E]: those that share people are resampled together; None: each is by itself.
    """

    sums: FloatArray
    value_of: Callable[[FloatArray], float]
    clusters: NDArray[np.int64] | None = None

    def of(self, traces: Traces) -> EpisodeSums:
        """The same, to be resampled by the clusters of this play."""
        return replace(self, clusters=traces.clusters)

    @property
    def by_cluster(self) -> FloatArray:
        """[C, *S], what each cluster adds."""
        if self.clusters is None:
            return self.sums
        sums = np.zeros((int(self.clusters.max()) + 1, *self.sums.shape[1:]))
        np.add.at(sums, self.clusters, self.sums)
        return sums

    @property
    def value(self) -> float:
        """The metric on all episodes."""
        return self.value_of(self.sums.sum(0))


class Interval(NamedTuple):
    """A metric's value with the ends of its interval, all in the metric's unit."""

    value: float
    low: float
    high: float


def episode_means(values: FloatArray, counted: NDArray[np.bool_]) -> EpisodeSums:
    """The mean of `values` [E, ...] over all places where `counted`, which an episode with more of them shapes more."""
    axes = tuple(range(1, values.ndim))
    return ratio_of_sums(np.where(counted, values, 0.0).sum(axes), counted.sum(axes, dtype=np.float64))


def ratio_of_sums(totals: FloatArray, weights: FloatArray) -> EpisodeSums:
    """sum of totals [E] / sum of weights [E]; NaN where the weights are all zero."""
    return EpisodeSums(np.stack([totals, weights], 1), _ratio)


def bootstrap_interval(metric: EpisodeSums, level: float = 0.95, num_resamples: int = 1000, seed: int = 0) -> Interval:
    """Interval by resampling whole episodes, those that share people together: others do not depend on each other.

    Percentiles of the metric over resamples (Efron & Tibshirani 1993, ch. 13), shifted so that the resamples' mean
    is the value: the resamples of a metric that noise can only raise, such as a KL or a calibration error, would lie
    above it. With few episodes it is too narrow (twelve: some 90 % of intervals of level 95 % cover a mean).

    Args:
        metric: contributions of each episode.
        level: share of intervals that are to cover.
        num_resamples: sets of as many episodes, or clusters of them, drawn with replacement.
        seed: of the draws.

    Returns:
        (value, low, high); low and high are NaN with a single episode or cluster, which says nothing about others, and
        where the value is not finite.

    Raises:
        ValueError: a level outside (0, 1), or no resample asked for.
    """
    if not 0 < level < 1 or num_resamples < 1:
        raise ValueError(f"level must be in (0, 1) and num_resamples at least 1; got {level} and {num_resamples}")
    sums = metric.by_cluster
    num_episodes = len(sums)
    if num_episodes == 1 or not np.isfinite(metric.value):
        return Interval(metric.value, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(num_episodes, np.full(num_episodes, 1 / num_episodes), size=num_resamples)
    totals = (times @ sums.reshape(num_episodes, -1)).reshape(-1, *sums.shape[1:])
    resampled = np.array([metric.value_of(total) for total in totals])
    shift = metric.value - np.nanmean(resampled)
    low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2]) + shift
    return Interval(metric.value, float(low), float(high))


def _ratio(sums: FloatArray) -> float:
    return float(sums[0] / sums[1]) if sums[1] else float("nan")
