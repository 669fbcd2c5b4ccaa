"""`AggregativeMechanism`: payoffs of the own level and the mean level of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import MISSING, Contexts
from diml_envs.mechanisms.initialisation import (
    draw_default,
    multilayer_perceptron,
    scale_last_layer,
    seeded_generator,
    start_from_no_differences,
)
from diml_envs.mechanisms.symmetric import SymmetricMechanism


class AggregativeMechanism(SymmetricMechanism):
    """payoff = f(own level, mean level of the others), f a network shared by all: public goods, Cournot, contests.

    Args:
        num_agents: N.
        levels: what each action amounts to, A distinct numbers (contribution, quantity, price).
        hidden: widths of the hidden layers.
        seed: draws the parameters it is built with; a fit draws its own start.

    Raises:
        ValueError: levels that are not distinct.
    """

    levels: Tensor

    def __init__(
        self, num_agents: int, levels: Sequence[float], hidden: Sequence[int] = (64, 64), seed: int = 0
    ) -> None:
        super().__init__(num_agents, len(levels))
        if len(set(levels)) != len(levels):
            raise ValueError(f"levels must be distinct numbers, one for each action; got {list(levels)}")
        self.hidden = tuple(hidden)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64))
        self.network = multilayer_perceptron([2, *hidden, 1], nn.Tanh)
        draw_default(self, seeded_generator(seed, "aggregative candidate"))

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "levels": self.levels.tolist(), "hidden": list(self.hidden)}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Hidden layers drawn, all payoffs zero."""
        start_from_no_differences(self.network, generator)

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """By the last layer."""
        scale_last_layer(self.network, factor)

    def contexts(self, actions: Tensor) -> Contexts:
        """Inputs: the distinct totals of the others' levels, [K]; many counts of actions come to the same."""
        contexts = super().contexts(actions)
        totals, place = torch.unique(contexts.inputs[0].double() @ self.levels.double(), return_inverse=True)
        rows = place[contexts.index.clamp(min=0)] if len(place) else contexts.index
        return Contexts(torch.where(contexts.index == MISSING, MISSING, rows), (totals,))

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        first = self.network[0]
        assert isinstance(first, nn.Linear)
        others, levels = self.num_agents - 1, self.levels.double()
        spread = (levels.amax() - levels.amin()).clamp(min=1e-12)
        unit = 2 * (levels - levels.amin()) / spread - 1  # [-1, 1]
        mean = 2 * (contexts.inputs[0] / max(others, 1) - levels.amin()) / spread - 1 if others else contexts.inputs[0]
        shape = (len(mean), self.num_actions)
        inputs = torch.stack([unit.expand(shape), mean[:, None].expand(shape)], -1).to(first.weight.dtype)
        payoffs: Tensor = self.network(inputs)
        return payoffs.squeeze(-1)
