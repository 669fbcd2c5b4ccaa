"""`rollout`: both ways of playing give the same play, and the record says what happened."""

import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from histories import LEARNERS as BUILT_IN

import agents
import diml_envs
from agents import EpsilonGreedy, Feedback, Learner, LogitQ, QLearning, Uniform
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import TabularMechanism


@dataclass(frozen=True)
class GaussianThompson(Learner[tuple]):
    """A user's learner that uses up several random numbers a decision and cannot tell its probabilities."""

    def start(self, batch_shape, num_actions):
        return np.zeros((*batch_shape, num_actions)), np.ones((*batch_shape, num_actions))

    def uniforms_per_decision(self, num_actions):
        return num_actions

    def choice_probs(self, state, observation):
        return np.full(state[0].shape, np.nan)

    def decide(self, state, observation, uniforms):
        noise = np.log(uniforms + 1e-9) - np.log(1 - uniforms)
        return (state[0] / state[1] + noise / state[1]).argmax(-1), self.choice_probs(state, observation)

    def update(self, state, feedback: Feedback):
        taken = feedback.actions[..., None] == np.arange(state[0].shape[-1])
        return state[0] + taken * feedback.payoffs[..., None], state[1] + taken


def unequal(**settings):
    """Three agents with 2, 5 and 9 actions."""
    payoffs = np.random.default_rng(0).normal(size=(2, 5, 9, 3))
    return RepeatedGameEnv(TabularMechanism.from_payoffs(payoffs), max_cycles=12, **settings)


def congestion(**settings):
    return diml_envs.congestion_v0.parallel_env(max_cycles=12, **settings)


MIXED = {"agent_0": LogitQ(), "agent_1": QLearning(uses_observation=True), "agent_2": GaussianThompson()}
LEARNERS = [*BUILT_IN, GaussianThompson()]


def assert_same_both_ways(env, learners, **arguments):
    batched = agents.rollout(env, learners, seed=5, batched=True, **arguments)
    stepped = agents.rollout(env, learners, seed=5, batched=False, **arguments)
    assert batched.traces == stepped.traces
    np.testing.assert_array_equal(batched.payoffs, stepped.payoffs)
    np.testing.assert_array_equal(batched.choice_probs, stepped.choice_probs)
    return batched


@pytest.mark.parametrize("learn", ["per_episode", "across_episodes"])
@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_batched_and_stepped_play_are_identical(learner, learn):
    assert_same_both_ways(congestion(payoff_noise=0.3), learner, num_episodes=7, learn=learn)


@pytest.mark.parametrize("observation", ["constant", "last_profile", "counts"])
@pytest.mark.parametrize("learn", ["per_episode", "across_episodes"])
def test_identical_for_mixed_populations_and_unequal_action_counts(observation, learn):
    env = unequal(payoff_noise=0.5, observation=observation)
    assert_same_both_ways(env, MIXED, num_episodes=7, learn=learn)
    shared = LogitQ()  # by agents that do not sit side by side
    assert_same_both_ways(env, {"agent_0": shared, "agent_1": EpsilonGreedy(), "agent_2": shared}, num_episodes=7)


@pytest.mark.parametrize("first", range(0, len(LEARNERS), 4))
def test_identical_where_every_agent_learns_in_its_own_way(first):
    env = diml_envs.congestion_v0.parallel_env(num_agents=6, max_cycles=12, payoff_noise=0.3)
    kinds = [LEARNERS[(first + i) % len(LEARNERS)] for i in range(4)]
    learners = [kinds[0], LogitQ(0.1), *kinds[1:], kinds[0]]  # one of them in two places, and one with two parameters
    assert_same_both_ways(env, dict(zip(env.possible_agents, learners, strict=True)), num_episodes=5)


@pytest.mark.parametrize("game", ["neural", "public_goods", "auction", "matrix"])
def test_identical_in_every_game(game):
    env = getattr(diml_envs, f"{game}_v0").parallel_env(max_cycles=10)
    assert_same_both_ways(env, LogitQ(), num_episodes=5)


def test_identical_in_games_too_large_to_tabulate():
    env = diml_envs.anonymous_v0.parallel_env(num_agents=25, num_actions=12, max_cycles=8)
    assert_same_both_ways(env, LogitQ(precision=20.0), num_episodes=6)
    assert_same_both_ways(env, QLearning(uses_observation=True), num_episodes=6)


def test_identical_with_own_feedback():
    assert_same_both_ways(congestion(feedback="own"), EpsilonGreedy(), num_episodes=5)


def test_the_seed_decides_everything():
    env = congestion(payoff_noise=0.1)
    first = agents.rollout(env, LogitQ(), num_episodes=5, seed=1)
    again = agents.rollout(env, LogitQ(), num_episodes=5, seed=1)
    other = agents.rollout(env, LogitQ(), num_episodes=5, seed=2)
    assert again.traces == first.traces
    np.testing.assert_array_equal(again.payoffs, first.payoffs)
    assert not np.array_equal(other.traces.actions, first.traces.actions)


def test_more_episodes_leave_the_first_ones_as_they_were():
    few, many = (agents.rollout(congestion(payoff_noise=0.1), LogitQ(), num_episodes=n) for n in (3, 8))
    np.testing.assert_array_equal(many.traces.actions[:3], few.traces.actions)
    assert len(np.unique(many.traces.actions[:, 0], axis=0)) > 3  # and episodes differ


def test_payoffs_are_what_the_mechanism_pays_and_probabilities_what_the_learner_says():
    env, learner = unequal(), LogitQ()
    rollout = agents.rollout(env, learner, num_episodes=4)
    payoffs = env.counterfactual_payoffs(rollout.traces.actions)
    own = np.take_along_axis(payoffs, rollout.traces.actions[..., None], -1)[..., 0]
    np.testing.assert_array_equal(rollout.payoffs, own)
    attractions = np.zeros((4, 9))
    for t in range(env.max_cycles):
        np.testing.assert_allclose(rollout.choice_probs[:, t, 2], learner.choice_probs(attractions, None))
        attractions = 0.75 * attractions + 0.25 * payoffs[:, t, 2]
    assert np.isnan(rollout.choice_probs[:, :, 0, 2:]).all()
    assert not np.isnan(rollout.choice_probs[:, :, 0, :2]).any()


def test_actions_come_as_often_as_their_probabilities_say():
    """Null: each action is drawn with its stated probability. The sum of (taken - probability) over D decisions then
    has standard error sqrt(sum p (1 - p)); within 4.5 of them for each of 20 agent-action pairs (p about 1e-4)."""
    rollout = agents.rollout(congestion(), LogitQ(), num_episodes=200, seed=11)
    taken = rollout.traces.actions[..., None] == np.arange(5)
    surplus = (taken - rollout.choice_probs).sum((0, 1))
    error = np.sqrt((rollout.choice_probs * (1 - rollout.choice_probs)).sum((0, 1)))
    assert (np.abs(surplus) < 4.5 * error).all()


def test_learning_across_episodes_is_one_long_trace():
    env = RepeatedGameEnv(TabularMechanism.from_payoffs([[[1, 1], [1, 0]], [[0, 1], [0, 0]]]), max_cycles=5)
    learner = LogitQ(precision=50.0, exploration=0.0)  # action 0 dominates
    persisting = agents.rollout(env, learner, num_episodes=8, learn="across_episodes")
    afresh = agents.rollout(env, learner, num_episodes=8)
    assert persisting.traces.actions.shape == persisting.payoffs.shape == (1, 40, 2)
    assert (persisting.traces.actions[0, 5:] == 0).all()
    assert (afresh.traces.actions[:, 0] == 1).any()  # each first round is a toss-up again


def test_the_record_says_who_played_what_and_nothing_of_payoffs(tmp_path):
    env = diml_envs.matrix_v0.parallel_env(payoffs=np.random.default_rng(0).normal(size=(2, 3, 2)), max_cycles=4)
    learners = {"agent_0": LogitQ(precision=2.0), "agent_1": EpsilonGreedy()}
    traces = agents.rollout(env, learners, num_episodes=3, seed=9).traces
    assert isinstance(traces, Traces)
    assert traces.agents == ("agent_0", "agent_1")
    assert traces.action_labels == ((0, 1), (0, 1, 2))
    metadata = json.loads(json.dumps(traces.metadata))
    assert metadata.pop("versions").keys() == {"diml", "numpy", "torch", "pettingzoo"}
    defaults = {"learning_rate": 0.25, "exploration": 0.06, "feedback": "full"}
    settings = {"max_cycles": 4, "feedback": "full", "observation": "last_profile", "payoff_noise": 0.0}
    assert metadata == {
        "env": "diml/matrix_v0",
        "env_kwargs": {"game": None, **settings},
        "learners": {
            "agent_0": {"name": "LogitQ", "precision": 2.0, **defaults},
            "agent_1": {"name": "EpsilonGreedy", "exploration": 0.1, "learning_rate": None},
        },
        "seed": 9,
        "learn": "per_episode",
    }


def test_a_subclass_that_plays_by_other_rules_is_stepped():
    class Halved(RepeatedGameEnv):
        def step(self, actions):
            observations, rewards, *rest = super().step(actions)
            return observations, {agent: reward / 2 for agent, reward in rewards.items()}, *rest

    env = Halved(diml_envs.congestion_v0.parallel_env().mechanism, max_cycles=3)
    rollout = agents.rollout(env, Uniform(), num_episodes=2)
    full = np.take_along_axis(env.counterfactual_payoffs(rollout.traces.actions), rollout.traces.actions[..., None], -1)
    np.testing.assert_allclose(rollout.payoffs, full[..., 0] / 2)


@pytest.mark.parametrize("batched", [None, False])
def test_full_feedback_learners_are_refused_before_anything_runs(batched):
    with pytest.raises(ValueError, match=r"LogitQ of 'agent_0' needs counterfactual payoffs, .* feedback='own'; make"):
        agents.rollout(congestion(feedback="own"), LogitQ(), batched=batched)


@pytest.mark.parametrize(
    ("learners", "arguments", "message"),
    [
        (Uniform(), {"num_episodes": 0}, "num_episodes must be 1 or more"),
        (Uniform(), {"seed": -1}, "seed 0 or more"),
        (Uniform(), {"learn": "never"}, "learn must be one of 'per_episode', 'across_episodes'; got 'never'"),
        ({"agent_0": Uniform()}, {}, r"missing: \['agent_1', 'agent_2', 'agent_3'\]"),
        (dict.fromkeys(["agent_0", "agent_1", "agent_2", "agent_3", "x"], Uniform()), {}, r"unknown: \['x'\]"),
        (lambda observation: 0, {"batched": True}, "'agent_0' is not played by an agents.Learner"),
        (lambda observation: 7, {}, r"the policy of 'agent_0' chose 7, which is not an integer in 0..4"),
    ],
)
def test_refuses_what_cannot_be_played(learners, arguments, message):
    with pytest.raises(ValueError, match=message):
        agents.rollout(congestion(), learners, **arguments)


def test_refuses_what_cannot_act():
    with pytest.raises(TypeError, match=r"'agent_0' cannot be played by 3: give a learner such as agents.LogitQ\(\)"):
        agents.rollout(congestion(), 3)


def test_progress_goes_to_stderr_on_a_terminal_only(capsys, monkeypatch):
    agents.rollout(congestion(), Uniform(), num_episodes=2, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    agents.rollout(congestion(), Uniform(), num_episodes=2, progress=True)
    agents.rollout(congestion(), Uniform(), num_episodes=2, progress=True, batched=False)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "24/24" in shown.err
    assert "2/2" in shown.err
