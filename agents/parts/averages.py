"""What each own action has paid on average so far, for learners from the own payoff."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agents.parts.choice_rules import FloatArray, chosen
from diml_envs.games.players import Feedback


class Averages(NamedTuple):
    """attractions: mean payoff of each own action so far; counts: how often it was taken. Both [*B, A]."""

    attractions: FloatArray
    counts: FloatArray


def nothing_taken(batch_shape: tuple[int, ...], num_actions: int) -> Averages:
    """Averages of nothing, which are 0."""
    return Averages(np.zeros((*batch_shape, num_actions)), np.zeros((*batch_shape, num_actions)))


def averaged(state: Averages, feedback: Feedback, learning_rate: float | None = None) -> Averages:
    """Move the average of the action taken towards its payoff: by 1 / times taken, or by `learning_rate` if given."""
    taken = chosen(feedback.actions, state.counts.shape[-1])
    counts = state.counts + taken
    step = 1 / np.maximum(counts, 1) if learning_rate is None else learning_rate
    surprise = feedback.payoffs[..., None] - state.attractions
    return Averages(state.attractions + taken * step * surprise, counts)
