"""Submitted answers to a task, read strictly: payoff differences or choice probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.benchmark.tasks.contexts import (
    GivenDifferences,
    action_texts,
    asked_contexts,
    context_key,
    others_text,
)
from diml_inverse.plugins import nearest

DIFFERENCES = ("agent", "others", "action", "payoff_difference")
CHOICES = ("episode", "round", "agent", "action", "probability")


class GivenChoices:
    """Choice probabilities along one play: [E, T, N, A]."""

    def __init__(self, probs: NDArray[np.float64]) -> None:
        self.probs = probs

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """As given; `traces` must be that play."""
        if traces.actions.shape != self.probs.shape[:-1]:
            raise ValueError("these choice probabilities belong to other play")
        return self.probs


def read_answer(path: Path, test: Traces, fill_missing: bool = False) -> GivenDifferences | GivenChoices:
    """Read a CSV of either kind, told by its columns (`DIFFERENCES` or `CHOICES`); others are ignored.

    Args:
        path: the file.
        test: the task's test play.
        fill_missing: take contexts that are not answered for ones without differences.

    Raises:
        ValueError: what is wrong and where: columns, unknown agents, actions or episodes, numbers that are none, rows
            given twice or missing, probabilities that do not add up.
        FileNotFoundError: no such file.
    """
    table = _table(path)
    try:
        if set(DIFFERENCES) <= set(table.columns):
            return _differences(table, test, fill_missing)
        if set(CHOICES) <= set(table.columns):
            return _choices(table, test)
        raise ValueError(
            f"columns are {', '.join(table.columns)}; payoff differences have {', '.join(DIFFERENCES)}, choice "
            f"probabilities {', '.join(CHOICES)}"
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _table(path: Path) -> pd.DataFrame:
    """All cells as text."""
    with open(path, "rb"):
        pass  # what the system has against it is best said in its own words
    try:
        names = pyarrow.csv.open_csv(path).schema.names
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # with threads, errors do not tell the row
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"column {twice[0]!r} is there twice")
        if not table.num_rows:
            raise ValueError("it has no rows")
        return table.to_pandas().fillna("")
    except (ValueError, pa.ArrowException) as error:
        raise ValueError(f"{path} is not a CSV of answers: {error}") from error


def _differences(table: pd.DataFrame, test: Traces, fill_missing: bool) -> GivenDifferences:
    numbers = _numbers(table, "payoff_difference")
    agents = _places(table["agent"], {name: i for i, name in enumerate(test.agents)}, "agent")
    actions = _actions(table, agents, test)
    given: dict[tuple[int, str], NDArray[np.float64]] = {}
    for row, (agent, others) in enumerate(zip(agents, table["others"], strict=True)):
        values = given.setdefault((int(agent), others), np.full(max(test.action_counts), np.nan))
        if not np.isnan(values[actions[row]]):
            raise ValueError(f"{_row(row)}: the same agent, others and action as in a row before")
        values[actions[row]] = numbers[row]
    known = {}
    missing = []
    for agent, profiles in asked_contexts(test):
        count = test.action_counts[agent]
        for profile in profiles:
            others = others_text(test, agent, profile)
            values = given.get((agent, others), np.full(max(test.action_counts), np.nan))
            if np.isnan(values[:count]).any():
                missing.append(f"agent {test.agents[agent]!r}, others {others!r}")
                values = np.nan_to_num(values, nan=0.0)
                values[count:] = np.nan
            known[context_key(agent, profile)] = values
    if missing and not fill_missing:
        raise ValueError(
            f"{len(missing)} of {len(known)} contexts of the test play are not answered for every action, the first "
            f"{missing[0]}; give 0 where you know nothing (--fill-missing does)"
        )
    return GivenDifferences(test.action_counts, known)


def _choices(table: pd.DataFrame, test: Traces) -> GivenChoices:
    numbers = _numbers(table, "probability")
    if ((numbers < 0) | (numbers > 1)).any():
        row = int(np.flatnonzero((numbers < 0) | (numbers > 1))[0])
        raise ValueError(f"{_row(row)}: probability {numbers[row]} is outside 0..1")
    episodes = _places(table["episode"], {str(label): e for e, label in enumerate(test.episodes)}, "episode")
    rounds = _places(table["round"], {str(t): t for t in range(test.num_rounds)}, "round")
    agents = _places(table["agent"], {name: i for i, name in enumerate(test.agents)}, "agent")
    places = np.stack([episodes, rounds, agents, _actions(table, agents, test)], 1)
    repeated = pd.DataFrame(places).duplicated().to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        raise ValueError(f"{_row(row)}: the same episode, round, agent and action as in a row before")
    probs = np.full((*test.actions.shape, max(test.action_counts)), np.nan)
    probs[tuple(places.T)] = numbers
    _check_complete(probs, test)
    return GivenChoices(np.nan_to_num(probs, nan=0.0))


def _check_complete(probs: NDArray[np.float64], test: Traces) -> None:
    exists = np.arange(probs.shape[-1]) < np.array(test.action_counts)[:, None]
    asked = test.observed
    asked[:, 0] = False
    lacking = asked & (np.isnan(probs) & exists).any(-1)
    if lacking.any():
        episode, round_, agent = np.argwhere(lacking)[0]
        raise ValueError(
            f"{int(lacking.sum())} of {int(asked.sum())} decisions are not answered for every action, the first: "
            f"episode {test.episodes[episode]!r}, round {round_}, agent {test.agents[agent]!r}"
        )


def _actions(table: pd.DataFrame, agents: NDArray[np.int64], test: Traces) -> NDArray[np.int64]:
    found = np.zeros(len(table), np.int64)
    for agent, labels in enumerate(test.action_labels):
        rows = np.flatnonzero(agents == agent)
        texts = table["action"].iloc[rows]
        found[rows] = _places(texts, action_texts(labels), f"action of agent {test.agents[agent]!r}", rows)
    return found


def _places(
    column: pd.Series[str], known: Mapping[str, int], what: str, rows: Sequence[int] | NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Numbers of the names in a column; rows: where they stand in the file, if not from the first on."""
    places = column.map(known)
    if places.isna().any():
        first = int(np.flatnonzero(places.isna())[0])
        row = first if rows is None else int(rows[first])
        raise ValueError(
            f"{_row(row)}: no {what} {column.iloc[first]!r} in the test play; {nearest(column.iloc[first], known)}"
        )
    return np.asarray(places, dtype=np.int64)


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"{_row(row)}: {name} must be a finite number; got {table[name].iloc[row]!r}")
    return numbers


def _row(row: int) -> str:
    return f"row {row + 1} after the header"
