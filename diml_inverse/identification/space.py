"""`Space`: parameters, with what play says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from diml_inverse.identification.free_payoffs import FreePayoffs
from diml_inverse.likelihood import ObservedPlay, decision_log_likelihoods
from diml_inverse.uncertainty.covariance import NOT_IDENTIFIED, TINY, Covariance
from diml_inverse.uncertainty.expected import EVERYONE, expected_information
from diml_inverse.uncertainty.fitted import Fitted


@dataclass(frozen=True)
class Space:
    """Some of a model's parameters: those of one agent's payoffs, or all.

    Attributes:
        fitted: the model.
        play: what is known of it is taken from.
        members: int64 [M], which of its P parameters; all that bear on the same choices.
        agents: whose choices these are.
        information: [M, M], expected.
    """

    fitted: Fitted
    play: ObservedPlay
    members: Tensor
    agents: tuple[int, ...]
    information: Tensor

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor, Tensor]:
        """Units of the parameters [M], in which the diagonal of the information is 1; its eigenvalues and vectors."""
        diagonal = self.information.diagonal()
        scale = diagonal.clamp(min=TINY * max(float(diagonal.max()), TINY)).sqrt()
        values, vectors = torch.linalg.eigh(self.information / scale[:, None] / scale)
        return scale, values, vectors

    @cached_property
    def covariance(self) -> Covariance:
        """Inverse of the information on what is identified."""
        scale, values, vectors = self._spectrum
        lost = values <= NOT_IDENTIFIED * values[-1]
        inverse = vectors[:, ~lost] / values[~lost] @ vectors[:, ~lost].T
        matrix = inverse / scale[:, None] / scale
        return Covariance("information", matrix, matrix, scale, vectors[:, lost], torch.zeros_like(scale))

    @property
    def condition_number(self) -> float:
        """Largest over smallest eigenvalue of the information, where identified; NaN if nothing is."""
        _, values, _ = self._spectrum
        rank = self.covariance.num_identified
        return float(values[-1] / values[-rank]) if rank else float("nan")

    @property
    def silent(self) -> Tensor:
        """bool [M]: no scored decision depends on the parameter."""
        diagonal = self.information.diagonal()
        return diagonal <= NOT_IDENTIFIED**2 * diagonal.max()

    def is_null(self, directions: Tensor) -> Tensor:
        """Whether no choice probability along the play changes, to first order, [D, M] -> bool [D]."""
        told = (directions @ self.information * directions).sum(1)
        return told <= NOT_IDENTIFIED * self._spectrum[1][-1] * (directions.square() @ self.information.diagonal())

    @cached_property
    def null_space(self) -> Tensor:
        """Orthonormal directions in which nothing changes, [M, m]."""
        if not self.covariance.lost.shape[1]:
            return self.covariance.lost
        return torch.linalg.qr(self.covariance.lost / self.covariance.scale[:, None]).Q

    @cached_property
    def names(self) -> list[str]:
        """Of the members: `toll_rate[2]`, `learning_rate`."""
        every = self.fitted.names()
        return [every[member] for member in self.members.tolist()]

    def whose(self, agents: Sequence[str]) -> str:
        """Of free payoffs, in words."""
        return f"payoffs of {agents[self.agents[0]]}" if len(self.agents) == 1 else "payoffs of all agents"

    def places(self, learners: str) -> list[int]:
        """Where among the members a fitted parameter of the learners is, or those of each agent."""
        payoffs = self.fitted.num_on_payoffs
        named = zip(self.names, self.members.tolist(), strict=True)
        return [i for i, (name, member) in enumerate(named) if member >= payoffs and name.partition("[")[0] == learners]

    def with_precision_held(self) -> Space:
        """The same, fitted precisions that are not identified alone taken as known, so that payoffs have a unit."""
        precisions = self.places("precision")
        alone = self.covariance.identifies(torch.eye(len(self.members), dtype=torch.float64)[precisions]).tolist()
        held = {place for place, known in zip(precisions, alone, strict=True) if not known}
        if not held:
            return self
        kept = torch.tensor([place for place in range(len(self.members)) if place not in held], dtype=torch.int64)
        return replace(self, members=self.members[kept], information=self.information[kept[:, None], kept])

    def change(self, step: Tensor) -> float:
        """Largest change of any decision's log-likelihood (nats) when the members move by a step, [M]."""
        theta = self.fitted.vector()
        moved = theta.clone()
        moved[self.members.to(theta.device)] += step.to(theta)
        values = []
        for vector in (theta, moved):
            torch.nn.utils.vector_to_parameters(vector, self.fitted.parameters)
            with torch.no_grad():
                values.append(decision_log_likelihoods(self.fitted.mechanism, self.fitted.dynamics, self.play))
        torch.nn.utils.vector_to_parameters(theta, self.fitted.parameters)
        return float((values[1] - values[0]).abs().max())


def structure_space(fitted: Fitted, play: ObservedPlay) -> Space:
    """All parameters of the model together. Raises ValueError if they are too many."""
    agents = tuple(range(fitted.mechanism.num_agents))
    return Space(fitted, play, torch.arange(fitted.size), agents, expected_information(fitted, play))


def free_spaces(fitted: Fitted, play: ObservedPlay) -> Iterator[Space]:
    """Free payoffs agent by agent; of all agents in one where learners, or parameters of theirs, tie them together.

    fitted: of `FreePayoffs`. Raises ValueError if they are too many.
    """
    assert isinstance(fitted.mechanism, FreePayoffs)
    learners = fitted.size - fitted.num_on_payoffs
    agent_of = torch.cat([fitted.mechanism.agent_of, torch.full((learners,), EVERYONE)])
    if fitted.dynamics.learns_together:
        agent_of = torch.full_like(agent_of, EVERYONE)
    information = expected_information(fitted, play, agent_of)
    agents = range(fitted.mechanism.num_agents)
    tied = learners > 0 or fitted.dynamics.learns_together
    for group in [tuple(agents)] if tied else [(agent,) for agent in agents]:
        members = ((agent_of[:, None] == torch.tensor(group)).any(1) | (agent_of == EVERYONE)).nonzero()[:, 0]
        if len(members):
            yield Space(fitted, play, members, group, information[members[:, None], members])
