"""`inspect`: a look at recorded play before any fit. Under a second for some ten thousand rows; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from diml_envs.traces import Traces
from diml_envs.traces.columns import Columns
from diml_envs.traces.files import read_frame
from diml_inverse.inspection.columns import other_columns, unusual_text, why_unreadable
from diml_inverse.inspection.findings import DECISION, UNUSABLE, Finding, Inspection, in_order_of_weight
from diml_inverse.inspection.labels import labels_of_actions, times_played
from diml_inverse.inspection.order import exchanged
from diml_inverse.inspection.payoffs import payoffs_avoided
from diml_inverse.inspection.restarts import restarts
from diml_inverse.inspection.scripts import repeated_moves, seats_that_do_not_choose
from diml_inverse.inspection.size import size_of_play

COLUMNS = ("episode", "round", "agent", "action")


def inspect(
    play: Traces | pd.DataFrame | str | Path, payoffs: str | ArrayLike | None = None, **columns: Any
) -> Inspection:
    """What was read, and what a person should know or decide before a fit.

    Args:
        play: traces; a long frame; or a `.nc`, `.csv` or `.parquet` file.
        payoffs: recorded payoffs: the name of their column, or an array [E, T, N] with NaN where unknown.
        columns: arguments of `Traces.from_frame`, where play is a frame or file.

    Returns:
        Findings in order of weight. Play that cannot be read is a finding too, not an error.

    Raises:
        FileNotFoundError: no such file.
        ValueError: payoffs of another shape than the play.
    """
    if isinstance(play, Traces):
        return _inspected(play, None if payoffs is None else _payoff_array(payoffs, play), ())
    named = Columns(**{name: value for name, value in columns.items() if name in Columns._fields})
    names = {name: value for name, value in named._asdict().items() if value is not None}
    frame: pd.DataFrame | None = None
    try:
        if isinstance(play, pd.DataFrame):
            frame = play
            traces = Traces.from_frame(frame, **columns)
        else:
            frame = _frame_of(Path(play), named)
            traces = Traces.load(play, **columns)
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, OSError) as error:
        found = (
            Finding("unreadable", UNUSABLE, str(error), "Mend the file")
            if frame is None
            else why_unreadable(frame, names, error)
        )
        return Inspection({}, (found,))
    beside = [] if frame is None else list(other_columns(frame, names))
    if not isinstance(play, pd.DataFrame) and Path(play).suffix.lower() == ".csv":
        beside += unusual_text(Path(play), names)
    known = None
    if payoffs is not None:
        known = (
            _payoffs_of(frame, names, payoffs, traces) if isinstance(payoffs, str) else _payoff_array(payoffs, traces)
        )
    return _inspected(traces, known, beside)


def _inspected(traces: Traces, payoffs: NDArray[np.float64] | None, beside: Any) -> Inspection:
    findings = [*size_of_play(traces), *exchanged(traces), *restarts(traces), *beside]
    if payoffs is not None:
        findings += payoffs_avoided(traces, payoffs)
    findings += [*labels_of_actions(traces), *seats_that_do_not_choose(traces)]
    if any(finding.kind == "exchanged_columns" for finding in findings):  # then the rest is read askew
        findings = [
            finding for finding in findings if finding.severity != DECISION or finding.kind == "exchanged_columns"
        ]
    return Inspection(_read(traces), in_order_of_weight(findings), repeated_moves(traces))


def _read(traces: Traces) -> dict[str, Any]:
    given = getattr(traces, "given", ())
    rounds = int(traces.lengths.sum())
    agents = {
        agent: {
            "actions": {str(label): times for label, times in own.items()},
            "decisions": sum(own.values()),
            "missing": rounds - sum(own.values()),
            "given": agent in given,
        }
        for agent, own in zip(traces.agents, times_played(traces), strict=True)
    }
    persons = getattr(traces, "person_labels", None)
    return {
        "episodes": len(traces),
        "rounds": rounds,
        "shortest": int(traces.lengths.min()),
        "longest": int(traces.lengths.max()),
        "persons": len(persons) if persons else None,
        "agents": agents,
    }


def _frame_of(path: Path, columns: Columns) -> pd.DataFrame | None:
    """None for a file that is no table."""
    with open(path, "rb"):
        pass  # what the system has against it
    return read_frame(path, columns) if path.suffix.lower() in (".csv", ".parquet") else None


def _payoff_array(payoffs: ArrayLike | str, traces: Traces) -> NDArray[np.float64]:
    array = np.asarray(payoffs, dtype=np.float64)
    if array.shape != traces.actions.shape:
        raise ValueError(f"payoffs have the shape {list(array.shape)}, where the play has {list(traces.actions.shape)}")
    return array


def _payoffs_of(
    frame: pd.DataFrame | None, names: Mapping[str, str], column: str, traces: Traces
) -> NDArray[np.float64] | None:
    """The column as [E, T, N]; None where there is none of numbers, or episodes are not those of the frame."""
    if frame is None or column not in frame or not set(COLUMNS) <= set(names) or {"match", "other"} & set(names):
        return None
    numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    episode = frame[names["episode"]].astype(str).map({str(label): e for e, label in enumerate(traces.episodes)})
    agent = frame[names["agent"]].astype(str).map({name: i for i, name in enumerate(traces.agents)})
    if episode.isna().any() or agent.isna().any():
        return None
    rounds = pd.to_numeric(frame[names["round"]])
    time = (rounds - rounds.groupby(frame[names["episode"]], observed=True).transform("min")).to_numpy(dtype=np.int64)
    found = np.full(traces.actions.shape, np.nan)
    found[episode.to_numpy(dtype=np.int64), time, agent.to_numpy(dtype=np.int64)] = numbers
    return found
