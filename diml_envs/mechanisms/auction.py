"""`AuctionMechanism`: a position auction with quality-weighted ranking, second prices, reserve and rebate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator


class AuctionMechanism(Mechanism):
    """Generalised second-price auction of S positions, the payout rule of sponsored search.

    After Edelman, Ostrovsky & Schwarz (2007) and Varian (2007).

    Actions are bids per click on an even grid from 0 to 1. Bids below the reserve take no part. The others are ranked
    by bid times quality, equal ones by agent number. The agent in position k has click_rates[k] * quality clicks; a
    click costs the least bid that keeps the position, at least the reserve, less a share `rebate`:

        payoff_i = click_rates[k] quality_i (value_i - (1 - rebate) max(reserve, bid_next quality_next / quality_i))

    Parameters: `values` [N], `click_rates` [S], `rebate`. The ranking is a step function of `qualities` [N] and
    `reserve`, so these are buffers: known, not fitted.

    Args:
        num_agents: N, the bidders.
        num_actions: A, the bids on the grid.
        num_positions: S; default N - 1 (at least 1).
    """

    qualities: Tensor
    reserve: Tensor
    bids: Tensor

    def __init__(self, num_agents: int, num_actions: int, num_positions: int | None = None) -> None:
        super().__init__([num_actions] * num_agents)
        positions = max(num_agents - 1, 1) if num_positions is None else num_positions
        if positions < 1:
            raise ValueError(f"num_positions must be at least 1; got {positions}")
        self.values = nn.Parameter(torch.ones(num_agents))
        self.click_rates = nn.Parameter(0.7 ** torch.arange(positions))
        self.rebate = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("qualities", torch.ones(num_agents))
        self.register_buffer("reserve", torch.tensor(0.0))
        self.register_buffer("bids", torch.linspace(0, 1, num_actions), persistent=False)

    @classmethod
    def random(cls, num_agents: int, num_actions: int, seed: int = 0) -> AuctionMechanism:
        """Uniform: values [.5, 1), qualities [.5, 1.5), reserve [.05, .25), rebate [0, .3), and a position's
        share of the clicks of the one above [.5, .9).
        """
        mechanism = cls(num_agents, num_actions)
        generator = seeded_generator(seed, "auction mechanism")

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(shape, generator=generator)

        mechanism.values.data = uniform(0.5, 1.0, num_agents)
        mechanism.qualities = uniform(0.5, 1.5, num_agents)
        mechanism.click_rates.data = uniform(0.5, 0.9, mechanism.click_rates.numel()).cumprod(0)
        mechanism.reserve = uniform(0.05, 0.25)
        mechanism.rebate.data = uniform(0.0, 0.3)
        return mechanism

    def config(self) -> dict[str, Any]:
        return {
            "num_agents": self.num_agents,
            "num_actions": self.num_actions,
            "num_positions": self.click_rates.numel(),
        }

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Values 1, each position .7 of the clicks of the one above, no rebate."""
        self.values.data.fill_(1.0)
        self.click_rates.data = (0.7 ** torch.arange(self.click_rates.numel())).to(self.click_rates)
        self.rebate.data.fill_(0.0)

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By the clicks, since bids and prices are in money."""
        self.click_rates.mul_(factor)

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        bids = self.bids[actions]
        scores = torch.where(bids >= self.reserve, bids * self.qualities, -torch.inf)
        ranked, order = scores.sort(dim=-1, descending=True, stable=True)
        clicks = nn.functional.pad(self.click_rates, (0, self.num_agents))[: self.num_agents]
        below = nn.functional.pad(ranked[..., 1:], (0, 1), value=-torch.inf)
        price = torch.maximum(self.reserve, below / self.qualities[order])
        profit = clicks * self.qualities[order] * (self.values[order] - (1 - self.rebate) * price)
        profit = torch.where(ranked > -torch.inf, profit, 0.0)
        return torch.zeros_like(profit).scatter(-1, order, profit)
