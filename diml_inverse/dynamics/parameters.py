"""Learners' parameters on their natural scales: known, or fitted through a transform; shared, or one for each agent."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Value = float | Sequence[float]

EDGE = 1e-3  # fitted shares start at least this far inside their range, where the transform still has a slope
SMALLEST, LARGEST = 1e-12, 1e6  # beyond these nothing changes any more


class Range(NamedTuple):
    """Where a parameter may lie, in words and as a test, and the scale on which it is fitted."""

    words: str
    low: float
    high: float
    includes_low: bool
    includes_high: bool
    scale: str  # "share": logit; "size": logarithm; "free": as it is

    def holds(self, value: float) -> bool:
        """Whether the value is in the range."""
        above = value >= self.low if self.includes_low else value > self.low
        below = value <= self.high if self.includes_high else value < self.high
        return above and below

    def unconstrained(self, value: Tensor) -> Tensor:
        """The number that is fitted; a value at an end of the range is moved inside."""
        if self.scale == "free":
            return value
        inside = torch.where(value <= 0, EDGE, value)
        return torch.where(inside >= 1, 1 - EDGE, inside).logit() if self.scale == "share" else inside.log()

    def natural(self, fitted: Tensor) -> Tensor:
        """Back again; strictly inside, so that what is saved can be taken up again."""
        if self.scale == "free":
            return fitted
        if self.scale == "share":
            return fitted.sigmoid().clamp(SMALLEST, 1 - SMALLEST)
        return fitted.exp().clamp(SMALLEST, LARGEST)

    def slope(self, value: Tensor) -> Tensor:
        """Derivative of the natural value in the fitted number."""
        if self.scale == "share":
            return value * (1 - value)
        return value if self.scale == "size" else torch.ones_like(value)


RANGES: Mapping[str, Range] = {
    "learning_rate": Range("[0, 1]", 0, 1, True, True, "share"),
    "forgone_weight": Range("[0, 1]", 0, 1, True, True, "share"),
    "cumulation": Range("[0, 1]", 0, 1, True, True, "share"),
    "momentum": Range("[0, 1]", 0, 1, True, True, "share"),
    "exploration": Range("[0, 1)", 0, 1, True, False, "share"),
    "discount": Range("[0, 1)", 0, 1, True, False, "share"),
    "inertia": Range("[0, 1)", 0, 1, True, False, "share"),
    "exploration_floor": Range("[0, 1)", 0, 1, True, False, "share"),
    "exploration_rounds": Range("(0, infinity)", 0, math.inf, False, False, "size"),
    "precision": Range("[0, infinity)", 0, math.inf, True, False, "size"),
    "initial_experience": Range("(0, infinity)", 0, math.inf, False, False, "size"),
    "bonus": Range("[0, infinity)", 0, math.inf, True, False, "size"),
    "tracking": Range("[0, infinity)", 0, math.inf, True, False, "size"),
    "habit": Range("(-infinity, infinity)", -math.inf, math.inf, False, False, "free"),
}


class LearnerParameters(nn.Module):
    """The parameters of one model of learning, by name.

    Args:
        values: a number each, shared by all agents, or a list of N, one for each agent.
        fit: names of those to be fitted together with the mechanism; they start from their values, and one that is
            given for each agent is fitted for each.

    Raises:
        ValueError: a value outside its range, an unknown name in `fit`, or lists of different lengths.
    """

    def __init__(self, values: Mapping[str, Value], fit: Collection[str] = ()) -> None:
        super().__init__()
        self.names = tuple(values)
        if unknown := sorted(set(fit) - set(values)):
            raise ValueError(f"there is no parameter {unknown[0]!r} to fit; there are {', '.join(values)}")
        self.fitted = tuple(name for name in values if name in fit)
        for name, value in values.items():
            _check(name, value)
            number = torch.tensor(value, dtype=torch.float64)
            if name in fit:
                self.register_parameter(_raw(name), nn.Parameter(RANGES[name].unconstrained(number)))
            else:
                self.register_buffer(name, number)
        lengths = {len(value) for value in values.values() if isinstance(value, Sequence)}
        if len(lengths) > 1:
            raise ValueError(f"parameters given for each agent are of different lengths: {sorted(lengths)}")
        self.num_agents = lengths.pop() if lengths else None

    def value(self, name: str) -> Tensor:
        """On its natural scale: a number, or [N]."""
        if name not in self.fitted:
            known: Tensor = getattr(self, name)
            return known
        return RANGES[name].natural(getattr(self, _raw(name)))

    def slope(self, name: str) -> Tensor:
        """Derivative of a fitted parameter's natural value in the number that is fitted, [] or [N]."""
        return RANGES[name].slope(self.value(name))

    def at_edge(self) -> list[str]:
        """Fitted parameters next to an end of their range: the data ask for the end itself; intervals mean nothing."""
        found = []
        for name in self.fitted:
            value, range_ = self.value(name), RANGES[name]
            high = 1 - EDGE if range_.scale == "share" else EDGE * LARGEST
            near_high = range_.scale != "free" and bool((value > high).any())
            if (range_.scale != "free" and bool((value < EDGE).any())) or near_high:
                found.append(name)
        return found

    def as_values(self) -> dict[str, Any]:
        """Numbers, or lists of N numbers."""
        return {name: self.value(name).tolist() for name in self.names}

    def state(self) -> dict[str, Tensor]:
        """The fitted numbers, copied."""
        return {name: parameter.detach().clone() for name, parameter in self.named_parameters()}


def _raw(name: str) -> str:
    return f"raw_{name}"


def _check(name: str, value: Value) -> None:
    for single in value if isinstance(value, Sequence) else [value]:
        if not RANGES[name].holds(single):
            raise ValueError(f"{name} must be in {RANGES[name].words}; got {single}")
