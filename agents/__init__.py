"""Behaviour: learners that play, and the rollout that records them."""

from agents.epsilon_greedy import EpsilonGreedy
from agents.hedge import Hedge
from agents.learner import Learner, draw_actions
from agents.logit_q import LogitQ
from agents.q_learning import QLearning
from agents.rollout import Rollout, rollout
from agents.uniform import Uniform
from diml_envs.players import Feedback

__all__ = [
    "EpsilonGreedy",
    "Feedback",
    "Hedge",
    "Learner",
    "LogitQ",
    "QLearning",
    "Rollout",
    "Uniform",
    "draw_actions",
    "rollout",
]
