"""`OwnLoadTableMechanism`: a free payoff for every own action and number of agents on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.symmetric import SymmetricMechanism


class OwnLoadTableMechanism(SymmetricMechanism):
    """payoff = payoffs[own action, load - 1], the load counting oneself; the same table for all agents.

    Parameters, zero when built: `payoffs` [A, N].

    Args:
        num_agents: N.
        num_actions: A, the resources.
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__(num_agents, num_actions)
        self.payoffs = nn.Parameter(torch.zeros(num_actions, num_agents))

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions}

    def with_num_agents(self, num_agents: int) -> OwnLoadTableMechanism:
        """For fewer agents; loads that so many agents cannot make are left out.

        Raises:
            ValueError: more agents, whose loads the table does not hold.
        """
        if num_agents > self.num_agents:
            raise ValueError(
                f"the table holds loads up to {self.num_agents}, so it says nothing about {num_agents} agents; "
                "fit CongestionMechanism or OwnLoadMechanism, whose payoffs go on beyond the loads that occurred"
            )
        changed = OwnLoadTableMechanism(num_agents, self.num_actions)
        changed.payoffs = nn.Parameter(self.payoffs.detach()[:, :num_agents].clone(), requires_grad=False)
        return changed

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All payoffs zero: a load that no observed choice bears on stays zero."""
        nn.init.zeros_(self.payoffs)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        # Whoever moves to an action finds the others there and adds itself; `gather` has the fastest backward pass.
        return self.payoffs.gather(1, others.T).T
