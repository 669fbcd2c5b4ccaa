"""The columns of a long frame that make traces: which there are, and what each row says, coded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.frame_checks import Codes, check_columns, row_label
from diml_envs.traces.labels import LARGEST_INTEGER, Label, checked_labels, in_order

USED_WHERE_PRESENT = ("person", "session")  # columns by just these names need not be asked for
OWN_SEAT, OTHER_SEAT = "self", "other"


class Columns(NamedTuple):
    """Names of a frame's columns; None for one that is not there."""

    episode: str = "episode"
    round: str = "round"
    agent: str | None = "agent"
    action: str = "action"
    person: str | None = "person"
    session: str | None = "session"
    match: str | None = None
    other: str | None = None

    def found_in(self, frame: pd.DataFrame) -> Columns:
        """These names as the frame has them, checked.

        Raises:
            ValueError: a column that is not there, one for two things, or names that do not go together.
        """
        found = self
        present = list(getattr(frame, "columns", ()))
        for name in USED_WHERE_PRESENT:
            others = [value for key, value in self._asdict().items() if key != name]
            own = getattr(self, name)
            if own == name and (own not in present or own in others or (name == "session" and self.match)):
                absent: dict[str, Any] = {name: None}
                found = found._replace(**absent)
        if self.other is not None and self.agent == "agent" and "agent" not in present:
            found = found._replace(agent=None)
        found._check_together()
        check_columns(frame, [name for name in found if name is not None])
        return found

    def _check_together(self) -> None:
        if self.match is not None and self.session is not None:
            raise ValueError("with a match column the episode column is the session: leave session out")
        if (self.match is not None or self.other is not None) and self.person is None:
            which = "match" if self.match is not None else "other"
            raise ValueError(
                f"a column {which!r} needs the column of the persons as well: person='...' says who sat there; "
                "groups that never change can be episodes"
            )
        if self.agent is None and self.match is None and self.other is None:
            raise ValueError("without a column of agents (seats), match and person must be named")


def both_sides(frame: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, Columns]:
    """A frame of a row for each choice, from one whose rows hold a person's choice and the other's.

    The other sits in the other seat of the two that the agent column names; without such a column, the seats are
    "self" and "other". The other's person is not known, and his move is given.
    """
    assert columns.other is not None
    seat = columns.agent
    if seat is None:
        seat = "agent" if "agent" not in frame.columns else "agent of the row"
        frame = frame.assign(**{seat: OWN_SEAT})
        swapped = pd.Series(OTHER_SEAT, frame.index)
    else:
        names = in_order(checked_labels(frame[seat].dropna().unique().tolist(), f"values of column {seat!r}"))
        if len(names) != 2:
            raise ValueError(f"the other's choice in a column needs two agents in column {seat!r}; it has {names}")
        swapped = frame[seat].astype(object).map(dict(zip(names, reversed(names), strict=True)))
    of_own: dict[str, Any] = {_OWN: True, seat: frame[seat].astype(object)}
    of_other: dict[str, Any] = {_OWN: False, seat: swapped, str(columns.action): frame[columns.other]}
    both = pd.concat([frame.assign(**of_own), frame.assign(**of_other)])
    if columns.agent is None:
        both[seat] = pd.Categorical(both[seat], [OWN_SEAT, OTHER_SEAT])
    return both, columns._replace(agent=seat)


_OWN = "the row is the person's own"


def own_rows(frame: pd.DataFrame) -> Any:
    """bool [R]: rows of the person's own choice, in what `both_sides` made."""
    return frame[_OWN].to_numpy(bool)


def coded(frame: pd.DataFrame, name: str, empty: bool = False) -> tuple[Codes, list[Label]]:
    """Place [R] of each row's label among the labels that occur, in their order; MISSING in empty cells, if allowed."""
    codes, labels, given_order = factorized(frame[name], name)
    if (codes == MISSING).any() and not empty:
        raise ValueError(f"column {name!r} is empty in row {row_label(frame, codes == MISSING)}")
    checked = list(checked_labels(labels, f"values of column {name!r}"))
    occurring = np.bincount(codes[codes != MISSING], minlength=len(labels)) > 0
    ordered = [label for label, occurs in zip(checked, occurring, strict=True) if occurs]
    if not given_order:
        ordered = in_order(ordered)
    place = {label: i for i, label in enumerate(ordered)}
    return np.array([*(place.get(label, MISSING) for label in checked), MISSING])[codes], ordered


def factorized(column: pd.Series[Any], name: str) -> tuple[Codes, list[Any], bool]:
    """Codes [R] into distinct labels, MISSING where the cell is empty; whether the labels' order was given."""
    if categorical := isinstance(column.dtype, pd.CategoricalDtype):
        codes, labels = column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.tolist()
    else:
        try:
            found, values = pd.factorize(column)
        except TypeError as error:
            raise ValueError(f"column {name!r} holds values that cannot be labels: {error}") from error
        codes, labels = found.astype(np.int64), values.tolist()
    if "" in labels:  # an empty cell
        blank = labels.index("")
        codes[codes == blank] = MISSING
        codes[codes > blank] -= 1
        del labels[blank]
    if (codes == MISSING).any() and all(_is_whole(label) for label in labels):
        labels = [int(label) for label in labels]  # pandas made them floats to have room for NaN
    return codes, labels, categorical


def _is_whole(label: Any) -> bool:
    return isinstance(label, float) and label.is_integer() and abs(label) <= LARGEST_INTEGER


def label_column(codes: Codes, labels: Sequence[Label]) -> Any:
    """Labels [R] of the codes [R]: a plain column where sorting restores their order, else a categorical."""
    types = {type(label) for label in labels}
    if str in types or list(labels) != sorted(labels):
        return pd.Categorical.from_codes(codes, pd.Index(list(labels)))
    dtype = "boolean" if types == {bool} else "Int64" if float not in types else "Float64"
    column = pd.array(list(labels), dtype=dtype).take(codes, allow_fill=True)  # type: ignore[call-overload]
    return column if (codes == MISSING).any() else column.to_numpy()
