"""The jackknife over groups: its definition, and that it sees what errors by episode do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student_t

from diml_envs import Traces
from diml_inverse import Estimate, LogitDynamics, TabularMLE
from diml_inverse.inference import jackknife

PROFILE = [[0, 0]]
ESTIMATOR = TabularMLE(LogitDynamics(0.5, 1.0, 0.0))


def play(copies: int) -> Traces:
    """Eight episodes, each recorded so many times."""
    actions = np.random.default_rng(0).integers(2, size=(8, 12, 2))
    return Traces(np.repeat(actions, copies, axis=0))


def difference(estimate: Estimate) -> np.ndarray:
    return estimate.payoff_differences(PROFILE)[0, 0].numpy()


def test_is_the_spread_of_fits_without_each_group() -> None:
    traces, groups = play(1), [0, 0, 1, 1, 1, 2, 2, 2]
    found = jackknife(ESTIMATOR, traces, groups, difference)
    assert found.value == pytest.approx(difference(ESTIMATOR.fit(traces)))
    without = np.array([difference(ESTIMATOR.fit(traces[np.array(groups) != group])) for group in range(3)])
    assert found.left_out == pytest.approx(without)
    expected = np.sqrt(2 / 3 * ((without - without.mean(0)) ** 2).sum(0))
    assert found.standard_errors == pytest.approx(expected)
    low, high = found.intervals(0.9)
    assert (high - low) / 2 == pytest.approx(student_t.ppf(0.95, 2) * expected)
    assert (high + low) / 2 == pytest.approx(found.value)


def test_episodes_given_four_times_teach_no_more() -> None:
    """By group the errors of the same play recorded once and four times agree; taken for independent, they halve."""
    once, often = (
        jackknife(ESTIMATOR, play(copies), np.repeat(range(8), copies).tolist(), difference) for copies in (1, 4)
    )
    assert often.standard_errors == pytest.approx(once.standard_errors, rel=0.02)  # the ridge weighs less
    one_by_one = jackknife(ESTIMATOR, play(4), range(32), difference)
    assert one_by_one.standard_errors == pytest.approx(once.standard_errors / 2, rel=0.25)


def test_refuses_groups_that_do_not_fit() -> None:
    for groups in ([0, 1], [0] * 8):
        with pytest.raises(ValueError, match="a group for each"):
            jackknife(ESTIMATOR, play(1), groups, difference)
    with pytest.raises(ValueError, match="between 0 and 1"):
        jackknife(ESTIMATOR, play(1), range(8), difference).intervals(1.0)
