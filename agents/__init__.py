"""Behaviour: learners that play, and the rollout that records them."""

from agents.learners.epsilon_greedy import EpsilonGreedy
from agents.learners.ewa import EWA
from agents.learners.exp3 import EXP3
from agents.learners.fictitious_play import FictitiousPlay
from agents.learners.gradient_bandit import GradientBandit
from agents.learners.hedge import Hedge
from agents.learners.inertia import Inertia
from agents.learners.logit_q import LogitQ
from agents.learners.q_learning import SARSA, ExpectedSARSA, QLearning
from agents.learners.regret_matching import RegretMatching
from agents.learners.softmax import Softmax
from agents.learners.thompson_sampling import ThompsonSampling
from agents.learners.ucb1 import UCB1
from agents.learners.uniform import Uniform
from agents.parts.learner import Learner, draw_actions
from agents.parts.schedules import Exponential, Linear
from agents.playing.rollout import Rollout, rollout
from agents.playing.sb3 import SB3
from diml_envs.games.players import Feedback

__all__ = [
    "EWA",
    "EXP3",
    "SARSA",
    "SB3",
    "UCB1",
    "EpsilonGreedy",
    "ExpectedSARSA",
    "Exponential",
    "Feedback",
    "FictitiousPlay",
    "GradientBandit",
    "Hedge",
    "Inertia",
    "Learner",
    "Linear",
    "LogitQ",
    "QLearning",
    "RegretMatching",
    "Rollout",
    "Softmax",
    "ThompsonSampling",
    "Uniform",
    "draw_actions",
    "rollout",
]
