"""`NeuralMechanism`: payoffs with no structure assumed, a network of the joint action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import (
    draw_default,
    multilayer_perceptron,
    scale_last_layer,
    seeded_generator,
    start_from_no_differences,
)


class NeuralMechanism(Mechanism):
    """Per-agent action embeddings, concatenated, through tanh layers to one payoff for each agent (An & Du 2026, E1).

    Args:
        num_agents: N.
        num_actions: actions of every agent, or a sequence of N counts.
        embedding_dim: width of each agent's action embedding.
        hidden: widths of the hidden layers.
        seed: draws the parameters it is built with; a fit draws its own start.

    Raises:
        ValueError: a number of counts other than N, or a count below 1.
    """

    offsets: Tensor

    def __init__(
        self,
        num_agents: int,
        num_actions: int | Sequence[int],
        embedding_dim: int = 6,
        hidden: Sequence[int] = (128, 128),
        seed: int = 0,
    ) -> None:
        counts = [num_actions] * num_agents if isinstance(num_actions, int) else list(num_actions)
        if len(counts) != num_agents:
            raise ValueError(f"num_actions names {len(counts)} agents, num_agents is {num_agents}")
        super().__init__(counts)
        self.embedding_dim, self.hidden = embedding_dim, tuple(hidden)
        # One table for all agents: agent i's action b is row offsets[i] + b.
        self.embedding = nn.utils.skip_init(nn.Embedding, sum(counts), embedding_dim)
        self.network = multilayer_perceptron([num_agents * embedding_dim, *hidden, num_agents], nn.Tanh)
        offsets = torch.tensor([0, *counts[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets, persistent=False)
        draw_default(self, seeded_generator(seed, "neural candidate"))

    @classmethod
    def random(cls, num_agents: int, num_actions: int | Sequence[int], seed: int = 0) -> NeuralMechanism:
        """A hidden mechanism as the paper draws it: torch's default initialisation."""
        mechanism = cls(num_agents, num_actions)
        draw_default(mechanism, seeded_generator(seed, "neural mechanism"))
        return mechanism

    def config(self) -> dict[str, Any]:
        return {
            "num_agents": self.num_agents,
            "num_actions": list(self.action_counts),
            "embedding_dim": self.embedding_dim,
            "hidden": list(self.hidden),
        }

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Embeddings and hidden layers drawn, all payoffs zero."""
        draw_default(self.embedding, generator)
        start_from_no_differences(self.network, generator)

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By the last layer."""
        scale_last_layer(self.network, factor)

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        embedded = self.embedding(actions + self.offsets)  # [*B, N, embedding_dim]
        payoffs: Tensor = self.network(embedded.flatten(-2))
        return payoffs
