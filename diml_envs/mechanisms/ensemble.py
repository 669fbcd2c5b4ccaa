"""`EnsembleMechanism`: the mean of several mechanisms of one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts, Mechanism


class EnsembleMechanism(Mechanism):
    """The mean payoffs of members that were fitted separately; their errors partly cancel.

    Args:
        members: mechanisms of one class and size.

    Raises:
        ValueError: no members, or members of different classes or action counts.
    """

    def __init__(self, members: Sequence[Mechanism]) -> None:
        if not members or len({(type(member), member.action_counts) for member in members}) != 1:
            kinds = [f"{type(member).__name__}{member.action_counts}" for member in members]
            raise ValueError(f"an ensemble needs members of one class and one set of action counts; got {kinds}")
        super().__init__(members[0].action_counts)
        self.members = nn.ModuleList(members)

    def config(self) -> dict[str, Any]:
        member = self._member(0)
        return {"member": type(member).__name__, "member_config": member.config(), "num_members": len(self.members)}

    def reset_parameters(self, generator: torch.Generator) -> None:
        for index in range(len(self.members)):
            self._member(index).reset_parameters(generator)

    def scale_payoffs(self, factor: float) -> None:
        members = [self._member(index) for index in range(len(self.members))]
        for member in dict.fromkeys(members):  # one that stands here twice is scaled once
            member.scale_payoffs(factor)

    def with_num_agents(self, num_agents: int) -> EnsembleMechanism:
        members = range(len(self.members))
        return EnsembleMechanism([self._member(index).with_num_agents(num_agents) for index in members])

    def forward(self, actions: Tensor) -> Tensor:
        return torch.stack([member(actions) for member in self.members]).mean(0)

    def contexts(self, actions: Tensor) -> Contexts:
        return self._member(0).contexts(actions)

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        payoffs = [self._member(index).context_payoffs(contexts) for index in range(len(self.members))]
        return torch.stack(payoffs).mean(0)

    def _member(self, index: int) -> Mechanism:
        member = self.members[index]
        assert isinstance(member, Mechanism)
        return member
