"""Cross-validated log-likelihood of any estimator, with errors at the level at which people are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Label, Traces
from diml_inverse import metrics
from diml_inverse.recovered.protocol import Estimator, Predictor


@dataclass(frozen=True)
class CrossValidation:
    """How an estimator did on groups of episodes it was not fitted to.

    Attributes:
        groups: G labels, in order of appearance.
        totals: log-likelihood of each group's scored choices, nats [G].
        decisions: number of these choices, [G].
        predictors: what was fitted, one for each fold.
    """

    groups: tuple[Label, ...]
    totals: NDArray[np.float64]
    decisions: NDArray[np.float64]
    predictors: tuple[Predictor, ...]

    @property
    def mean(self) -> float:
        """Nats per choice."""
        return float(self.totals.sum() / self.decisions.sum())

    @property
    def standard_error(self) -> float:
        """Of `mean`, over groups."""
        return float(clustered_error(self.totals, self.decisions))

    def standard_error_to(self, other: CrossValidation) -> float:
        """Of the difference in mean to another's, over the same groups.

        Raises:
            ValueError: other groups or other choices.
        """
        if self.groups != other.groups or not np.array_equal(self.decisions, other.decisions):
            raise ValueError("only estimators scored on the same choices of the same groups can be compared")
        return float(clustered_error(self.totals - other.totals, self.decisions))


def cross_validate(
    estimator: Estimator,
    traces: Traces,
    groups: Sequence[Label] | None = None,
    num_folds: int | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Fit to all groups but some, score those, and so on until each was left out once.

    An estimator that chooses among models does so anew in each training part, so that its score is honest.

    Args:
        estimator: `fit(traces)` gives a `Predictor`.
        traces: the play.
        groups: of each episode, [E]: the people (pair, session) that it shares with others. No group is in both parts.
            None: `Traces.units`, the units that share nobody, called by their numbers.
        num_folds: parts into which groups are drawn at random; None: each group in turn.
        seed: of the draw.

    Raises:
        ValueError: fewer than two groups, another number of labels than episodes, or of folds than fit the groups.
    """
    names, unit_of, part_of = _groups(traces, groups)
    folds = len(names) if num_folds is None else num_folds
    if not 2 <= folds <= len(names):
        raise ValueError(f"cross-validation needs from two folds up to one a group ({len(names)}); got {folds}")
    order = np.arange(len(names)) if num_folds is None else np.random.default_rng(seed).permutation(len(names))
    sums = np.zeros((len(names), 2))
    predictors = []
    for part in np.array_split(order, folds):
        held_out = np.isin(np.arange(len(names)), part)
        predictors.append(estimator.fit(part_of(~held_out)))
        test = part_of(held_out)
        places = np.flatnonzero(np.append(held_out, False)[unit_of].any(1))
        scored = metrics.scored_decisions(test)
        probs = predictors[-1].choice_probs(test)
        for unit in part:
            own = scored & (unit_of[places] == unit)[:, None]
            if own.any():
                sums[unit] = metrics.log_likelihood_by_episode(probs, test, own).sums.sum(0)
    return CrossValidation(names, sums[:, 0], sums[:, 1], tuple(predictors))


def _groups(
    traces: Traces, groups: Sequence[Label] | None
) -> tuple[tuple[Label, ...], NDArray[np.int64], Callable[[NDArray[np.bool_]], Traces]]:
    """Labels of the groups, the group of each agent's choices in each episode [E, N], and the play of some groups."""
    if groups is None:
        return tuple(range(traces.num_units)), traces.units, traces.of_units
    if len(groups) != len(traces):
        raise ValueError(f"one group for each of the {len(traces)} episodes is needed; got {len(groups)}")
    names = tuple(dict.fromkeys(groups))
    group_of = np.array([names.index(group) for group in groups])
    unit_of = np.broadcast_to(group_of[:, None], (len(traces), traces.num_agents))
    return names, unit_of, lambda chosen: traces[np.flatnonzero(chosen[group_of])]


def clustered_error(totals: NDArray[np.float64], decisions: NDArray[Any]) -> NDArray[np.float64]:
    """Standard error of sum(totals) / sum(decisions) over independent groups, [G, *S] and [G] -> [*S].

    Of a ratio of sums (Cochran 1977, ch. 6), so that groups may differ in size, times G / (G - 1); NaN for a single
    group.
    """
    count = len(totals)
    if count < 2:
        return np.full(totals.shape[1:], np.nan)
    off = totals - np.multiply.outer(decisions, totals.sum(0) / decisions.sum())
    error: NDArray[np.float64] = np.sqrt(count / (count - 1) * (off**2).sum(0)) / decisions.sum()
    return error
