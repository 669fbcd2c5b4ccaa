"""`Dynamics`: how attractions follow from payoffs and play, and choices from attractions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Dynamics(nn.Module):
    """A model of learning agents, differentiable in the payoffs.

    Subclasses must define `update` (one round) and `log_choice_probs`; `attractions` is then right but slow, a
    loop over rounds. A faster `attractions` is compared with that loop by `diml_inverse.check_dynamics`.
    Attractions start at zero.
    """

    def update(self, attractions: Tensor, payoffs: Tensor, actions: Tensor) -> Tensor:
        """Attractions after one more round.

        Args:
            attractions: [*B, A], before the round.
            payoffs: [*B, A], counterfactual payoffs of the round.
            actions: int64 [*B], the actions chosen in it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(attractions, payoffs, actions)")

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of each action, [*B, A] -> [*B, A]; -inf where `action_mask` (bool, broadcast) is False."""
        raise NotImplementedError(f"{type(self).__name__} must define log_choice_probs(attractions, action_mask)")

    def config(self) -> dict[str, Any]:
        """Keyword arguments (JSON values) that build these dynamics again. For saving."""
        raise NotImplementedError(f"{type(self).__name__} must define config() to be saved")

    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        """Attractions that each round's choice rests on. Called for some of the agents at a time when there are many.

        Args:
            payoffs: [E, T, N, A], finite; counterfactual payoffs of each round.
            actions: int64 [E, T, N].

        Returns:
            [E, T, N, A]; round t holds what rounds 0..t-1 have taught, so round 0 holds zeros.
        """
        return self.unrolled_attractions(payoffs, actions)

    def unrolled_attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        """`attractions` by its definition, round by round."""
        current = torch.zeros_like(payoffs[:, 0])
        path = []
        for round_ in range(payoffs.shape[1]):
            path.append(current)
            current = self.update(current, payoffs[:, round_], actions[:, round_])
        return torch.stack(path, 1)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Log probability of the actions taken. [*B, A], int64 [*B] -> [*B]."""
        return self.log_choice_probs(attractions, action_mask).gather(-1, actions[..., None]).squeeze(-1)
