"""Tests of hypotheses: against each other, against what they must find, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, t

from diml_envs.mechanisms import CongestionMechanism, Mechanism
from diml_inverse import Dynamics, LogitDynamics, StructuredMLE, TabularMLE, simulate
from diml_inverse.inference import likelihood_ratio_test, same_mechanism_test, wald_test

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
TRUTH = CongestionMechanism.random(4, 3, seed=0).requires_grad_(False)
TRACES = simulate(TRUTH, KNOWN, 60, 40, seed=0)
ESTIMATE = StructuredMLE(CongestionMechanism(4, 3), KNOWN).fit(TRACES)


class CostsKnown(CongestionMechanism):
    """Linear costs known, so that tolls are identified; that of resource 2 is zero where `free`."""

    def __init__(self, num_agents: int, num_actions: int, free: bool = False) -> None:
        super().__init__(num_agents, num_actions)
        self.free = free
        costs = TRUTH.linear_cost.detach().clone()
        del self.linear_cost
        self.register_buffer("linear_cost", costs)

    def payoffs_given_counts(self, others: torch.Tensor) -> torch.Tensor:
        load = (others + 1).to(self.toll_rate.dtype)
        toll = self.toll_rate * torch.tensor([1.0, 1.0, 0.0 if self.free else 1.0])
        return (toll - self.linear_cost) * load - self.quadratic_cost * load**2


def quadratic(mechanism: Mechanism, _: Dynamics) -> torch.Tensor:
    return mechanism.quadratic_cost


def test_one_restriction_is_the_square_of_z() -> None:
    row = ESTIMATE.summary().table.loc["quadratic_cost[2]"]
    found = wald_test(ESTIMATE, lambda mechanism, _: mechanism.quadratic_cost[2])
    assert found.statistic == pytest.approx(row["z"] ** 2)
    assert found.p_value == pytest.approx(row["P>|z|"])
    assert found.degrees == 1
    clustered = wald_test(ESTIMATE, lambda mechanism, _: mechanism.quadratic_cost[2], covariance="clustered")
    assert clustered.p_value == pytest.approx(2 * t.sf(clustered.statistic**0.5, 59))  # 60 episodes


def test_repeated_restrictions_count_once() -> None:
    once = wald_test(ESTIMATE, quadratic, 0.1)
    twice = wald_test(
        ESTIMATE, lambda m, d: torch.cat([quadratic(m, d), 2 * quadratic(m, d)]), np.repeat([0.1, 0.2], 3)
    )
    assert (once.degrees, twice.degrees) == (3, 3)
    assert twice.statistic == pytest.approx(once.statistic)


def test_a_toll_that_play_does_not_identify_cannot_be_tested() -> None:
    with pytest.raises(ValueError, match="does not identify restricted function number 0 of 1"):
        wald_test(ESTIMATE, lambda mechanism, _: mechanism.toll_rate[2])
    wald_test(ESTIMATE, lambda mechanism, _: mechanism.toll_rate[2] - mechanism.linear_cost[2])


def test_the_toll_on_a_route_is_tested_where_linear_costs_are_known() -> None:
    """Null: it is zero. Wald and likelihood ratio agree to first order; the true toll is not rejected at .001."""
    full = StructuredMLE(CostsKnown(4, 3), KNOWN).fit(TRACES)
    restricted = StructuredMLE(CostsKnown(4, 3, free=True), KNOWN).fit(TRACES)
    wald = wald_test(full, lambda mechanism, _: mechanism.toll_rate[2], covariance="information")
    ratio = likelihood_ratio_test(restricted, full, TRACES)
    assert (wald.degrees, ratio.degrees) == (1, 1)
    assert abs(wald.statistic - ratio.statistic) < 0.3 + 0.15 * ratio.statistic
    true = wald_test(full, lambda mechanism, _: mechanism.toll_rate[2], float(TRUTH.toll_rate[2]))
    assert true.p_value > 0.001


def test_known_against_fitted_learners() -> None:
    """Null: learning rate .25, true. Rejected at .001 once in a thousand seeds; .6 is rejected."""
    full = StructuredMLE(CongestionMechanism(4, 3), LogitDynamics(0.4, 3.0, 0.06, fit=("learning_rate",))).fit(TRACES)
    assert likelihood_ratio_test(ESTIMATE, full, TRACES).p_value > 0.001
    wrong = StructuredMLE(CongestionMechanism(4, 3), LogitDynamics(0.6, 3.0, 0.06)).fit(TRACES)
    assert likelihood_ratio_test(wrong, full, TRACES).p_value < 0.001
    with pytest.raises(ValueError, match="more identified parameters"):
        likelihood_ratio_test(full, ESTIMATE, TRACES)
    with pytest.raises(ValueError, match="not nested"):
        likelihood_ratio_test(full, wrong, TRACES, degrees=1)


def test_whether_two_plays_had_one_mechanism() -> None:
    """Null true: not rejected at .001. Another draw of the costs and tolls, twice as large: rejected."""
    estimator = StructuredMLE(CongestionMechanism(4, 3), KNOWN)
    same = same_mechanism_test(estimator, TRACES[:30], TRACES[30:])
    assert same.degrees == 6
    assert same.p_value == pytest.approx(chi2.sf(same.statistic, 6))
    assert same.p_value > 0.001
    other = CongestionMechanism.random(4, 3, seed=1).requires_grad_(False)
    for parameter in other.parameters():
        parameter.data *= 2
    assert same_mechanism_test(estimator, TRACES, simulate(other, KNOWN, 60, 40, seed=1)).p_value < 0.001


def test_tables_can_be_compared_too() -> None:
    """Null true, 2 x 2: four payoff differences in common."""
    small = simulate(CongestionMechanism.random(2, 2), KNOWN, 40, 30, seed=0)
    found = same_mechanism_test(TabularMLE(KNOWN), small[:20], small[20:])
    assert found.degrees == 4
    assert found.p_value > 0.001
