"""`PayoffBounds`: what `payoff_bounds` finds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism, payoff_table
from diml_envs.traces import Label
from diml_inverse.bounds.centre import chebyshev_centre
from diml_inverse.bounds.contexts import differences_of
from diml_inverse.bounds.payoff_set import LARGEST, OWN, Block, PayoffSet, context_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

TOLERANCE = 1e-7  # of the solver


class Interval(NamedTuple):
    """low, high; sharp: both are attained by some payoffs of the set."""

    low: float
    high: float
    sharp: bool


@dataclass(frozen=True)
class PayoffBounds:
    """The set of payoffs under which no agent's regret is above epsilon.

    Attributes:
        table: agent, others, action, low, high (payoff of the action less the mean over own actions), sharp (some
            payoffs of the set attain both ends), visits.
        parameters: parameter, low, high, sharp, of the mechanism given; without rows for free payoffs.
        epsilon: regret allowed, by agent.
        least_regret: by agent, where the sum over agents with payoffs in common is least; below 0 where play did
            better than any fixed action under some payoffs.
        notes: units of payoffs, and what could not be said.
        agents, action_labels: those of the traces.
        contexts: of the table, see `contexts.contexts_met`.
        payoffs: the linear programmes.
        least_regret_parameters: of the mechanism at the least regret.
    """

    table: pd.DataFrame
    parameters: pd.DataFrame
    epsilon: dict[str, float]
    least_regret: dict[str, float]
    notes: tuple[str, ...]
    agents: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]
    contexts: pd.DataFrame = field(repr=False)
    payoffs: PayoffSet = field(repr=False)
    least_regret_parameters: FloatArray = field(repr=False)

    def contains(self, mechanism: Mechanism) -> bool:
        """Whether these payoffs are in the set, in their own units where the set has none.

        Raises:
            ValueError: another game, or another class of mechanism than the set is made of.
        """
        theta = self._parameters_of(mechanism)
        if theta is None:
            return False
        form, scaled = self.payoffs.form, np.array(theta)
        for block in self.payoffs.blocks:
            if block.agents and block.scale != OWN:
                columns = block.columns[block.columns < len(form.names)]
                spread = _spread(self.payoffs, block, theta)
                if block.scale == LARGEST and spread <= TOLERANCE:
                    return False
                if block.scale == LARGEST:
                    scaled[columns] = theta[columns] / spread
                elif spread > 1 + TOLERANCE:
                    return False
        regret, epsilon = self.payoffs.regret.at(scaled), np.array(list(self.epsilon.values()))
        return bool(np.all(~(regret > epsilon + TOLERANCE))) and bool(self.payoffs.known.holds(scaled, TOLERANCE).all())

    def regret_of(self, mechanism: Mechanism) -> dict[str, float]:
        """Regret a round of each agent under these payoffs, in their units; against the rule of this set.

        Raises:
            ValueError: as `contains`, or payoffs that the form does not hold.
        """
        theta = self._parameters_of(mechanism)
        if theta is None:
            raise ValueError("the mechanism differs from the set's in what the set takes as known")
        return dict(zip(self.agents, self.payoffs.regret.at(theta).tolist(), strict=True))

    def beside(self, mechanism: Mechanism) -> pd.DataFrame:
        """The table with the differences of these payoffs, a likelihood's say: payoff_difference, and inside.

        Where the set has no unit of its own the payoffs are divided by their largest difference in the table's
        contexts. An interval holds the difference (inside) whatever the others are; `contains` says whether the set
        holds all of them together.
        """
        found, spread = differences_of(mechanism, self.contexts)
        agent = self.contexts["agent"].to_numpy()[np.nonzero(~np.isnan(found))[0]]
        unit = np.ones(len(self.agents))
        for block in self.payoffs.blocks:
            if block.agents and block.scale != OWN:
                unit[list(block.agents)] = spread[self.contexts["agent"].isin(block.agents)].max(initial=0.0) or 1.0
        value = found[~np.isnan(found)] / unit[agent]
        inside = (self.table["low"] <= value + TOLERANCE) & (value <= self.table["high"] + TOLERANCE)
        return self.table.assign(payoff_difference=value, inside=inside)

    def plot(self, mechanism: Mechanism | None = None) -> Figure:
        """The intervals, with the differences of a mechanism beside them if one is given."""
        from diml_inverse.bounds.picture import interval_picture  # only a plot needs matplotlib, which loads slowly

        return interval_picture(self.table if mechanism is None else self.beside(mechanism))

    def project(self, function: Callable[[Mechanism], Tensor]) -> Interval:
        """Least and most, over the set, of a number that is affine in the payoffs.

        Args:
            function: takes a mechanism, returns a torch number: `lambda m: m.quadratic_cost[2]`, or `lambda m:
                m(profile)[0] - m(other)[0]`.

        Raises:
            ValueError: not one number, or not affine.
        """
        matrix, offset = self.payoffs.form.functional(function)
        if len(offset) != 1:
            raise ValueError(f"project takes a function with one number as its value; got {len(offset)}")
        low, high, sharp = self.payoffs.interval(matrix.toarray()[0])
        return Interval(low + offset[0], high + offset[0], sharp)

    @property
    def least_regret_point(self) -> Mechanism:
        """Payoffs of least regret (in large sets one of many)."""
        return self._at(self.least_regret_parameters)

    @property
    def centre(self) -> Mechanism:
        """The middle of the largest ball in the set (Chebyshev centre); 0 for payoffs that no choice depends on."""
        return self._at(chebyshev_centre(self.payoffs))

    def _at(self, theta: FloatArray) -> Mechanism:
        return copy.deepcopy(self.payoffs.form.at(theta)).requires_grad_(False)

    def _parameters_of(self, mechanism: Mechanism) -> FloatArray | None:
        """None if the form does not hold these payoffs."""
        form = self.payoffs.form
        if mechanism.action_counts != form.mechanism.action_counts:
            raise ValueError(f"a game of {mechanism.action_counts} actions; the set has {form.mechanism.action_counts}")
        with torch.no_grad():
            if isinstance(form.mechanism, TabularMechanism) and form.names:
                return payoff_table(mechanism).double().cpu().numpy().reshape(-1)
            if type(mechanism) is not type(form.mechanism):
                raise ValueError(f"the set is one of {type(form.mechanism).__name__}; got {type(mechanism).__name__}")
            given = dict(mechanism.named_parameters())
            unknown = {name for name, values in form.mechanism.named_parameters() if values.requires_grad}
            for name, values in form.mechanism.named_parameters():
                if name not in unknown and not torch.equal(values, given[name].double().cpu()):
                    return None
            parts = [
                given[name].double().cpu().reshape(-1)
                for name, _ in form.mechanism.named_parameters()
                if name in unknown
            ]
            return np.concatenate([part.numpy() for part in parts])

    def __str__(self) -> str:
        """A few lines to read."""
        lines = [
            f"{name}: regret allowed {self.epsilon[name]:.4g} a round (least possible {self.least_regret[name]:.4g})"
            for name in self.agents
        ]
        shown = self.parameters if len(self.parameters) else self.table
        return "\n".join([*lines, *self.notes, "", shown.to_string(index=False, float_format="%.4g", max_rows=40)])


def _spread(payoffs: PayoffSet, block: Block, theta: FloatArray) -> float:
    """The largest difference between two own payoffs of the block's agents in one context."""
    lines, exists = context_lines(payoffs.form, block.agents)
    values = (payoffs.form.matrix @ theta + payoffs.form.offset)[lines]
    high = np.where(exists, values, -np.inf).max(1)
    return float((high - np.where(exists, values, np.inf).min(1)).max())
