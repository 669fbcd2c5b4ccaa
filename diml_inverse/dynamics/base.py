"""`Dynamics`: how attractions follow from payoffs and play, and choices from attractions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Mechanism


class Dynamics(nn.Module):
    """A model of learning agents, differentiable in the payoffs.

    Subclasses must define `update` (one round) and `log_choice_probs`; `attractions` is then right but slow, a
    loop over rounds. A faster `attractions` is compared with that loop by `diml_inverse.check_dynamics`.
    What an agent remembers is its attractions, zero at the start, unless `start` and `attractions_of` say otherwise.

    Parameters with `requires_grad` are fitted together with the mechanism by every estimator that climbs a likelihood.

    Attributes:
        uses_actions: whether an agent's own choices change what it learns. Only then does a choice that was not
            observed leave later attractions unknown.
        learns_together: whether agents learn from one another's payoffs too, so that none can be followed alone.
    """

    uses_actions: bool = True
    learns_together: bool = False

    def start(self, like: Tensor) -> Any:
        """What is remembered before the first round. like: [*B, A], for its shape and dtype."""
        return torch.zeros_like(like)

    def start_masked(self, like: Tensor, action_mask: Tensor | None) -> Any:
        """`start` where some agents lack actions, bool [*B, A] or None, for learners to whom that matters."""
        return self.start(like)

    def update(self, memory: Any, payoffs: Tensor, actions: Tensor) -> Any:
        """What is remembered after one more round.

        Args:
            memory: before the round; attractions [*B, A] unless the class keeps more.
            payoffs: [*B, A], counterfactual payoffs of the round.
            actions: int64 [*B], the actions chosen in it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(attractions, payoffs, actions)")

    def attractions_of(self, memory: Any) -> Tensor:
        """Attractions that the next choice rests on, [*B, A]."""
        attractions: Tensor = memory
        return attractions

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of each action, [*B, A] -> [*B, A]; -inf where `action_mask` (bool, broadcast) is False."""
        raise NotImplementedError(f"{type(self).__name__} must define log_choice_probs(attractions, action_mask)")

    def next_log_probs(self, memory: Any, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of each action of the next choice, given what is remembered. [*B, A]"""
        return self.log_choice_probs(self.attractions_of(memory), action_mask)

    def for_game(self, mechanism: Mechanism) -> None:
        """Make ready to be fitted to play of a game: parameters whose number depends on it."""

    def config(self) -> dict[str, Any]:
        """Keyword arguments (JSON values) that build these dynamics again. For saving."""
        raise NotImplementedError(f"{type(self).__name__} must define config() to be saved")

    def of_agents(self, agents: slice) -> Dynamics:
        """The dynamics of some of the agents, where each has parameters of its own."""
        return self

    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        """Attractions that each round's choice rests on. Called for some of the agents at a time when there are many.

        Args:
            payoffs: [E, T, N, A], finite; counterfactual payoffs of each round.
            actions: int64 [E, T, N].

        Returns:
            [E, T, N, A]; round t holds what rounds 0..t-1 have taught.
        """
        return self.unrolled_attractions(payoffs, actions)

    def path_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of every action at every round, [E, T, N, A]; payoffs and actions as in `attractions`."""
        return self.log_choice_probs(self.attractions(payoffs, actions), action_mask)

    def path_chosen_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """The same of the actions taken only, [E, T, N]."""
        return self.chosen_log_probs(self.attractions(payoffs, actions), actions, action_mask)

    def unrolled_attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        """`attractions` by its definition, round by round."""
        memory = self.start(payoffs[:, 0])
        path = []
        for round_ in range(payoffs.shape[1]):
            path.append(self.attractions_of(memory))
            memory = self.update(memory, payoffs[:, round_], actions[:, round_])
        return torch.stack(path, 1)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of the actions taken. [*B, A], int64 [*B] -> [*B]."""
        return self.log_choice_probs(attractions, action_mask).gather(-1, actions[..., None]).squeeze(-1)
