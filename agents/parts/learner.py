"""`Learner`: how behaviour is written down. A learner is a recipe that never changes; what it learns is kept apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from diml_envs.games.players import Feedback

FloatArray = NDArray[np.float64]
State = TypeVar("State")


class Learner(ABC, Generic[State]):
    """Base of all learners. One object plays for any number of agents in any number of episodes at once.

    Must define `start`, `choice_probs` and `update`. All are pure functions over a batch of shape B (in a rollout:
    episodes, agents), so they never change a state that they were given and never draw random numbers of their own:

        state = learner.start(B, num_actions)
        each round:
            actions, choice_probs = learner.decide(state, observation, uniforms)
            state = learner.update(state, Feedback(actions, payoffs, ...))

    To give the same play batched and stepped, a row of the batch must not depend on the other rows, to the last bit:
    elementwise arithmetic and `cumsum` are safe, matrix products are not.

    Attributes:
        feedback: "full" if `update` reads counterfactual payoffs, "own" if the own payoff is enough.
        uses_observation: whether observations are read; without, they are passed as None.
        sees_others: whether the others' actions are read; without, they are passed as None.
    """

    feedback: Literal["full", "own"] = "own"
    uses_observation: bool = False
    sees_others: bool = False

    @abstractmethod
    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> State:
        """The state before the first round."""

    @abstractmethod
    def choice_probs(self, state: State, observation: NDArray[np.float32] | None) -> FloatArray:
        """Probability of each action, float64 [*B, num_actions]."""

    @abstractmethod
    def update(self, state: State, feedback: Feedback) -> State:
        """The state after a round."""

    def uniforms_per_decision(self, num_actions: int) -> int:
        """How many uniform random numbers `decide` uses up."""
        return 1

    def decide(
        self, state: State, observation: NDArray[np.float32] | None, uniforms: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Actions int64 [*B], and the probabilities [*B, num_actions] that they were drawn with.

        Override it where choosing is not a draw from `choice_probs` (Thompson sampling, say). uniforms: floats in
        [0, 1), [*B, uniforms_per_decision].
        """
        choice_probs = self.choice_probs(state, observation)
        return draw_actions(choice_probs, uniforms), choice_probs


def draw_actions(choice_probs: FloatArray, uniforms: FloatArray) -> NDArray[np.int64]:
    """One action by inverse CDF. choice_probs [*B, A], uniforms [*B, 1] in [0, 1) -> int64 [*B].

    An action of probability 0 is never drawn.
    """
    cumulative = choice_probs.cumsum(-1)
    return (uniforms * cumulative[..., -1:] < cumulative).argmax(-1)
