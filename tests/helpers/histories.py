"""Every learner, random rounds to live through, and the choice rules in plain Python."""

import math
import random

import numpy as np

from agents import (
    EWA,
    EXP3,
    UCB1,
    EpsilonGreedy,
    Feedback,
    FictitiousPlay,
    GradientBandit,
    Hedge,
    LogitQ,
    QLearning,
    RegretMatching,
    Softmax,
    ThompsonSampling,
    Uniform,
)

LEARNERS = [
    LogitQ(),
    Hedge(),
    EpsilonGreedy(),
    EpsilonGreedy(learning_rate=0.3),
    QLearning(),
    QLearning(discount=0.9, uses_observation=True),
    Uniform(),
    LogitQ(feedback="own"),
    Softmax(),
    Softmax(exploration=0.1, learning_rate=0.3),
    UCB1(),
    EXP3(),
    GradientBandit(),
    ThompsonSampling(prior_sd=2.0),
    EWA(),
    EWA(learning_rate=0.0, cumulation=1.0, exploration=0.1),
    FictitiousPlay(),
    RegretMatching(),
    RegretMatching(exploration=0.1),
]


def softmax(values):
    weights = [math.exp(value - max(values)) for value in values]
    return [weight / sum(weights) for weight in weights]


def greedy(values, exploration):
    best = [value == max(values) for value in values]
    return [(1 - exploration) * b / sum(best) + exploration / len(values) for b in best]


def rounds(num_rounds, num_actions, seed=0, num_observations=3):
    """Random rounds of one agent: (action, counterfactual payoffs, observation, next observation)."""
    draw = random.Random(seed)
    seen = [draw.randrange(num_observations) for _ in range(num_rounds + 1)]
    payoffs = [[draw.gauss(0, 1) for _ in range(num_actions)] for _ in range(num_rounds)]
    actions = [draw.randrange(num_actions) for _ in range(num_rounds)]
    return list(zip(actions, payoffs, seen, seen[1:], strict=False))


def probs_after(learner, history, num_actions, batch=()):
    """Choice probabilities [A] before each round and after the last, from the learner's own methods."""

    def shaped(value, dtype=float):
        return np.broadcast_to(np.array(value, dtype), (*batch, *np.shape(value)))

    state, seen, result = learner.start(batch, num_actions), history[0][2], []
    for action, payoffs, before, after in history:
        result.append(learner.choice_probs(state, shaped([before], np.float32)))
        told = Feedback(
            shaped(action, int),
            shaped(payoffs[action]),
            shaped(payoffs) if learner.feedback == "full" else None,
            shaped([before], np.float32) if learner.uses_observation else None,
            shaped([after], np.float32) if learner.uses_observation else None,
        )
        state, seen = learner.update(state, told), after
    result.append(learner.choice_probs(state, shaped([seen], np.float32)))
    return np.array(result)
