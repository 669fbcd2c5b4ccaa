"""Bootstrap: how much an estimate moves when the play is drawn anew. For any estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from torch import Tensor

from diml_envs.traces import Traces
from diml_inverse.inference.intervals import Interval
from diml_inverse.recovered.protocol import FitsMechanism, Found
from diml_inverse.uncertainty.base import quantile
from diml_inverse.uncertainty.fitted import Function

CONSTANT = 1e-9  # spread, relative to the size of the values, below which nothing in the episodes moves a value


@dataclass(frozen=True)
class Bootstrap(Generic[Found]):
    """Estimates from resampled episodes.

    Attributes:
        estimate: from all episodes as they are.
        replicates: one for each resample.
    """

    estimate: Found
    replicates: Sequence[Found]

    def standard_errors(self, actions: ArrayLike | Tensor) -> Tensor:
        """Of `payoff_differences(actions)`, float64 [*B, N, A]; infinite where no resample moves the difference,
        which the estimator then took from somewhere else than play; NaN where an agent has no such action."""
        return _spread(self._differences(actions))

    def intervals(self, actions: ArrayLike | Tensor, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Percentile intervals for `payoff_differences(actions)`, each [*B, N, A]: quantiles over the resamples.

        Infinite where `standard_errors` is.

        Raises:
            ValueError: a level outside (0, 1).
        """
        return _percentiles(self._differences(actions), level)

    def function(self, function: Function, level: float = 0.95) -> Interval:
        """Any function of the mechanism and the learners, with percentile interval.

        Raises:
            ValueError: a level outside (0, 1).
        """
        with torch.no_grad():
            value, *draws = (
                function(one.mechanism, one.dynamics).double().cpu() for one in (self.estimate, *self.replicates)
            )
        stacked = torch.stack(draws)
        return Interval(value, _spread(stacked), *_percentiles(stacked, level))

    def _differences(self, actions: ArrayLike | Tensor) -> Tensor:
        """[R, *B, N, A]"""
        return torch.stack([one.payoff_differences(actions).double().cpu() for one in self.replicates])


def bootstrap(
    estimator: FitsMechanism[Found], traces: Traces, num_replicates: int = 200, seed: int = 0, jobs: int = 1
) -> Bootstrap[Found]:
    """Fit to resamples of the play, drawn with replacement (Efron 1979) in units taken to be independent.

    Units are those of `Traces.units`: sessions where they are known, else the episodes that persons connect, else
    episodes; where everybody is connected, persons.

    The reference where there is no covariance, as for networks (`DIML`). What the estimator draws itself (its seed)
    stays the same, so only the play's part of the error is measured; so is a bias that all replicates share.

    Args:
        estimator: `fit(traces)` gives an `Estimate`.
        traces: two units or more.
        num_replicates: two or more; a standard error from R replicates is itself uncertain by 1 / sqrt(2 R).
        seed: of the resamples. The result depends on it alone, not on `jobs`.
        jobs: processes, each with one thread; -1 for all processors.

    Raises:
        ValueError: fewer than two units or replicates, or a negative seed.
    """
    count = traces.num_units
    if count < 2 or num_replicates < 2 or seed < 0:
        raise ValueError(
            "a bootstrap needs two episodes, two replicates and a seed of 0 or more, the episodes of different people; "
            f"got {count}, {num_replicates} and {seed}"
        )
    draws = [
        np.random.default_rng(child).integers(count, size=count)
        for child in np.random.SeedSequence(seed).spawn(num_replicates)
    ]
    tasks = (delayed(_refit)(estimator, traces, draw) for draw in (None, *draws))
    estimate, *replicates = Parallel(n_jobs=jobs)(tasks)
    return Bootstrap(estimate, tuple(replicates))


def _refit(estimator: FitsMechanism[Found], traces: Traces, units: np.ndarray | None) -> Found:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # several processes with several threads each would wait for one another
    try:
        found = estimator.fit(traces if units is None else traces.drawn(units))
    finally:
        torch.set_num_threads(before)
    return found if units is None else replace(found, uncertainty=None)


def _spread(draws: Tensor) -> Tensor:
    error = draws.std(0)
    return torch.where(error <= CONSTANT * draws.abs().mean(0), torch.inf, error)


def _percentiles(draws: Tensor, level: float) -> tuple[Tensor, Tensor]:
    quantile(level)  # for its check
    low, high = (torch.quantile(draws, share, 0) for share in ((1 - level) / 2, (1 + level) / 2))
    fixed = _spread(draws).isinf()
    return low.masked_fill(fixed, -torch.inf), high.masked_fill(fixed, torch.inf)
