"""`RepeatedGameEnv`: what it pays, shows and refuses."""

import json

import numpy as np
import pytest
import torch
from pettingzoo.test import parallel_api_test

from diml_envs import Mechanism, RepeatedGameEnv
from diml_envs.games.observations import OBSERVATIONS
from diml_envs.games.payoff_lookup import PayoffLookup
from diml_envs.mechanisms import AnonymousMechanism, CongestionMechanism, TabularMechanism


@pytest.fixture
def mechanism() -> Mechanism:
    """Three agents with 2, 3 and 4 actions."""
    payoffs = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    return TabularMechanism.from_payoffs(payoffs)


def joint(env, actions):
    return dict(zip(env.possible_agents, actions, strict=True))


def test_rewards_and_counterfactual_payoffs_are_the_mechanisms(mechanism):
    env = RepeatedGameEnv(mechanism)
    env.reset(seed=0)
    _, rewards, _, _, infos = env.step(joint(env, [1, 2, 3]))
    assert list(rewards.values()) == mechanism(torch.tensor([1, 2, 3])).tolist()
    deviations = [[[b, 2, 3] for b in range(2)], [[1, b, 3] for b in range(3)], [[1, 2, b] for b in range(4)]]
    for i, agent in enumerate(env.possible_agents):
        expected = mechanism(torch.tensor(deviations[i]))[:, i].detach().numpy()
        np.testing.assert_array_equal(infos[agent]["counterfactual_payoffs"], expected)


def test_with_own_feedback_nothing_is_told_of_other_actions(mechanism):
    env = RepeatedGameEnv(mechanism, feedback="own")
    env.reset(seed=0)
    assert all(info == {} for info in env.step(joint(env, [0, 0, 0]))[4].values())


def test_truncates_all_agents_after_max_cycles(mechanism):
    env = RepeatedGameEnv(mechanism, max_cycles=3)
    env.reset(seed=0)
    ends = [env.step(joint(env, [0, 0, 0]))[2:4] for _ in range(3)]
    assert [set(truncations.values()) for _, truncations in ends] == [{False}, {False}, {True}]
    assert not any(any(terminations.values()) for terminations, _ in ends)
    assert env.agents == []


def test_observations_by_hand(mechanism):
    def after(kind, *actions):
        env = RepeatedGameEnv(mechanism, observation=kind)
        observations, _ = env.reset(seed=0)
        for profile in actions:
            observations = env.step(joint(env, profile))[0]
        assert all(env.observation_space(agent).contains(seen) for agent, seen in observations.items())
        return observations["agent_1"].tolist()

    assert after("constant") == after("constant", [1, 2, 3]) == [1]
    assert after("last_profile") == [0] * 9
    assert after("last_profile", [0, 0, 0], [1, 2, 3]) == [0, 1, 0, 0, 1, 0, 0, 0, 1]
    assert after("counts") == [0] * 8
    assert after("counts", [1, 2, 1]) == [0, 0, 1, 0, 0, 1, 0, 0]  # both others took action 1
    assert after("counts", [0, 2, 3]) == [0, 0, 1, 0, 0.5, 0, 0, 0.5]


def test_state_is_the_last_joint_action(mechanism):
    env = RepeatedGameEnv(mechanism, observation="constant")
    env.reset(seed=0)
    env.step(joint(env, [1, 2, 3]))
    assert env.state().tolist() == [0, 1, 0, 0, 1, 0, 0, 0, 1]
    assert env.state_space.contains(env.state())


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_same_seed_same_everything_for_whole_episodes(mechanism, observation, noise):
    """PettingZoo's own test looks at dictionary keys, and so stops after one step with agents named by strings."""

    def play(seed):
        env = RepeatedGameEnv(mechanism, max_cycles=10, observation=observation, payoff_noise=noise)
        chooser, history = np.random.default_rng(1), [env.reset(seed=seed)]
        while env.agents:
            history.append(env.step(joint(env, chooser.integers([2, 3, 4]))))
        history.append(env.reset())
        history.append(env.step(joint(env, [0, 0, 0])))
        assert len(history) == 13
        return json.dumps(history, default=np.ndarray.tolist)

    assert play(7) == play(7)
    assert (play(7) == play(8)) == (noise == 0)


def test_noise_has_the_stated_spread_and_the_reward_its_share(mechanism):
    """Null: N(0, .5^2), independent by entry. 4 standard errors of a standard deviation: 4 * .5 / sqrt(2 * 3600)."""
    env = RepeatedGameEnv(mechanism, max_cycles=400, payoff_noise=0.5)
    env.reset(seed=3)
    noise, actions = [], [1, 2, 3]
    clean = env.counterfactual_payoffs(np.array(actions))
    while env.agents:
        _, rewards, _, _, infos = env.step(joint(env, actions))
        for i, (agent, info) in enumerate(infos.items()):
            told = info["counterfactual_payoffs"]
            assert rewards[agent] == told[actions[i]]
            noise.extend(told - clean[i, : len(told)])
    assert np.std(noise) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * len(noise)))
    assert np.mean(noise) == pytest.approx(0, abs=4 * 0.5 / np.sqrt(len(noise)))


def test_small_and_large_games_read_the_same_payoffs(monkeypatch):
    mechanism = CongestionMechanism.random(4, 5, seed=0)
    actions = np.random.default_rng(0).integers(5, size=(6, 7, 4))
    table = PayoffLookup(mechanism)(actions)
    monkeypatch.setattr("diml_envs.games.payoff_lookup.LARGEST_TABLE", 0)
    np.testing.assert_allclose(PayoffLookup(mechanism)(actions), table, rtol=1e-6)


def test_payoffs_of_a_large_game_do_not_depend_on_the_batch():
    """Matrix products in float64 differ in the last bits between one row and many."""
    lookup = PayoffLookup(AnonymousMechanism.random(40, 10, seed=0))
    actions = np.random.default_rng(0).integers(10, size=(12, 40))
    np.testing.assert_array_equal(lookup(actions), np.stack([lookup(profile) for profile in actions]))


def test_later_changes_to_the_mechanism_do_not_show():
    mechanism = CongestionMechanism.random(3, 2, seed=0)
    env, actions = RepeatedGameEnv(mechanism), np.zeros(3, int)
    before = env.counterfactual_payoffs(actions).copy()
    with torch.no_grad():
        next(mechanism.parameters()).add_(1)
    np.testing.assert_array_equal(env.counterfactual_payoffs(actions), before)
    assert mechanism(torch.zeros(3, dtype=torch.int64)).dtype == torch.float32  # the user's copy stays as it was


def test_description_is_json_and_holds_the_settings(mechanism):
    env = RepeatedGameEnv(mechanism, max_cycles=7, payoff_noise=0.1)
    assert json.loads(json.dumps(env.description)) == {
        "env": None,
        "kwargs": {
            "mechanism": "TabularMechanism",
            "max_cycles": 7,
            "feedback": "full",
            "observation": "last_profile",
            "payoff_noise": 0.1,
        },
    }


def test_render_shows_the_last_round():
    mechanism = TabularMechanism.from_payoffs([[[3, 3], [0, 5]], [[5, 0], [1, 1]]])
    env = RepeatedGameEnv(mechanism, max_cycles=2, render_mode="ansi", agents=["ann", "robert"])
    env.reset(seed=0)
    assert env.render() == "round 0 of 2"
    env.step({"ann": 0, "robert": 1})
    assert env.render() == (
        "round 1 of 2\n"
        "ann     action   0  payoff    0.0000\n"
        "robert  action   1  payoff    5.0000"
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*(observation|action) space sizes:UserWarning")
def test_unequal_action_counts_pass_pettingzoos_test(mechanism):
    parallel_api_test(RepeatedGameEnv(mechanism, observation="counts"), num_cycles=10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feedback": "some"}, "feedback must be one of 'full', 'own'; got 'some'"),
        ({"observation": "all"}, "observation must be one of 'constant', 'last_profile', 'counts'; got 'all'"),
        ({"render_mode": "human"}, "render_mode must be one of None, 'ansi'; got 'human'"),
        ({"max_cycles": 0}, "max_cycles must be at least 1 round; got 0"),
        ({"payoff_noise": -1.0}, "0 or more and finite; got -1.0"),
        ({"payoff_noise": float("nan")}, "0 or more and finite; got nan"),
        ({"agents": ["a", "a", "b"]}, "agents must be 3 distinct names"),
        ({"agents": ["a", "b"]}, "agents must be 3 distinct names"),
    ],
)
def test_settings_that_mean_nothing_are_refused(mechanism, arguments, message):
    with pytest.raises(ValueError, match=message):
        RepeatedGameEnv(mechanism, **arguments)


def test_payoffs_that_are_not_finite_are_refused(mechanism):
    with torch.no_grad():
        next(mechanism.parameters())[0, 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="TabularMechanism gives a payoff that is not finite"):
        RepeatedGameEnv(mechanism)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ({"agent_0": 0, "agent_1": 0}, r"missing: \['agent_2'\], unknown: \[\]"),
        ({"agent_0": 0, "agent_1": 0, "agent_2": 0, "x": 0}, r"missing: \[\], unknown: \['x'\]"),
        ({"agent_0": 0, "agent_1": 3, "agent_2": 0}, "round 0: action 3 of 'agent_1' is not an integer in 0..2"),
        ({"agent_0": -1, "agent_1": 0, "agent_2": 0}, "action -1 of 'agent_0'"),
        ({"agent_0": 0, "agent_1": 1.0, "agent_2": 0}, "action 1.0 of 'agent_1'"),
        ({"agent_0": 0, "agent_1": None, "agent_2": 0}, "action None of 'agent_1'"),
    ],
)
def test_step_refuses_what_is_not_a_joint_action(mechanism, actions, message):
    env = RepeatedGameEnv(mechanism)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(actions)


def test_step_outside_an_episode_says_so(mechanism):
    env = RepeatedGameEnv(mechanism, max_cycles=1)
    with pytest.raises(RuntimeError, match=r"before the first reset\(\)"):
        env.step({})
    env.reset(seed=0)
    env.step(joint(env, [0, 0, 0]))
    with pytest.raises(RuntimeError, match=r"after round 1, the last; call reset\(\)"):
        env.step({})


def test_counterfactual_payoffs_refuses_actions_outside_their_range(mechanism):
    with pytest.raises(ValueError, match=r"action counts \(2, 3, 4\)"):
        RepeatedGameEnv(mechanism).counterfactual_payoffs(np.array([2, 0, 0]))
