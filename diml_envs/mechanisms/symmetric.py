"""`SymmetricMechanism`: payoffs depend on the own action and on how many of the others chose each action."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism, distinct_rows


class SymmetricMechanism(Mechanism):
    """One payoff function for all agents, of the own action and the counts of the others' actions.

    Subclasses must define `payoffs_given_counts`. The cost of a fit does not grow with the number of agents: only the
    distinct pairs (counts of a profile, own action) are evaluated, at most A for each profile.

    Args:
        num_agents: N, at least 1.
        num_actions: A, the same for every agent.
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__([num_actions] * num_agents)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        """Payoff of each own action. others: how many others chose each action, [K, A] -> [K, A]."""
        raise NotImplementedError(f"{type(self).__name__} must define payoffs_given_counts([K, A]) -> [K, A]")

    def with_num_agents(self, num_agents: int) -> Mechanism:
        """The same payoff function for more or fewer agents: if it takes
        shares of the others, the shares are kept, and if it takes a number or a total, that.

        Raises:
            ValueError: parameters that depend on the number of agents.
        """
        if num_agents == self.num_agents:
            return self
        changed = type(self)(**{**self.config(), "num_agents": num_agents})
        parameters = {name: tensor.detach().clone() for name, tensor in self.state_dict().items()}
        try:
            changed.load_state_dict(parameters, assign=True)
        except RuntimeError as error:
            raise ValueError(
                f"the parameters of {type(self).__name__} for {self.num_agents} agents do not fit {num_agents}: {error}"
            ) from error
        return changed.to(self.device).requires_grad_(False)

    def forward(self, actions: Tensor) -> Tensor:
        return self.counterfactual_payoffs(actions).gather(-1, actions[..., None]).squeeze(-1)

    def contexts(self, actions: Tensor) -> Contexts:
        flat = actions.reshape(-1, self.num_agents)
        missing = flat == MISSING
        counts = _count_rows(flat.clamp(min=0), ~missing, self.num_actions)  # [B, A]
        distinct, row = distinct_rows(counts)
        # One slot for each own action and a last one for an own action that was not observed.
        own = torch.where(missing, self.num_actions, flat)
        slots = self.num_actions + 1
        pairs, index = distinct_numbers(row[:, None] * slots + own, distinct.shape[0] * slots)
        own_of_pair = pairs % slots
        others = distinct[pairs // slots]
        others = others - torch.nn.functional.one_hot(own_of_pair, slots)[:, : self.num_actions]
        others_observed = missing.sum(1, keepdim=True) == missing.long()
        return Contexts(torch.where(others_observed, index, MISSING).reshape(actions.shape), (others,))

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        return self.payoffs_given_counts(contexts.inputs[0])


def _count_rows(actions: Tensor, counted: Tensor, num_actions: int) -> Tensor:
    """How often each action occurs in each row, int64 [B, A]."""
    counts = actions.new_zeros(actions.shape[0], num_actions)
    return counts.scatter_add_(1, actions, counted.long())


def distinct_numbers(numbers: Tensor, bound: int) -> tuple[Tensor, Tensor]:
    """Those of 0..bound-1 that occur, ascending, and for each number its place among them; no sorting."""
    occurs = torch.zeros(bound, dtype=torch.bool, device=numbers.device)
    occurs[numbers.flatten()] = True
    return occurs.nonzero().squeeze(1), (occurs.cumsum(0) - 1)[numbers]
