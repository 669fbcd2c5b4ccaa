"""Cross-validation by groups: nothing leaks, sums add up, and errors are those of groups."""

from __future__ import annotations

import numpy as np
import pytest
from slow_definitions import random_traces

from diml_envs import Traces
from diml_inverse import cross_validate, metrics
from diml_inverse.baselines import ChoiceFrequencies
from diml_inverse.baselines.frequencies import FrequencyPolicy
from diml_inverse.estimators.cross_validation import clustered_error

TRACES = random_traces((2, 3), [6, 9, 4, 8, 5, 7])
GROUPS = ["a", "b", "a", "c", "c", "b"]


class Recording(ChoiceFrequencies):
    """Remembers which episodes each fit was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[set[object]] = []

    def fit(self, traces: Traces) -> FrequencyPolicy:
        self.given.append(set(traces.episodes))
        return super().fit(traces)


def test_each_group_is_scored_once_by_a_fit_without_it() -> None:
    estimator = Recording()
    found = cross_validate(estimator, TRACES, GROUPS)
    assert estimator.given == [{1, 3, 4, 5}, {0, 2, 3, 4}, {0, 1, 2, 5}]
    assert found.groups == ("a", "b", "c")
    for group, (kept, left_out) in enumerate([([1, 3, 4, 5], [0, 2]), ([0, 2, 3, 4], [1, 5]), ([0, 1, 2, 5], [3, 4])]):
        test = TRACES[left_out]
        probs = ChoiceFrequencies().fit(TRACES[kept]).choice_probs(test)
        total, decisions = metrics.log_likelihood_by_episode(probs, test).sums.sum(0)
        assert found.totals[group] == pytest.approx(total)
        assert found.decisions[group] == decisions
    assert found.mean == pytest.approx(found.totals.sum() / found.decisions.sum())


def test_fewer_folds_than_groups_keep_groups_together() -> None:
    estimator = Recording()
    found = cross_validate(estimator, TRACES, GROUPS, num_folds=2, seed=1)
    assert len(estimator.given) == len(found.predictors) == 2
    for group in ({0, 2}, {1, 5}, {3, 4}):
        assert all(group <= given or not group & given for given in estimator.given)
    assert found.decisions.sum() == TRACES.observed[:, 1:].sum()


def test_error_of_a_ratio_of_sums() -> None:
    """Null: groups' totals = size x (mean + independent noise). The error estimated is right to first order.
    Tolerance: four standard errors of a spread over 2,000 draws, 4 / sqrt(2 x 2,000) = 6 %."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 50, size=(2000, 40)).astype(float)
    totals = sizes * (-0.4 + 0.1 * rng.normal(size=sizes.shape))
    ratios = totals.sum(1) / sizes.sum(1)
    errors = [clustered_error(*pair) for pair in zip(totals, sizes, strict=True)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(ratios.std(), rel=0.06)
    assert np.isnan(clustered_error(totals[0, :1], sizes[0, :1]))


def test_the_error_to_oneself_is_zero_and_others_must_be_of_the_same_choices() -> None:
    found, other = (cross_validate(ChoiceFrequencies(memory), TRACES, GROUPS) for memory in (0, 1))
    assert found.standard_error_to(found) == 0
    assert found.standard_error_to(other) == pytest.approx(
        clustered_error(found.totals - other.totals, found.decisions)
    )
    with pytest.raises(ValueError, match="same choices"):
        found.standard_error_to(cross_validate(ChoiceFrequencies(), TRACES, range(6)))


@pytest.mark.parametrize(
    ("groups", "folds", "message"),
    [(GROUPS[:3], None, "one group for each"), (["a"] * 6, None, "two folds"), (GROUPS, 4, "two folds")],
)
def test_refuses_groups_that_do_not_fit(groups: list[str], folds: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_validate(ChoiceFrequencies(), TRACES, groups, folds)
