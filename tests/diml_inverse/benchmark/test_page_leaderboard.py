"""Means, intervals and ranks of the page against scipy and cases done by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean

from diml_inverse.benchmark.page.leaderboard import interquartile_mean, measured, standings, stratified_interval


@pytest.mark.parametrize("number", range(1, 14))
def test_interquartile_mean_is_scipys_trimmed_mean(number):
    values = np.random.default_rng(number).normal(size=(3, number))
    np.testing.assert_allclose(interquartile_mean(values), trim_mean(values, 0.25, axis=-1))


def test_interquartile_mean_by_hand():
    assert interquartile_mean([4, 1, 1000, 2]) == 3
    assert interquartile_mean([5, 1, 3]) == 3
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 900]) == 3.5
    assert interquartile_mean([1, 2, 3, math.inf]) == 2.5


def test_interval_of_two_seeds_of_one_task_by_hand():
    # Of four equally likely draws one is 0, 0 and one 1, 1: each end of the interval holds more than 2.5 %.
    assert stratified_interval([[0.0, 1.0]]) == (0.0, 1.0)


def test_interval_draws_the_seeds_of_each_task_apart():
    # Tasks that differ much and seeds that do not: an interval over tasks would be wide.
    low, high = stratified_interval([[0.0, 0.0, 0.0], [10.0, 10.0, 10.0], [20.0, 20.0, 20.0]])
    assert low == high == interquartile_mean([0, 0, 0, 10, 10, 10, 20, 20, 20])


def test_interval_is_the_quantiles_of_a_bootstrap_in_plain_loops():
    runs = [[1.0, 2.0, 4.0], [3.0, 3.5, 9.0, 10.0]]
    generator = np.random.default_rng(5)
    means = []
    for _ in range(4000):
        drawn = [generator.choice(values) for values in runs for _ in values]
        means.append(trim_mean(drawn, 0.25))
    # The ends are quantiles of two bootstraps of thousands: of a spread of about 2 they differ by less than a tenth.
    np.testing.assert_allclose(stratified_interval(runs), np.quantile(means, [0.025, 0.975]), atol=0.2)


def test_a_task_with_one_seed_leaves_no_interval():
    assert np.isnan(stratified_interval([[1.0, 2.0], [3.0]])).all()
    assert np.isnan(stratified_interval([])).all()


def results(rows):
    return pd.DataFrame(rows, columns=["task", "estimator", "seed", "metric", "value"])


def test_ranks_by_hand():
    table = results(
        [
            ("T1", "good", 0, "choice_kl", 0.1),
            ("T2", "good", 0, "choice_kl", 0.3),
            ("T1", "bad", 0, "choice_kl", 0.5),
            ("T2", "bad", 0, "choice_kl", 0.7),
            ("T1", "partial", 0, "choice_kl", 0.01),
            ("T2", "partial", 0, "error", math.nan),
            ("T1", "equal", 0, "choice_kl", 0.5),
            ("T2", "equal", 0, "choice_kl", 0.7),
            ("T1", "other", 0, "accuracy", 0.5),
        ]
    )
    found = standings(table, "choice_kl")
    assert [(one.estimator, one.rank) for one in found] == [("good", 1), ("bad", 2), ("equal", 2), ("partial", None)]
    assert found[0].mean == pytest.approx(0.2)
    # On T1 partial, good, then two equal ones; on T2 good, then the two.
    assert [one.mean_rank for one in found] == [1.5, 3.0, 3.0, 1.0]
    assert (found[3].tasks, found[3].of_tasks, found[3].cells, found[3].failed) == (1, 2, 1, 1)


def test_of_log_likelihood_and_accuracy_more_is_better():
    rows = [("T", name, 0, "log_likelihood", value) for name, value in (("low", -2.0), ("high", -1.0))]
    assert [one.estimator for one in standings(results(rows), "log_likelihood")] == ["high", "low"]


def test_yardsticks_and_failures_are_no_metrics_to_rank_by():
    names = ["choice_kl", "truth_log_likelihood", "cramer_rao", "skipped", "error", "accuracy"]
    assert measured(results([("T", "e", 0, name, 1.0) for name in names])) == ["choice_kl", "accuracy"]


def test_what_failed_everywhere_is_a_last_row_without_a_mean():
    rows = [
        ("T1", "good", 0, "choice_kl", 0.1),
        ("T1", "bad", 0, "error", math.nan),
        ("T2", "bad", 0, "error", math.nan),
    ]
    good, bad = standings(results(rows), "choice_kl")
    assert (good.estimator, good.rank) == ("good", 1)
    assert (bad.estimator, bad.rank, bad.tasks, bad.cells, bad.failed) == ("bad", None, 0, 0, 2)
    assert math.isnan(bad.mean)
