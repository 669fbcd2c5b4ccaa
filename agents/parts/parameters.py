"""Checks of learners' parameters, in one place and in one voice."""

from __future__ import annotations

import math
from typing import Any

RANGES = {
    "learning_rate": ("in (0, 1]", lambda value: 0 < value <= 1),
    "precision": ("0 or more and finite", lambda value: 0 <= value < math.inf),
    "exploration": ("in [0, 1)", lambda value: 0 <= value < 1),
    "discount": ("in [0, 1)", lambda value: 0 <= value < 1),
    "share": ("in [0, 1]", lambda value: 0 <= value <= 1),
    "initial_experience": ("0 or more and finite", lambda value: 0 <= value < math.inf),
    "bonus": ("0 or more and finite", lambda value: 0 <= value < math.inf),
    "prior_sd": ("above 0 and finite", lambda value: 0 < value < math.inf),
    "payoff_sd": ("above 0 and finite", lambda value: 0 < value < math.inf),
}


def check_parameters(learner: Any, *names: str, **ranges: str) -> None:
    """Raise ValueError unless each named parameter of the learner lies in its range, or the one `ranges` names."""
    for name, range_ in {**{name: name for name in names}, **ranges}.items():
        value = getattr(learner, name)
        words, holds = RANGES[range_]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not holds(value):
            raise ValueError(f"{type(learner).__name__}: {name} must be {words}; got {value!r}")
