"""Learners from own payoffs against slow, obvious definitions."""

import math

import numpy as np
import pytest
from histories import greedy, probs_after, rounds, softmax
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

import agents
import diml_envs
from agents import EXP3, UCB1, EpsilonGreedy, GradientBandit, Softmax, ThompsonSampling
from agents.parts.largest_draw import largest_draw_probs


def mean(values):
    return sum(values) / len(values) if values else 0.0


def payoffs_taken(history, num_actions):
    """Before each round and after the last, what each action has paid when it was taken."""
    earned = [[] for _ in range(num_actions)]
    yield [list(own) for own in earned]
    for action, payoffs, _, _ in history:
        earned[action].append(payoffs[action])
        yield [list(own) for own in earned]


def test_softmax_weighs_averages():
    history = rounds(60, 3)
    expected = [
        [0.9 * p + 0.1 / 3 for p in softmax([2 * mean(own) for own in earned])] for earned in payoffs_taken(history, 3)
    ]
    np.testing.assert_allclose(probs_after(Softmax(2.0, 0.1), history, 3), expected, rtol=1e-12)


def test_softmax_with_a_constant_step_is_logit_q_from_own_payoffs():
    history = rounds(60, 3)
    logit_q = agents.LogitQ(0.3, 2.0, 0.1, feedback="own")
    np.testing.assert_allclose(
        probs_after(Softmax(2.0, 0.1, learning_rate=0.3), history, 3), probs_after(logit_q, history, 3), rtol=1e-12
    )


@pytest.mark.parametrize("bonus", [0.0, 0.4, math.sqrt(2)])
def test_ucb1_tries_everything_then_takes_the_highest_bound(bonus):
    history, expected = rounds(60, 4), []
    for t, earned in enumerate(payoffs_taken(history, 4)):
        bounds = [mean(own) + bonus * math.sqrt(math.log(t) / len(own)) if own else math.inf for own in earned]
        expected.append(greedy(bounds, 0.0))
    np.testing.assert_allclose(probs_after(UCB1(bonus), history, 4), expected, rtol=1e-12)


def test_without_a_bonus_ucb1_is_greedy_once_everything_is_tried():
    history = [(action, [1.0, 3.0, 3.0], 0, 0) for action in (2, 0, 1, 0)]
    probs = probs_after(UCB1(bonus=0.0), history, 3)
    np.testing.assert_allclose(probs[:4], [[1 / 3] * 3, [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]])
    np.testing.assert_array_equal(probs[3:], probs_after(EpsilonGreedy(exploration=0.0), history, 3)[3:])


def test_exp3_divides_a_payoff_by_the_probability_of_seeing_it():
    history, weights, expected = rounds(60, 4), [1.0] * 4, [[0.25] * 4]
    for action, payoffs, _, _ in history:
        weights[action] *= math.exp(0.2 * payoffs[action] / expected[-1][action])
        expected.append([0.7 * weight / sum(weights) + 0.3 / 4 for weight in weights])
    np.testing.assert_allclose(probs_after(EXP3(0.2, 0.3), history, 4), expected, rtol=1e-12)


def test_the_gradient_bandit_climbs_the_gradient_of_the_log_probability():
    """Against a numerical derivative of ln probs of the action taken, which is Williams' definition."""
    history, preferences, before = rounds(40, 3), [0.0] * 3, []
    expected, size = [[1 / 3] * 3], 1e-5

    def log_prob(action, changed, by):
        return math.log(softmax([h + by * (j == changed) for j, h in enumerate(preferences)])[action])

    for action, payoffs, _, _ in history:
        surprise = payoffs[action] - mean(before) if before else 0.0
        slopes = [(log_prob(action, j, size) - log_prob(action, j, -size)) / (2 * size) for j in range(3)]
        preferences = [h + 0.4 * surprise * slope for h, slope in zip(preferences, slopes, strict=True)]
        before.append(payoffs[action])
        expected.append(softmax(preferences))
    np.testing.assert_allclose(probs_after(GradientBandit(0.4), history, 3), expected, rtol=1e-7)


def test_thompson_sampling_believes_what_bayes_says():
    """One observation after the other, by the product of two normal densities."""
    learner, history = ThompsonSampling(prior_sd=2.0, payoff_sd=0.5), rounds(30, 3)
    state, means, variances = learner.start((), 3), [0.0] * 3, [4.0] * 3
    for action, payoffs, _, _ in history:
        told = agents.Feedback(np.array(action), np.array(payoffs[action]), None, None, None)
        state = learner.update(state, told)
        gain = variances[action] / (variances[action] + 0.25)
        means[action] += gain * (payoffs[action] - means[action])
        variances[action] *= 1 - gain
    np.testing.assert_allclose(learner.beliefs(state), (means, np.sqrt(variances)), rtol=1e-12)


def test_thompson_sampling_takes_the_highest_draw_as_often_as_it_says():
    """Null: choice_probs are right. D = 200,000 independent decisions, standard error sqrt(p (1 - p) / D);
    within 4.5 of them for each of 4 actions (p about 3e-5), the quadrature's own error being far below."""
    learner, history = ThompsonSampling(prior_sd=2.0), rounds(12, 4)
    state = learner.start((), 4)
    for action, payoffs, _, _ in history:
        state = learner.update(state, agents.Feedback(np.array(action), np.array(payoffs[action]), None, None, None))
    uniforms = np.random.default_rng(0).random((200_000, learner.uniforms_per_decision(4)))
    actions, probs = learner.decide(state, None, uniforms)
    np.testing.assert_array_equal(probs, learner.choice_probs(state, None))
    frequencies = np.bincount(actions, minlength=4) / len(actions)
    assert (np.abs(frequencies - probs) < 4.5 * np.sqrt(probs * (1 - probs) / len(actions))).all()
    assert probs.min() > 0.01


def test_thompson_sampling_in_a_rollout_acts_as_often_as_it_says():
    """Null as in test_rollout: the sum of (taken - probability) has standard error sqrt(sum p (1 - p)); within 4.5 of
    them for each of 20 agent-action pairs (p about 1e-4)."""
    env = diml_envs.congestion_v0.parallel_env(max_cycles=10)
    rollout = agents.rollout(env, ThompsonSampling(prior_sd=3.0, payoff_sd=0.3), num_episodes=150, seed=4)
    surplus = ((rollout.traces.actions[..., None] == np.arange(5)) - rollout.choice_probs).sum((0, 1))
    error = np.sqrt((rollout.choice_probs * (1 - rollout.choice_probs)).sum((0, 1)))
    assert (np.abs(surplus) < 4.5 * error).all()


draws = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 10)), min_size=1, max_size=6)


@given(draws)
def test_the_largest_draw_is_the_integral_of_its_density(draws):
    """By the trapezoidal rule on a grid fine enough for the narrowest; its error is below 1e-6."""
    grid = np.sort(np.concatenate([np.linspace(m - 9 * s, m + 9 * s, 8001) for m, s in draws]))
    expected = []
    for j, drawn in enumerate(draws):
        below = [norm.cdf(grid, *other) for k, other in enumerate(draws) if k != j]
        expected.append(np.trapezoid(norm.pdf(grid, *drawn) * math.prod(below), grid))
    np.testing.assert_allclose(largest_draw_probs(*np.array(draws).T), expected, atol=3e-6)


@given(st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_of_two_draws_the_larger_is_known_in_closed_form(difference, deviation):
    probs = largest_draw_probs(np.array([difference, 0.0]), np.array([deviation, 1.0]))
    np.testing.assert_allclose(probs[0], norm.cdf(difference / math.hypot(deviation, 1)), atol=3e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Softmax(precision=-1), "Softmax: precision"),
        (lambda: Softmax(exploration=1), "Softmax: exploration"),
        (lambda: Softmax(learning_rate=0), "Softmax: learning_rate"),
        (lambda: UCB1(bonus=-1), "UCB1: bonus must be 0 or more and finite; got -1"),
        (lambda: UCB1(bonus=math.inf), "UCB1: bonus"),
        (lambda: EXP3(learning_rate=0), "EXP3: learning_rate"),
        (lambda: EXP3(exploration=1), "EXP3: exploration"),
        (lambda: GradientBandit(learning_rate=2), "GradientBandit: learning_rate"),
        (lambda: ThompsonSampling(prior_sd=0), "ThompsonSampling: prior_sd must be above 0 and finite; got 0"),
        (lambda: ThompsonSampling(payoff_sd=math.nan), "ThompsonSampling: payoff_sd"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
