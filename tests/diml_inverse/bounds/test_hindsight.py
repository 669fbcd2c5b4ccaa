"""What a fixed action would have gained, and when it is said."""

import numpy as np
import pytest
from slow_definitions import random_traces
from slow_regret import regret as slow_regret

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, NeuralMechanism, TabularMechanism
from diml_inverse.bounds import NothingToJudge, departures, hindsight, payoff_bounds


def test_gains_are_regrets_by_definition():
    traces = random_traces((2, 3), [5, 8, 6], seed=1, missing=0.1)
    game = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 3, 2)))
    table = hindsight(game, traces)
    assert table["gain"].tolist() == pytest.approx([slow_regret(game, traces, agent) for agent in (0, 1)])
    assert (table["std_error"] > 0).all()


@pytest.mark.parametrize(("worth", "share"), [(1.2, None), (0.5, "25%")])
def test_an_agent_that_chose_badly_is_named(worth, share):
    """Always a, worth `worth` in 60 % of rounds, where b is worth 2 in the others: .8 - .6 worth, of at most 2."""
    others = np.tile([1, 1, 0, 0, 0], 8)
    traces = Traces(np.stack([np.zeros((6, 40), int), np.tile(others, (6, 1))], -1), action_labels=[["a", "b"], [0, 1]])
    table = np.zeros((2, 2, 2))
    table[1, 1, 0], table[0, 0, 0] = 2, worth
    found = departures(TabularMechanism.from_payoffs(table), traces)
    start = f"agent_0 would have gained {share} of its largest payoff difference a round by always playing b"
    assert [sentence.startswith(start) for sentence in found] == ([] if share is None else [True])


def test_any_mechanism_will_do():
    traces = random_traces((3, 3, 3), [12, 12], seed=2)
    for game in (NeuralMechanism.random(3, 3), CongestionMechanism.random(3, 3)):
        expected = [slow_regret(game.double(), traces, agent) for agent in range(3)]
        assert hindsight(game, traces)["gain"].tolist() == pytest.approx(expected)


def test_play_that_nothing_beats_is_not_named():
    best = Traces(np.array([[[0, 0], [1, 1]] * 5] * 3))
    assert departures(TabularMechanism.from_payoffs(np.eye(2)[..., None] * np.ones(2)), best) == ()


def nobody_chose(actions):
    return Traces(actions, given=["agent_0", "agent_1"])


def never_seen_together(actions):
    actions[:, ::2, 0] = actions[:, 1::2, 1] = -1
    return Traces(actions)


@pytest.mark.parametrize("play", [nobody_chose, never_seen_together])
def test_play_without_a_choice_to_judge_is_a_word_and_no_error(play):
    traces, game = play(random_traces((2, 2), [12, 12], seed=3).actions.copy()), TabularMechanism.random(2, 2)
    (sentence,) = departures(game, traces)
    assert sentence.startswith("Against fixed actions no choice can be judged")
    for raising in (lambda: hindsight(game, traces), lambda: payoff_bounds(traces)):
        with pytest.raises(NothingToJudge, match="no choice can be judged"):
            raising()
