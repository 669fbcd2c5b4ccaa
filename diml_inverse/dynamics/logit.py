"""`LogitDynamics`: attractions as a recency-weighted mean of counterfactual payoffs, choices by logit response."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.filter import decaying_sum

WIDE = 24  # actions from which torch's log_softmax, one fused pass at a fixed cost for each row, beats logsumexp


def logit_response(attractions: Tensor, precision: Tensor, action_mask: Tensor | None = None) -> Tensor:
    """Log probabilities of the logit choice rule, [*B, A] -> [*B, A]; -inf for actions that do not exist."""
    logits = precision * attractions
    if action_mask is not None:
        logits = logits.masked_fill(~action_mask, -torch.inf)
    return logits.log_softmax(-1)


class LogitDynamics(Dynamics):
    """Logit-Q learning with full feedback (An & Du 2026, section 3), its parameters known.

        A(t+1) = (1 - learning_rate) A(t) + learning_rate u(t)
        pi(t)  = (1 - exploration) softmax(precision A(t)) + exploration / A

    Args:
        learning_rate: recency weight, in (0, 1].
        precision: inverse temperature, in 1 / payoff, at least 0.
        exploration: share of choices made uniformly at random, in [0, 1).

    Raises:
        ValueError: a parameter outside its range.
    """

    def __init__(self, learning_rate: float = 0.25, precision: float = 3.0, exploration: float = 0.06) -> None:
        super().__init__()
        for name, value, valid, range_ in (
            ("learning_rate", learning_rate, 0 < learning_rate <= 1, "(0, 1]"),
            ("precision", precision, 0 <= precision < math.inf, "[0, infinity)"),
            ("exploration", exploration, 0 <= exploration < 1, "[0, 1)"),
        ):
            if not valid:
                raise ValueError(f"{name} must be in {range_}; got {value}")
            self.register_buffer(name, torch.tensor(float(value), dtype=torch.float64))

    learning_rate: Tensor
    precision: Tensor
    exploration: Tensor

    def config(self) -> dict[str, Any]:
        return {name: float(getattr(self, name)) for name in ("learning_rate", "precision", "exploration")}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in self.config().items())

    def update(self, attractions: Tensor, payoffs: Tensor, actions: Tensor) -> Tensor:
        rate = self.learning_rate.to(payoffs)
        return (1 - rate) * attractions + rate * payoffs

    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        rate = self.learning_rate.to(payoffs)
        return decaying_sum(payoffs.flatten(2), 1 - rate, rate).reshape(payoffs.shape)

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        log_probs = logit_response(attractions, self.precision.to(attractions), action_mask)
        if self.exploration == 0:  # no detour through exp and log, which would lose small probabilities
            return log_probs
        return self._explore(log_probs, action_mask)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        logits = self.precision.to(attractions) * attractions
        if action_mask is not None:
            logits = logits.masked_fill(~action_mask, -torch.inf)
        chosen = _chosen_log_softmax(logits, actions[..., None])
        if self.exploration > 0:
            count = attractions.shape[-1] if action_mask is None else action_mask.sum(-1, keepdim=True)
            chosen = self._mix(chosen, count)
        return chosen.squeeze(-1)

    def _explore(self, log_probs: Tensor, action_mask: Tensor | None) -> Tensor:
        if action_mask is None:
            return self._mix(log_probs, log_probs.shape[-1])
        mixed = self._mix(log_probs, action_mask.sum(-1, keepdim=True))
        return mixed.masked_fill(~action_mask, -torch.inf)

    def _mix(self, log_probs: Tensor, count: Tensor | int) -> Tensor:
        exploration = self.exploration.to(log_probs)
        return ((1 - exploration) * log_probs.exp() + exploration / count).log()


def _chosen_log_softmax(logits: Tensor, place: Tensor) -> Tensor:
    if logits.shape[-1] >= WIDE:
        return logits.log_softmax(-1).gather(-1, place)
    return logits.gather(-1, place) - logits.logsumexp(-1, keepdim=True)
