"""Which learners the compiled recursion follows, and how their options and parameters are handed to it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.kernel import PARAMETERS, Options
from diml_inverse.dynamics.learner import NEUTRAL
from diml_inverse.dynamics.state_learning import FALLS, VALUES
from diml_inverse.dynamics.states import StateFunction

# What the compiled recursion does; a class that does one of them in its own way is followed by its own methods.
DONE = (
    "start_masked",
    "start_states",
    "update",
    "update_states",
    "attractions",
    "unrolled_attractions",
    "attractions_of",
    "attractions_of_state",
    "respond",
    "kept",
    "exploration_at",
    "log_choice_probs",
    "chosen_log_probs",
    "next_log_probs",
    "path_log_probs",
    "path_chosen_log_probs",
    "value",
)


class Kind(NamedTuple):
    """What of the learners decides how their steps are laid out.

    looks_aside: whether what was not chosen counts with where it would have led.
    """

    options: Options
    state: str | StateFunction | None
    stateful: bool
    persists: bool
    end_seen: bool
    looks_ahead: bool
    looks_aside: bool
    of_each_agent: bool


def kind_of(dynamics: Dynamics) -> Kind | None:
    """What kind of learners the compiled recursion is to follow; None if it cannot."""
    kind = type(dynamics)
    if not isinstance(dynamics, AttractionDynamics) or dynamics.part is not None:
        return None
    if any(getattr(kind, name) is not getattr(AttractionDynamics, name) for name in DONE):
        return None
    options = Options(
        by=("payoff", "regret", "gradient", "importance").index(dynamics.by),
        value=VALUES.index(dynamics.next_value),
        falls=FALLS.index(dynamics.exploration_falls),
        block=dynamics.block,
        all_forget=dynamics.forgets == "all",
        by_regret=dynamics.choice == "regret",
        moving="initial_experience" in dynamics.learner.names,
        mixes=dynamics.uses("exploration") or dynamics.uses("inertia"),
    )
    return Kind(
        options,
        dynamics.state,
        dynamics.stateful,
        dynamics.persists,
        dynamics.end == "seen",
        "discount" in dynamics.learner.names,
        dynamics.looks_aside,
        dynamics.learner.num_agents is not None,
    )


def parameters_of(dynamics: AttractionDynamics) -> Tensor:
    """Every parameter on its natural scale, float64 [R, 12], ordered as `PARAMETERS`; one row, or one for each agent.

    Differentiable in what is fitted.
    """
    usual = {**NEUTRAL, "exploration_rounds": 1.0}
    columns = [
        dynamics.value(name) if name in dynamics.learner.names else torch.tensor(usual.get(name, 0.0))
        for name in PARAMETERS
    ]
    rows = dynamics.learner.num_agents or 1
    return torch.stack([column.double().expand(rows) for column in columns], 1)
