"""`OwnLoadMechanism`: payoffs of the own action and how many chose it; congestion without a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts
from diml_envs.mechanisms.initialisation import (
    draw_default,
    multilayer_perceptron,
    scale_last_layer,
    seeded_generator,
    start_from_no_differences,
)
from diml_envs.mechanisms.symmetric import SymmetricMechanism, distinct_numbers


class OwnLoadMechanism(SymmetricMechanism):
    """payoff = f(own action, share of all agents on it), f a network on the embedded action, shared by all agents.

    Args:
        num_agents: N.
        num_actions: A, the resources.
        embedding_dim: width of the resource's embedding.
        hidden: widths of the hidden layers.
        seed: draws the parameters it is built with; a fit draws its own start.
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

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By the last layer."""
        scale_last_layer(self.network, factor)

    def contexts(self, actions: Tensor) -> Contexts:
        """Inputs: the distinct pairs (resource, load) as numbers [C], and which a deviation leads to [K, A]."""
        contexts = super().contexts(actions)
        others = contexts.inputs[0]
        own = torch.arange(self.num_actions, device=actions.device)
        cells, place = distinct_numbers(own * self.num_agents + others, self.num_actions * self.num_agents)
        return Contexts(contexts.index, (cells, place))

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        cells, place = contexts.inputs
        share = 2 * (cells % self.num_agents + 1) / self.num_agents - 1
        resource = self.embedding(cells // self.num_agents)
        payoffs: Tensor = self.network(torch.cat([resource, share[:, None].to(resource)], -1))
        return payoffs.expand(-1, self.num_actions).gather(0, place)
