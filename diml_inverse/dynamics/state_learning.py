"""`StateLearning`: attractions for every state, and what follows a state, round by round in torch: the definition."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import one_hot

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.symmetric import SymmetricMechanism
from diml_inverse.dynamics.choice import logit_response
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.states import StateFunction, States, check_state

FALLS = (None, "linear", "exponential")
VALUES = ("max", "mean", "chosen")


class StateMemory(NamedTuple):
    """round; attractions and experience [*B, N, S, A]; the state, and the last own action (-1: none), int64 [*B, N].

    waiting: state, actions and payoffs of the round before, where learners wait for their next choice.
    mask: bool [N, A], the actions there are.
    """

    round: int
    attractions: Tensor
    experience: Tensor
    state: Tensor
    last: Tensor
    waiting: tuple[Tensor, Tensor, Tensor] | None
    mask: Tensor


class StateLearning(LearnerDynamics):
    """What `AttractionDynamics` does with states, a discount, first attractions and falling exploration."""

    def _set_states(
        self, state: str | StateFunction | None, value: str, first: ArrayLike | str | None, fit_first: bool, falls: Any
    ) -> None:
        check_state(state)
        if value not in VALUES:
            raise ValueError(f"value must be one of {', '.join(VALUES)}; got {value!r}")
        if falls not in FALLS:
            raise ValueError(f"exploration_falls must be None, linear or exponential; got {falls!r}")
        self.state, self.next_value, self.exploration_falls = state, value, falls
        self.stateful = state is not None or first is not None or fit_first or "discount" in self.learner.names
        self.fits_first = fit_first or isinstance(first, str)
        self.first: Tensor | None = None
        if isinstance(first, str) and first != "fit":
            raise ValueError(f'first_attractions must be None, numbers or "fit"; got {first!r}')
        if first is not None and not isinstance(first, str):
            self._set_first(torch.tensor(np.asarray(first, dtype=np.float64)))

    @property
    def looks_aside(self) -> bool:
        """Whether what was not chosen counts with where it would have led."""
        forgone = "forgone_weight" in self.learner.fitted or bool((self.learner.value("forgone_weight") != 0).any())
        return forgone and "discount" in self.learner.names

    def _set_first(self, numbers: Tensor) -> None:
        if numbers.dim() > 3 or not bool(numbers.isfinite().all()):
            raise ValueError(f"first_attractions must be finite, [A], [S, A] or [N, S, A]; got {list(numbers.shape)}")
        del self.first
        if self.fits_first:
            self.first = nn.Parameter(numbers)
        else:
            self.register_buffer("first", numbers)

    def for_game(self, mechanism: Mechanism) -> None:
        """Make room for first attractions that are fitted: of each seat, or of all seats of a symmetric mechanism."""
        if self.fits_first and self.first is None:
            states = self.states_of(mechanism.num_agents, mechanism.num_actions)
            seats = 1 if isinstance(mechanism, SymmetricMechanism) else mechanism.num_agents
            zeros = torch.zeros(seats, states.count, mechanism.num_actions, dtype=torch.float64)
            self._set_first(zeros.to(mechanism.device))

    def states_of(self, num_agents: int, num_actions: int) -> States:
        """The states of a game."""
        return States(self.state, num_agents, num_actions)

    def first_attractions(self, states: States, like: Tensor | None = None) -> Tensor:
        """[N, S, A].

        Raises:
            ValueError: numbers given for another game.
        """
        shape = (states.num_agents, states.count, states.num_actions)
        if self.first is None:
            zeros = torch.zeros(shape, dtype=torch.float64)
            return zeros if like is None else zeros.to(like)
        try:
            found = self.first.expand(shape)
        except RuntimeError as error:
            given = list(self.first.shape)
            raise ValueError(
                f"first_attractions have shape {given}, which this game, {list(shape)}, has not"
            ) from error
        return found if like is None else found.to(like)

    # Round by round, all agents together

    def start_states(self, like: Tensor, mask: Tensor | None) -> StateMemory:
        """Before the first round. like: [*B, N, A]."""
        *batch, agents, actions = like.shape
        states = self.states_of(agents, actions)
        first = self.first_attractions(states, like).expand(*batch, -1, -1, -1)
        nobody = torch.zeros(like.shape[:-1], dtype=torch.int64, device=like.device)
        experience = self._first_experience(like)[..., None, :].expand(first.shape)
        return StateMemory(0, first, experience, nobody, nobody - 1, None, _mask(mask, like))

    def attractions_of_state(self, memory: StateMemory) -> Tensor:
        """Attractions of the present state, and habit. [*B, N, A]"""
        row = _row(memory.attractions, memory.state)
        if "habit" not in self._used:
            return row
        last = one_hot(memory.last.clamp(min=0), row.shape[-1]) * (memory.last >= 0)[..., None]
        return row + self.value("habit", row) * last

    def update_states(self, memory: StateMemory, payoffs: Tensor, actions: Tensor) -> StateMemory:
        """After one more round. payoffs [*B, N, A], actions [*B, N]."""
        states = self.states_of(*payoffs.shape[-2:])
        after = states.after(memory.state, states.digits(actions))
        attractions, experience = memory.attractions, memory.experience
        if self.next_value == "chosen" and "discount" in self.learner.names:
            if memory.waiting is not None:
                follows = _row(attractions, memory.state).gather(-1, actions[..., None])
                attractions, experience = self._taught(memory, *memory.waiting, follows)
            waiting = memory.state, actions, payoffs
            return StateMemory(memory.round + 1, attractions, experience, after, actions, waiting, memory.mask)
        if "discount" not in self.learner.names:
            follows = torch.zeros_like(payoffs)
        elif self.looks_aside:
            led_to = states.after(memory.state[..., None], states.deviated_digits(actions))
            follows = torch.stack([self._worth(memory, one) for one in led_to.unbind(-1)], -1)
        else:
            follows = self._worth(memory, after)[..., None].expand_as(payoffs)
        attractions, experience = self._taught(memory, memory.state, actions, payoffs, follows)
        return StateMemory(memory.round + 1, attractions, experience, after, actions, None, memory.mask)

    def _taught(
        self, memory: StateMemory, state: Tensor, actions: Tensor, payoffs: Tensor, follows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attractions and experience once the round in that state has been learnt from."""
        targets = payoffs
        if "discount" in self.learner.names:
            targets = payoffs + self.value("discount", payoffs) * follows
        before, experience = _row(memory.attractions, state), _row(memory.experience, state)
        rows = self._advance(before, experience, self._lesson(targets, actions))
        here = one_hot(state, memory.attractions.shape[-2]).bool()[..., None]
        found = [
            torch.where(here, row[..., None, :], whole)
            for row, whole in zip(rows, (memory.attractions, memory.experience), strict=True)
        ]
        return found[0], found[1]

    def _worth(self, memory: StateMemory, state: Tensor) -> Tensor:
        """V of a state after the round, [*B, N]: the largest attraction, or the mean over choice probabilities."""
        row = _row(memory.attractions, state)
        if self.next_value == "max":
            return row.masked_fill(~memory.mask, -torch.inf).max(-1).values
        probs = logit_response(row, self.value("precision", row), memory.mask).exp()
        exploration, count = self.exploration_at(memory.round + 1, row), memory.mask.sum(-1, keepdim=True)
        return ((probs + exploration * (memory.mask / count - probs)) * row).sum(-1)

    def path_of_states(self, payoffs: Tensor, actions: Tensor, mask: Tensor | None) -> Tensor:
        """Log probability of every action at every round, round by round. [E, T, N, A]"""
        memory = self.start_states(payoffs[:, 0], mask)
        path = []
        for round_ in range(payoffs.shape[1]):
            path.append(self.next_log_probs(memory, mask))
            memory = self.update_states(memory, payoffs[:, round_], actions[:, round_])
        return torch.stack(path, 1)

    def _advance(self, attractions: Tensor, experience: Tensor, lesson: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _lesson(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        raise NotImplementedError

    def _first_experience(self, like: Tensor) -> Tensor:
        raise NotImplementedError


def _mask(mask: Tensor | None, like: Tensor) -> Tensor:
    return torch.ones(like.shape[-2:], dtype=torch.bool, device=like.device) if mask is None else mask


def _row(whole: Tensor, state: Tensor) -> Tensor:
    """[*B, N, S, A] at states [*B, N] -> [*B, N, A]."""
    place = state[..., None, None].expand(*state.shape, 1, whole.shape[-1])
    return whole.gather(-2, place).squeeze(-2)
