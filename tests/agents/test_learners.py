"""Each learner against a slow, obvious definition, and what all of them share."""

import math

import numpy as np
import pytest
from histories import LEARNERS, greedy, probs_after, rounds, softmax
from hypothesis import given
from hypothesis import strategies as st

import agents
from agents import EpsilonGreedy, Feedback, Hedge, LogitQ, QLearning, draw_actions
from agents.parts.choice_rules import logit_response


def test_logit_q_is_the_papers_recursion():
    alpha, beta, epsilon = 0.25, 3.0, 0.06
    history, attractions, expected = rounds(40, 5), [0.0] * 5, [[0.2] * 5]
    for _, payoffs, _, _ in history:
        attractions = [(1 - alpha) * a + alpha * u for a, u in zip(attractions, payoffs, strict=True)]
        expected.append([(1 - epsilon) * p + epsilon / 5 for p in softmax([beta * a for a in attractions])])
    np.testing.assert_allclose(probs_after(LogitQ(), history, 5), expected, rtol=1e-12)


def test_hedge_weighs_actions_by_what_each_would_have_earned_in_all():
    history, totals, expected = rounds(40, 4), [0.0] * 4, [[0.25] * 4]
    for _, payoffs, _, _ in history:
        totals = [total + u for total, u in zip(totals, payoffs, strict=True)]
        expected.append(softmax([0.3 * total for total in totals]))
    np.testing.assert_allclose(probs_after(Hedge(), history, 4), expected, rtol=1e-12)


def test_logit_q_from_own_payoffs_moves_the_action_taken_alone():
    history, attractions, expected = rounds(40, 5), [0.0] * 5, [[0.2] * 5]
    for action, payoffs, _, _ in history:
        attractions[action] = 0.75 * attractions[action] + 0.25 * payoffs[action]
        expected.append([0.94 * p + 0.06 / 5 for p in softmax([3 * a for a in attractions])])
    np.testing.assert_allclose(probs_after(LogitQ(feedback="own"), history, 5), expected, rtol=1e-12)


def test_epsilon_greedy_takes_the_best_average():
    history, earned, expected = rounds(60, 3), [[], [], []], [[1 / 3] * 3]
    for action, payoffs, _, _ in history:
        earned[action].append(payoffs[action])
        expected.append(greedy([sum(own) / len(own) if own else 0.0 for own in earned], 0.1))
    np.testing.assert_allclose(probs_after(EpsilonGreedy(), history, 3), expected, rtol=1e-12)


def test_epsilon_greedy_with_a_constant_step():
    history, values, expected = rounds(60, 3), [0.0] * 3, [[1 / 3] * 3]
    for action, payoffs, _, _ in history:
        values[action] += 0.3 * (payoffs[action] - values[action])
        expected.append(greedy(values, 0.1))
    learner = EpsilonGreedy(exploration=0.1, learning_rate=0.3)
    np.testing.assert_allclose(probs_after(learner, history, 3), expected, rtol=1e-12)


@pytest.mark.parametrize("uses_observation", [False, True])
def test_q_learning_is_watkins_rule_on_a_dictionary(uses_observation):
    learner = QLearning(learning_rate=0.4, discount=0.9, exploration=0.2, uses_observation=uses_observation)
    history, table, expected = rounds(80, 3), {}, []
    for action, payoffs, before, after in history:
        before, after = (before, after) if uses_observation else ("", "")
        now, then = table.setdefault(before, [0.0] * 3), table.setdefault(after, [0.0] * 3)
        expected.append(greedy(now, 0.2))
        now[action] += 0.4 * (payoffs[action] + 0.9 * max(then) - now[action])
    np.testing.assert_allclose(probs_after(learner, history, 3)[:-1], expected, rtol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_a_row_of_a_batch_is_the_same_alone(learner):
    """To the last bit, or batched and stepped play would part ways."""
    history = rounds(30, 9)
    alone, among = (probs_after(learner, history, 9, batch) for batch in ((), (6, 5)))
    np.testing.assert_array_equal(among, np.broadcast_to(alone[:, None, None], among.shape))


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_choice_probs_are_probabilities(learner):
    probs = probs_after(learner, rounds(50, 4), 4, (2,))
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_learners_never_change_a_state_they_were_given(learner):
    seen = np.ones((2, 3), np.float32)
    state = learner.start((2,), 4)
    for action in range(3):
        told = Feedback(np.full(2, action), np.full(2, action + 1.0), np.eye(4)[[action, 3]], seen, seen)
        before, kept = learner.choice_probs(state, seen).copy(), state
        state = learner.update(state, told)
        np.testing.assert_array_equal(learner.choice_probs(kept, seen), before)


def test_q_learning_knows_states_by_the_observation_alone():
    learner = QLearning(learning_rate=1.0, exploration=0.0, uses_observation=True)
    here, there = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    state = learner.update(learner.start((1,), 2), Feedback(np.array([1]), np.array([5.0]), None, here, there))
    assert learner.choice_probs(state, here).tolist() == [[0, 1]]
    assert learner.choice_probs(state, there).tolist() == [[0.5, 0.5]]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda p: sum(p) > 0.01),
    st.floats(0, 1, exclude_max=True),
)
def test_draw_actions_is_the_inverse_of_the_cumulative_distribution(weights, uniform):
    probs = np.array(weights) / sum(weights)
    action = int(draw_actions(probs, np.array([uniform])))
    assert probs[action] > 0
    cumulative = np.cumsum(probs)
    assert cumulative[action] >= uniform - 1e-12
    assert action == 0 or cumulative[action - 1] <= uniform + 1e-12


@pytest.mark.parametrize("scale", [1e3, 1e300])
def test_logit_response_does_not_overflow(scale):
    probs = logit_response(np.array([-scale, 0.0, scale]), 3.0, 0.06)
    np.testing.assert_allclose(probs, [0.02, 0.02, 0.96])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LogitQ(learning_rate=0), r"LogitQ: learning_rate must be in \(0, 1\]; got 0"),
        (lambda: LogitQ(learning_rate=1.1), "learning_rate"),
        (lambda: LogitQ(precision=-1), "LogitQ: precision must be 0 or more and finite; got -1"),
        (lambda: LogitQ(precision=math.inf), "precision"),
        (lambda: LogitQ(precision=math.nan), "precision"),
        (lambda: LogitQ(exploration=1), r"exploration must be in \[0, 1\); got 1"),
        (lambda: LogitQ(exploration=-0.1), "exploration"),
        (lambda: LogitQ(learning_rate="fast"), "got 'fast'"),
        (lambda: Hedge(precision=-1), "Hedge: precision"),
        (lambda: EpsilonGreedy(exploration=1), "EpsilonGreedy: exploration"),
        (lambda: EpsilonGreedy(learning_rate=2), "EpsilonGreedy: learning_rate"),
        (lambda: LogitQ(feedback="none"), "LogitQ: feedback must be 'full' or 'own'; got 'none'"),
        (lambda: QLearning(discount=1), r"QLearning: discount must be in \[0, 1\); got 1"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_all_members_are_exported():
    assert {type(learner).__name__ for learner in LEARNERS} <= set(agents.__all__)
