"""`SumMechanism`: payoffs of several mechanisms added up; a recovered game with a policy on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism, distinct_rows


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
