"""Which learners the compiled recursion follows, and how their options and parameters are handed to it."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.kernel import PARAMETERS, Options
from diml_inverse.dynamics.learner import NEUTRAL

# What the compiled recursion does; a class that does one of them in its own way is followed by its own methods.
DONE = (
    "start",
    "update",
    "attractions",
    "unrolled_attractions",
    "attractions_of",
    "respond",
    "log_choice_probs",
    "chosen_log_probs",
    "value",
)


def options_of(dynamics: Dynamics) -> Options | None:
    """What kind of learner the compiled recursion is to follow; None if it cannot."""
    kind = type(dynamics)
    if not isinstance(dynamics, AttractionDynamics) or dynamics.part is not None:
        return None
    if any(getattr(kind, name) is not getattr(AttractionDynamics, name) for name in DONE):
        return None
    return Options(
        by=("payoff", "regret", "gradient", "importance").index(dynamics.by),
        value=0,
        falls=0,
        block=dynamics.block,
        all_forget=dynamics.forgets == "all",
        by_regret=dynamics.choice == "regret",
        moving="initial_experience" in dynamics.learner.names,
        mixes=dynamics.uses("exploration"),
    )


def parameters_of(dynamics: AttractionDynamics) -> Tensor:
    """Every parameter on its natural scale, float64 [R, 12], ordered as `PARAMETERS`; one row, or one for each agent.

    Differentiable in what is fitted.
    """
    columns = [
        dynamics.value(name) if name in dynamics.learner.names else torch.tensor(NEUTRAL.get(name, 0.0))
        for name in PARAMETERS
    ]
    rows = dynamics.learner.num_agents or 1
    return torch.stack([column.double().expand(rows) for column in columns], 1)
