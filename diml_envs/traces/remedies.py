"""What a person may decide about a frame before it is read: codes for missing, spellings that are one, bins, cuts.

Nothing of this is ever done unasked. `inspect` finds what asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from diml_envs.traces.bins import binned
from diml_envs.traces.labels import Label

RESTART = "restart"


class Remedies(TypedDict, total=False):
    """Arguments of `Traces.from_frame` that change what is read.

    missing: texts or numbers in the action column that mean "not observed".
    merge_labels: take actions for one that differ in capitals, in blanks, or by less than 1e-9 of their size.
    bins: 5, or "width=0.25": see `diml_envs.traces.bins`.
    cut: make several episodes of one: "restart", where the round falls back from one row to the next; or a number of
        rounds. The parts of episode `a` are called `a/1`, `a/2`, ...
    """

    missing: Sequence[Label]
    merge_labels: bool
    bins: int | str
    cut: int | str


def check_remedies(remedies: Remedies) -> None:
    """Raise TypeError for one that there is not: a column misspelt, most likely."""
    if unknown := [name for name in remedies if name not in Remedies.__annotations__]:
        raise TypeError(f"unknown argument {unknown[0]!r}; remedies are {', '.join(Remedies.__annotations__)}")


def remedied(
    frame: pd.DataFrame, episode: str, round: str, agent: str, action: str, remedies: Remedies
) -> pd.DataFrame:
    """The frame with the remedies applied, in the order of `Remedies`; the frame given is left as it was.

    Raises:
        ValueError: bins of what are no numbers, a cut that is neither "restart" nor a number of rounds.
    """
    column = frame[action]
    if missing := remedies.get("missing"):
        column = column.astype(object).mask(
            column.map(_text, na_action="ignore").isin([_text(code) for code in missing]), None
        )
    if remedies.get("merge_labels"):
        column = _merged(column)
    if (bins := remedies.get("bins")) is not None:
        column = pd.Series(binned(column, frame[agent], bins), index=frame.index)
    frame = frame.assign(**{action: column}) if column is not frame[action] else frame
    if (cut := remedies.get("cut")) is not None:
        frame = frame.assign(**{episode: _parts(frame, episode, round, agent, cut)})
    return frame


def spelling(label: Any) -> Any:
    """What labels have in common that differ in capitals, blanks or floating-point dust only."""
    if isinstance(label, str):
        return " ".join(label.split()).casefold()
    if isinstance(label, int | float) and not isinstance(label, bool):
        return float(f"{label:.9g}")
    return label


def _text(label: Any) -> str:
    return (
        f"{label:g}"
        if isinstance(label, int | float | np.number) and not isinstance(label, bool)
        else str(label).strip()
    )


def _merged(column: pd.Series[Any]) -> pd.Series[Any]:
    """Each action in the commonest of its spellings, for numbers the shortest; blanks around text go."""
    plain = column.astype(object).where(column.notna(), None)
    counts = plain.value_counts()
    chosen: dict[Any, Any] = {}
    for label in sorted(counts.index, key=lambda label: (-_shortness(label), -counts[label], str(label))):
        chosen.setdefault(spelling(label), label.strip() if isinstance(label, str) else label)
    return plain.map(lambda label: chosen[spelling(label)], na_action="ignore").replace("", None)


def _shortness(label: Any) -> int:
    return 0 if isinstance(label, str) else -len(repr(label))


def _parts(frame: pd.DataFrame, episode: str, round: str, agent: str, cut: int | str) -> pd.Series[Any]:
    """A label of the part for each row; episodes that stay whole keep theirs, as text."""
    rounds = pd.to_numeric(frame[round], errors="coerce")
    if cut == RESTART:
        falls = rounds.groupby([frame[episode], frame[agent]], observed=True, sort=False).diff() <= 0
        part = falls.astype(int).groupby([frame[episode], frame[agent]], observed=True, sort=False).cumsum()
    elif isinstance(cut, bool) or not str(cut).isdigit() or int(cut) < 1:
        raise ValueError(f"cut must be {RESTART!r} or a number of rounds; got {cut!r}")
    else:
        part = (rounds - rounds.groupby(frame[episode], observed=True).transform("min")) // int(cut)
    several = part.groupby(frame[episode], observed=True).transform("max") > 0
    names = frame[episode].astype(object).map(str)
    return names.where(~several, names + "/" + (part + 1).map("{:.0f}".format))
