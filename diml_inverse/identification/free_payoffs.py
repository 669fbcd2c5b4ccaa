"""`FreePayoffs`: nothing known of the mechanism but that payoffs depend on what was played."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.identification.contexts import contexts_at


class FreePayoffs(Mechanism):
    """A free payoff for every own action in each context of some play; evaluated on that play only.

    Attributes:
        payoffs: parameters [P], by context, then own action; they start from those of `mechanism`.
        contexts_table: K rows, as those of `visited_contexts` without visits: agent, and a column for each
            agent's action, the own being -1. Sorted by agent.
        agent_of, context_of: int64 [P]: whose payoff it is, and in which row of the table.
    """

    def __init__(self, mechanism: Mechanism, traces: Traces) -> None:
        super().__init__(mechanism.action_counts)
        actions = torch.tensor(traces.actions)
        index = Mechanism.contexts(self, actions).index
        agents = torch.arange(self.num_agents).expand_as(index)
        known = index != MISSING
        count = int(index.max()) + 1
        agent = torch.zeros(count, dtype=torch.int64)
        profile = torch.zeros(count, self.num_agents, dtype=torch.int64)
        agent[index[known]] = agents[known]
        profile[index[known]] = actions[:, :, None].expand(*index.shape, self.num_agents)[known]
        profile[torch.arange(count), agent] = MISSING
        self.contexts_table = pd.DataFrame(profile.numpy(), columns=list(range(self.num_agents)))
        self.contexts_table.insert(0, "agent", agent.numpy())
        self._exists = self.action_mask[agent]
        self.context_of = self._exists.nonzero()[:, 0]
        self.agent_of = agent[self.context_of]
        found, row = contexts_at(mechanism, self.contexts_table)
        with torch.no_grad():
            values = mechanism.context_payoffs(found)[row].double().cpu()
        self.payoffs = nn.Parameter(values[self._exists])

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        missing = self.payoffs.new_full(self._exists.shape, torch.nan)
        return missing.masked_scatter(self._exists, self.payoffs)
