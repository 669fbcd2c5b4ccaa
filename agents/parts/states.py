"""Where a learner is: states by what was last done, and a table of attractions with a row for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray
from diml_envs.games.players import Feedback

START = "start"  # the state when a match begins
StateFunction = Callable[[int, tuple[int, ...]], Hashable]
STATES: dict[str, StateFunction] = {
    "last_profile": lambda own, others: (own, *others),
    "own_last": lambda own, others: own,
    "others_last": lambda own, others: others,
}


class Table(NamedTuple):
    """Attractions of each own action in each state met so far by anyone in the batch.

    Attributes:
        attractions: float64 [*B, S, A]; rows beyond `rows` are spare.
        rows: state -> its row; `START` is row 0.
        where: row of the state that each learner is in, int64 [*B].
        time: decisions made so far, float64 [*B, 1].
        waiting: payoff of the last round if what follows it is not yet known, float64 [*B], else NaN.
        before: row and action of that round, int64 [2, *B].
    """

    attractions: FloatArray
    rows: dict[Hashable, int]
    where: NDArray[np.int64]
    time: FloatArray
    waiting: FloatArray
    before: NDArray[np.int64]


First = float | Sequence[float] | Mapping[Any, Any]


def new_table(batch_shape: tuple[int, ...], num_actions: int, first: First) -> Table:
    """Everybody at the start, with first attractions: a number, one for each action, or such by state (else 0)."""
    return Table(
        np.broadcast_to(_first(first, START, num_actions), (*batch_shape, 1, num_actions)).copy(),
        {START: 0},
        np.zeros(batch_shape, np.int64),
        np.zeros((*batch_shape, 1)),
        np.full(batch_shape, np.nan),
        np.zeros((2, *batch_shape), np.int64),
    )


def row_of(attractions: FloatArray, rows: NDArray[np.int64]) -> FloatArray:
    """attractions [*B, S, A] at rows [*B] -> [*B, A]."""
    return np.take_along_axis(attractions, rows[..., None, None], -2)[..., 0, :]


def with_row(attractions: FloatArray, rows: NDArray[np.int64], values: FloatArray) -> FloatArray:
    """A copy with values [*B, A] at rows [*B]."""
    changed = attractions.copy()
    np.put_along_axis(changed, rows[..., None, None], values[..., None, :], -2)
    return changed


def found_rows(table: Table, states: Sequence[Hashable], first: First) -> tuple[Table, NDArray[np.int64]]:
    """Row of each of B states in turn, [*B], and the table with rows for those not met before."""
    new = [state for state in dict.fromkeys(states) if state not in table.rows]
    rows = table.rows | {state: len(table.rows) + i for i, state in enumerate(new)}
    found = np.array([rows[state] for state in states], np.int64).reshape(table.where.shape)
    attractions = table.attractions
    *batch_shape, size, num_actions = attractions.shape
    if len(rows) > size:  # at least doubled: tables grow often
        spare = np.zeros((*batch_shape, max(size, len(rows) - size), num_actions))
        attractions = np.concatenate([attractions, spare], -2)
    if new and not (isinstance(first, int | float) and first == 0):
        attractions = attractions.copy() if attractions is table.attractions else attractions
        for state in new:
            attractions[..., rows[state], :] = _first(first, state, num_actions)
    return table._replace(attractions=attractions, rows=rows), found


def next_states(state: str | StateFunction | None, feedback: Feedback) -> list[Hashable]:
    """The state that each learner of the batch, in turn, is in after the round."""
    if state is None:
        return [START] * feedback.actions.size
    function = STATES[state] if isinstance(state, str) else state
    own = feedback.actions.ravel().tolist()
    if feedback.others is None:
        others: list[list[int]] = [[]] * len(own)
    else:
        others = feedback.others.reshape(len(own), -1).tolist()
    return [function(one, tuple(rest)) for one, rest in zip(own, others, strict=True)]


def _first(first: First, state: Hashable, num_actions: int) -> FloatArray:
    value = first.get(state, 0.0) if isinstance(first, Mapping) else first
    return np.broadcast_to(np.asarray(value, np.float64), (num_actions,))
