"""`OwnLoadMechanism`: payoffs of the own action and how many chose it; congestion without a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.initialisation import (
    draw_default,
    multilayer_perceptron,
    seeded_generator,
    start_from_no_differences,
)
from diml_envs.mechanisms.symmetric import SymmetricMechanism


class OwnLoadMechanism(SymmetricMechanism):
    """payoff = f(own action, share of all agents on it), f a network on the embedded action, shared by all agents.

    Args:
        num_agents: N.
        num_actions: A, the resources.
        embedding_dim: width of the resource's embedding.
        hidden: widths of the hidden layers.
        seed: of the parameters it is built with. A fit draws its own start.
    """

    def __init__(
        self,
        num_agents: int,
        num_actions: int,
        embedding_dim: int = 8,
        hidden: Sequence[int] = (64, 64),
        seed: int = 0,
    ) -> None:
        super().__init__(num_agents, num_actions)
        self.embedding_dim, self.hidden = embedding_dim, tuple(hidden)
        self.embedding = nn.Embedding(num_actions, embedding_dim)
        self.network = multilayer_perceptron([embedding_dim + 1, *hidden, 1], nn.Tanh)
        draw_default(self, seeded_generator(seed, "own load candidate"))

    def config(self) -> dict[str, Any]:
        return {
            "num_agents": self.num_agents,
            "num_actions": self.num_actions,
            "embedding_dim": self.embedding_dim,
            "hidden": list(self.hidden),
        }

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Embedding and hidden layers drawn, all payoffs zero."""
        draw_default(self.embedding, generator)
        start_from_no_differences(self.network, generator)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        # Contexts with equal counts differ in other resources only: each (resource, load) is evaluated once.
        loads = torch.arange(1, self.num_agents + 1, device=others.device)
        share = (2 * loads / self.num_agents - 1).to(self.embedding.weight)
        resource = self.embedding.weight[:, None].expand(-1, self.num_agents, -1)
        inputs = torch.cat([resource, share[None, :, None].expand(self.num_actions, -1, 1)], -1)
        table: Tensor = self.network(inputs).squeeze(-1)  # [A, N]
        return table[torch.arange(self.num_actions, device=others.device), others]
