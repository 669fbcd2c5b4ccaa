"""Whether a long frame is whole: columns, rounds without a gap, one row for each episode, round and agent."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_envs.traces.labels import Label

Codes = NDArray[np.int64]


def check_columns(frame: pd.DataFrame, names: list[str]) -> None:
    """The frame has rows, and each of the names is one column of its own."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a pandas.DataFrame; got {type(frame).__name__} (many have a method to_pandas)")
    columns = [str(column) for column in frame.columns]
    for name in names:
        if name not in frame.columns:
            index = " (it is in the index: call reset_index() first)" if name in frame.index.names else ""
            raise ValueError(f"no column {name!r}{index}{_did_you_mean(name, columns)}")
        if columns.count(str(name)) > 1:
            raise ValueError(f"there are {columns.count(str(name))} columns called {name!r}; rename or drop one")
    if len(set(names)) < len(names):
        raise ValueError(f"episode, round, agent and action must be four different columns, as any others; got {names}")
    if frame.empty:
        raise ValueError("the frame has no rows")


def whole_rounds(frame: pd.DataFrame, name: str) -> Codes:
    """The rounds as int64 [R]."""
    try:
        rounds = pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise ValueError(f"column {name!r} must hold whole numbers: {error}") from error
    whole = np.isfinite(rounds) & (np.abs(rounds) <= 2**53) & (rounds == np.round(rounds))
    if not whole.all():
        bad = frame[name].iloc[int((~whole).argmax())]
        raise ValueError(f"column {name!r} must hold whole numbers; row {row_label(frame, ~whole)} has {bad}")
    return rounds.astype(np.int64)


def consecutive_rounds(rounds: Codes, episode_of: Codes, episodes: list[Label]) -> tuple[Codes, Codes]:
    """First round [E] and number of rounds [E] of each episode, whose rounds must leave no gap."""
    order = np.lexsort((rounds, episode_of))
    sorted_rounds, sorted_episodes = rounds[order], episode_of[order]
    gap = (np.diff(sorted_rounds) > 1) & (np.diff(sorted_episodes) == 0)
    if gap.any():
        before = gap.argmax()
        raise ValueError(
            f"episode {episodes[sorted_episodes[before]]!r} has no round {sorted_rounds[before] + 1}: after "
            f"{sorted_rounds[before]} comes {sorted_rounds[before + 1]}. Rounds must be consecutive: add the rows "
            "that were lost (with an empty action if it is unknown), or make two episodes of it"
        )
    first = np.flatnonzero(np.diff(sorted_episodes, prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    return sorted_rounds[first], sorted_rounds[last] - sorted_rounds[first] + 1


@dataclass(frozen=True)
class Cells:
    """Where the R rows of a frame lie in [E, T, N], and what the places there are called.

    Attributes:
        episode_of, time, agent_of: place of each row, [R]; time counts from 0 in every episode.
        lengths, start: number of rounds and label of the first one of each episode, [E].
        episodes, agents: labels, E and N.
    """

    episode_of: Codes
    time: Codes
    agent_of: Codes
    lengths: Codes
    start: Codes
    episodes: list[Label]
    agents: list[str]

    def numbers(self) -> Codes:
        """Number of each row's cell [R], counted through episodes, rounds and agents."""
        before = np.cumsum(self.lengths) - self.lengths
        return (before[self.episode_of] + self.time) * len(self.agents) + self.agent_of

    def describe(self, number: int) -> str:
        """The cell of that number, in the user's labels."""
        round_, agent = divmod(number, len(self.agents))
        episode = int(np.searchsorted(np.cumsum(self.lengths), round_, side="right"))
        label = self.start[episode] + round_ - self.lengths[:episode].sum()
        return f"episode {self.episodes[episode]!r}, round {label}, agent {self.agents[agent]!r}"


def check_every_row(cells: Cells) -> None:
    """Every agent has exactly one row in every round of every episode."""
    _check_agents_present(cells)
    found, rows = np.unique(cells.numbers(), return_counts=True)
    if (rows > 1).any():
        number, again = found[rows.argmax()], int((rows > 1).sum())
        raise ValueError(
            f"{cells.describe(int(number))}: {rows.max()} rows where there must be one "
            f"({again} such {'cases' if again > 1 else 'case'} in all); drop the duplicates, or, "
            "where rounds start anew within an episode, make several of it (cut='restart', or --cut restart)"
        )
    total = int(cells.lengths.sum()) * len(cells.agents)
    if found.size < total:
        raise ValueError(
            f"{cells.describe(_first_absent(found))}: no row ({total - found.size} missing in all); "
            "add it, with an empty action if it was not observed"
        )


def _check_agents_present(cells: Cells) -> None:
    num_agents = len(cells.agents)
    pairs = np.unique(cells.episode_of * num_agents + cells.agent_of)
    if pairs.size == len(cells.episodes) * num_agents:
        return
    episode = _first_absent(pairs) // num_agents
    present = set((pairs[pairs // num_agents == episode] % num_agents).tolist())
    absent = [repr(name) for i, name in enumerate(cells.agents) if i not in present]
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    raise ValueError(
        f"episode {cells.episodes[episode]!r} has no rows of agent {', '.join(absent[:5])}{more}. All episodes need "
        "the same agents: where the column names persons, use their role or seat; where agents sat out, add rows "
        "with an empty action"
    )


def _first_absent(numbers: Codes) -> int:
    """Smallest number from 0 that is not among the distinct, sorted numbers."""
    return int(np.append(numbers != np.arange(numbers.size), True).argmax())


def row_label(frame: pd.DataFrame, rows: NDArray[np.bool_]) -> str:
    """Label in the frame's index of the first of the rows, a mask [R]."""
    return str(frame.index[int(rows.argmax())])


def check_agents_known(given: Iterable[str], agents: list[str]) -> None:
    """Every agent whose action labels are given has rows."""
    for name in given:
        if name not in agents:
            raise ValueError(f"action_labels name the agent {name!r}, which has no rows{_did_you_mean(name, agents)}")


def _did_you_mean(name: object, known: list[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"; {guess}There are {known[:20]}{more}"
