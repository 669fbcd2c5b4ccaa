"""A learner of one's own: best response to the last round, with mistakes. It plays, and its choices are inverted."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import agents
import diml_envs
from diml_inverse import LogitDynamics, TabularMLE


@dataclass(frozen=True)
class BestReply(agents.Learner[np.ndarray]):
    """Takes what would have paid most last round, but any action at all with probability `mistakes`."""

    mistakes: float = 0.2
    feedback: ClassVar = "full"  # it is told what its other actions would have paid

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> np.ndarray:
        """The payoffs of the last round, [*B, A]; none yet."""
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state: np.ndarray, observation: np.ndarray | None) -> np.ndarray:
        """[*B, A]; ties are broken evenly."""
        best = state == state.max(-1, keepdims=True)
        return (1 - self.mistakes) * best / best.sum(-1, keepdims=True) + self.mistakes / state.shape[-1]

    def update(self, state: np.ndarray, feedback: agents.Feedback) -> np.ndarray:
        """Only the last round counts."""
        return feedback.counterfactual_payoffs


env = diml_envs.matrix_v0.parallel_env("chicken", max_cycles=50)
traces = agents.rollout(env, BestReply(mistakes=0.2), num_episodes=40, seed=0).traces
estimate = TabularMLE(LogitDynamics(learning_rate=1.0, precision=1.0, exploration=0.2)).fit(traces)
differences = estimate.payoff_differences([[0, 0], [0, 1]])[:, 0]
print("payoffs less their mean if the other swerves, drives straight:", differences.numpy().round(1).tolist())
print(f"log-likelihood {estimate.log_likelihood(traces):.3f}, of choosing uniformly {-np.log(2):.3f}")
