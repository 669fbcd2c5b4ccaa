"""`TabularMechanism`: a free payoff for every action profile and agent; any normal-form game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator

LARGEST_TABLE = 2**26  # payoffs; 256 MB in float32


class TabularMechanism(Mechanism):
    """Payoffs held in a table [A_1, ..., A_N, N], its entries free parameters.

    Args:
        action_counts: number of actions of each agent.

    Raises:
        ValueError: more than 2**26 payoffs.
    """

    def __init__(self, action_counts: Sequence[int]) -> None:
        super().__init__(action_counts)
        entries = float(np.prod(np.array(self.action_counts, float)) * self.num_agents)
        if entries > LARGEST_TABLE:
            raise ValueError(
                f"a payoff table for action counts {self.action_counts} has {entries:.3g} entries, more than "
                f"{LARGEST_TABLE}; use a mechanism with structure, such as NeuralMechanism or AnonymousMechanism"
            )
        self.table = nn.Parameter(torch.zeros(*self.action_counts, self.num_agents))

    @classmethod
    def from_payoffs(cls, payoffs: ArrayLike) -> TabularMechanism:
        """The normal-form game with these payoffs, [A_1, ..., A_N, N].

        Raises:
            ValueError: the last axis does not have one entry for each of the others; NaN or infinity.
        """
        array = np.asarray(payoffs, dtype=np.float64)
        if array.ndim < 2 or array.shape[-1] != array.ndim - 1:
            raise ValueError(
                f"payoffs must have shape [A_1, ..., A_N, N]: one axis for each agent's action and a last axis "
                f"of length N; got shape {list(array.shape)}"
            )
        if not np.isfinite(array).all():
            *profile, agent = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ValueError(f"the payoff of agent {agent} at profile {profile} is {array[(*profile, agent)]}")
        mechanism = cls(array.shape[:-1])
        mechanism.table.data = torch.tensor(array)  # float64, as given
        return mechanism

    @classmethod
    def random(cls, num_agents: int, num_actions: int, seed: int = 0) -> TabularMechanism:
        """Payoffs drawn independently, standard normal."""
        mechanism = cls([num_actions] * num_agents)
        generator = seeded_generator(seed, "tabular mechanism")
        mechanism.table.data = torch.randn(mechanism.table.shape, generator=generator)
        return mechanism

    def config(self) -> dict[str, Any]:
        return {"action_counts": list(self.action_counts)}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All payoffs zero: an entry that no observed choice bears on stays zero."""
        nn.init.zeros_(self.table)

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        return self.table[tuple(actions.unbind(-1))]

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        profiles, gather, exists = contexts.inputs  # made by `contexts`, so no need to validate them each time
        payoffs = self.table[tuple(profiles.unbind(-1))].reshape(-1)[gather]
        return payoffs if bool(exists.all()) else payoffs.masked_fill(~exists, torch.nan)


def payoff_table(mechanism: Mechanism) -> Tensor:
    """Payoffs of every joint action, [A_1, ..., A_N, N], as `TabularMechanism.from_payoffs` takes them; differentiable.

    Enumerates the game, so it must be small.
    """
    counts = mechanism.action_counts
    profiles = torch.cartesian_prod(*map(torch.arange, counts)).reshape(-1, len(counts))
    payoffs: Tensor = mechanism(profiles.to(mechanism.device))
    return payoffs.reshape(*counts, len(counts))
