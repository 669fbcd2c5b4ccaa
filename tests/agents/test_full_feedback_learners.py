"""Learners from counterfactual payoffs against slow, obvious definitions, and against one another."""

import math
from collections import Counter

import numpy as np
import pytest
from histories import probs_after, rounds, softmax
from hypothesis import given
from hypothesis import strategies as st

import agents
import diml_envs
from agents import EWA, FictitiousPlay, Hedge, LogitQ, RegretMatching, Softmax, Uniform
from diml_envs import RepeatedGameEnv
from diml_envs.mechanisms import TabularMechanism

share = st.floats(0, 1)


@given(share, share, share, st.floats(0, 5))
def test_ewa_is_camerer_and_hos_recursion(phi, delta, kappa, initial):
    """In the source's letters."""
    history, weight, attractions, expected = rounds(20, 3), initial, [0.0] * 3, [[1 / 3] * 3]
    for action, payoffs, _, _ in history:
        old, weight = weight, phi * (1 - kappa) * weight + 1
        attractions = [
            (phi * old * attractions[j] + (delta + (1 - delta) * (j == action)) * payoffs[j]) / weight for j in range(3)
        ]
        expected.append([0.9 * p + 0.1 / 3 for p in softmax([2 * a for a in attractions])])
    learner = EWA(1 - phi, delta, kappa, precision=2.0, exploration=0.1, initial_experience=initial)
    np.testing.assert_allclose(probs_after(learner, history, 3), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("ewa", "same"),
    [
        (EWA(0.2, 1.0, 0.0, 2.0, 0.1, initial_experience=5.0), LogitQ(0.2, 2.0, 0.1)),
        (EWA(0.0, 1.0, 0.0, 2.0, initial_experience=3.0), FictitiousPlay(2.0, 3.0)),
        (EWA(0.0, 1.0, 1.0, 0.3, initial_experience=1.0), Hedge(0.3)),
    ],
    ids=repr,
)
def test_ewa_holds_the_learners_it_says(ewa, same):
    history = rounds(40, 4)
    np.testing.assert_allclose(probs_after(ewa, history, 4), probs_after(same, history, 4), rtol=1e-10)


def test_ewa_can_learn_from_what_was_done_alone():
    history = rounds(40, 4)
    poorer = [(action, [u * (j == action) for j, u in enumerate(us)], *seen) for action, us, *seen in history]
    learner = EWA(forgone_weight=0.0)
    np.testing.assert_array_equal(probs_after(learner, history, 4), probs_after(learner, poorer, 4))


@pytest.mark.parametrize("initial_experience", [0.0, 1.0, 2.5])
def test_fictitious_play_responds_to_how_often_the_others_played_what(initial_experience):
    """Beliefs written out: a matrix game against opponents with 4 joint actions."""
    payoffs = np.random.default_rng(0).normal(size=(3, 4)).tolist()
    others = np.random.default_rng(1).integers(4, size=30).tolist()
    history = [(0, [own[other] for own in payoffs], 0, 0) for other in others]
    expected = [[1 / 3] * 3]
    for t in range(1, 31):
        seen = Counter(others[:t])
        believed = [sum(n * own[other] for other, n in seen.items()) / (t + initial_experience) for own in payoffs]
        expected.append(softmax([2 * value for value in believed]))
    learner = FictitiousPlay(2.0, initial_experience)
    np.testing.assert_allclose(probs_after(learner, history, 3), expected, rtol=1e-12)


@pytest.mark.parametrize("exploration", [0.0, 0.2])
def test_regret_matching_follows_what_it_would_have_earned_in_all(exploration):
    history, expected = rounds(40, 4), [[0.25] * 4]
    for t in range(1, 41):
        earned = sum(payoffs[action] for action, payoffs, _, _ in history[:t])
        positive = [max(sum(payoffs[j] for _, payoffs, _, _ in history[:t]) - earned, 0.0) for j in range(4)]
        matched = [p / sum(positive) if any(positive) else 0.25 for p in positive]
        expected.append([(1 - exploration) * p + exploration / 4 for p in matched])
    np.testing.assert_allclose(probs_after(RegretMatching(exploration), history, 4), expected, rtol=1e-9, atol=1e-12)


def test_without_positive_regret_every_action_is_as_likely():
    probs = probs_after(RegretMatching(), [(1, [0.1, 0.3, 0.2], 0, 0), (0, [0.3, 0.1, 0.1], 0, 0)], 3)
    np.testing.assert_array_equal(probs, np.full((3, 3), 1 / 3))


def test_regret_does_not_overflow():
    np.testing.assert_allclose(probs_after(RegretMatching(), [(2, [1e308, 1e308, 0.0], 0, 0)], 3)[-1], [0.5, 0.5, 0])


def test_regret_vanishes():
    """Blackwell's bound: positive regrets squared and summed grow by at most (number of actions) range^2 a round, so
    average regret is at most range sqrt(number of actions / rounds) in expectation, against any play. Here the mean of
    20 episodes, whose standard error is allowed for 4 times; play that learns nothing regrets 0.2, past the bound."""
    row = np.array([[1.0, 0.0], [0.0, 0.2]])
    env = RepeatedGameEnv(TabularMechanism.from_payoffs(np.stack([row, -row], -1)), max_cycles=400)

    def regret(learner):
        rollout = agents.rollout(env, learner, num_episodes=20, seed=1)
        counterfactual = env.counterfactual_payoffs(rollout.traces.actions)
        return (counterfactual - rollout.payoffs[..., None]).mean(1).max(-1)

    learned, bound = regret(RegretMatching()), math.sqrt(2 / 400)
    assert (learned.mean(0) < bound + 4 * learned.std(0, ddof=1) / math.sqrt(20)).all()
    assert (regret(Uniform()).mean(0) > bound).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EWA(learning_rate=1.1), r"EWA: learning_rate must be in \[0, 1\]; got 1.1"),
        (lambda: EWA(forgone_weight=-0.1), r"EWA: forgone_weight must be in \[0, 1\]"),
        (lambda: EWA(cumulation=2), "EWA: cumulation"),
        (lambda: EWA(precision=-1), "EWA: precision"),
        (lambda: EWA(exploration=1), "EWA: exploration"),
        (lambda: EWA(initial_experience=-1), "EWA: initial_experience must be 0 or more and finite; got -1"),
        (lambda: FictitiousPlay(precision=math.nan), "FictitiousPlay: precision"),
        (lambda: FictitiousPlay(initial_experience=math.inf), "FictitiousPlay: initial_experience"),
        (lambda: RegretMatching(exploration=-0.1), "RegretMatching: exploration"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("build", [EWA, FictitiousPlay, RegretMatching])
def test_they_need_an_env_that_tells_counterfactual_payoffs(build):
    env = diml_envs.congestion_v0.parallel_env(feedback="own", max_cycles=2)
    with pytest.raises(ValueError, match=f"{build.__name__} of 'agent_0' needs counterfactual payoffs"):
        agents.rollout(env, build())
    agents.rollout(env, {a: LogitQ(feedback="own") if a == "agent_0" else Softmax() for a in env.possible_agents})


def test_payoffs_too_large_for_the_precision_are_an_error_and_not_chance():
    huge = diml_envs.matrix_v0.parallel_env(payoffs=np.array([[[1e308] * 2, [0.0] * 2], [[-1e308] * 2, [0.0] * 2]]))
    with pytest.raises(FloatingPointError, match="precision times attractions is too large"):
        agents.rollout(huge, agents.LogitQ(precision=50.0), num_episodes=2, seed=0)
