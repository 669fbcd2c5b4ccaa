"""Payoffs that are affine in unknown numbers, read off any `Mechanism` whose payoffs are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces

FloatArray = NDArray[np.float64]

MOST_PARAMETERS = 20_000
NOT_AFFINE = 1e-6  # relative


@dataclass(frozen=True)
class Form:
    """Payoffs of A own actions in K contexts, of P unknown parameters: payoffs[k A + b] = matrix theta + offset.

    Attributes:
        mechanism: float64 copy whose parameters that require a gradient are the unknown ones.
        names: of the parameters, P: `quadratic_cost[2]`.
        matrix: [K A, P].
        offset: [K A]; 0 where there is no such action.
        index: int64 [E, T, N], the context of each choice; `MISSING` where another's action is not known.
    """

    mechanism: Mechanism
    names: tuple[str, ...]
    matrix: csr_array
    offset: FloatArray
    index: NDArray[np.int64]

    @property
    def num_actions(self) -> int:
        """A."""
        return self.mechanism.num_actions

    def functional(self, function: Callable[[Mechanism], Tensor]) -> tuple[csr_array, FloatArray]:
        """`function(mechanism)`, affine in the unknown parameters and of any shape, as matrix [M, P] and offset [M].

        Raises:
            ValueError: a function that is not affine in them.
        """
        values = _tensor(function(self.at(np.zeros(len(self.names))))).reshape(-1)
        unknown = _unknown(self.mechanism)
        rows = [_gradient(value, unknown) for value in values]
        matrix, offset = csr_array(np.array(rows).reshape(len(rows), -1)), values.detach().numpy()
        theta = np.random.default_rng(0).normal(size=len(self.names))
        _check_affine(matrix @ theta + offset, _tensor(function(self.at(theta))).detach().numpy().reshape(-1))
        return matrix, offset

    def at(self, theta: FloatArray) -> Mechanism:
        """The mechanism with these parameters: the form's own, so use it before the next call, or copy it."""
        _set(self.mechanism, theta)
        return self.mechanism


def affine_form(mechanism: Mechanism, traces: Traces) -> Form:
    """What the payoffs in the contexts of a play are made of.

    Args:
        mechanism: its parameters with `requires_grad` are unknown, all others known; payoffs must be affine in the
            unknown ones. Left as it is. Without unknown parameters it is one known game.
        traces: the play.

    Raises:
        ValueError: another game's play, payoffs that are not affine, or more than 20,000 unknown numbers.
    """
    if mechanism.action_counts != traces.action_counts:
        raise ValueError(f"the mechanism has actions {mechanism.action_counts}, the traces {traces.action_counts}")
    own = copy.deepcopy(mechanism).double().cpu()
    count = sum(parameter.numel() for parameter in _unknown(own))
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"{count} unknown payoffs are too many for bounds ({MOST_PARAMETERS} at most): give a form with fewer "
            "parameters, such as CongestionMechanism or OwnLoadTableMechanism"
        )
    names = [name for name, values in own.named_parameters() if values.requires_grad for name in _named(name, values)]
    contexts = own.contexts(torch.tensor(traces.actions))
    matrix, offset = _of_table(own, contexts) if isinstance(own, TabularMechanism) else _of_any(own, contexts)
    return Form(own, tuple(names), matrix, offset, contexts.index.numpy())


def _of_any(mechanism: Mechanism, contexts: Contexts) -> tuple[csr_array, FloatArray]:
    """One evaluation for each parameter: payoffs at a unit vector less those at zero."""
    count = sum(parameter.numel() for parameter in _unknown(mechanism))

    def payoffs(theta: FloatArray) -> FloatArray:
        _set(mechanism, theta)
        with torch.no_grad():
            return np.nan_to_num(mechanism.context_payoffs(contexts).double().numpy().reshape(-1), nan=0.0)

    offset = payoffs(np.zeros(count))
    if not count:
        return csr_array((len(offset), 0)), offset
    matrix = csr_array(np.array([payoffs(unit) - offset for unit in np.eye(count)]).T)
    theta = np.random.default_rng(0).normal(size=count)
    _check_affine(matrix @ theta + offset, payoffs(theta))
    return matrix, offset


def _of_table(mechanism: TabularMechanism, contexts: Contexts) -> tuple[csr_array, FloatArray]:
    """Each payoff is one entry of the table."""
    profiles, gather, exists = (part.numpy() for part in contexts.inputs)
    counts, agents = mechanism.action_counts, mechanism.num_agents
    entry = np.ravel_multi_index(tuple(profiles.T), counts)[gather // agents] * agents + gather % agents
    rows, columns = np.flatnonzero(exists), entry[exists]
    shape = (exists.size, mechanism.table.numel())
    if not mechanism.table.requires_grad:
        offset = np.zeros(exists.size)
        offset[rows] = mechanism.table.detach().numpy().reshape(-1)[columns]
        return csr_array((exists.size, 0)), offset
    return csr_array((np.ones(rows.size), (rows, columns)), shape=shape), np.zeros(exists.size)


def _named(name: str, values: Tensor) -> list[str]:
    if not values.dim():
        return [name]
    return [f"{name}[{','.join(map(str, place))}]" for place in np.ndindex(*values.shape)]


def _unknown(mechanism: Mechanism) -> list[Tensor]:
    return [parameter for parameter in mechanism.parameters() if parameter.requires_grad]


def _set(mechanism: Mechanism, theta: FloatArray) -> None:
    start = 0
    for parameter in _unknown(mechanism):
        part = torch.tensor(theta[start : start + parameter.numel()])
        parameter.data = part.reshape(parameter.shape)
        start += parameter.numel()


def _tensor(value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise ValueError(f"the function must return a torch tensor made of the mechanism's payoffs; got {value!r}")
    return value.double()


def _gradient(value: Tensor, unknown: list[Tensor]) -> FloatArray:
    if not value.requires_grad:
        return np.zeros(sum(parameter.numel() for parameter in unknown))
    parts = torch.autograd.grad(value, unknown, retain_graph=True, allow_unused=True)
    filled = [torch.zeros_like(p) if part is None else part for p, part in zip(unknown, parts, strict=True)]
    gradient: FloatArray = torch.cat([part.reshape(-1) for part in filled]).numpy()
    return gradient


def _check_affine(expected: FloatArray, found: FloatArray) -> None:
    if expected.size and np.abs(expected - found).max() > NOT_AFFINE * (1 + np.abs(found).max()):
        raise ValueError(
            "payoff bounds are linear programmes, so payoffs must be affine in the unknown parameters, and these are "
            "not: hold those that multiply others or stand inside a function (requires_grad_(False)), or use free "
            "payoffs (TabularMechanism, OwnLoadTableMechanism)"
        )
