"""Equilibria of games whose equilibria are known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit

from diml_envs.mechanisms import CongestionMechanism, NeuralMechanism, TabularMechanism
from diml_inverse import LogitDynamics, TabularMLE, equilibria, simulate


def game(rows: np.ndarray, columns: np.ndarray) -> TabularMechanism:
    """Two agents: payoffs of each."""
    return TabularMechanism.from_payoffs(np.stack([rows, columns], -1))


PENNIES = np.array([[1.0, -1.0], [-1.0, 1.0]])
DILEMMA = np.array([[3.0, 0.0], [5.0, 1.0]])
NINE = np.array([[9.0, 0.0], [0.0, 1.0]])


def test_matching_pennies_are_played_evenly() -> None:
    found = equilibria(game(PENNIES, -PENNIES), precision=4.0)
    assert found.pure == ()
    assert found.nash is not None
    assert found.logit is not None
    for profiles in (found.nash, found.logit):
        (profile,) = profiles
        np.testing.assert_allclose(profile, 0.5)


def test_the_dilemma_has_one_equilibrium_and_logit_players_come_near_it() -> None:
    """Defection pays 1 more against a defector and 2 more against a cooperator."""
    found = equilibria(game(DILEMMA, DILEMMA.T), precision=1.0)
    assert found.nash is not None
    assert found.logit is not None
    for profiles in (found.pure, found.nash):
        np.testing.assert_array_equal(profiles, [[[0.0, 1.0], [0.0, 1.0]]])
    defect = brentq(lambda p: p - expit(p * 1 + (1 - p) * 2), 0, 1)
    np.testing.assert_allclose(found.logit, [[[1 - defect, defect]] * 2], atol=1e-9)


@pytest.mark.parametrize("precision", [0.0, 0.3, 1.0, 10.0])
def test_asymmetric_pennies_follow_the_known_branch(precision: float) -> None:
    """Row gets 9 or 1 where they match, column 1 where they do not (Goeree & Holt 2001). Unique; by bisection."""

    def column(up: float) -> float:
        return float(expit(precision * (2 * up - 1)))  # right, which wins against up

    def off(up: float) -> float:
        return up - float(expit(precision * (9 * (1 - column(up)) - column(up))))

    up = brentq(off, 0, 1, xtol=1e-14)
    found = equilibria(game(NINE, np.array([[0.0, 1.0], [1.0, 0.0]])), precision)
    assert found.logit is not None
    assert found.nash is not None
    np.testing.assert_allclose(found.logit, [[[up, 1 - up], [1 - column(up), column(up)]]], atol=1e-8)
    np.testing.assert_allclose(found.nash, [[[0.5, 0.5], [0.1, 0.9]]])


def test_coordination_has_three_of_each_kind_and_the_branch_comes_first() -> None:
    payoffs = np.diag([2.0, 1.0])
    found = equilibria(game(payoffs, payoffs), precision=6.0)
    assert found.nash is not None
    assert found.logit is not None
    assert (len(found.pure), len(found.nash), len(found.logit)) == (2, 3, 3)
    assert found.logit[0][0][0] > 0.9  # the risk-dominant one


@pytest.mark.parametrize("precision", [0.5, 3.0])
def test_logit_answers_itself_for_any_number_of_agents(precision: float) -> None:
    """Residual by plain enumeration, agents with different numbers of actions."""
    mechanism = NeuralMechanism(3, [2, 4, 3], seed=5)
    found = equilibria(mechanism, precision, starts=3)
    assert found.nash is None
    assert found.logit
    mechanism = mechanism.double().requires_grad_(False)
    for profile in found.logit:
        for agent in range(3):
            expected = np.zeros(mechanism.action_counts[agent])
            for place in np.ndindex(*mechanism.action_counts):
                others = np.prod([profile[j][place[j]] for j in range(3) if j != agent])
                paid = mechanism(torch.tensor(place))[agent]
                expected[place[agent]] += others * float(paid)
            powers = np.exp(precision * expected)
            np.testing.assert_allclose(profile[agent], powers / powers.sum(), atol=1e-6)


def test_a_congestion_game_spreads_its_agents() -> None:
    """Costs alike: in pure equilibria no road is used twice while another is empty; 3! of them, for 3 agents."""
    mechanism = CongestionMechanism(3, 3).double().requires_grad_(False)
    mechanism.linear_cost += 1.0
    found = equilibria(mechanism)
    assert len(found.pure) == 6
    assert found.logit is None
    assert "two agents only" in found.notes[0]


def test_an_estimate_brings_precision_and_labels() -> None:
    truth, dynamics = game(PENNIES, -PENNIES), LogitDynamics(precision=2.0)
    traces = simulate(truth, dynamics, 20, 30, agents=("row", "column"), action_labels=[("heads", "tails")] * 2)
    found = equilibria(TabularMLE(dynamics).fit(traces))
    assert found.precision == 2
    frame = found.frame()
    assert set(frame["action"]) == {"heads", "tails"}
    np.testing.assert_allclose(frame.groupby(["kind", "equilibrium", "agent"])["probability"].sum(), 1)


def test_degenerate_games_are_noted() -> None:
    (note,) = equilibria(game(np.zeros((2, 2)), np.zeros((2, 2)))).notes
    assert "degenerate" in note


def test_what_has_no_equilibria_to_find_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="too large"):
        equilibria(CongestionMechanism(12, 4))
    with pytest.raises(ValueError, match="precision must be at least 0"):
        equilibria(game(PENNIES, -PENNIES), precision=-1.0)
    traces = simulate(CongestionMechanism(2, 2), LogitDynamics(precision=[1.0, 2.0]), 5, 9)
    with pytest.raises(ValueError, match="precisions differ"):
        equilibria(TabularMLE(LogitDynamics(precision=[1.0, 2.0])).fit(traces))
    monkeypatch.setitem(sys.modules, "nashpy", None)
    with pytest.raises(ImportError, match=r"pip install 'diml\[equilibria\]'"):
        equilibria(game(PENNIES, -PENNIES))
