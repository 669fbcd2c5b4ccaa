"""Networks from the last joint profiles to the choice probabilities of every agent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from diml_envs.mechanisms.base import MISSING
from diml_envs.mechanisms.initialisation import multilayer_perceptron

MOST_INPUTS = 1024  # of a network that reads one-hot joint profiles


class ChoiceNetwork(nn.Module):
    """Recent play -> log choice probabilities. Subclasses must define `logits`.

    Args:
        action_counts: number of actions of each agent.
    """

    exists: Tensor

    def __init__(self, action_counts: Sequence[int]) -> None:
        super().__init__()
        self.num_agents, self.num_actions = len(action_counts), max(action_counts)
        exists = torch.arange(self.num_actions) < torch.tensor(action_counts)[:, None]
        self.register_buffer("exists", exists, persistent=False)

    def logits(self, recent: Tensor) -> Tensor:
        """Unnormalised log probabilities, int64 [B, memory, N] (`MISSING` allowed) -> [B, N, A]."""
        raise NotImplementedError(f"{type(self).__name__} must define logits(recent)")

    def forward(self, recent: Tensor) -> Tensor:
        """Log choice probabilities, int64 [B, memory, N] -> [B, N, A]; -inf where an agent has no such action."""
        return self.logits(recent).masked_fill(~self.exists, -torch.inf).log_softmax(-1)

    def _one_hot(self, actions: Tensor) -> Tensor:
        """[*B] -> [*B, A], zeros for an action that was not observed."""
        return one_hot(actions.clamp(min=0), self.num_actions) * (actions != MISSING)[..., None].float()


class JointNetwork(ChoiceNetwork):
    """All agents' recent actions, one-hot, through ReLU layers to all agents' logits at once.

    Args:
        action_counts: number of actions of each agent.
        memory: rounds of recent play.
        hidden: widths of the hidden layers.
    """

    def __init__(self, action_counts: Sequence[int], memory: int, hidden: Sequence[int]) -> None:
        super().__init__(action_counts)
        width = self.num_agents * self.num_actions
        self.network = multilayer_perceptron([memory * width, *hidden, width], nn.ReLU)

    def logits(self, recent: Tensor) -> Tensor:
        outputs: Tensor = self.network(self._one_hot(recent).flatten(1))
        return outputs.unflatten(-1, (self.num_agents, self.num_actions))


class SharedNetwork(ChoiceNetwork):
    """An agent's own recent actions and the shares of all agents' actions to its logits; the same for every agent.

    Args:
        action_counts, memory, hidden: as in `JointNetwork`.
    """

    def __init__(self, action_counts: Sequence[int], memory: int, hidden: Sequence[int]) -> None:
        super().__init__(action_counts)
        self.network = multilayer_perceptron([2 * memory * self.num_actions, *hidden, self.num_actions], nn.ReLU)

    def logits(self, recent: Tensor) -> Tensor:
        own = self._one_hot(recent).transpose(1, 2)  # [B, N, memory, A]
        shares = own.mean(1, keepdim=True).expand_as(own)
        outputs: Tensor = self.network(torch.cat([own, shares], -1).flatten(2))
        return outputs


def choice_network(action_counts: Sequence[int], memory: int, hidden: Sequence[int]) -> ChoiceNetwork:
    """The joint network where its inputs are few enough, else the shared one. Not initialised."""
    inputs = memory * len(action_counts) * max(action_counts)
    return (JointNetwork if inputs <= MOST_INPUTS else SharedNetwork)(action_counts, memory, hidden)
