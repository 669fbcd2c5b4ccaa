"""`PublicGoodsMechanism`: a saturating common benefit, a private quadratic cost, an opaque subsidy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.initialisation import (
    draw_default,
    multilayer_perceptron,
    scale_last_layer,
    seeded_generator,
    start_from_no_differences,
)
from diml_envs.mechanisms.symmetric import SymmetricMechanism


class PublicGoodsMechanism(SymmetricMechanism):
    """payoff = scale (1 - exp(-rate total)) - cost l^2 + subsidy(total, l) (An & Du 2026, E3).

    l is the own contribution, one of `num_actions` even levels from 0 to 1; total adds those of all agents;
    subsidy is a network 2-64-1 (tanh).

    Parameters: `scale`, `rate`, `cost` (scalars, built at the paper's 1, 2, .8) and the network's.
    """

    levels: Tensor

    def __init__(self, num_agents: int, num_actions: int, hidden: int = 64, seed: int = 0) -> None:
        super().__init__(num_agents, num_actions)
        self.hidden = hidden
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.rate = nn.Parameter(torch.tensor(2.0))
        self.cost = nn.Parameter(torch.tensor(0.8))
        self.subsidy = multilayer_perceptron([2, hidden, 1], nn.Tanh)
        self.register_buffer("levels", torch.linspace(0, 1, num_actions), persistent=False)
        draw_default(self, seeded_generator(seed, "public goods candidate"))

    @classmethod
    def random(cls, num_agents: int, num_actions: int, seed: int = 0) -> PublicGoodsMechanism:
        """As the paper draws it: its scale, rate and cost, the subsidy's network at torch's default."""
        mechanism = cls(num_agents, num_actions)
        draw_default(mechanism, seeded_generator(seed, "public goods mechanism"))
        return mechanism

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions, "hidden": self.hidden}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Scale, rate and cost 1; the subsidy none."""
        for parameter in (self.scale, self.rate, self.cost):
            nn.init.ones_(parameter)
        start_from_no_differences(self.subsidy, generator)

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By scale, cost and the subsidy's last layer."""
        self.scale.mul_(factor)
        self.cost.mul_(factor)
        scale_last_layer(self.subsidy, factor)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        levels = self.levels.to(self.cost.dtype)
        total = (others.to(levels.dtype) @ levels)[:, None] + levels  # [K, A]
        benefit = self.scale * (1 - torch.exp(-self.rate * total))
        subsidy: Tensor = self.subsidy(torch.stack([total, levels.expand_as(total)], -1)).squeeze(-1)
        return benefit - self.cost * levels**2 + subsidy
