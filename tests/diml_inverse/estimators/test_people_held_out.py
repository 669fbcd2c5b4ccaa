"""What is held out, resampled and clustered are people: nobody is on both sides, nobody counts twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from diml_envs.mechanisms import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse import LogitDynamics, StructuredMLE, metrics
from diml_inverse.baselines import ChoiceFrequencies
from diml_inverse.estimators.cross_validation import clustered_error, cross_validate
from diml_inverse.estimators.held_out import by_unit, folds
from diml_inverse.inference import bootstrap
from diml_inverse.inference.jackknife import jackknife

DRAW = np.random.default_rng(0)


def strangers(sessions: int = 4, rounds: int = 6, persons: int = 4, one: bool = False) -> Traces:
    """Persons who keep their seats and are matched anew every round. one: all in a session that is not named."""
    rows, begins, who, places = [], [], [], []
    for session in range(sessions):
        for t in range(rounds):
            others = DRAW.permutation(np.arange(1, persons, 2))
            for own, other in zip(range(0, persons, 2), others, strict=True):
                places.append([session * persons + own, session * persons + int(other)])
                rows.append(DRAW.integers(0, 2, (1, 2)))
                begins.append(t)
                who.append(session)
    return Traces(np.array(rows), persons=places, sessions=None if one else who, begins=begins)


@pytest.mark.parametrize(
    "traces", [strangers(), strangers(1), strangers(1, one=True)], ids=["sessions", "one", "unnamed"]
)
def test_folds_share_nobody_and_hold_every_choice_out_once(traces: Traces) -> None:
    held_out: list[str] = []
    for train, test in folds(traces, seed=0):
        assert not set(train.person_labels) & set(test.person_labels)
        held_out += map(str, test.person_labels)
    assert sorted(held_out) == sorted(map(str, traces.person_labels))


def test_scores_are_summed_over_people() -> None:
    traces = strangers(2)
    values, decisions = DRAW.normal(size=(len(traces), 2)), np.ones((len(traces), 2), np.int64)
    found = by_unit(traces, values, decisions)
    np.testing.assert_allclose(found.totals, [values[:12].sum(), values[12:].sum()])
    assert found.decisions.tolist() == [24, 24]
    one = by_unit(strangers(1), values[:12], decisions[:12])
    assert one.decisions.tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize("traces", [strangers(), strangers(1)], ids=["sessions", "one session"])
def test_cross_validation_by_people(traces: Traces) -> None:
    """Against the definition: each unit scored by what was fitted without it, a decision at a time."""
    found = cross_validate(ChoiceFrequencies(), traces)
    for unit in range(traces.num_units):
        chosen = np.arange(traces.num_units) == unit
        predictor, test = ChoiceFrequencies().fit(traces.of_units(~chosen)), traces.of_units(chosen)
        scored = metrics.scored_decisions(test)
        total = metrics.log_likelihood_by_episode(predictor.choice_probs(test), test, scored).sums.sum(0)
        assert (found.totals[unit], found.decisions[unit]) == pytest.approx(tuple(total))
    assert found.standard_error == pytest.approx(float(clustered_error(found.totals, found.decisions)))


def test_what_is_scored_by_default() -> None:
    """In strangers' one-round matches all but each person's first decision; given moves never."""
    traces = strangers(1)
    scored = metrics.scored_decisions(traces)
    assert int(scored.sum()) == 2 * len(traces) - 4
    given = traces.follow([0])
    assert int(metrics.scored_decisions(given).sum()) == 5


def test_metrics_resample_people_together() -> None:
    """Episodes of one session that are alike: the interval is that of sessions, not of their many rounds."""
    traces = strangers(2)
    sums = metrics.episode_means(np.repeat([0.0, 1.0], 12)[:, None], np.ones((24, 1), bool))
    apart, together = metrics.bootstrap_interval(sums), metrics.bootstrap_interval(sums.of(traces))
    assert together.high - together.low == pytest.approx(1.0)
    assert apart.high - apart.low < 0.5


@pytest.mark.parametrize("traces", [strangers(3), strangers(1)], ids=["sessions", "one session"])
def test_resampling_is_by_people(traces: Traces) -> None:
    """A fit that reports whom it saw: the bootstrap draws units whole, the jackknife leaves each out once."""
    seen: list[Traces] = []

    estimate = StructuredMLE(TabularMechanism((2, 2)), dynamics=LogitDynamics(), ridge=1.0).fit(
        Traces(DRAW.integers(0, 2, (4, 5, 2)))
    )

    class Looks:
        def fit(self, play: Traces) -> Any:
            seen.append(play)
            return estimate

    jackknife(Looks(), traces, None, lambda found: 0.0)  # type: ignore[arg-type]
    left_out = [set(traces.person_labels) - set(play.person_labels) for play in seen[1:]]
    assert sum(map(len, left_out)) == len(traces.person_labels)
    seen.clear()
    bootstrap(Looks(), traces, num_replicates=2, seed=1)  # type: ignore[arg-type]
    for play in seen[1:]:
        assert play.num_units == traces.num_units


def test_clustered_errors_count_people_who_meet_as_one() -> None:
    """Episodes copied within a session double nothing: the sandwich is that of the sessions' summed scores."""
    base = Traces(DRAW.integers(0, 2, (60, 8, 2)))
    fit = StructuredMLE(TabularMechanism((2, 2)), dynamics=LogitDynamics(), ridge=0.1)
    paired = base.replace(sessions=np.arange(60) // 2)
    one, two = fit.fit(base), fit.fit(paired)
    profile = torch.tensor([[0, 0]])
    torch.testing.assert_close(one.payoff_differences(profile), two.payoff_differences(profile))
    assert one.uncertainty.facts()["clusters"] == 60  # type: ignore[union-attr]
    assert two.uncertainty.facts()["clusters"] == 30  # type: ignore[union-attr]
    assert two.uncertainty.degrees("clustered") == 29  # type: ignore[union-attr]
    assert "60 in 30 clusters" in str(two.summary())
