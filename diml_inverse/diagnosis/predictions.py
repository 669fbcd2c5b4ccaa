"""What an estimate predicts of some play and what was left over, for all checks to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.diagnosis.pieces import Pieces, pieces_of
from diml_inverse.estimate import Estimate
from diml_inverse.likelihood import decision_log_likelihoods, observe

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Predicted choices beside those observed.

    Attributes:
        traces: the play, its actions numbered as the estimate numbers them.
        pieces: what standard errors are taken over.
        probs: [E, T, N, A]; each choice predicted from the rounds before it.
        scored: bool [E, T, N]; decisions that the likelihood scores, of agents with a choice.
        log_probs: nats of the action taken, [E, T, N]; 0 where not scored.
    """

    traces: Traces
    pieces: Pieces
    probs: FloatArray
    scored: BoolArray
    log_probs: FloatArray

    @property
    def residuals(self) -> FloatArray:
        """Action taken (one-hot) less its predicted probability, [E, T, N, A]; 0 where not scored."""
        taken = self.traces.actions[..., None] == np.arange(self.probs.shape[-1])
        return np.where(self.scored[..., None], taken - self.probs, 0.0)

    @property
    def choosers(self) -> NDArray[np.int64]:
        """Agents with scored decisions."""
        return np.flatnonzero(self.scored.any((0, 1)))


def predict(estimate: Estimate, traces: Traces) -> Predictions:
    """Predictions for play of the agents that the estimate is of.

    Raises:
        ValueError: other agents or actions, or no decision of an agent with a choice that could be scored.
    """
    traces = as_fitted(estimate, traces)
    play = observe(estimate.mechanism, estimate.dynamics, traces)
    with torch.no_grad():
        log_probs = decision_log_likelihoods(estimate.mechanism, estimate.dynamics, play).double().cpu().numpy()
    scored = play.scored.cpu().numpy() & (np.array(traces.action_counts) > 1)
    if not scored.any():
        raise ValueError(f"{traces}: no agent chose between actions, so no prediction can fail")
    return Predictions(traces, pieces_of(traces), estimate.choice_probs(traces), scored, log_probs * scored)


def as_fitted(estimate: Estimate, traces: Traces) -> Traces:
    """The traces with the labels of those the estimate was fitted to, where they leave out the last ones at most.

    Raises:
        ValueError: other agents, or labels in another order.
    """
    same = traces.agents == estimate.agents and all(
        given == known[: len(given)] for given, known in zip(traces.action_labels, estimate.action_labels, strict=True)
    )
    if not same or estimate.mechanism.action_counts != tuple(map(len, estimate.action_labels)):
        raise ValueError(
            f"the estimate is of {estimate.agents} with actions {estimate.action_labels}, the traces of "
            f"{traces.agents} with {traces.action_labels}; make them with the same agents and action_labels"
        )
    return Traces(
        traces.actions, traces.lengths, estimate.agents, estimate.action_labels, traces.episodes, traces.metadata
    )
