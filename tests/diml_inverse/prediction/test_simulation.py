"""Simulated play: the same as that of the real learners in distribution, reproducible, and checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2

import agents
from diml_envs import RepeatedGameEnv
from diml_envs.mechanisms import AnonymousMechanism, CongestionMechanism, TabularMechanism
from diml_inverse import LogitDynamics, likelihood, metrics
from diml_inverse.prediction import simulation
from diml_inverse.prediction.simulation import changed_learners, scaled_learners, simulate


def test_plays_as_the_learners_of_the_rollout_do() -> None:
    """Joint actions of each round over many episodes; 16 degrees of freedom a round, rounds 0, 1, 5 and 11."""
    payoffs = np.random.default_rng(0).normal(size=(3, 3, 2))
    mechanism, dynamics, episodes = TabularMechanism.from_payoffs(payoffs), LogitDynamics(0.4, 2.0, 0.1), 3000
    simulated = simulate(mechanism, dynamics, episodes, 12).actions
    env = RepeatedGameEnv(mechanism, max_cycles=12)
    real = agents.rollout(env, agents.LogitQ(**dynamics.config()), episodes).traces.actions
    statistic = 0.0
    for round_ in (0, 1, 5, 11):
        table = np.stack([np.bincount(a[:, round_] @ [3, 1], minlength=9) for a in (simulated, real)])
        expected = table.sum(0) / 2
        statistic += float(((table - expected) ** 2 / expected).sum())
    assert statistic < chi2.ppf(0.99, 4 * 8)


def test_draws_with_the_probabilities_that_the_likelihood_gives() -> None:
    mechanism = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 4, 3, 3)))
    dynamics = LogitDynamics()
    traces = simulate(mechanism, dynamics, 200, 20)
    play = likelihood.observe(mechanism, dynamics, traces)
    probs = likelihood.log_choice_probs(mechanism, dynamics, play).detach().exp().numpy()
    table = metrics.reliability(probs, traces)
    assert traces.action_counts == (2, 4, 3)
    assert ((table["predicted"] - table["taken"]).abs() < 4 * table["standard_error"]).all()


def test_a_seed_gives_the_same_play_and_another_seed_other_play() -> None:
    mechanism, dynamics = CongestionMechanism.random(3, 4), LogitDynamics()
    first, again, other = (simulate(mechanism, dynamics, 4, 9, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first.actions.shape == (4, 9, 3)


def test_payoffs_in_parts_are_the_same_payoffs(monkeypatch: pytest.MonkeyPatch) -> None:
    mechanism, dynamics = AnonymousMechanism.random(6, 3), LogitDynamics(precision=20.0)
    whole = simulate(mechanism, dynamics, 7, 5)
    monkeypatch.setattr(simulation, "MOST_PAYOFFS", 2 * 6 * 3)
    assert simulate(mechanism, dynamics, 7, 5) == whole


def test_names_are_kept() -> None:
    names, labels = ("anna", "ben"), (("stay", "go"), (1.5, 2.5, 3.5))
    traces = simulate(TabularMechanism([2, 3]), LogitDynamics(), 2, 3, agents=names, action_labels=labels)
    assert (traces.agents, traces.action_labels) == (names, labels)


def test_changed_learners_are_the_papers() -> None:
    changed = changed_learners(LogitDynamics(0.25, 3.0, 0.06)).config()
    assert changed == pytest.approx({"learning_rate": 0.15, "precision": 4.2, "exploration": 0.09})


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        simulate(TabularMechanism([2]), LogitDynamics(), num_rounds=0)
    unknown = TabularMechanism([2, 2])
    unknown.table.data = torch.full((2, 2, 2), torch.nan)
    with pytest.raises(ValueError, match="round 0: the mechanism has no finite payoff"):
        simulate(unknown, LogitDynamics())
    with pytest.raises(ValueError, match="LogitDynamics has no 'patience' to change"):
        scaled_learners(LogitDynamics(), patience=2.0)
