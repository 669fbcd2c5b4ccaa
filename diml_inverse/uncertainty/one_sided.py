"""Which intervals by standard errors the likelihood contradicts, and those that it gives instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.dynamics.units import INSIDE, in_payoff_units, unit_of_fit
from diml_inverse.likelihood import ObservedPlay
from diml_inverse.likelihood.curvature import agent_play
from diml_inverse.uncertainty.fitted import Fitted
from diml_inverse.uncertainty.profile import Ends as FoundEnds
from diml_inverse.uncertainty.profile import Profile
from diml_inverse.uncertainty.remembered import RememberedEnds
from diml_inverse.uncertainty.surfaces import FittedSurface, TableSurface

FloatArray = NDArray[np.float64]

AGREES = 0.1  # share by which the signed root at an interval's end may be off the one asked for
LARGEST_MAP = 2**24  # entries of an agent's map from contexts to decisions
MOST_PARAMETERS = 60  # of what is no table of known logit-Q learners: each step differentiates in all of them
MOST_WORK = 3e6  # parameters x decisions x actions, likewise
MOST_ROWS = 200
MOST_FITTED_ROWS = 24


class Place(NamedTuple):
    """A surface with the columns of theta on it, [Q] of P, and their units."""

    profile: Profile
    columns: NDArray[np.int64]
    units: FloatArray


class Likelihoods:
    """The likelihood around a fit, as far as it is cheap to follow.

    Args:
        fitted: at the estimate.
        play: what it was fitted to.

    Attributes:
        remembered: the ends it gave.
        cut_short: whether there were more to find than is done; of the others standard errors are all there is.
    """

    def __init__(self, fitted: Fitted, play: ObservedPlay) -> None:
        self.fitted, self.play = fitted, play
        self.tables: dict[int, Place | None] = {}
        self.known: dict[tuple[bytes, float], FoundEnds] = {}
        self.remembered = RememberedEnds(fitted.size)
        self.cut_short = False

    @cached_property
    def quick(self) -> bool:
        """A table of learners whose attractions are linear in payoffs, nothing of them fitted."""
        dynamics = self.fitted.dynamics
        plain = type(dynamics) is LogitDynamics and dynamics.learner.num_agents is None
        return plain and type(self.fitted.mechanism) is TabularMechanism and not self.fitted.of_learners

    def ends(self, slopes: FloatArray, z: float) -> list[FoundEnds | None]:
        """Of linear functions with these derivatives, [M, P]: None where standard errors will do or nobody knows."""
        return [self._one(slope, z) if slope.any() else None for slope in slopes]

    def _one(self, slope: FloatArray, z: float) -> FoundEnds | None:
        if (slope.tobytes(), z) in self.known:
            return self.known[slope.tobytes(), z]
        place = self._place(slope)
        if place is None:
            return None
        found = self._found(slope, z, place)
        if found is not None:
            self.known[slope.tobytes(), z] = found
            self.remembered.put(slope, z, found)
        return found

    def _found(self, slope: FloatArray, z: float, place: Place) -> FoundEnds | None:
        inside = np.zeros(len(slope), bool)
        inside[place.columns] = True
        if slope[~inside].any():
            return FoundEnds(math.nan, -math.inf, math.inf)  # it rests on what was never met
        along = slope[place.columns] * place.units
        if _straight(place.profile, along, z):
            return None
        if len(self.known) >= (MOST_ROWS if self.quick else MOST_FITTED_ROWS):
            self.cut_short = True
            return None
        return place.profile.ends(along, z)

    def _place(self, slope: FloatArray) -> Place | None:
        if not self.quick:
            return self._whole
        agents = np.unique(np.flatnonzero(slope) % self.fitted.mechanism.num_agents)
        return self._table(int(agents[0])) if len(agents) == 1 else None

    @cached_property
    def _whole(self) -> Place | None:
        fitted, play = self.fitted, self.play
        work = float(fitted.size) * play.actions.numel() * fitted.mechanism.num_actions
        if fitted.size > MOST_PARAMETERS or work > MOST_WORK:
            return None
        unit = unit_of_fit(fitted.mechanism, fitted.dynamics, play.contexts)
        sizes = [parameter.numel() for parameter in fitted.mechanism.parameters()]
        scaled = in_payoff_units(fitted.mechanism, unit)
        units = [np.full(size, unit / INSIDE if one else 1.0) for size, one in zip(sizes, scaled, strict=True)]
        units.append(np.ones(fitted.size - fitted.num_on_payoffs))
        flat = np.concatenate(units)
        apart = Fitted(fitted.mechanism, fitted.dynamics, fitted.of_learners)
        return Place(Profile(FittedSurface(apart, play, flat)), np.arange(fitted.size), flat)

    def _table(self, agent: int) -> Place | None:
        if agent not in self.tables:
            self.tables[agent] = self._of_agent(agent)
        return self.tables[agent]

    def _of_agent(self, agent: int) -> Place | None:
        dynamics, mechanism = self.fitted.dynamics, self.fitted.mechanism
        assert isinstance(dynamics, LogitDynamics)
        decisions = int(self.play.scored[..., agent].sum())
        contexts = math.prod(mechanism.action_counts) // mechanism.action_counts[agent]
        if not decisions or decisions * contexts > LARGEST_MAP:
            return None
        play = agent_play(self.play.traces, self.play.scored.cpu().numpy(), dynamics, agent)
        own = np.arange(play.num_actions)
        profiles = np.insert(np.repeat(play.others, len(own), 0), agent, np.tile(own, len(play.others)), 1)
        columns = np.ravel_multi_index(tuple(profiles.T), mechanism.action_counts) * mechanism.num_agents + agent
        units = np.full(len(columns), 1 / float(dynamics.precision))
        return Place(Profile(TableSurface(play, dynamics)), columns, units)

    def falls(self, theta: Tensor) -> float | None:
        """Nats below the maximum, at parameters [P]; None where that is not followed."""
        vector = theta.cpu().numpy()
        if not self.quick:
            return None if self._whole is None else self._whole.profile.drop(vector / self._whole.units)
        places = [self._table(agent) for agent in range(self.fitted.mechanism.num_agents)]
        if any(place is None for place in places):
            return None
        return sum(place.profile.drop(vector[place.columns] / place.units) for place in places if place is not None)


def _straight(profile: Profile, along: FloatArray, z: float) -> bool:
    """Whether the likelihood has fallen by z^2 / 2 where standard errors end the interval, on both sides."""
    way, error = profile.steepest(along)
    if not error > 0:
        return False
    roots = [math.sqrt(2 * profile.drop(profile.top.theta + side * z * way / error)) for side in (-1, 1)]
    return all(abs(root / z - 1) <= AGREES for root in roots)


def linear_rows(fitted: Fitted, compute: Callable[[], Tensor], slopes: Tensor) -> NDArray[np.bool_]:
    """Which numbers computed from `fitted` are linear in its parameters: their slopes elsewhere are the same. [M]"""
    vector = fitted.vector()
    try:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(1.3 * vector + 0.05, fitted.parameters)
        elsewhere = fitted.jacobian(compute().reshape(-1))
    finally:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(vector, fitted.parameters)
    same: NDArray[np.bool_] = torch.isclose(elsewhere, slopes, rtol=1e-6, atol=1e-12).all(1).numpy()
    return same
