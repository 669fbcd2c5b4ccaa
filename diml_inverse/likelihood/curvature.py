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

LARGEST_DESIGN = 2**25  # numbers, 256 MB, of one agent's decisions


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
    log_probs = _log_softmax(play, dynamics, table)[np.arange(len(play.actions)), play.actions]
    exploration = float(dynamics.exploration)
    if exploration > 0:
        log_probs = np.log((1 - exploration) * np.exp(log_probs) + exploration / play.num_actions)
    return float(log_probs.sum())


def gradient_and_information(
    play: AgentPlay, dynamics: LogitDynamics, table: FloatArray, features: FloatArray, design: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Gradient [P] of the log-likelihood in weights of which the table is a linear function, and their expected
    information [P, P].

    With p = softmax(precision A), q = (1 - exploration) p + exploration / A_i and J = dq/dA, a decision for b has
    score J_b / q_b and information J' diag(1/q) J.

    Args:
        play, dynamics, table: the decisions, who made them, and the payoffs.
        features: what each weight adds to each payoff of the table, [K A_i, P].
        design: what it adds to each attraction, [D, A_i, P], as `design_of` gives it; the information is then summed
            over decisions instead of over pairs of contexts, which is quicker if there are few decisions.
    """
    probs = np.exp(_log_softmax(play, dynamics, table))
    deliberate = _deliberate(probs, float(dynamics.exploration))
    rows = np.arange(len(probs))
    score = -probs
    score[rows, play.actions] += 1
    score *= (float(dynamics.precision) * deliberate[rows, play.actions])[:, None]
    gradient = features.T @ (play.weights.T @ score).reshape(-1)
    slope = float(dynamics.precision) ** 2 * (1 - float(dynamics.exploration))
    if design is None:
        information = features.T @ (_accumulated(play.weights, probs, probs * deliberate) @ features)
    else:
        off = design - np.einsum("da,dap->dp", probs, design)[:, None, :]
        off *= np.sqrt(probs * deliberate)[:, :, None]
        flat = off.reshape(off.shape[0] * off.shape[1], off.shape[2])
        information = flat.T @ flat
    return gradient, slope * information


def design_of(play: AgentPlay, features: FloatArray) -> FloatArray | None:
    """The design of `gradient_and_information`; None where the other way is quicker, or this would fill the memory."""
    decisions, count = play.weights.shape
    actions, width = play.num_actions, features.shape[1]
    by_decision = decisions * actions * width**2
    by_context = actions**2 / 2 * decisions * count**2 + (count * actions) ** 2 * width
    if by_decision > by_context or decisions * actions * width > LARGEST_DESIGN:
        return None
    by_place = features.reshape(count, actions * width)
    return (play.weights @ by_place).reshape(decisions, actions, width)


def _log_softmax(play: AgentPlay, dynamics: LogitDynamics, table: FloatArray) -> FloatArray:
    logits = float(dynamics.precision) * (play.weights @ table)
    logits -= logits.max(1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    return logits


def _deliberate(probs: FloatArray, exploration: float) -> FloatArray:
    """Share of each action's probability that is not exploration, (1 - exploration) p / q."""
    if exploration == 0:  # 1 even where p underflows
        return np.ones_like(probs)
    meant = (1 - exploration) * probs
    share: FloatArray = meant / (meant + exploration / probs.shape[1])
    return share


def _accumulated(weights: FloatArray, probs: FloatArray, ratio: FloatArray) -> FloatArray:
    """Sum over decisions of (w w') x (D' diag(ratio / p^2) D), D = diag(p) - p p'. [K A, K A]"""
    count, num_actions = weights.shape[1], probs.shape[1]
    total = ratio.sum(1)
    information = np.empty((count, num_actions, count, num_actions))
    for a in range(num_actions):
        for b in range(a + 1):
            cross = probs[:, a] * probs[:, b] * total - ratio[:, a] * probs[:, b] - probs[:, a] * ratio[:, b]
            per_decision = cross + ratio[:, a] if a == b else cross
            information[:, a, :, b] = (weights * per_decision[:, None]).T @ weights
            information[:, b, :, a] = information[:, a, :, b].T
    return information.reshape(count * num_actions, count * num_actions)
