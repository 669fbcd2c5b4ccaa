"""Long data frames, a row for each episode, round and agent, to traces and back.

What a frame means:

* Rows may come in any order. Episodes, agents and actions are put in the order of their categories where a column
  is categorical, and otherwise sorted: numbers by value, text by letter with digits in it read as numbers.
* Rounds are whole numbers from any start, without a gap within an episode. Every agent has a row in every round.
  An empty action cell says "not observed"; an absent row is an error, since lost rows look just the same.
* An agent's actions are those that it was seen to play itself: that another agent played `2` does not say that this
  one could have. `action_labels` declares those that an agent had and never took. Categories give the order.
* `Remedies` are applied first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.frame_checks import (
    Cells,
    Codes,
    check_agents_known,
    check_columns,
    check_every_row,
    consecutive_rounds,
    row_label,
    whole_rounds,
)
from diml_envs.traces.labels import Label, checked_labels, in_order
from diml_envs.traces.remedies import Remedies, check_remedies, remedied
from diml_envs.traces.traces import Traces


def traces_from_frame(
    frame: pd.DataFrame,
    episode: str = "episode",
    round: str = "round",
    agent: str = "agent",
    action: str = "action",
    action_labels: Mapping[str, Sequence[Label]] | None = None,
    **remedies: Unpack[Remedies],
) -> Traces:
    """Traces of a long frame of R rows; the module's docstring says how it is read.

    Raises:
        ValueError: no rows, missing columns, an empty cell where none may be, rounds that are not whole or not
            consecutive, rows missing or given twice, actions that are not among `action_labels`.
    """
    check_remedies(remedies)
    check_columns(frame, [episode, round, agent, action])
    frame = remedied(frame, episode, round, agent, action, remedies)
    episode_of, episodes = _coded(frame, episode)
    agent_of, agent_labels = _coded(frame, agent)
    rounds = whole_rounds(frame, round)
    agents = [_name(label) for label in agent_labels]
    start, lengths = consecutive_rounds(rounds, episode_of, episodes)
    time = rounds - start[episode_of]
    check_every_row(Cells(episode_of, time, agent_of, lengths, start, episodes, agents))
    own_action, labels = _own_actions(frame[action], agent_of, agents, action_labels or {})
    actions = np.full((len(episodes), int(lengths.max()), len(agents)), MISSING)
    actions[episode_of, time, agent_of] = own_action
    return Traces(actions, lengths, agents, labels, episodes)


def traces_to_frame(traces: Traces) -> pd.DataFrame:
    """Columns episode, round (from 0), agent and action, sorted by the first three; R = rounds x agents rows.

    Labels that sorting would put in another order are categories in theirs. Unobserved actions are empty cells.
    """
    played = np.arange(traces.num_rounds) < traces.lengths[:, None]
    episode, time, agent = np.nonzero(np.broadcast_to(played[..., None], traces.actions.shape))
    distinct = list(dict.fromkeys(label for labels in traces.action_labels for label in labels))
    place = {label: i for i, label in enumerate(distinct)}
    # One more column, of MISSING, is where the index -1 of an unobserved action leads.
    places = np.full((traces.num_agents, max(traces.action_counts) + 1), MISSING)
    for i, labels in enumerate(traces.action_labels):
        places[i, : len(labels)] = [place[label] for label in labels]
    return pd.DataFrame(
        {
            "episode": _column(episode, traces.episodes),
            "round": time,
            "agent": _column(agent, traces.agents),
            "action": _column(places[agent, traces.actions[episode, time, agent]], distinct),
        }
    )


def _column(codes: Codes, labels: Sequence[Label]) -> Any:
    """Labels [R] of the codes [R]: a plain column where sorting restores their order, else a categorical."""
    types = {type(label) for label in labels}
    if str in types or list(labels) != sorted(labels):
        return pd.Categorical.from_codes(codes, pd.Index(list(labels)))
    dtype = "boolean" if types == {bool} else "Int64" if float not in types else "Float64"
    column = pd.array(list(labels), dtype=dtype).take(codes, allow_fill=True)  # type: ignore[call-overload]
    return column if (codes == MISSING).any() else column.to_numpy()


def _coded(frame: pd.DataFrame, name: str) -> tuple[Codes, list[Label]]:
    """Place [R] of each row's label among the labels that occur, in their order."""
    codes, labels, given_order = _factorized(frame[name], name)
    if (codes == MISSING).any():
        raise ValueError(f"column {name!r} is empty in row {row_label(frame, codes == MISSING)}")
    checked = list(checked_labels(labels, f"values of column {name!r}"))
    occurring = np.bincount(codes, minlength=len(labels)) > 0
    ordered = [label for label, occurs in zip(checked, occurring, strict=True) if occurs]
    if not given_order:
        ordered = in_order(ordered)
    place = {label: i for i, label in enumerate(ordered)}
    return np.array([place.get(label, MISSING) for label in checked])[codes], ordered


def _factorized(column: pd.Series[Any], name: str) -> tuple[Codes, list[Any], bool]:
    """Codes [R] into distinct labels, MISSING where the cell is empty; whether the labels' order was given."""
    if categorical := isinstance(column.dtype, pd.CategoricalDtype):
        codes, labels = column.cat.codes.to_numpy().astype(np.int64), column.cat.categories.tolist()
    else:
        try:
            found, values = pd.factorize(column)
        except TypeError as error:
            raise ValueError(f"column {name!r} holds values that cannot be labels: {error}") from error
        codes, labels = found.astype(np.int64), values.tolist()
    if "" in labels:
        codes[codes == labels.index("")] = MISSING
    if (codes == MISSING).any() and all(isinstance(label, float) and label.is_integer() for label in labels):
        labels = [int(label) for label in labels]  # pandas made them floats to have room for NaN
    return codes, labels, categorical


def _name(label: Label) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _own_actions(
    column: pd.Series[Any], agent_of: Codes, agents: list[str], given: Mapping[str, Sequence[Label]]
) -> tuple[Codes, list[tuple[Label, ...]]]:
    """Each row's action as a number among its agent's actions [R], and the labels of every agent."""
    codes, values, given_order = _factorized(column, str(column.name))
    check_agents_known(given, agents)
    observed = codes != MISSING
    pairs, pair_of = np.unique(agent_of[observed] * len(values) + codes[observed], return_inverse=True)
    pair_agent, pair_code = np.divmod(pairs, max(len(values), 1))
    labels = []
    for i, name in enumerate(agents):
        played = [values[code] for code in pair_code[pair_agent == i]]
        own = checked_labels(given.get(name, played), f"actions of agent {name!r}")
        if not own:
            raise ValueError(f"no action of agent {name!r} is observed: pass action_labels={{{name!r}: [...]}}")
        labels.append(own if given_order or name in given else tuple(in_order(own)))
    place = [{label: j for j, label in enumerate(own)} for own in labels]
    found = [place[i].get(values[code], MISSING) for i, code in zip(pair_agent, pair_code, strict=True)]
    if MISSING in found:
        agent, code = pair_agent[found.index(MISSING)], pair_code[found.index(MISSING)]
        known = list(labels[agent])
        raise ValueError(f"agent {agents[agent]!r} played {values[code]!r}, which its action_labels {known} lack")
    own_action = np.full(len(codes), MISSING)
    own_action[observed] = np.array(found, dtype=np.int64)[pair_of]
    return own_action, labels
