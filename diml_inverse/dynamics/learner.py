"""`LearnerDynamics`: what models of learning with named parameters and logit choice have in common."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.choice import chosen_logit_response, explore, logit_response
from diml_inverse.dynamics.parameters import LearnerParameters, Value

# values that change nothing
NEUTRAL = {"forgone_weight": 1.0, "exploration": 0.0, "bonus": 0.0, "habit": 0.0, "tracking": 0.0}


class LearnerDynamics(Dynamics):
    """Dynamics whose parameters have names, among them `precision` and `exploration` of the choice.

        pi = (1 - exploration) softmax(precision A) + exploration / number of actions

    Args:
        parameters: values by name; one shared by all agents, or a list of N.
        fit: names of those to be fitted with the mechanism.
    """

    def __init__(self, parameters: Mapping[str, Value], fit: Collection[str] = ()) -> None:
        super().__init__()
        self.learner = LearnerParameters(parameters, fit)
        self._of: slice | None = None
        self._used = {name for name in parameters if name in NEUTRAL and self._differs(name, NEUTRAL[name])}

    @property
    def part(self) -> slice | None:
        """The agents that these are the dynamics of; None: all."""
        return self._of

    def uses(self, name: str) -> bool:
        """Whether a parameter that may change nothing is fitted, or changes something."""
        return name in self._used

    def _differs(self, name: str, neutral: float) -> bool:
        return name in self.learner.fitted or bool((self.learner.value(name) != neutral).any())

    def config(self) -> dict[str, Any]:
        return {**self.learner.as_values(), "fit": list(self.learner.fitted)}

    def __repr__(self) -> str:
        said = (
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.config().items()
        )
        return f"{type(self).__name__}({', '.join(said)})"

    def of_agents(self, agents: slice) -> Self:
        if self.learner.num_agents is None:
            return self
        part = copy.copy(self)
        part._of = agents
        return part

    def value(self, name: str, like: Tensor | None = None) -> Tensor:
        """A parameter on its natural scale, [] or [N]; broadcast against payoffs [*B, N, A] if `like` is one."""
        value = self.learner.value(name)
        if value.dim() and self._of is not None:
            value = value[self._of]
        if like is None:
            return value
        return value.to(like)[..., None] if value.dim() else value.to(like)

    def respond(self, attractions: Tensor, action_mask: Tensor | None) -> Tensor:
        """Log probabilities before exploration, [*B, A]."""
        return logit_response(attractions, self.value("precision", attractions), action_mask)

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        log_probs = self.respond(attractions, action_mask)
        if "exploration" not in self._used:  # no detour through exp and log, which would lose small probabilities
            return log_probs
        mixed = explore(log_probs, self.value("exploration", attractions), _count(attractions, action_mask))
        return mixed if action_mask is None else mixed.masked_fill(~action_mask, -torch.inf)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        precision = self.value("precision", attractions)
        chosen = chosen_logit_response(attractions, precision, actions[..., None], action_mask)
        if "exploration" in self._used:
            chosen = explore(chosen, self.value("exploration", attractions), _count(attractions, action_mask))
        return chosen.squeeze(-1)


def _count(attractions: Tensor, action_mask: Tensor | None) -> Tensor | int:
    return attractions.shape[-1] if action_mask is None else action_mask.sum(-1, keepdim=True)
