"""`CallableMechanism`: a user's plain function as a mechanism."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism, distinct_rows


class CallableMechanism(Mechanism):
    """Payoffs computed by `function(profile) -> N payoffs`, called once for each distinct profile asked for.

    It serves as a hidden truth, not as a candidate: it has no parameters to fit. To fit a form of your own, subclass
    `Mechanism` and write `forward` in torch.

    Args:
        function: takes a tuple of N ints, one action for each agent; returns N finite numbers.
        action_counts: number of actions of each agent.

    Raises:
        ValueError: when called, if the function returns other than N finite numbers; names the profile.
    """

    def __init__(self, function: Callable[[tuple[int, ...]], Sequence[float]], action_counts: Sequence[int]) -> None:
        super().__init__(action_counts)
        self.function = function

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        profiles, place = distinct_rows(actions.reshape(-1, self.num_agents))
        rows = [self._payoffs(tuple(profile)) for profile in profiles.tolist()]
        payoffs = torch.tensor(np.array(rows).reshape(-1, self.num_agents), dtype=torch.float64)
        return payoffs.to(actions.device)[place].reshape(actions.shape)

    def scale_payoffs(self, factor: float) -> None:
        raise NotImplementedError("a plain function's payoffs are in the unit that it gives them: scale them there")

    def _payoffs(self, profile: tuple[int, ...]) -> np.ndarray:
        payoffs = np.asarray(self.function(profile), dtype=np.float64)
        if payoffs.shape != (self.num_agents,) or not np.isfinite(payoffs).all():
            raise ValueError(
                f"the mechanism's function must return {self.num_agents} finite payoffs, one for each agent; at "
                f"profile {profile} it returned {payoffs.tolist()}"
            )
        return payoffs
