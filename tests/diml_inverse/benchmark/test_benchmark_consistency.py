"""Slopes of errors that are known, and the report's part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api

from diml_inverse.benchmark.reports.consistency import (
    PICTURE,
    SLOPES,
    consistency_section,
    error_against_episodes,
    errors,
    slopes,
)
from diml_inverse.benchmark.running.suites import SUITES
from diml_inverse.benchmark.tasks.consistency import CONSISTENCY

SIZES = [4, 8, 16, 32, 64, 128, 256]


def results(mse: np.ndarray, estimator: str = "structured", metric: str = "payoff_difference_mse") -> pd.DataFrame:
    """As `results_table`. mse: [seeds, sizes]"""
    rows = [
        (task, estimator, seed, metric, mse[seed, place])
        for seed in range(len(mse))
        for place, task in enumerate(CONSISTENCY)
    ]
    return pd.DataFrame(rows, columns=["task", "estimator", "seed", "metric", "value"])


def power(seeds: int, slope: float) -> np.ndarray:
    return np.arange(1, seeds + 1)[:, None] * np.array(SIZES, float) ** slope


def test_the_suite_is_one_game_with_ever_more_episodes() -> None:
    suite = SUITES["consistency"]
    assert [task.num_episodes for task in suite.tasks.values()] == [5, 10, 20, 40, 80, 160, 320]
    assert set(suite.quick) <= set(suite.tasks)
    assert errors(results(power(1, -1)))["episodes"].tolist() == SIZES  # four fifths train


def test_a_power_law_is_found_whatever_its_level() -> None:
    table = pd.concat(
        [results(power(3, -1.5), "tabular"), results(power(3, -1)), results(power(3, -1), metric="cramer_rao")]
    )
    found = slopes(errors(table)).set_index(["estimator", "from_episodes"])
    for estimator, slope in (("tabular", -1.5), ("structured", -1), ("cramer_rao", -1)):
        for start in (4, 16):
            assert found.loc[(estimator, start), ["slope", "low", "high"]].tolist() == pytest.approx([slope] * 3)
    assert found["seeds"].tolist() == [3] * 6
    assert found["to_episodes"].tolist() == [256] * 6


def test_the_interval_of_a_single_seed_is_that_of_its_regression() -> None:
    mse = power(1, -1) * np.random.default_rng(0).lognormal(size=(1, 7))
    row = slopes(errors(results(mse))).iloc[0]
    line = statsmodels.api.OLS(np.log(mse[0]), statsmodels.api.add_constant(np.log(SIZES))).fit()
    assert row["slope"] == pytest.approx(line.params[1])
    assert row[["low", "high"]].tolist() == pytest.approx(line.conf_int()[1].tolist())


def test_intervals_cover() -> None:
    """Null: squared errors are chi-squared of five degrees and fall as 1 / n. Of 300 data sets of five seeds 95 % of
    the intervals should cover -1; the bound is three binomial standard errors."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        row = slopes(errors(results(power(5, -1) * rng.chisquare(5, size=(5, 7))))).iloc[0]
        covered.append(row["low"] < -1 < row["high"])
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 300)


def test_seeds_that_lack_a_size_are_left_out_and_two_sizes_are_too_few() -> None:
    table = results(power(3, -1))
    lacking = table[~((table["seed"] == 2) & (table["task"] == "consistency-n40-v0"))]
    assert slopes(errors(lacking))["seeds"].tolist() == [2, 2]
    assert slopes(errors(table[table["task"].isin(["consistency-n5-v0", "consistency-n10-v0"])])).empty


def test_the_section_has_table_file_and_picture(tmp_path: Path) -> None:
    table = pd.concat([results(power(2, -1)), results(power(2, -1), metric="cramer_rao")])
    text = consistency_section(tmp_path, table)
    assert "| structured | 16 to 256 | 2 | -1.00 | -1.00 to -1.00 |" in text
    assert (tmp_path / PICTURE).stat().st_size > 1000
    assert pd.read_csv(tmp_path / SLOPES)["slope"].tolist() == pytest.approx([-1] * 4)
    figure = error_against_episodes(errors(table), slopes(errors(table)))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[1].startswith("Cramér-Rao bound: slope -1.00")
    mean = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(mean, power(2, -1).mean(0))


def test_other_tasks_make_no_section(tmp_path: Path) -> None:
    assert consistency_section(tmp_path, results(power(1, -1)).assign(task="E2")) == ""
    assert not list(tmp_path.iterdir())
