"""Invariances (the gauge): changes of payoffs and learners that no choice would show, in words, each one tried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.linalg import qr
from torch import Tensor

from diml_envs.traces import Traces
from diml_inverse.identification.free_payoffs import FreePayoffs
from diml_inverse.identification.space import Space

STEP = 1.0  # how far parameters are moved where an invariance holds for moves of any size
SMALL_STEP = 1e-4  # where it holds to first order only
EXACT = 1e-6  # nats; changes below are rounding
LOG_FACTOR = 0.5  # of payoffs that are multiplied
MOST_NAMES, MOST_DIRECTIONS = 4, 20  # parameters named in one direction; directions listed one by one
NOTHING = 1e-9  # share of a direction


class Invariance(NamedTuple):
    """A row of `Identification.invariances`; see there."""

    of: str
    what: str
    directions: int
    step: float
    change: float
    change_elsewhere: float


class _Family(NamedTuple):
    """what: in words; tangents: [D, M], independent of earlier families'; move: [M], along which nothing changes."""

    what: str
    tangents: Tensor
    move: Tensor


def invariances(free: Sequence[Space], structure: Space | None, traces: Traces) -> pd.DataFrame:
    """Of free payoffs, agent by agent, then of the mechanism's own parameters. Columns: the fields of `Invariance`."""
    rows = [row for space in free for row in _of_free_payoffs(space, traces)]
    if structure is not None:
        rows += _of_parameters(structure)
    return pd.DataFrame(rows, columns=list(Invariance._fields))


def _of_free_payoffs(space: Space, traces: Traces) -> Iterator[Invariance]:
    who = space.whose(traces.agents)
    generator = torch.Generator().manual_seed(0)
    families = [family for family in _families(space, generator) if len(family.tangents)]
    for family in families:
        yield _tried(space, who, family.what, len(family.tangents), family.move, STEP, generator)
    explained = torch.cat([space.information[:0], *(family.tangents for family in families)])
    rest = space.covariance.lost.shape[1] - len(explained)
    if rest > 0:
        move = SMALL_STEP * _left_over(space, explained, generator)
        what = "other combinations that this play leaves open"
        yield _tried(space, who, what, rest, move, SMALL_STEP, generator)


def _families(space: Space, generator: torch.Generator) -> Iterator[_Family]:
    """Kinds of invariance that there may be, each with the directions in which there is one."""
    assert isinstance(space.fitted.mechanism, FreePayoffs)
    of_payoffs = space.members[space.members < space.fitted.num_on_payoffs]
    context, agent = space.fitted.mechanism.context_of[of_payoffs], space.fitted.mechanism.agent_of[of_payoffs]
    heard = ~space.silent
    yield _mixed("payoffs that no scored choice depends on", _units(~heard), generator)
    levels = _indicators(context, heard)
    levels = levels[space.is_null(levels)]
    yield _mixed("adding a function of the others' actions to payoffs", levels, generator)
    constants = _indicators(agent, heard)
    new = (constants - constants * levels.sum(0)).any(1)
    yield _mixed("adding a constant to payoffs", constants[space.is_null(constants) & new], generator)
    yield from _scalings(space, agent, levels)


def _scalings(space: Space, agent: Tensor, levels: Tensor) -> Iterator[_Family]:
    """Payoffs multiplied; if choices tell that, then with the precision, if it was fitted, divided by the same."""
    own = [
        torch.nn.functional.pad(agent == i, (0, len(space.members) - len(agent))) & ~space.silent for i in space.agents
    ]
    alone = [family for payoffs in own for family in _scaling(space, payoffs, [], levels)]
    yield from alone
    precisions = space.places("precision")
    if len(precisions) == 1 and not alone:
        yield from _scaling(space, torch.stack(own).any(0), precisions, levels)
    elif not alone:
        for payoffs, precision in zip(own, precisions, strict=False):
            yield from _scaling(space, payoffs, [precision], levels)


def _scaling(space: Space, payoffs: Tensor, precisions: list[int], levels: Tensor) -> Iterator[_Family]:
    """The family if it is one: not if choices tell, nor if it does nothing but move levels. payoffs: bool [M]."""
    theta = space.fitted.vector().double().cpu()[space.members]
    multiplied = torch.where(payoffs, theta, 0.0)
    beyond = multiplied - levels.T @ ((levels @ multiplied) / levels.sum(1))
    logs = torch.zeros_like(theta)  # precision and bonus are fitted in logs
    logs[precisions] = -1.0
    if precisions:  # what else is in payoff units
        logs[space.places("bonus")] = 1.0
        multiplied[space.places("habit")] = theta[space.places("habit")]
    tangent = (multiplied + logs)[None]
    if bool(beyond.abs().max() > NOTHING * multiplied.abs().max()) and bool(space.is_null(tangent)[0]):
        what = "multiplying payoffs" + (", dividing the precision by the same" if precisions else "")
        yield _Family(what, tangent, float(np.expm1(LOG_FACTOR)) * multiplied + LOG_FACTOR * logs)


def _of_parameters(space: Space) -> Iterator[Invariance]:
    """The null space of the mechanism's and learners' parameters, in directions of few parameters each."""
    generator, of = torch.Generator().manual_seed(0), "mechanism's parameters"
    null = space.null_space
    if silent := space.silent.nonzero()[:, 0].tolist():
        what = f"those that no scored choice depends on: {_list([space.names[place] for place in silent])}"
        yield _tried(space, of, what, len(silent), space.silent.double(), STEP, generator)
        null = _without(null, silent)
    if len(precision := space.places("precision")) == 1:  # payoffs that are multiples of their parameters
        payoffs = (space.members < space.fitted.num_on_payoffs) & ~space.silent
        for family in _scaling(space, payoffs, precision, torch.zeros(0, len(space.members), dtype=torch.float64)):
            yield _tried(space, of, family.what, 1, family.move, STEP, generator)
            null = _without(null, precision)
    directions = _sparse(null)
    for direction in directions[:MOST_DIRECTIONS]:
        what = _in_words(direction, space.names)
        row = _tried(space, of, what, 1, direction, STEP, generator)
        if row.change > EXACT:
            row = _tried(space, of, f"{what} (to first order)", 1, SMALL_STEP * direction, SMALL_STEP, generator)
        yield row
    if (more := len(directions) - MOST_DIRECTIONS) > 0:
        move = SMALL_STEP * directions[MOST_DIRECTIONS:].sum(0)
        yield _tried(space, of, "further directions", more, move, SMALL_STEP, generator)


def _without(basis: Tensor, places: list[int]) -> Tensor:
    """Of the space of the columns, [M, m], the part that does not move so many parameters: [M, m - number]."""
    rotation = torch.linalg.qr(basis[places].T, mode="complete").Q
    return basis @ rotation[:, len(places) :]


def _sparse(basis: Tensor) -> Tensor:
    """The same space by rows each of which alone has a 1 at a place of its own: reduced echelon form. [M, m] -> [m, M]

    The places are chosen by pivoting, so that no number is large.
    """
    if not basis.shape[1]:
        return basis.T
    _, _, order = qr(basis.T.numpy(), pivoting=True, mode="economic")
    pivots = torch.as_tensor(np.sort(order[: basis.shape[1]]))
    rows = torch.linalg.solve(basis[pivots].T, basis.T)
    return torch.where(rows.abs() > NOTHING**0.5, rows, 0.0)


def _in_words(direction: Tensor, names: Sequence[str]) -> str:
    moved = direction.nonzero()[:, 0].tolist()
    if len(moved) > MOST_NAMES and bool((direction[moved] - direction[moved[0]]).abs().max() < EXACT):
        return f"adding the same to {_list([names[place] for place in moved])}"
    largest = sorted(moved, key=lambda place: -round(abs(float(direction[place])), 6))
    return "moving " + _list([f"{names[place]} by {float(direction[place]):+.3g}" for place in largest])


def _list(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_NAMES
    return ", ".join(parts[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _tried(
    space: Space, of: str, what: str, number: int, move: Tensor, step: float, generator: torch.Generator
) -> Invariance:
    """What the move does to decisions, and what one of the same length does that is at right angles to all gauge."""
    other = torch.randn(len(move), generator=generator, dtype=torch.float64)
    null = space.null_space
    other -= null @ (null.T @ other)
    length = float(other.norm())
    elsewhere = space.change(other * float(move.norm()) / length) if length > NOTHING else float("nan")
    return Invariance(of, what, number, step, space.change(move), elsewhere)


def _mixed(what: str, tangents: Tensor, generator: torch.Generator) -> _Family:
    """A family of straight directions; the move mixes all of them."""
    mixture = torch.randn(len(tangents), generator=generator, dtype=torch.float64) @ tangents
    return _Family(what, tangents, STEP * mixture / mixture.abs().max().clamp(min=NOTHING))


def _units(which: Tensor) -> Tensor:
    return torch.eye(len(which), dtype=torch.float64)[which]


def _indicators(group: Tensor, heard: Tensor) -> Tensor:
    """For each group of payoffs a row with 1 for those of it that are heard of. int64 [n], bool [M] -> [G, M]"""
    groups = group.unique()
    rows = torch.zeros(len(groups), len(heard), dtype=torch.float64)
    rows[:, : len(group)] = (groups[:, None] == group).double() * heard[: len(group)]
    return rows[rows.any(1)]


def _left_over(space: Space, explained: Tensor, generator: torch.Generator) -> Tensor:
    """A direction of the null space at right angles to those explained, largest entry 1."""
    null = space.null_space
    mixture = null @ torch.randn(null.shape[1], generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(explained.T).Q
    mixture -= basis @ (basis.T @ mixture)
    return mixture / mixture.abs().max().clamp(min=NOTHING)
