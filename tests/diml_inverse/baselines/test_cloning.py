"""Behavioural cloning: what it can learn, what it may look at, and that the same seed gives the same policy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from slow_definitions import played, random_traces

from diml_envs import Traces
from diml_envs.mechanisms import AnonymousMechanism
from diml_inverse import metrics
from diml_inverse.baselines import BehaviouralCloning, ClonedPolicy
from diml_inverse.baselines.networks import JointNetwork, SharedNetwork
from diml_inverse.baselines.policy import windows


def copycats(num_episodes: int, seed: int) -> Traces:
    """Two agents: each does what the other did in the round before; the first round is drawn."""
    actions = np.random.default_rng(seed).integers(3, size=(num_episodes, 12, 2))
    for round_ in range(1, 12):
        actions[:, round_] = actions[:, round_ - 1, ::-1]
    return Traces(actions, action_labels=[range(3)] * 2)


def independent(num_agents: int, shares: NDArray[np.float64], episodes: int, seed: int) -> Traces:
    """Agents without memory who all choose with the same shares."""
    rng = np.random.default_rng(seed)
    actions = rng.choice(len(shares), p=shares, size=(episodes, 25, num_agents))
    return Traces(actions, action_labels=[range(len(shares))] * num_agents)


def entropy(shares: NDArray[np.float64]) -> float:
    return float(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize(("num_agents", "episodes"), [(2, 200), (40, 10)])
def test_of_independent_draws_comes_close_to_their_entropy(num_agents: int, episodes: int) -> None:
    shares = np.array([0.5, 0.2, 0.15, 0.1, 0.03, 0.02])
    training, test = (independent(num_agents, shares, episodes, seed) for seed in (0, 1))
    policy = BehaviouralCloning().fit(training)
    true = np.broadcast_to(shares, (*test.actions.shape, 6))
    assert 0 < metrics.choice_kl(policy.choice_probs(test), true, test) < 0.015
    error = np.sqrt((shares * np.log(shares) ** 2).sum() - entropy(shares) ** 2) / np.sqrt(test.actions.size)
    assert abs(-policy.log_likelihood(test) - entropy(shares)) < 0.015 + 3 * error
    assert policy.accuracy(test) == pytest.approx(0.5, abs=0.05)


def test_learns_a_rule_that_looks_back() -> None:
    policy = BehaviouralCloning(step_size=1e-2).fit(copycats(60, 0))
    test = copycats(20, 1)
    assert policy.accuracy(test) == 1.0
    assert policy.log_likelihood(test) > -0.01
    simulated = policy.simulate(30, 8)
    assert (simulated.actions[:, 1:] == simulated.actions[:, :-1, ::-1]).mean() > 0.98


def test_simulated_play_has_the_cloned_shares() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    policy = BehaviouralCloning().fit(independent(2, shares, 40, 0))
    play = policy.simulate(num_episodes=100, num_rounds=20)
    assert play.actions.shape == (100, 20, 2)
    table = metrics.reliability(policy.choice_probs(play), play)
    assert ((table["predicted"] - table["taken"]).abs() < 4 * table["standard_error"]).all()
    assert play == policy.simulate(num_episodes=100, num_rounds=20)
    assert play != policy.simulate(num_episodes=100, num_rounds=20, seed=1)


@pytest.mark.parametrize("counts", [(2, 4, 3), (2, 3) * 60], ids=["joint", "shared"])
def test_looks_at_the_last_rounds_only_and_gives_each_agent_its_own_actions(counts: tuple[int, ...]) -> None:
    traces = random_traces(counts, [12, 9, 12], missing=0.1)
    policy = BehaviouralCloning(memory=3, max_epochs=2).fit(traces)
    assert isinstance(policy.network, JointNetwork if len(counts) == 3 else SharedNetwork)
    probs = policy.choice_probs(traces)
    assert np.allclose(probs.sum(-1), 1)
    assert (probs[..., np.arange(max(counts)) >= np.array(counts)[:, None]] == 0).all()
    changed = np.array(traces.actions)
    changed[:, [2, 6]] = 0
    same = policy.choice_probs(Traces(changed, traces.lengths, action_labels=traces.action_labels))
    differs = (np.abs(same - probs) > 1e-6).any((0, 2, 3))
    assert differs.tolist() == [False] * 3 + [True] * 3 + [False] + [True] * 3 + [False] * 2


def test_the_shared_network_takes_agents_for_exchangeable() -> None:
    traces = random_traces((6,) * 40, [8, 8])
    policy = BehaviouralCloning(max_epochs=2).fit(traces)
    order = np.random.default_rng(0).permutation(40)
    probs = policy.choice_probs(traces)
    permuted = policy.choice_probs(Traces(traces.actions[:, :, order], action_labels=traces.action_labels))
    assert np.allclose(permuted, probs[:, :, order], atol=1e-5)


def test_keeps_the_best_state_and_stops_when_nothing_gets_better() -> None:
    training = independent(2, np.array([0.6, 0.4]), 30, 0)
    policy = BehaviouralCloning(patience=4).fit(training)
    held_out = policy.history["validation_log_likelihood"]
    assert policy.info["best_epoch"] == held_out.argmax() + 1
    assert len(policy.history) == policy.info["best_epoch"] + 4
    shorter = BehaviouralCloning(patience=4, max_epochs=policy.info["best_epoch"]).fit(training)
    assert np.array_equal(shorter.choice_probs(training), policy.choice_probs(training))
    assert list(policy.history) == ["epoch", "train_log_likelihood", "validation_log_likelihood", "seconds"]


def test_a_seed_gives_the_same_policy_whatever_torchs_own_seed() -> None:
    traces = random_traces((3, 3), [9, 9, 9, 9])
    found: list[NDArray[np.float64]] = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(found))
        found.append(BehaviouralCloning(max_epochs=5, seed=seed).fit(traces).choice_probs(traces))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_one_long_episode_is_held_out_at_its_end() -> None:
    traces = random_traces((2, 2), [40])
    assert isinstance(BehaviouralCloning(max_epochs=3).fit(traces), ClonedPolicy)


def test_windows_hold_the_rounds_before() -> None:
    actions = random_traces((3, 4), [7, 5]).actions
    found = windows(torch.tensor(actions), 3).numpy()
    for e, t, back, i in np.ndindex(2, 7, 3, 2):
        source = t - 3 + back
        assert found[e, t, back, i] == (actions[e, source, i] if source >= 0 else -1)


def test_a_crowd_with_many_actions() -> None:
    truth = AnonymousMechanism.random(60, 20)
    traces = played(truth, episodes=3, rounds=6)
    policy = BehaviouralCloning(max_epochs=2).fit(traces)
    assert policy.choice_probs(traces).shape == (3, 6, 60, 20)


def test_what_does_not_fit_is_refused() -> None:
    traces = random_traces((2, 3), [5, 5])
    with pytest.raises(ValueError, match="the policy is of agents with action counts"):
        BehaviouralCloning(max_epochs=1).fit(traces).choice_probs(random_traces((2, 2), [5]))
    with pytest.raises(ValueError, match="too little observed play"):
        BehaviouralCloning().fit(random_traces((2, 3), [1]))
    for wrong in ({"memory": 0}, {"hidden": (8, 0)}, {"patience": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            BehaviouralCloning(**wrong)
    with pytest.raises(ValueError, match="validation_fraction 1 in"):
        BehaviouralCloning(validation_fraction=1)
