"""`PairwiseMechanism`: payoffs added up over meetings with each of the others; a symmetric polymatrix game."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.symmetric import SymmetricMechanism


class PairwiseMechanism(SymmetricMechanism):
    """payoff = own[a] + mean over the others of meeting[a, their action]; the same tables for all agents.

    Parameters, zero when built: `own` [A], `meeting` [A, A].
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__(num_agents, num_actions)
        self.own = nn.Parameter(torch.zeros(num_actions))
        self.meeting = nn.Parameter(torch.zeros(num_actions, num_actions))

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All payoffs zero."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        shares = others.to(self.own.dtype) / max(self.num_agents - 1, 1)
        return self.own + shares @ self.meeting.T
