"""Intervals hold the truth as often as they say: a short version of `benchmarks/coverage.py`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diml_envs.mechanisms import CongestionMechanism, Mechanism, TabularMechanism
from diml_inverse import Estimate, LogitDynamics, StructuredMLE, TabularMLE, simulate

KNOWN = LogitDynamics(0.25, 3.0, 0.06)


def shares(truth: Mechanism, estimator: StructuredMLE, actions: torch.Tensor, kind: str, data_sets: int) -> list[float]:
    """Of identified payoff differences inside their 95 % intervals, a number for each simulated data set."""
    payoffs = truth.counterfactual_payoffs(actions).double().detach()
    true = payoffs - payoffs.mean(-1, keepdim=True)

    def share(estimate: Estimate) -> float:
        low, high = estimate.intervals(actions, covariance=kind)
        return float(((low <= true) & (true <= high))[(high - low).isfinite()].double().mean())

    return [share(estimator.fit(simulate(truth, KNOWN, 60, 30, seed=seed))) for seed in range(data_sets)]


def check(found: list[float]) -> None:
    """Null: coverage .95. Tolerance: three standard errors over data sets, which are independent."""
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.95) < 3 * error + 0.01  # a point of small-sample error


def test_a_few_data_sets_of_a_table() -> None:
    check(
        shares(
            TabularMechanism.random(2, 2, seed=3), TabularMLE(KNOWN), torch.tensor([[0, 0], [1, 1]]), "information", 30
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clustered", "information"])
def test_a_formula(kind: str) -> None:
    truth = CongestionMechanism.random(3, 3, seed=0)
    actions = torch.randint(3, (10, 3), generator=torch.Generator().manual_seed(0))
    check(shares(truth, StructuredMLE(CongestionMechanism(3, 3), KNOWN), actions, kind, 150))
