"""What can be said of payoffs without believing any model of learning."""

from diml_inverse.bounds.earnings import best_earning
from diml_inverse.bounds.epsilon import no_regret_rate
from diml_inverse.bounds.hindsight import departures, hindsight
from diml_inverse.bounds.knowledge import (
    between,
    increasing,
    known,
    outside_option,
    parameters,
    symmetric,
    zero_sum,
)
from diml_inverse.bounds.payoff_bounds import payoff_bounds
from diml_inverse.bounds.play import PlayBounds, play_bounds
from diml_inverse.bounds.regret import NothingToJudge
from diml_inverse.bounds.result import Interval, PayoffBounds

__all__ = [
    "Interval",
    "NothingToJudge",
    "PayoffBounds",
    "PlayBounds",
    "best_earning",
    "between",
    "departures",
    "hindsight",
    "increasing",
    "known",
    "no_regret_rate",
    "outside_option",
    "parameters",
    "payoff_bounds",
    "play_bounds",
    "symmetric",
    "zero_sum",
]
