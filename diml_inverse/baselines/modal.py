"""`ModalMechanism`: payoffs that see of the others only which action most of them chose."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.symmetric import SymmetricMechanism


class ModalMechanism(SymmetricMechanism):
    """A free payoff for each pair of own action and the others' most frequent one, the same for all agents.

    Args:
        num_agents: N, at least 2: alone, nobody has others.
        num_actions: A, the same for every agent.

    Raises:
        ValueError: fewer than two agents.
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        if num_agents < 2:
            raise ValueError(f"a modal action of the others needs at least two agents; got {num_agents}")
        super().__init__(num_agents, num_actions)
        self.table = nn.Parameter(torch.zeros(num_actions, num_actions))  # [modal action, own action]

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All payoffs zero."""
        nn.init.zeros_(self.table)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        return self.table[modal_action(others)]


def modal_action(counts: Tensor) -> Tensor:
    """The most frequent action, of several the first. int64 [*B, A] -> [*B]"""
    # Spelled out, since argmax may return any of several.
    actions = torch.arange(counts.shape[-1], device=counts.device)
    most_frequent = counts == counts.amax(-1, keepdim=True)
    return torch.where(most_frequent, actions, counts.shape[-1]).amin(-1)
