"""Dynamics as a user might write them."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_inverse import Dynamics
from diml_inverse.dynamics import logit_response


class ChosenOnly(Dynamics):
    """A user's own: only the action taken is learnt about, as by bandits."""

    def update(self, attractions: Tensor, payoffs: Tensor, actions: Tensor) -> Tensor:
        taken = torch.nn.functional.one_hot(actions, payoffs.shape[-1]).bool()
        return torch.where(taken, 0.8 * attractions + 0.2 * payoffs, attractions)

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return logit_response(attractions, torch.tensor(2.0), action_mask)
