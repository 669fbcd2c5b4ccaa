"""`CongestionMechanism`: each action a resource whose cost grows with its load, less a toll or rebate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.mechanisms.symmetric import SymmetricMechanism


class CongestionMechanism(SymmetricMechanism):
    """payoff = -(linear_cost L + quadratic_cost L^2) + toll_rate L, L the load of the own resource, oneself included.

    Parameters, one for each resource [A], zero when built: `linear_cost`, `quadratic_cost`, `toll_rate`
    (An & Du 2026, E2). Choices show only `toll_rate - linear_cost`, not the two apart.
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__(num_agents, num_actions)
        self.linear_cost = nn.Parameter(torch.zeros(num_actions))
        self.quadratic_cost = nn.Parameter(torch.zeros(num_actions))
        self.toll_rate = nn.Parameter(torch.zeros(num_actions))

    @classmethod
    def random(cls, num_agents: int, num_actions: int, seed: int = 0) -> CongestionMechanism:
        """As the paper draws it: uniform on [.1, .4), [.05, .15) and [0, .2)."""
        mechanism = cls(num_agents, num_actions)
        generator = seeded_generator(seed, "congestion mechanism")
        ranges = (
            (mechanism.linear_cost, 0.1, 0.4),
            (mechanism.quadratic_cost, 0.05, 0.15),
            (mechanism.toll_rate, 0, 0.2),
        )
        for parameter, low, high in ranges:
            parameter.data = low + (high - low) * torch.rand(num_actions, generator=generator)
        return mechanism

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All costs and tolls zero."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        load = (others + 1).to(self.linear_cost.dtype)
        return (self.toll_rate - self.linear_cost) * load - self.quadratic_cost * load**2
