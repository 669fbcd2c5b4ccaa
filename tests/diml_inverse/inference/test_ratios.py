"""Ratios of payoff differences: Fieller's set has its level, whatever the denominator; and needs no precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diml_envs.mechanisms import TabularMechanism
from diml_inverse import LogitDynamics, TabularMLE, simulate
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
    one, other = (ratio_table(TabularMLE(LogitDynamics(precision=p)).fit(traces), traces) for p in (3.0, 0.03))
    assert len(one) == 4  # of two and three differences in three and two contexts, one each the denominator
    for name in ("ratio", "low", "high"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)
    row = one[one["agent"] == "agent_0"].iloc[0]
    tables = torch.tensor(payoffs)
    difference = tables[1, :, 0] - tables[0, :, 0]
    place = {f"agent_1={action}": action for action in range(3)}
    true = float(difference[place[row["others"]]] / difference[place[row["over_others"]]])
    assert row["low"] <= true <= row["high"]
