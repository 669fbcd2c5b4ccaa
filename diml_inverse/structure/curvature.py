"""Log-likelihood of play as a function of one agent's payoff table, with its gradient and information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING, distinct_rows
from diml_envs.traces import Traces
from diml_inverse.dynamics.logit import LogitDynamics

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AgentPlay:
    """One agent's scored decisions, as a linear map from its payoff table to its attractions.

    Attributes:
        others: the K distinct contexts it met: the others' actions, int64 [K, N - 1].
        weights: [D, K]; attractions before decision d = weights[d] @ table [K, A_i].
        actions: what it chose, int64 [D].
        num_actions: A_i.
    """

    others: NDArray[np.int64]
    weights: FloatArray
    actions: NDArray[np.int64]
    num_actions: int


def agent_play(traces: Traces, scored: NDArray[np.bool_], dynamics: LogitDynamics, agent: int) -> AgentPlay:
    """Collect an agent's decisions. scored: bool [E, T, N], as `diml_inverse.likelihood.observe` has it."""
    others = np.delete(traces.actions, agent, axis=2)
    met = (others != MISSING).all(-1)  # [E, T]
    contexts, place = distinct_rows(torch.tensor(others[met]))
    memberships = torch.zeros(*met.shape, 1, len(contexts), dtype=torch.float64)
    episodes, rounds = np.nonzero(met)
    memberships[episodes, rounds, 0, place] = 1.0
    # Attractions are linear in payoffs and alike for every action: filtering "which context" gives the map.
    path = dynamics.attractions(memberships, torch.zeros(*met.shape, 1, dtype=torch.int64))[:, :, 0].numpy()
    chosen = scored[:, :, agent]
    return AgentPlay(contexts.numpy(), path[chosen], traces.actions[:, :, agent][chosen], traces.action_counts[agent])


def log_likelihood(play: AgentPlay, dynamics: LogitDynamics, table: FloatArray) -> float:
    """Total, in nats. table: [K, A_i]."""
    probs, mixed = _choice_probs(play, dynamics, table)
    return float(np.log(mixed[np.arange(len(probs)), play.actions]).sum())


def gradient_and_information(
    play: AgentPlay, dynamics: LogitDynamics, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient [K A_i] of the log-likelihood in the table, and its expected information [K A_i, K A_i].

    With p = softmax(precision A), q = (1 - exploration) p + exploration / A_i and J = dq/dA, a decision for b has
    score J_b / q_b and information J' diag(1/q) J.
    """
    probs, mixed = _choice_probs(play, dynamics, table)
    slope = float((1 - dynamics.exploration) * dynamics.precision)
    rows = np.arange(len(probs))
    taken = probs[rows, play.actions]
    score = -probs * taken[:, None]
    score[rows, play.actions] += taken
    score *= (slope / mixed[rows, play.actions])[:, None]
    gradient = play.weights.T @ score  # [K, A]
    return gradient.reshape(-1), slope**2 * _accumulated(play.weights, probs, mixed)


def _choice_probs(play: AgentPlay, dynamics: LogitDynamics, table: FloatArray) -> tuple[FloatArray, FloatArray]:
    logits = float(dynamics.precision) * (play.weights @ table)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    exploration = float(dynamics.exploration)
    return probs, (1 - exploration) * probs + exploration / play.num_actions


def _accumulated(weights: FloatArray, probs: FloatArray, mixed: FloatArray) -> FloatArray:
    """Sum over decisions of (w w') x (J' diag(1/q) J) / slope^2, [K A, K A]."""
    count, num_actions = weights.shape[1], probs.shape[1]
    ratio = probs**2 / mixed
    total = ratio.sum(1)
    information = np.empty((count, num_actions, count, num_actions))
    for a in range(num_actions):
        for b in range(a + 1):
            cross = probs[:, a] * probs[:, b] * total - ratio[:, a] * probs[:, b] - probs[:, a] * ratio[:, b]
            per_decision = cross + ratio[:, a] if a == b else cross
            information[:, a, :, b] = (weights * per_decision[:, None]).T @ weights
            information[:, b, :, a] = information[:, a, :, b].T
    return information.reshape(count * num_actions, count * num_actions)
