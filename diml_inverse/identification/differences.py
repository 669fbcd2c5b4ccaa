"""Which payoff differences play pins down, and how well: freely, or through what the mechanism's form shares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_inverse.identification.contexts import contexts_at
from diml_inverse.identification.free_payoffs import FreePayoffs
from diml_inverse.identification.space import Space
from diml_inverse.uncertainty.expected import one_decision_variances
from diml_inverse.uncertainty.fitted import jacobian_rows

Through = tuple[NDArray[np.bool_], NDArray[np.float64]]  # identified and observations, as in `Known`


class Known(NamedTuple):
    """What is known in K contexts; each [K, A].

    identified: the payoff less the mean over own actions is. observations: how many fully informative decisions would
    tell as much of it; 0 if it is not identified. comparable: of how many other own actions the difference from this
    one is identified. payoff: the payoff itself is, level included.
    """

    identified: NDArray[np.bool_]
    observations: NDArray[np.float64]
    comparable: NDArray[np.int64]
    payoff: NDArray[np.bool_]

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> Known:
        """Of contexts about which nothing is known."""
        return cls(np.zeros(shape, bool), np.zeros(shape), np.zeros(shape, int), np.zeros(shape, bool))


def known_freely(spaces: Sequence[Space], contexts: pd.DataFrame) -> Known:
    """In rows of `visited_contexts`, by `free_spaces`: each payoff a parameter of its own."""
    free = spaces[0].fitted.mechanism
    assert isinstance(free, FreePayoffs)
    numbered = free.contexts_table.reset_index(names="row")
    found = Known.nothing((len(numbered), free.num_actions))
    for space in spaces:
        for agent in space.agents:
            rows = np.flatnonzero(numbered["agent"] == agent)
            if len(rows):
                _fill(found, rows, _of_agent(space, free, agent))
    row = contexts.merge(numbered, "left")["row"].fillna(-1).astype(int).to_numpy()
    known = row >= 0
    parts = (np.where(known[:, None], part[row], np.zeros((), part.dtype)) for part in found)
    return Known(*parts)


def _fill(found: Known, rows: NDArray[np.int64], of_agent: Known) -> None:
    for whole, part in zip(found, of_agent, strict=True):
        whole[rows, : part.shape[1]] = part


def _of_agent(space: Space, free: FreePayoffs, agent: int) -> Known:
    """[K_i, A_i]"""
    count, own = free.action_counts[agent], _own_places(space, free, agent)
    unit = torch.eye(count, dtype=torch.float64)
    centred, payoff = (_in_each_context(function, own, space) for function in (unit - 1 / count, unit))
    variances = space.covariance.variances(centred).reshape(-1, count)
    identified = variances.isfinite() & (count > 1)
    one = one_decision_variances(space.fitted.dynamics, free.action_mask)[agent, :count]
    return Known(
        identified.numpy(),
        torch.where(identified, one / variances, 0.0).numpy(),
        _comparable(space, own, identified).numpy(),
        space.covariance.identifies(payoff).reshape(-1, count).numpy(),
    )


def _own_places(space: Space, free: FreePayoffs, agent: int) -> Tensor:
    """Where among the members the agent's payoffs are, by context, then own action."""
    payoffs = space.members[space.members < len(free.agent_of)]  # the learners' parameters come last
    return (free.agent_of[payoffs] == agent).nonzero()[:, 0]


def _in_each_context(functions: Tensor, own: Tensor, space: Space) -> Tensor:
    """The same linear functions of each context's payoffs, [R, A_i] -> [K_i R, M]."""
    number, count = functions.shape
    contexts = len(own) // count
    rows = torch.zeros(contexts * number, len(space.members), dtype=torch.float64)
    rows[:, own] = torch.kron(torch.eye(contexts, dtype=torch.float64), functions)
    return rows


def _comparable(space: Space, own: Tensor, identified: Tensor) -> Tensor:
    """Number of other own actions from which the difference is identified. [K_i, A_i]"""
    count = identified.shape[1]
    found = torch.full(identified.shape, count - 1)
    if bool(identified.all()) or count == 1:
        return found
    unit = torch.eye(count, dtype=torch.float64)
    found[:] = 0
    for a, b in combinations(range(count), 2):
        known = space.covariance.identifies(_in_each_context(unit[a : a + 1] - unit[b : b + 1], own, space))
        found[:, [a, b]] += known.long()[:, None]
    return found


def known_through(space: Space, contexts: pd.DataFrame) -> Through:
    """In rows of `visited_contexts`, through the mechanism's own parameters."""
    fitted, mechanism = space.fitted, space.fitted.mechanism
    found, row = contexts_at(mechanism, contexts)
    agents = torch.tensor(contexts["agent"].to_numpy())
    with torch.no_grad():
        exists = ~mechanism.context_payoffs(found).isnan()
    values = fitted.centred_payoffs(found, exists).reshape(-1)
    rows = jacobian_rows(values, fitted.parameters)
    variances = torch.cat([space.covariance.variances(some.double().cpu()[:, space.members]) for some in rows])
    variances = variances.reshape(exists.shape)[row.cpu()]
    mask = mechanism.action_mask[agents]
    identified = variances.isfinite() & mask & (mask.sum(1, keepdim=True) > 1)
    one = one_decision_variances(fitted.dynamics, mechanism.action_mask)[agents]
    fixed = identified & (variances == 0)  # the form leaves no freedom
    observations = torch.where(identified, one / variances.masked_fill(fixed, 1), 0.0).masked_fill(fixed, torch.inf)
    return identified.numpy(), observations.numpy()
