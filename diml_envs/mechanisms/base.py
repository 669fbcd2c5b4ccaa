"""`Mechanism`: the map from joint actions to payoffs, hidden truth and candidate alike; and sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.contexts import MISSING, Contexts, distinct_rows


class Mechanism(nn.Module):
    """Action profiles -> payoffs of each agent. Subclasses must define `forward`; everything else has a default.

    A subclass that knows a shorter way to the payoffs of deviations overrides `contexts` and `context_payoffs`
    together; `diml_envs.check_mechanism` compares them with plain enumeration.

    Args:
        action_counts: number of actions of each agent, length N, each at least 1.

    Raises:
        ValueError: no agents, or an agent without actions.
    """

    def __init__(self, action_counts: Sequence[int]) -> None:
        super().__init__()
        counts = tuple(int(count) for count in action_counts)
        if not counts or min(counts) < 1:
            raise ValueError(f"action_counts must name at least one agent with at least one action each; got {counts}")
        self.action_counts: tuple[int, ...] = counts
        self.num_agents: int = len(counts)
        self.num_actions: int = max(counts)

    def forward(self, actions: Tensor) -> Tensor:
        """Payoffs of every agent. actions: int64 [*B, N] -> [*B, N]."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(actions [*B, N]) -> payoffs [*B, N]")

    def config(self) -> dict[str, Any]:
        """Keyword arguments (JSON values) that build the same class again; parameters apart. For saving."""
        raise NotImplementedError(f"{type(self).__name__} must define config() to be saved")

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Put the parameters where a fit starts. The default leaves them as they are."""

    @torch.no_grad()
    def scale_payoffs(self, factor: float) -> None:
        """Multiply all payoffs by a factor, in place: the same game in another unit.

        The default multiplies every parameter, which is right for payoffs linear in them. A subclass whose payoffs are
        not, or that knows numbers in payoff units besides (buffers), overrides it. A fit whose mechanism cannot be
        brought into another unit still works, but depends a little on the unit (its start and its steps do).
        """
        for parameter in self.parameters():
            parameter.mul_(factor)

    def __add__(self, other: Mechanism) -> Mechanism:
        """The game whose payoffs are the sum of both, a policy on top of a recovered game say: `SumMechanism`."""
        return SumMechanism([self, other]) if isinstance(other, Mechanism) else NotImplemented

    def with_num_agents(self, num_agents: int) -> Mechanism:
        """The same game for another number of agents, its parameters copied.

        Raises:
            ValueError: payoffs that belong to agents one by one, or whose parameters depend on their number.
        """
        if num_agents == self.num_agents:
            return self
        raise ValueError(
            f"{type(self).__name__} says nothing about {num_agents} agents: its payoffs are those of its "
            f"{self.num_agents} agents one by one. Fit a mechanism that all agents share, such as CongestionMechanism, "
            "OwnLoadMechanism, AnonymousMechanism or AggregativeMechanism"
        )

    def counterfactual_payoffs(self, actions: Tensor) -> Tensor:
        """Payoff of agent i had it alone played b. int64 [*B, N] -> [*B, N, A]; NaN where agent i has no action b.

        Raises:
            ValueError: an action outside its range, or a missing one.
        """
        self.validate(actions)
        contexts = self.contexts(actions)
        return self.context_payoffs(contexts)[contexts.index]

    def contexts(self, actions: Tensor) -> Contexts:
        """The distinct contexts of `actions` (int64 [*B, N], `MISSING` allowed). Depends on no parameter.

        The default keeps, for each agent, every distinct choice of the others that was observed.
        """
        profiles, place = distinct_rows(actions.reshape(-1, self.num_agents))
        profile, agent = _all_others_observed(profiles).nonzero(as_tuple=True)
        situations = torch.cat([agent[:, None], profiles[profile]], 1)
        situations.scatter_(1, agent[:, None] + 1, 0)  # an agent's own action is no part of its context
        situations, row = distinct_rows(situations)  # [K, 1 + N]
        rows = torch.full(profiles.shape, MISSING, device=actions.device)
        rows[profile, agent] = row
        return Contexts(rows[place].reshape(actions.shape), self._deviations(situations[:, 0], situations[:, 1:]))

    def _deviations(self, agents: Tensor, profiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distinct profiles [U, N]; place of each agent's payoff for each own action in those of all [K, A]; mask."""
        own_actions = torch.arange(self.num_actions, device=profiles.device)
        deviations = profiles[:, None, :].repeat(1, self.num_actions, 1)  # [K, A, N]
        deviations[torch.arange(agents.numel(), device=profiles.device), :, agents] = own_actions
        exists = self.action_mask.to(profiles.device)[agents]  # [K, A]
        distinct, where = distinct_rows(deviations[exists])
        gather = torch.zeros(exists.shape, dtype=torch.int64, device=profiles.device)
        gather[exists] = where * self.num_agents + agents[:, None].expand_as(exists)[exists]
        return distinct, gather, exists

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        """Payoff of each own action in each context -> [K, A]; NaN where the agent has no such action."""
        profiles, gather, exists = contexts.inputs
        payoffs = self(profiles).reshape(-1)[gather]
        return payoffs.masked_fill(~exists, torch.nan)

    @property
    def action_mask(self) -> Tensor:
        """bool [N, A]: whether agent i has action b."""
        return torch.arange(self.num_actions) < torch.tensor(self.action_counts)[:, None]

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    def validate(self, actions: Tensor, allow_missing: bool = False) -> None:
        """Raise ValueError, naming place and agent, unless every action is in its agent's range."""
        if actions.is_floating_point() or actions.dtype == torch.bool or actions.shape[-1:] != (self.num_agents,):
            raise ValueError(
                f"actions must be integers of shape [..., {self.num_agents}], a column for each agent; "
                f"got {actions.dtype} of shape {list(actions.shape)}"
            )
        counts = torch.tensor(self.action_counts, device=actions.device)
        bad = ((actions < 0) & ~((actions == MISSING) & allow_missing)) | (actions >= counts)
        if bad.any():
            *place, agent = bad.nonzero()[0].tolist()
            raise ValueError(
                f"action {int(actions[(*place, agent)])} of agent {agent} at {place} is outside "
                f"0..{self.action_counts[agent] - 1}"
            )


def _all_others_observed(profiles: Tensor) -> Tensor:
    """bool [U, N]: every agent but i acted visibly."""
    missing = profiles == MISSING
    return (missing.sum(1, keepdim=True) - missing.long()) == 0


class SumMechanism(Mechanism):
    """payoff = sum of the terms' payoffs. `first + second` builds one.

    Each term keeps its own fast path: what it depends on, it is evaluated on once.

    Args:
        terms: mechanisms of the same action counts.

    Raises:
        ValueError: no terms, or terms of different action counts.
    """

    def __init__(self, terms: Sequence[Mechanism]) -> None:
        if len({term.action_counts for term in terms}) != 1:
            raise ValueError(
                "a sum needs terms of the same agents and actions; got action counts "
                f"{', '.join(str(term.action_counts) for term in terms) or 'of no term'}"
            )
        super().__init__(terms[0].action_counts)
        self.terms = nn.ModuleList(terms)

    def config(self) -> dict[str, Any]:
        return {"terms": [{"mechanism": type(term).__name__, "config": term.config()} for term in self._terms()]}

    def reset_parameters(self, generator: torch.Generator) -> None:
        for term in self._terms():
            term.reset_parameters(generator)

    def scale_payoffs(self, factor: float) -> None:
        for term in dict.fromkeys(self._terms()):  # one that stands here twice is scaled once
            term.scale_payoffs(factor)

    def with_num_agents(self, num_agents: int) -> SumMechanism:
        return SumMechanism([term.with_num_agents(num_agents) for term in self._terms()])

    def forward(self, actions: Tensor) -> Tensor:
        first, *rest = (term(actions) for term in self._terms())
        return sum(rest, first)

    def contexts(self, actions: Tensor) -> Contexts:
        """Inputs: which context of each term meets which [K, terms]; how many inputs each term has; all of these."""
        each = [term.contexts(actions) for term in self._terms()]
        index = torch.stack([contexts.index for contexts in each], -1)
        known = (index != MISSING).all(-1)
        together, place = distinct_rows(index[known])
        row = torch.full(known.shape, MISSING, device=actions.device)
        row[known] = place
        counts = torch.tensor([len(contexts.inputs) for contexts in each])
        return Contexts(row, (together, counts, *(tensor for contexts in each for tensor in contexts.inputs)))

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        together, counts, *inputs = contexts.inputs
        payoffs = []
        for number, (term, count) in enumerate(zip(self._terms(), counts.tolist(), strict=True)):
            own, inputs = inputs[:count], inputs[count:]
            payoffs.append(term.context_payoffs(Contexts(contexts.index, tuple(own)))[together[:, number]])
        return sum(payoffs[1:], payoffs[0])

    def _terms(self) -> list[Mechanism]:
        return [term for term in self.terms if isinstance(term, Mechanism)]
