"""Stepping: other people's envs and anything that can act."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

import agents
import diml_envs
from diml_envs.mechanisms import MISSING


class Elimination(ParallelEnv):
    """Agent k of three leaves after round k + 1, in whatever state; the seed decides how long the last one stays."""

    metadata = {"name": "elimination_v0"}  # noqa: RUF012
    possible_agents = ["a", "b", "c"]  # noqa: RUF012

    def __init__(self, actions=None):
        self.actions = actions or Discrete(2)

    def action_space(self, agent):
        return self.actions

    def observation_space(self, agent):
        return Box(0, 99, (1,), np.float32)

    def reset(self, seed=None, options=None):
        self.agents, self.round = list(self.possible_agents), 0
        self.last = 3 + seed % 4
        return self._seen(), {agent: {} for agent in self.agents}

    def _seen(self):
        return {agent: np.array([self.round], np.float32) for agent in self.agents}

    def step(self, actions):
        assert actions.keys() == set(self.agents)
        self.round += 1
        leaving = {a: self.round >= {"a": 1, "b": 2, "c": self.last}[a] for a in self.agents}
        result = self._seen(), {a: float(10 * actions[a]) for a in self.agents}, leaving
        infos = {a: {} for a in self.agents}
        stay = dict.fromkeys(self.agents, False)
        self.agents = [a for a in self.agents if not leaving[a]]
        return *result, stay, infos


def odd_rounds(observation):
    return int(observation[0]) % 2


def test_agents_that_leave_early_are_missing_and_episodes_differ_in_length():
    rollout = agents.rollout(Elimination(), odd_rounds, num_episodes=8, seed=0)
    traces = rollout.traces
    assert traces.agents == ("a", "b", "c")
    assert set(traces.lengths) <= {3, 4, 5, 6}
    assert len(set(traces.lengths)) > 1
    assert (traces.actions[:, 0] == 0).all()
    assert (traces.actions[:, 1] == [MISSING, 1, 1]).all()
    assert (traces.actions[:, 2, :2] == MISSING).all()
    for e, length in enumerate(traces.lengths):
        assert traces.actions[e, :, 2].tolist() == [
            t % 2 if t < length else MISSING for t in range(max(traces.lengths))
        ]
    np.testing.assert_array_equal(rollout.payoffs, np.where(traces.observed, 10.0 * traces.actions, np.nan))
    assert np.isnan(rollout.choice_probs).all()
    assert traces.metadata["env"] == "elimination_v0"
    assert traces.metadata["learners"] == {"all": {"name": "odd_rounds"}}


def test_across_episodes_joins_episodes_without_their_padding():
    afresh = agents.rollout(Elimination(), odd_rounds, num_episodes=4).traces
    joined = agents.rollout(Elimination(), odd_rounds, num_episodes=4, learn="across_episodes").traces
    whole = np.concatenate([afresh.actions[e, :length] for e, length in enumerate(afresh.lengths)])
    np.testing.assert_array_equal(joined.actions[0], whole)


def test_learners_and_policies_side_by_side():
    """Null: 60 * 3 draws or more of probability 1/2; 4 standard errors."""
    rollout = agents.rollout(Elimination(), {"a": odd_rounds, "b": agents.QLearning(), "c": agents.Uniform()})
    taken = rollout.traces.actions[..., 2][rollout.traces.observed[..., 2]]
    assert taken.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(taken)))
    observed = rollout.traces.observed[..., 2]
    assert (rollout.choice_probs[observed, 2] == 0.5).all()


class Recorder:
    """Acts, tells its probabilities, and notes what it is told."""

    def __init__(self):
        self.heard = []

    def act(self, observation):
        return np.int64(1)

    def choice_probs(self, observation):
        return [0.25, 0.75]

    def learn(self, observation, action, payoff, next_observation):
        self.heard.append((observation.tolist(), action, payoff, next_observation.tolist()))

    def reset(self):
        self.heard.append("reset")


def test_an_object_that_acts_may_learn_forget_and_tell_its_probabilities():
    recorder = Recorder()
    learners = {"a": odd_rounds, "b": recorder, "c": odd_rounds}
    rollout = agents.rollout(Elimination(), learners, num_episodes=2)
    episode = ["reset", ([0.0], 1, 10.0, [1.0]), ([1.0], 1, 10.0, [2.0])]
    assert recorder.heard == episode * 2
    assert (rollout.choice_probs[:, :2, 1] == [0.25, 0.75]).all()
    recorder.heard.clear()
    agents.rollout(Elimination(), learners, num_episodes=2, learn="across_episodes")
    assert recorder.heard == episode[1:] * 2


def test_what_learns_and_cannot_forget_is_refused_where_it_would_have_to():
    class Learns:
        def act(self, observation):
            return 0

        def learn(self, observation, action, payoff, next_observation):
            pass

    with pytest.raises(TypeError, match=r"Learns of 'a' has learn\(\) but no reset\(\)"):
        agents.rollout(Elimination(), Learns())
    agents.rollout(Elimination(), Learns(), num_episodes=2, learn="across_episodes")


def test_wrapped_envs_are_stepped_and_remembered_for_what_they_are():
    plain = diml_envs.congestion_v0.parallel_env(max_cycles=5)
    wrapped = agents.rollout(BaseParallelWrapper(plain), agents.LogitQ(), num_episodes=3)
    assert wrapped.traces == agents.rollout(plain, agents.LogitQ(), num_episodes=3).traces


def test_a_foreign_env_without_counterfactual_payoffs_cannot_serve_those_who_need_them():
    with pytest.raises(ValueError, match=r"LogitQ of 'a' needs infos\['a'\]\['counterfactual_payoffs'\]"):
        agents.rollout(Elimination(), agents.LogitQ())


def test_batching_a_foreign_env_is_refused():
    with pytest.raises(ValueError, match="the env is a Elimination, not a RepeatedGameEnv"):
        agents.rollout(Elimination(), agents.Uniform(), batched=True)


@pytest.mark.parametrize("space", [Box(0, 1, (1,)), Discrete(3, start=1)], ids=repr)
def test_only_discrete_actions_counted_from_zero(space):
    with pytest.raises(TypeError, match="rollout needs Discrete actions counted from 0; the action space of 'a'"):
        agents.rollout(Elimination(space), agents.Uniform())


def test_dictionary_observations_are_for_policies_only():
    class Masked(Elimination):
        def _seen(self):
            return {agent: {"observation": np.zeros(1), "action_mask": np.ones(2)} for agent in self.agents}

    agents.rollout(Masked(), lambda observation: int(observation["action_mask"][0]), num_episodes=1)
    agents.rollout(Masked(), agents.EpsilonGreedy(), num_episodes=1)
    with pytest.raises(TypeError, match=r"QLearning of 'a' reads its observation as one array, .*'action_mask'"):
        agents.rollout(Masked(), agents.QLearning(uses_observation=True))
