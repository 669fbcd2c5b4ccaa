"""Bootstrap intervals: their definition, what they cover, and that every metric has one."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_definitions import played, random_traces

from diml_envs import Traces
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import LogitDynamics, TabularMLE, likelihood, metrics
from diml_inverse.metrics import EpisodeSums, bootstrap_interval, episode_means, ratio_of_sums


def sample(rng: np.random.Generator, num_episodes: int) -> EpisodeSums:
    return ratio_of_sums(rng.normal(2.0, 1.0, num_episodes), np.ones(num_episodes))


def test_the_interval_is_that_of_resampled_episodes_shifted_to_the_value() -> None:
    rng = np.random.default_rng(0)
    totals, weights = rng.normal(size=9), rng.uniform(1, 5, size=9)
    value, low, high = bootstrap_interval(ratio_of_sums(totals, weights), level=0.8, num_resamples=300, seed=4)
    times = np.random.default_rng(4).multinomial(9, np.full(9, 1 / 9), size=300)
    resampled = []
    for row in times:
        drawn = [episode for episode, count in enumerate(row) for _ in range(count)]
        resampled.append(sum(totals[e] for e in drawn) / sum(weights[e] for e in drawn))
    shift = value - np.mean(resampled)
    assert value == pytest.approx(totals.sum() / weights.sum())
    assert low == pytest.approx(np.quantile(resampled, 0.1) + shift)
    assert high == pytest.approx(np.quantile(resampled, 0.9) + shift)


def test_intervals_cover_a_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    intervals = [bootstrap_interval(sample(rng, 40), num_resamples=400, seed=i) for i in range(400)]
    covered = np.mean([low < 2.0 < high for _, low, high in intervals])
    assert abs(covered - 0.935) < 3 * np.sqrt(0.935 * 0.065 / 400)  # a little below .95 with forty episodes


def test_rounds_that_repeat_each_other_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(2)
    once = rng.normal(size=(30, 1))
    repeated = np.repeat(once, 50, axis=1)
    one, many = (bootstrap_interval(episode_means(x, np.ones(x.shape, bool))) for x in (once, repeated))
    assert many == pytest.approx(one)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12), seed=st.integers(0, 5))
def test_low_value_high_are_in_order_and_a_seed_gives_them_again(values: list[float], seed: int) -> None:
    metric = ratio_of_sums(np.array(values), np.ones(len(values)))
    value, low, high = bootstrap_interval(metric, num_resamples=200, seed=seed)
    assert low - 1e-9 <= value <= high + 1e-9
    assert (value, low, high) == bootstrap_interval(metric, num_resamples=200, seed=seed)


def test_longer_episodes_weigh_more_and_places_not_counted_do_not_enter() -> None:
    values = np.array([[1.0, 2.0, 3.0], [7.0, np.nan, np.nan]])
    counted = np.array([[True, True, True], [True, False, False]])
    assert episode_means(values, counted).value == pytest.approx((1 + 2 + 3 + 7) / 4)


def test_one_episode_or_an_infinite_value_has_no_interval() -> None:
    for metric in (ratio_of_sums(np.array([3.0]), np.array([2.0])), ratio_of_sums(np.array([np.inf, 1]), np.ones(2))):
        value, low, high = bootstrap_interval(metric)
        assert value == metric.value
        assert np.isnan([low, high]).all()


def test_episodes_without_decisions_are_no_trouble() -> None:
    metric = ratio_of_sums(np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 1.0]))
    assert np.isfinite(bootstrap_interval(metric)).all()
    assert np.isnan(ratio_of_sums(np.zeros(2), np.zeros(2)).value)


@pytest.mark.parametrize("wrong", [{"level": 0.0}, {"level": 1.0}, {"num_resamples": 0}])
def test_settings_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        bootstrap_interval(ratio_of_sums(np.ones(3), np.ones(3)), **wrong)  # type: ignore[arg-type]


@functools.cache
def every_metric() -> dict[str, tuple[EpisodeSums, float]]:
    """Of a small fit: by episode, and from the metric's own function."""
    truth, dynamics = TabularMechanism.random(2, 3, seed=3), LogitDynamics()
    play = played(truth, episodes=10, rounds=20, seed=1)
    estimate = TabularMLE(dynamics).fit(played(truth, episodes=20, rounds=20))
    observed = likelihood.observe(truth, dynamics, play)
    true = likelihood.log_choice_probs(truth, dynamics, observed).detach().exp().numpy()
    predicted = estimate.choice_probs(play)
    pair, halves = (estimate.mechanism, truth), (play[:5], play[5:])
    return {
        "log_likelihood": (metrics.log_likelihood_by_episode(predicted, play), estimate.log_likelihood(play)),
        "choice_kl": (metrics.choice_kl_by_episode(predicted, true, play), metrics.choice_kl(predicted, true, play)),
        "accuracy": (metrics.accuracy_by_episode(predicted, play), metrics.accuracy(predicted, play)),
        "calibration": (
            metrics.calibration_by_episode(predicted, play),
            metrics.expected_calibration_error(predicted, play),
        ),
        "histogram_kl": (metrics.histogram_kl_by_episode(*halves), metrics.histogram_kl(*halves)),
        "differences": (
            metrics.payoff_difference_by_episode(*pair, play),
            metrics.payoff_difference_mse(*pair, play),
        ),
        "relative": (
            metrics.payoff_difference_by_episode(*pair, play, relative=True),
            metrics.payoff_difference_mse(*pair, play, relative=True),
        ),
    }


METRICS = ["log_likelihood", "choice_kl", "accuracy", "calibration", "histogram_kl", "differences", "relative"]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_an_interval_around_its_value(name: str) -> None:
    by_episode, expected = every_metric()[name]
    value, low, high = bootstrap_interval(by_episode)
    assert value == pytest.approx(expected, rel=1e-5)
    assert low < value < high


@pytest.mark.parametrize("relative", [False, True])
def test_payoff_differences_by_episode_with_rounds_not_seen_whole(relative: bool) -> None:
    truth, mechanism = (TabularMechanism.random(2, 3, seed=seed) for seed in (3, 5))
    actions = np.array(random_traces((3, 3), [6, 6, 6, 6]).actions)
    actions[0, 3:, 1] = actions[2, :, 0] = -1
    traces = Traces(actions, action_labels=[range(3)] * 2)
    by_episode = metrics.payoff_difference_by_episode(mechanism, truth, traces, relative)
    assert by_episode.value == pytest.approx(metrics.payoff_difference_mse(mechanism, truth, traces, relative))
