"""Ratios of payoff differences: Fieller's set has its level, whatever the denominator; and needs no precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diml_envs.mechanisms import CongestionMechanism, TabularMechanism
from diml_inverse import LogitDynamics, StructuredMLE, TabularMLE, simulate
from diml_inverse.inference.ratios import fieller
from diml_inverse.report.ratios import ratio_table


@pytest.mark.parametrize("under", [0.5, 2.0, 5.0])
def test_coverage_of_fiellers_set(under: float) -> None:
    """Normal pairs, correlation .5: covered in 95 of 100 whatever the denominator. 3 standard errors of 20,000 draws.

    Unbounded sets are reported whole, which can only add: at a weak denominator coverage is at least the level.
    """
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    draws = rng.multivariate_normal([3.0, under], covariance, 20_000)
    true = 3.0 / under
    inside = []
    for over, below in draws:
        low, high = fieller(np.array([over]), below, np.ones(1), 1.0, np.array([0.5]), 1.959964)
        inside.append(low[0] <= true <= high[0])
    error = 3 * np.sqrt(0.95 * 0.05 / len(draws))
    assert np.mean(inside) > 0.95 - error
    if under == 5.0:
        assert np.mean(inside) < 0.95 + error


def test_ratios_are_the_same_whatever_the_precision() -> None:
    payoffs = np.random.default_rng(1).normal(size=(2, 3, 2)) / 2
    traces = simulate(TabularMechanism.from_payoffs(payoffs), LogitDynamics(), 40, 30, seed=0)
    estimates = [TabularMLE(LogitDynamics(precision=p)).fit(traces) for p in (3.0, 0.03)]
    one, other = (ratio_table(estimate, traces) for estimate in estimates)
    assert len(one) == 5  # one difference in three contexts, two in two; one each is the denominator
    for name in ("ratio", "low", "high"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)
    row = one[one["agent"] == "agent_0"].iloc[0]
    tables = torch.tensor(payoffs)
    difference = tables[1, :, 0] - tables[0, :, 0]
    place = {f"agent_1={action}": action for action in range(3)}
    true = float(difference[place[row["others"]]] / difference[place[row["over_others"]]])
    assert row["low"] <= true <= row["high"]
    summary = estimates[0].summary()
    name = f"agent_0: (1 - 0 | {row['others']}) / (1 - 0 | {row['over_others']})"
    np.testing.assert_allclose(summary.ratios.loc[name], row[["ratio", "low", "high"]].to_numpy(float))
    assert len(summary.ratios) == 5
    assert name in str(summary)
    assert len(estimates[0].summary(max_rows=2).ratios) == 2


def test_of_named_parameters_the_summary_has_ratios_of_these() -> None:
    """Only of those that play identifies: tolls and linear costs show as a sum alone."""
    truth = CongestionMechanism.random(3, 3, seed=0)
    estimate = StructuredMLE(CongestionMechanism(3, 3), LogitDynamics()).fit(simulate(truth, LogitDynamics(), 20, 20))
    summary = estimate.summary()
    costs, errors = (summary.table.loc[summary.table.index.str.startswith("quadratic"), c] for c in ("coef", "std err"))
    surest = (costs / errors).abs().idxmax()
    others = [name for name in costs.index if name != surest]
    assert list(summary.ratios.index) == [f"{name} / {surest}" for name in others]
    np.testing.assert_allclose(summary.ratios["ratio"], costs[others] / costs[surest])
