"""`LearnerDynamics`: what models of learning with named parameters and logit choice have in common."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.choice import chosen_logit_response, explore, logit_response
from diml_inverse.dynamics.parameters import LearnerParameters, Value

# values that change nothing
NEUTRAL = {
    "forgone_weight": 1.0,
    "exploration": 0.0,
    "bonus": 0.0,
    "habit": 0.0,
    "tracking": 0.0,
    "discount": 0.0,
    "inertia": 0.0,
}


class LearnerDynamics(Dynamics):
    """Dynamics whose parameters have names, among them `precision` and `exploration` of the choice.

        pi = (1 - exploration) softmax(precision A) + exploration / number of actions

    With probability `inertia`, where they have such a parameter, they keep their last action instead of choosing.

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

    def log_choice_probs(
        self, attractions: Tensor, action_mask: Tensor | None = None, time: Tensor | int | None = None
    ) -> Tensor:
        """As `Dynamics.log_choice_probs`. time: rounds played, broadcast, where exploration falls; default none."""
        log_probs = self.respond(attractions, action_mask)
        if "exploration" not in self._used:  # no detour through exp and log, which would lose small probabilities
            return log_probs
        exploration = self.exploration_at(0 if time is None else time, attractions)
        mixed = explore(log_probs, exploration, _count(attractions, action_mask))
        return mixed if action_mask is None else mixed.masked_fill(~action_mask, -torch.inf)

    def exploration_at(self, time: Tensor | int, like: Tensor) -> Tensor:
        """Share of choices made at random after so many rounds; against payoffs [*B, N, A]."""
        return self.value("exploration", like)

    def kept(self, log_probs: Tensor, last: Tensor) -> Tensor:
        """Log probabilities once the last action, int64 [*B] (-1: none), is kept with probability `inertia`."""
        inertia = torch.where(last[..., None] >= 0, self.value("inertia", log_probs), 0.0)
        same = one_hot(last.clamp(min=0), log_probs.shape[-1])
        return torch.where(last[..., None] >= 0, ((1 - inertia) * log_probs.exp() + inertia * same).log(), log_probs)

    def path_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        time = torch.arange(payoffs.shape[1], device=payoffs.device)[:, None, None]
        log_probs = self.log_choice_probs(self.attractions(payoffs, actions), action_mask, time)
        return self.kept(log_probs, _last(actions)) if "inertia" in self._used else log_probs

    def path_chosen_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        if "inertia" not in self._used and "exploration_rounds" not in self.learner.names:
            return super().path_chosen_log_probs(payoffs, actions, action_mask)
        log_probs = self.path_log_probs(payoffs, actions, action_mask)
        return log_probs.gather(-1, actions[..., None]).squeeze(-1)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        precision = self.value("precision", attractions)
        chosen = chosen_logit_response(attractions, precision, actions[..., None], action_mask)
        if "exploration" in self._used:
            chosen = explore(chosen, self.value("exploration", attractions), _count(attractions, action_mask))
        return chosen.squeeze(-1)


def _last(actions: Tensor) -> Tensor:
    """Of the round before, -1 at first. [E, T, N]"""
    return torch.cat([torch.full_like(actions[:, :1], -1), actions[:, :-1]], 1)


def _count(attractions: Tensor, action_mask: Tensor | None) -> Tensor | int:
    return attractions.shape[-1] if action_mask is None else action_mask.sum(-1, keepdim=True)
