"""Now and then, doing again what was done last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen
from agents.parts.learner import Learner
from diml_envs.games.players import Feedback
from diml_envs.mechanisms.base import MISSING


class Habit(NamedTuple):
    """inner: the learner's own state; last: own action of the round before, int64 [*B], `MISSING` at a start."""

    inner: Any
    last: NDArray[np.int64]


@dataclass(frozen=True)
class Inertia(Learner[Habit]):
    """Any learner that with probability `inertia` keeps its last action unthinkingly.

        probs = (1 - inertia) probs of the learner + inertia [action = the last one]

    but in the first round of a match, where there is none to keep. It learns from kept actions as from chosen ones.

    Args:
        learner: any `agents.Learner`.
        inertia: in [0, 1).

    Raises:
        ValueError: inertia outside [0, 1).
        TypeError: something that is no learner.
    """

    learner: Any
    inertia: float = 0.3

    def __post_init__(self) -> None:
        if not isinstance(self.learner, Learner):
            raise TypeError(f"Inertia: learner must be an agents.Learner; got {self.learner!r}")
        if not 0 <= self.inertia < 1:
            raise ValueError(f"Inertia: inertia must be in [0, 1); got {self.inertia!r}")

    @property
    def feedback(self) -> Any:  # type: ignore[override]
        """That of the learner."""
        return self.learner.feedback

    @property
    def uses_observation(self) -> bool:  # type: ignore[override]
        """As the learner."""
        return bool(self.learner.uses_observation)

    @property
    def sees_others(self) -> bool:  # type: ignore[override]
        """As the learner."""
        return bool(self.learner.sees_others)

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Habit:
        """Nothing done yet."""
        return Habit(self.learner.start(batch_shape, num_actions), np.full(batch_shape, MISSING))

    def choice_probs(self, state: Habit, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return self._mixed(self.learner.choice_probs(state.inner, observation), state.last)

    def uniforms_per_decision(self, num_actions: int) -> int:
        """Those of the learner, and one more."""
        return int(self.learner.uniforms_per_decision(num_actions)) + 1

    def decide(
        self, state: Habit, observation: NDArray[np.float32] | None, uniforms: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """The last action where the last of the uniforms says so, else what the learner decides."""
        actions, choice_probs = self.learner.decide(state.inner, observation, uniforms[..., :-1])
        kept = (uniforms[..., -1] < self.inertia) & (state.last != MISSING)
        return np.where(kept, state.last, actions), self._mixed(choice_probs, state.last)

    def update(self, state: Habit, feedback: Feedback) -> Habit:
        """Let the learner learn; remember the action unless the match is over."""
        last = feedback.actions if feedback.last is None else np.where(feedback.last, MISSING, feedback.actions)
        return Habit(self.learner.update(state.inner, feedback), last)

    def _mixed(self, probs: FloatArray, last: NDArray[np.int64]) -> FloatArray:
        mixed = (1 - self.inertia) * probs + self.inertia * chosen(last, probs.shape[-1])
        return np.where((last == MISSING)[..., None], probs, mixed)
