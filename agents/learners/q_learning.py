"""Learners that know where they are and look ahead: Q-learning, SARSA and expected SARSA."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, epsilon_greedy, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from agents.parts.schedules import Exploration, Exponential, Linear, exploration_at
from agents.parts.states import (
    STATES,
    First,
    StateFunction,
    Table,
    found_rows,
    new_table,
    next_states,
    row_of,
    with_row,
)
from diml_envs.games.players import Feedback

Observations = NDArray[np.float32] | None


@dataclass(frozen=True)
class StateLearner(Learner[Table]):
    """What learners with states have in common; they differ in V, the value of the state that follows.

        Q(s, a) += learning_rate (payoff + discount V(s') - Q(s, a))        s, a: the round's state and own action

    The state is "start" before the first round of a match, and after a round what `state` makes of it. Without `state`
    there is a single one, or with `uses_observation` the observation (any that recurs). In the last round of a match
    nothing follows, V = 0, if `end="seen"`; with "unseen", V is of the state that the round led to, as in any other.

        probs = (1 - exploration) [greedy, ties evenly] + exploration / number of actions              precision None
        probs = (1 - exploration) softmax(precision Q(s, .)) + exploration / number of actions         else

    Args:
        learning_rate: in (0, 1].
        discount: in [0, 1).
        exploration: in [0, 1), or `agents.Linear(...)`, `agents.Exponential(...)` of the decisions made so far.
        uses_observation: take the observation for the state.
        state: None, "last_profile", "own_last", "others_last", or a function (own action, others' actions) -> state.
        first_attractions: Q before anything is learnt: a number, one for each action, or {state: such}, with states
            "start", (own, *others), own or (others): by the kind of `state`. States that it lacks have 0.
        precision: of the choice by logit; None: nearly greedy.
        end: whether the learner knows the last round of a match when it learns from it.

    Raises:
        ValueError: a parameter outside its range, an unknown state, or both a state and observations.
    """

    learning_rate: float = 0.1
    discount: float = 0.0
    exploration: Exploration = 0.1
    uses_observation: bool = False
    state: str | StateFunction | None = None
    first_attractions: First = 0.0
    precision: float | None = None
    end: Literal["seen", "unseen"] = "seen"

    def __post_init__(self) -> None:
        check_parameters(self, "learning_rate", "discount", *([] if self.precision is None else ["precision"]))
        if not isinstance(self.exploration, Linear | Exponential):
            check_parameters(self, "exploration")
        name = type(self).__name__
        if self.state is not None and not callable(self.state) and self.state not in STATES:
            known = ", ".join(map(repr, STATES))
            raise ValueError(f"{name}: state must be one of {known}, None or a function; got {self.state!r}")
        if self.state is not None and self.uses_observation:
            raise ValueError(f"{name}: a state is made of actions; with uses_observation=True leave state out")
        if self.end not in ("seen", "unseen"):
            raise ValueError(f"{name}: end must be 'seen' or 'unseen'; got {self.end!r}")

    @property
    def sees_others(self) -> bool:  # type: ignore[override]
        """Whether the others' actions are asked for."""
        return self.state not in (None, "own_last")

    @abstractmethod
    def values(self, table: Table, rows: NDArray[np.int64]) -> FloatArray:
        """V of the states in these rows, [*B]."""

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Table:
        """Everybody at the start."""
        return new_table(batch_shape, num_actions, self.first_attractions)

    def probs_in(self, table: Table, rows: NDArray[np.int64], time: FloatArray) -> FloatArray:
        """Choice probabilities in the states of these rows, [*B, A]."""
        attractions, exploration = row_of(table.attractions, rows), exploration_at(self.exploration, time)
        if self.precision is None:
            return epsilon_greedy(attractions, exploration)
        return logit_response(attractions, self.precision, exploration)

    def choice_probs(self, state: Table, observation: Observations) -> FloatArray:
        """[*B, A]."""
        table, rows = self._here(state, observation)
        return self.probs_in(table, rows, table.time)

    def update(self, state: Table, feedback: Feedback) -> Table:
        """Learn from the round, and be where it led."""
        table, before = self._here(state, feedback.observation)
        table, after = self._next(table, feedback)
        last = np.zeros(before.shape, bool) if feedback.last is None else feedback.last
        follows = self.values(table._replace(time=table.time + 1), after)
        follows = np.where(last & (self.end == "seen"), 0.0, follows)
        target = feedback.payoffs + self.discount * follows
        table = learnt(table, before, feedback.actions, target, self.learning_rate)
        return table._replace(where=np.where(last, 0, after), time=table.time + 1)

    def _here(self, table: Table, observation: Observations) -> tuple[Table, NDArray[np.int64]]:
        return self._observed(table, observation) if self.uses_observation else (table, table.where)

    def _next(self, table: Table, feedback: Feedback) -> tuple[Table, NDArray[np.int64]]:
        if self.uses_observation:
            return self._observed(table, feedback.next_observation)
        return found_rows(table, next_states(self.state, feedback), self.first_attractions)

    def _observed(self, table: Table, observation: Observations) -> tuple[Table, NDArray[np.int64]]:
        assert observation is not None
        keys = [row.tobytes() for row in observation.reshape(-1, observation.shape[-1])]
        return found_rows(table, keys, self.first_attractions)


def learnt(
    table: Table, rows: NDArray[np.int64], actions: NDArray[np.int64], target: FloatArray, learning_rate: float
) -> Table:
    """Attractions of the actions taken in these rows, moved towards their targets; nothing moves where one is NaN."""
    now = row_of(table.attractions, rows)
    step = np.nan_to_num(learning_rate * (target[..., None] - now))
    return table._replace(attractions=with_row(table.attractions, rows, now + chosen(actions, now.shape[-1]) * step))


@dataclass(frozen=True)
class QLearning(StateLearner):
    """Q-learning (Watkins 1989): V(s') = max_b Q(s', b). All else: see `agents.learners.q_learning.StateLearner`.

    Q(s, a) += learning_rate (payoff + discount max_b Q(s', b) - Q(s, a))
    """

    def values(self, table: Table, rows: NDArray[np.int64]) -> FloatArray:
        """The best that the state has."""
        best: FloatArray = row_of(table.attractions, rows).max(-1)
        return best


@dataclass(frozen=True)
class ExpectedSARSA(StateLearner):
    """Expected SARSA (van Seijen et al. 2009): V(s') = sum_b probs(b | s') Q(s', b), by the learner's own choice rule.

        Q(s, a) += learning_rate (payoff + discount sum_b probs(b | s') Q(s', b) - Q(s, a))

    The probabilities are those of the next decision as they are before this update. All else: see
    `agents.learners.q_learning.StateLearner`.
    """

    def values(self, table: Table, rows: NDArray[np.int64]) -> FloatArray:
        """What the state pays on average, as the learner chooses there."""
        weighed = self.probs_in(table, rows, table.time) * row_of(table.attractions, rows)
        mean: FloatArray = weighed.cumsum(-1)[..., -1]  # left to right, whatever the batch
        return mean


@dataclass(frozen=True)
class SARSA(StateLearner):
    """SARSA (Rummery & Niranjan 1994): V(s') = Q(s', a'), of the action a' that is then chosen.

        Q(s, a) += learning_rate (payoff + discount Q(s', a') - Q(s, a))

    The next action is chosen before this update, so that what a round taught shows one decision later; only after the
    last round of a match it is learnt at once. All else: see `agents.learners.q_learning.StateLearner`.
    """

    def values(self, table: Table, rows: NDArray[np.int64]) -> FloatArray:
        """Of no use here: the next action is not known yet."""
        raise NotImplementedError("SARSA learns when it has chosen again")

    def update(self, state: Table, feedback: Feedback) -> Table:
        """Learn from the round before, now that this one's action is known; from this one if it was the last."""
        table, before = self._here(state, feedback.observation)
        value = np.take_along_axis(row_of(table.attractions, before), feedback.actions[..., None], -1)[..., 0]
        target = table.waiting + self.discount * value  # NaN where no round waits
        table = learnt(table, table.before[0], table.before[1], target, self.learning_rate)
        table, after = self._next(table, feedback)
        last = np.zeros(before.shape, bool) if feedback.last is None else feedback.last
        ends = last & (self.end == "seen")
        table = learnt(table, before, feedback.actions, np.where(ends, feedback.payoffs, np.nan), self.learning_rate)
        return table._replace(
            where=np.where(last, 0, after),
            time=table.time + 1,
            waiting=np.where(ends, np.nan, feedback.payoffs),
            before=np.stack([before, feedback.actions]),
        )
