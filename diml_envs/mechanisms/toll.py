"""`TollMechanism`: what each action costs by decree; a policy to add to a game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism


class TollMechanism(Mechanism):
    """payoff = -tolls[own action], whatever the others do; a negative toll is a subsidy.

    The tolls are known, not fitted (a buffer): `CongestionMechanism(4, 5) + TollMechanism(4, tolls)` fits the costs of
    a game whose tolls are public. A tensor that requires gradients keeps its graph, so that tolls can be chosen by
    gradient.

    Args:
        num_agents: N.
        tolls: one for each action [A], the same for all agents; or [N, A]; or N lists where agents have different
            numbers of actions. In payoff units.

    Raises:
        ValueError: other shapes, or a toll that is not finite.
    """

    tolls: Tensor

    def __init__(self, num_agents: int, tolls: Tensor | Sequence[float] | Sequence[Sequence[float]]) -> None:
        rows = tolls if isinstance(tolls, Tensor) else _padded(tolls)
        if rows.dim() not in (1, 2) or (rows.dim() == 2 and len(rows) != num_agents):
            raise ValueError(
                f"tolls must be one for each action, or {num_agents} rows of these; got {list(rows.shape)}"
            )
        exists = ~rows.isnan()
        if not rows[exists].isfinite().all() or (isinstance(tolls, Tensor) and not exists.all()):
            raise ValueError(f"tolls must be finite; got {rows.tolist()}")
        super().__init__(exists.expand(num_agents, -1).sum(-1).tolist())
        self.register_buffer("tolls", rows)

    def config(self) -> dict[str, Any]:
        if self.tolls.dim() == 1:
            return {"num_agents": self.num_agents, "tolls": self.tolls.tolist()}
        rows = zip(self.tolls.tolist(), self.action_counts, strict=True)
        return {"num_agents": self.num_agents, "tolls": [row[:count] for row, count in rows]}

    def scale_payoffs(self, factor: float) -> None:
        self.tolls = self.tolls * factor  # which may hang on a graph

    def with_num_agents(self, num_agents: int) -> Mechanism:
        if self.tolls.dim() == 2:
            return super().with_num_agents(num_agents)
        return TollMechanism(num_agents, self.tolls)

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        tolls = self.tolls.expand(*actions.shape, -1)
        return -tolls.gather(-1, actions[..., None]).squeeze(-1)

    def contexts(self, actions: Tensor) -> Contexts:
        """One for each agent, or a single one where all pay the same."""
        agents = torch.arange(self.num_agents, device=actions.device)
        index = (agents if self.tolls.dim() == 2 else torch.zeros_like(agents)).expand(actions.shape)
        missing = actions == MISSING
        others_observed = missing.sum(-1, keepdim=True) == missing.long()
        return Contexts(torch.where(others_observed, index, MISSING), ())

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        return -self.tolls.reshape(-1, self.num_actions)


def _padded(tolls: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
    """[A], or [N, A] filled up with NaN."""
    if not len(tolls) or not isinstance(tolls[0], Sequence):
        return torch.tensor(tolls, dtype=torch.float64)
    rows = [torch.tensor(row, dtype=torch.float64) for row in tolls]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=torch.nan)
