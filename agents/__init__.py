"""Behaviour: learners that play, and the rollout that records them."""

from agents.epsilon_greedy import EpsilonGreedy
from agents.ewa import EWA
from agents.exp3 import EXP3
from agents.fictitious_play import FictitiousPlay
from agents.gradient_bandit import GradientBandit
from agents.hedge import Hedge
from agents.learner import Learner, draw_actions
from agents.logit_q import LogitQ
from agents.q_learning import QLearning
from agents.regret_matching import RegretMatching
from agents.rollout import Rollout, rollout
from agents.sb3 import SB3
from agents.softmax import Softmax
from agents.thompson_sampling import ThompsonSampling
from agents.ucb1 import UCB1
from agents.uniform import Uniform
from diml_envs.games.players import Feedback

__all__ = [
    "EWA",
    "EXP3",
    "SB3",
    "UCB1",
    "EpsilonGreedy",
    "Feedback",
    "FictitiousPlay",
    "GradientBandit",
    "Hedge",
    "Learner",
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
