"""Tabular Q-learning, epsilon-greedy, from the own payoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, epsilon_greedy
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback

Observations = NDArray[np.float32] | None


class QTable(NamedTuple):
    """Attractions of each own action in each state met so far by anyone in the batch.

    Attributes:
        attractions: float64 [*B, S, A]; rows beyond `rows` are spare.
        rows: the observation's bytes -> its row.
    """

    attractions: FloatArray
    rows: dict[bytes, int]


@dataclass(frozen=True)
class QLearning(Learner[QTable]):
    """Q-learning (Watkins 1989) on the own payoff, choosing epsilon-greedily with ties broken evenly.

        Q(s, a) += learning_rate (payoff + discount max_b Q(s', b) - Q(s, a)),    Q = 0 at the start

    The state s is the observation if `uses_observation` (with the env's `observation="last_profile"`: what everyone
    did last), else there is a single state. Works with any observations that recur.

    Raises:
        ValueError: learning_rate outside (0, 1], exploration or discount outside [0, 1).
    """

    learning_rate: float = 0.1
    discount: float = 0.0
    exploration: float = 0.1
    uses_observation: bool = False

    def __post_init__(self) -> None:
        check_parameters(self, "learning_rate", "discount", "exploration")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> QTable:
        """One spare row of zeros."""
        return QTable(np.zeros((*batch_shape, 1, num_actions)), {})

    def choice_probs(self, state: QTable, observation: Observations) -> FloatArray:
        """[*B, A]."""
        state, rows = _look_up(state, observation)
        return epsilon_greedy(_at(state.attractions, rows), self.exploration)

    def update(self, state: QTable, feedback: Feedback) -> QTable:
        """Move the attraction of the action taken, where it was taken, towards its payoff and what may follow."""
        state, before = _look_up(state, feedback.observation)
        state, after = _look_up(state, feedback.next_observation)
        now = _at(state.attractions, before)
        target = feedback.payoffs + self.discount * _at(state.attractions, after).max(-1)
        taken = chosen(feedback.actions, now.shape[-1])
        moved = now + taken * (self.learning_rate * (target[..., None] - now))
        attractions = state.attractions.copy()
        np.put_along_axis(attractions, before[..., None, None], moved[..., None, :], -2)
        return QTable(attractions, state.rows)


def _at(attractions: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
    """attractions [*B, S, A] at rows [*B] -> [*B, A]."""
    return np.take_along_axis(attractions, rows[..., None, None], -2)[..., 0, :]


def _look_up(table: QTable, observation: Observations) -> tuple[QTable, NDArray[np.int64]]:
    """Row of each observation [*B, D], and the table with rows for those not met before."""
    if observation is None:
        return table, np.zeros(table.attractions.shape[:-2], np.int64)
    keys = [row.tobytes() for row in observation.reshape(-1, observation.shape[-1])]
    new = dict.fromkeys(key for key in keys if key not in table.rows)
    rows = table.rows | {key: len(table.rows) + i for i, key in enumerate(new)}
    found = np.array([rows[key] for key in keys]).reshape(observation.shape[:-1])
    return QTable(_with_room(table.attractions, len(rows)), rows), found


def _with_room(attractions: FloatArray, num_rows: int) -> FloatArray:
    """attractions [*B, S, A] with at least num_rows states (at least doubled: tables grow often)."""
    *batch_shape, size, num_actions = attractions.shape
    if num_rows <= size:
        return attractions
    spare = np.zeros((*batch_shape, max(size, num_rows - size), num_actions))
    return np.concatenate([attractions, spare], -2)
