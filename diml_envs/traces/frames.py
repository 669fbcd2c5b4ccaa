"""Long data frames, a row for each episode, round and agent, to traces and back.

What a frame means:

* Rows may come in any order. Episodes, agents and actions are put in the order of their categories where a column
  is categorical, and otherwise sorted: numbers by value, text by letter with digits in it read as numbers.
* Rounds are whole numbers from any start, without a gap within an episode. Every agent has a row in every round.
  An empty action cell says "not observed"; an absent row is an error, since lost rows look just the same.
* An agent's actions are those that it was seen to play itself: that another agent played `2` does not say that this
  one could have. Seats that one person sat in have their actions in common. `action_labels` declares those that an
  agent had and never took. Categories give the order.
* `Remedies` are applied first.
* A column of persons says who sat in the agent's seat: in the same one for a whole episode. A row without a person is
  a given move. A person belongs to one session: a label that occurs in several means as many people.
* With a match column, the group of one round, the episode column is the session and `diml_envs.traces.matches` says
  what becomes an episode. A row with neither match nor action is somebody who sits out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.columns import Columns, both_sides, coded, label_column, own_rows
from diml_envs.traces.fields import Fields
from diml_envs.traces.frame_checks import (
    Cells,
    Codes,
    check_every_row,
    consecutive_rounds,
    whole_rounds,
)
from diml_envs.traces.labels import Label
from diml_envs.traces.matches import Rows, find_matches, match_labels, seats_by_person
from diml_envs.traces.own_actions import own_actions
from diml_envs.traces.people import GIVEN
from diml_envs.traces.remedies import Remedies, check_remedies, remedied


class Seating(NamedTuple):
    """Where the R rows of a frame belong.

    Attributes:
        episode_of, agent_of: [R], into `episodes` and `agents`.
        person_of: [R] into `persons`, `GIVEN` where it is empty; None without such a column.
        session_of: [R] into `sessions`; None if no sessions are named.
        begins: [E], first round of each episode in its session; None: what the rounds say.
    """

    episode_of: Codes
    episodes: list[Label]
    agent_of: Codes
    agents: list[str]
    person_of: Codes | None
    persons: list[Label]
    session_of: Codes | None
    sessions: list[Label]
    begins: Codes | None = None


def fields_of_frame(
    frame: pd.DataFrame,
    columns: Columns | None = None,
    action_labels: Mapping[str, Sequence[Label]] | None = None,
    given: Sequence[str] = (),
    **remedies: Unpack[Remedies],
) -> Fields:
    """What a long frame of R rows says of traces; the module's docstring says how it is read.

    Raises:
        ValueError: no rows, missing columns, an empty cell where none may be, rounds that are not whole or not
            consecutive, rows missing or given twice, persons who change within an episode, actions that are not among
            `action_labels`.
    """
    check_remedies(remedies)
    found = (columns or Columns()).found_in(frame)
    frame, found = both_sides(frame, found) if found.other is not None else (frame, found)
    if found.match is not None:
        frame = frame[~_sits_out(frame, found)]
    frame = remedied(frame, found.episode, found.round, str(found.agent or found.person), found.action, remedies)
    rounds = whole_rounds(frame, found.round)
    seating = _seating(frame, found, rounds)
    start, lengths = consecutive_rounds(rounds, seating.episode_of, seating.episodes)
    place = seating.episode_of, rounds - start[seating.episode_of], seating.agent_of
    check_every_row(Cells(*place, lengths, start, seating.episodes, seating.agents))
    alike = np.zeros(len(seating.agents)) if found.agent is None else _seats_alike(seating)
    own_action, labels = own_actions(frame[found.action], seating.agent_of, seating.agents, alike, action_labels or {})
    actions = np.full((len(lengths), int(lengths.max()), len(seating.agents)), MISSING)
    actions[place] = own_action
    fields = Fields(actions, lengths, seating.agents, labels, seating.episodes, given=given)
    return fields._replace(**_people(seating, rounds, start))


def frame_of_fields(play: Any) -> pd.DataFrame:
    """Columns episode, round, agent and action, sorted by the first three; R = rounds x agents rows.

    Rounds count from where the episode begins. Sessions and persons have columns where they are known, empty for a
    given move. Labels that sorting would put in another order are categories in theirs. Unobserved actions are empty
    cells.
    """
    played = np.arange(play.actions.shape[1]) < play.lengths[:, None]
    episode, time, agent = np.nonzero(np.broadcast_to(played[..., None], play.actions.shape))
    distinct = list(dict.fromkeys(label for labels in play.action_labels for label in labels))
    place = {label: i for i, label in enumerate(distinct)}
    # One more column, of MISSING, is where the index -1 of an unobserved action leads.
    places = np.full((len(play.agents), max(map(len, play.action_labels)) + 1), MISSING)
    for i, labels in enumerate(play.action_labels):
        places[i, : len(labels)] = [place[label] for label in labels]
    columns = {
        "episode": label_column(episode, play.episodes),
        "round": play.begins[episode] + time,
        "agent": label_column(agent, play.agents),
        "action": label_column(places[agent, play.actions[episode, time, agent]], distinct),
    }
    if play.persons is not None:
        columns["person"] = label_column(play.persons[episode, agent], play.person_labels)
    if play.sessions is not None:
        columns["session"] = label_column(play.sessions[episode], play.session_labels)
    return pd.DataFrame(columns)


def _sits_out(frame: pd.DataFrame, columns: Columns) -> Any:
    """bool [R]: neither a match nor an action."""
    empty = [frame[name].isna() | (frame[name] == "") for name in (columns.match, columns.action)]
    return (empty[0] & empty[1]).fillna(False).to_numpy(bool)


def _seating(frame: pd.DataFrame, columns: Columns, rounds: Codes) -> Seating:
    episode_of, episodes = coded(frame, columns.episode)
    person_of, persons = (None, []) if columns.person is None else coded(frame, columns.person, empty=True)
    session_of, sessions = (None, []) if columns.session is None else coded(frame, columns.session)
    if columns.match is not None:
        session_of, sessions = episode_of, episodes
    if session_of is not None and person_of is not None:
        person_of, persons = _persons_of_sessions(person_of, persons, session_of, sessions)
    # Seats that mean nothing are numbered once it is known who sat together.
    agent_of, agents = (0 * rounds, []) if columns.agent is None else coded(frame, columns.agent)
    seating = Seating(
        episode_of, episodes, agent_of, list(map(_name, agents)), person_of, persons, session_of, sessions
    )
    if columns.match is not None or columns.other is not None:
        seating = _in_matches(frame, columns, rounds, seating)
    return seating


def _in_matches(frame: pd.DataFrame, columns: Columns, rounds: Codes, seating: Seating) -> Seating:
    """The same, its episodes cut into matches, or into those of each person where only one side is known."""
    owner = seating.person_of
    assert owner is not None
    person = owner
    if columns.other is not None:
        if (person == GIVEN).any():
            raise ValueError(f"column {columns.person!r} is empty in row {frame.index[(person == GIVEN).argmax()]}")
        person = np.where(own_rows(frame), person, GIVEN)
    match, matches = (0 * rounds, [""]) if columns.match is None else coded(frame, columns.match)
    group = match if columns.other is None else match * len(seating.persons) + owner
    rows = Rows(seating.episode_of, rounds, match, group, seating.agent_of, person)
    if columns.agent is None:
        rows = rows._replace(seat=seats_by_person(rows))
        seating = seating._replace(agent_of=rows.seat, agents=[f"agent_{i}" for i in range(rows.seat.max() + 1)])
    if columns.match is None:
        pairs, episode_of = np.unique(seating.episode_of * len(seating.persons) + owner, return_inverse=True)
        named = [divmod(pair, len(seating.persons)) for pair in pairs.tolist()]
        labels: list[Label] = [f"{seating.episodes[episode]}/{seating.persons[one]}" for episode, one in named]
        return seating._replace(episode_of=episode_of, episodes=labels, person_of=person)
    found = find_matches(rows)
    owners = None if columns.other is None else seating.persons
    names = match_labels(found, rows._replace(person=owner), seating.episodes, matches, owners)
    return seating._replace(episode_of=found.episode_of, episodes=list(names), person_of=person, begins=found.begins)


def _persons_of_sessions(
    person_of: Codes, persons: list[Label], session_of: Codes, sessions: list[Label]
) -> tuple[Codes, list[Label]]:
    """Where a label occurs in several sessions, everybody is called by session and label."""
    known = person_of != GIVEN
    pairs, pair_of = np.unique(session_of[known] * len(persons) + person_of[known], return_inverse=True)
    if len(pairs) == len(persons):
        return person_of, persons
    named = [divmod(pair, len(persons)) for pair in pairs.tolist()]
    codes = np.full(len(person_of), GIVEN)
    codes[known] = pair_of
    return codes, [f"{sessions[session]}/{persons[person]}" for session, person in named]


def _seats_alike(seating: Seating) -> Codes:
    """A number for each seat [N], the same for seats that one person sat in."""
    num_seats = len(seating.agents)
    if seating.person_of is None:
        return np.arange(num_seats)
    known = seating.person_of != GIVEN
    links = np.unique(np.stack([seating.agent_of[known], num_seats + seating.person_of[known]]), axis=1)
    size = num_seats + len(seating.persons)
    table = coo_array((np.ones(links.shape[1]), (links[0], links[1])), shape=(size, size))
    return connected_components(table, directed=False)[1][:num_seats].astype(np.int64)


def _people(seating: Seating, rounds: Codes, start: Codes) -> dict[str, Any]:
    """Persons, sessions and begins of the episodes."""
    people: dict[str, Any] = {}
    if seating.person_of is not None:
        people = {"persons": _persons(seating, rounds), "person_labels": seating.persons}
    if seating.session_of is not None:
        people |= {"sessions": _sessions(seating), "session_labels": seating.sessions}
    if people:
        people["begins"] = start if seating.begins is None else seating.begins
    return people


def _persons(seating: Seating, rounds: Codes) -> Codes:
    """Who sits in each seat for the whole of each episode, [E, N]."""
    assert seating.person_of is not None
    persons = np.full((len(seating.episodes), len(seating.agents)), GIVEN)
    persons[seating.episode_of, seating.agent_of] = seating.person_of
    changed = persons[seating.episode_of, seating.agent_of] != seating.person_of
    if changed.any():
        row = changed.argmax()
        episode, agent = seating.episode_of[row], seating.agent_of[row]
        names = [*seating.persons, None]  # None, last: where GIVEN leads
        raise ValueError(
            f"episode {seating.episodes[episode]!r}, agent {seating.agents[agent]!r}: the person is "
            f"{names[seating.person_of[row]]!r} in round {rounds[row]} and {names[persons[episode, agent]]!r} in "
            "another. Where people change seats or partners, name the column that holds the group of each round as "
            "match, with the session as episode; to leave persons out, person=None"
        )
    return persons


def _sessions(seating: Seating) -> Codes:
    """The session of each episode, [E]."""
    assert seating.session_of is not None
    sessions = np.zeros(len(seating.episodes), np.int64)
    sessions[seating.episode_of] = seating.session_of
    changed = sessions[seating.episode_of] != seating.session_of
    if changed.any():
        row = changed.argmax()
        two = seating.sessions[seating.session_of[row]], seating.sessions[sessions[seating.episode_of[row]]]
        raise ValueError(
            f"episode {seating.episodes[seating.episode_of[row]]!r} is in sessions {two[0]!r} and {two[1]!r}: give "
            "episodes of different sessions different labels, or leave sessions out (session=None)"
        )
    return sessions


def _name(label: Label) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
