"""What a table says beside the four columns that are read, and why one cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from diml_envs.traces.delimited import dialect_of
from diml_inverse.inspection.findings import DECISION, NOTE, UNUSABLE, Finding

_DELIMITERS = {";": "semicolons, decimals with a comma", "\t": "tabs", "|": "bars"}
_PERSON = re.compile(
    r"(^|[^a-z])(subj|person|participant|player|worker|prolific|respondent)|(^|[^a-z])id$", re.IGNORECASE
)


def unusual_text(path: Path, names: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a file of text separates its columns by something else than commas, which is read all the same."""
    dialect = dialect_of(path, names.values())
    if dialect.delimiter in _DELIMITERS:
        how = _DELIMITERS[dialect.delimiter]
        yield Finding("delimiter", NOTE, f"columns are read as separated by {how}", "Nothing need be done")
    if dialect.encoding == "utf-16":
        yield Finding("encoding", NOTE, "the file is read as UTF-16 text", "Nothing need be done")


def other_columns(frame: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Finding]:
    """Columns that name persons who come again in other episodes, or that count rounds anew within one.

    names: of the columns episode, round, agent, action and those read beside them.
    """
    if not {names["episode"], names["round"], names.get("agent")} <= set(frame.columns):
        return
    for column in frame.columns:
        if column in names.values() or list(frame.columns).count(column) > 1:
            continue
        if names.get("person") not in frame and _names_persons(frame, column, names):
            number = frame[column].nunique()
            yield Finding(
                "persons",
                DECISION,
                f"column {column!r} names {number} persons who each play in several episodes",
                "If they remember from one to the next, say that it names persons",
                f"--person-column {column}",
            )
        elif _starts_anew(frame, column, names):
            yield Finding(
                "restarts",
                DECISION,
                f"column {column!r} counts up and starts anew within episodes, as rounds of several plays do",
                "If each start is a new play, name it as the round and cut there",
                f"--round-column {column} --cut restart",
            )


def _names_persons(frame: pd.DataFrame, column: Any, names: Mapping[str, str]) -> bool:
    """One value for each episode and agent, several for each agent and within an episode, each in several episodes."""
    values = frame[column]
    if pd.api.types.is_float_dtype(values) or not _PERSON.search(str(column)) or values.isna().any():
        return False
    episode, agent = frame[names["episode"]], frame[names["agent"]]

    def most(*keys: Any) -> int:
        return int(values.groupby(list(keys), observed=True).nunique().max())

    varies = most(agent) > 1 and (agent.nunique() == 1 or most(episode) > 1)
    return (
        varies
        and most(episode, agent) == 1
        and bool((episode.groupby(values, observed=True).nunique() > 1).mean() > 0.5)
    )


def _starts_anew(frame: pd.DataFrame, column: Any, names: Mapping[str, str]) -> bool:
    """Whole numbers that, in the order of rounds, go up by one, but some times fall back to where they began."""
    values = frame[column]
    if not pd.api.types.is_integer_dtype(values) or values.isna().any():
        return False
    keys = [names["episode"], names["agent"], names["round"]]
    ordered = frame[[*keys, column]].sort_values(keys, kind="stable")
    steps = ordered.groupby(keys[:2], observed=True, sort=False)[column].diff().dropna()
    falls = steps < 0
    back = ordered.loc[steps.index[falls], column]
    return bool(falls.any() and (steps[~falls] == 1).all() and back.nunique() == 1 and falls.mean() < 0.5)


def why_unreadable(frame: pd.DataFrame, names: Mapping[str, str], error: Exception) -> Finding:
    """The error of `Traces.from_frame`, and what it may come from."""
    episode, round_, agent = names["episode"], names["round"], names.get("agent", "")
    have = {str(column) for column in frame.columns}
    if {episode, round_} <= have and not _whole(frame[round_]) and _whole(frame[episode]):
        return Finding(
            "exchanged_columns",
            UNUSABLE,
            f"column {round_!r} holds no whole numbers, but column {episode!r} does",
            "If that counts the rounds, exchange them",
            f"--episode-column {round_} --round-column {episode}",
        )
    if round_ not in have and episode in have and _whole(frame[episode]):
        return _round_called_episode(frame, names)
    if {episode, round_, agent} <= have and _rounds_fall_back(frame, episode, round_, agent):
        return Finding(
            "restarts",
            UNUSABLE,
            "rounds start anew within an episode, so that it has several rows for one round and agent",
            "If each start is a new play, cut there",
            "--cut restart",
        )
    return Finding("unreadable", UNUSABLE, _one_line(error), "Mend the file, or name its columns")


def _round_called_episode(frame: pd.DataFrame, names: Mapping[str, str]) -> Finding:
    """No column for the round, and whole numbers in the one for the episode: that may be the round."""
    episode, agent = names["episode"], names.get("agent")
    rest = [column for column in frame.columns if column not in names.values()]
    keys = [agent] if agent in frame else []
    runs = [c for c in rest if 1 < frame[c].nunique() < len(frame) and not frame.duplicated([c, episode, *keys]).any()]
    option = f"--episode-column {runs[0]} --round-column {episode}" if runs else "--round-column NAME"
    lead = (
        f"column {episode!r} seems to count the rounds of each {runs[0]!r}"
        if runs
        else f"{episode!r} holds whole numbers"
    )
    return Finding(
        "exchanged_columns" if runs else "unreadable",
        UNUSABLE,
        f"no column {names['round']!r}; {lead}; there are {[str(column) for column in frame.columns]}",
        "Name the column that says to which play a row belongs and the one that counts its rounds",
        option,
    )


def _whole(column: pd.Series[Any]) -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    return bool(numbers.notna().all() and (numbers % 1 == 0).all())


def _rounds_fall_back(frame: pd.DataFrame, episode: str, round_: str, agent: str) -> bool:
    if not _whole(frame[round_]) or not frame.duplicated([episode, round_, agent]).any():
        return False
    steps = (
        pd.to_numeric(frame[round_]).groupby([frame[episode], frame[agent]], observed=True, sort=False).diff().dropna()
    )
    return bool((steps < 0).any() and ((steps == 1) | (steps < 0)).all())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
