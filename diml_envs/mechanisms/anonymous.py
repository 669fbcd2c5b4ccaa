"""`AnonymousMechanism`: a network of the own action and the shares of the others' actions."""

from __future__ import annotations

from collections.abc import Sequence
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


class AnonymousMechanism(SymmetricMechanism):
    """payoff = f(own action, shares of the others' actions), f a ReLU network shared by all agents (An & Du 2026, E7).

    Args:
        num_agents: N.
        num_actions: A.
        embedding_dim: width of the own action's embedding (with `own_action="input"`).
        hidden: widths of the hidden layers.
        own_action: `"input"`, the paper's network: the embedded own action joins the shares, one forward pass
            for each own action; `"output"`: the shares alone go in and one payoff for each own action comes out,
            so that all deviations cost one pass.
        seed: draws the parameters it is built with; a fit draws its own start.

    Raises:
        ValueError: `own_action` is neither.
    """

    def __init__(
        self,
        num_agents: int,
        num_actions: int,
        embedding_dim: int = 12,
        hidden: Sequence[int] = (256, 256),
        own_action: str = "input",
        seed: int = 0,
    ) -> None:
        super().__init__(num_agents, num_actions)
        if own_action not in ("input", "output"):
            raise ValueError(f'own_action must be "input" or "output"; got {own_action!r}')
        self.embedding_dim, self.hidden, self.own_action = embedding_dim, tuple(hidden), own_action
        as_input = own_action == "input"
        self.embedding = nn.utils.skip_init(nn.Embedding, num_actions, embedding_dim) if as_input else None
        inputs, outputs = (embedding_dim + num_actions, 1) if as_input else (num_actions, num_actions)
        self.network = multilayer_perceptron([inputs, *hidden, outputs], nn.ReLU)
        draw_default(self, seeded_generator(seed, "anonymous candidate"))

    @classmethod
    def random(cls, num_agents: int, num_actions: int, embedding_dim: int = 12, seed: int = 0) -> AnonymousMechanism:
        """A hidden mechanism as the paper draws it: torch's default initialisation."""
        mechanism = cls(num_agents, num_actions, embedding_dim)
        draw_default(mechanism, seeded_generator(seed, "anonymous mechanism"))
        return mechanism

    def config(self) -> dict[str, Any]:
        return {
            "num_agents": self.num_agents,
            "num_actions": self.num_actions,
            "embedding_dim": self.embedding_dim,
            "hidden": list(self.hidden),
            "own_action": self.own_action,
        }

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Embedding and hidden layers drawn, all payoffs zero."""
        if self.embedding is not None:
            draw_default(self.embedding, generator)
        start_from_no_differences(self.network, generator)

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By the last layer."""
        scale_last_layer(self.network, factor)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        first = self.network[0]
        assert isinstance(first, nn.Linear)
        shares = others.to(first.weight.dtype) / max(self.num_agents - 1, 1)
        if self.embedding is None:
            payoffs: Tensor = self.network(shares)
            return payoffs
        # The first layer is linear, so its two inputs are pushed through it once each and added for every pair.
        of_action = self.embedding.weight @ first.weight[:, : self.embedding_dim].T  # [A, H]
        of_shares = nn.functional.linear(shares, first.weight[:, self.embedding_dim :], first.bias)  # [K, H]
        hidden: Tensor = self.network[1:](of_shares[:, None] + of_action)  # [K, A, 1]
        return hidden.squeeze(-1)
