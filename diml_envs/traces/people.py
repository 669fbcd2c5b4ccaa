"""Who sat in the seats: persons, the sessions they took part in, and seats whose moves are given.

An episode of traces is one match: the same people in the same seats for consecutive rounds. A person has a seat in
each of his matches, and what he learnt he takes from one to the next. Strangers who are drawn anew every period make
episodes of a single round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from diml_envs.traces.labels import Label, checked_labels, in_order
from diml_envs.traces.validation import whole_numbers

GIVEN = -1  # in the place of a person: the seat's moves are given


class People(NamedTuple):
    """E episodes of N seats.

    Attributes:
        persons: int64 [E, N] into `person_labels`, `GIVEN` where the seat's moves are given; None if none are named.
        person_labels: of the persons who occur, in order.
        sessions: int64 [E] into `session_labels`, or None.
        session_labels: of the sessions that occur, in order.
        begins: int64 [E], round of its session at which the episode starts.
        given: names of the seats whose moves are given in every episode.
    """

    persons: NDArray[np.int64] | None
    person_labels: tuple[Label, ...]
    sessions: NDArray[np.int64] | None
    session_labels: tuple[Label, ...]
    begins: NDArray[np.int64]
    given: tuple[str, ...]


def checked_people(
    agents: tuple[str, ...],
    episodes: tuple[Label, ...],
    persons: ArrayLike | None = None,
    person_labels: Sequence[Label] | None = None,
    sessions: ArrayLike | None = None,
    session_labels: Sequence[Label] | None = None,
    begins: ArrayLike | None = None,
    given: Sequence[str] = (),
) -> People:
    """The people of traces, in the form in which equal ones are equal: labels that do not occur are dropped.

    Raises:
        ValueError: shapes or numbers that do not fit, a person in two seats at once or in two sessions.
    """
    shape = (len(episodes), len(agents))
    seats = _given_seats(given, agents)
    sat, names = _coded(persons, person_labels, "persons", shape)
    when, session_names = _coded(sessions, session_labels, "sessions", shape[:1])
    if when is not None and (when < 0).any():
        raise ValueError(f"episode {episodes[(when < 0).argmax()]!r}: sessions are counted from 0")
    starts = whole_numbers(np.zeros(len(episodes)) if begins is None else begins, "begins", 1)
    if len(starts) != len(episodes):
        raise ValueError(f"begins has {len(starts)} entries where there are {len(episodes)} episodes")
    if sat is None and when is None and starts.any():
        raise ValueError("begins says when in a session a match starts: name the sessions, or the persons")
    if sat is None:
        return People(None, (), when, session_names, starts, tuple(agents[i] for i in seats))
    sat[:, seats] = GIVEN
    sat, names = _occurring(sat, names)
    _check_one_seat(sat, names, agents, episodes)
    _check_one_session(sat, names, when, session_names)
    never = tuple(agent for agent, of_seat in zip(agents, sat.T, strict=True) if (of_seat == GIVEN).all())
    return People(sat, names, when, session_names, starts, never)


def clusters_of(people: People) -> NDArray[np.int64]:
    """The largest units that share no people, counted from 0 in the order of episodes, [E].

    Sessions where they are known, else the episodes that persons connect, else each episode by itself.
    """
    if people.sessions is not None:
        return _in_order_met(people.sessions)
    num_episodes = len(people.begins)
    if people.persons is None:
        return np.arange(num_episodes)
    episode, seat = np.nonzero(people.persons != GIVEN)
    size = num_episodes + len(people.person_labels)
    links = (np.ones(len(episode)), (episode, num_episodes + people.persons[episode, seat]))
    return _in_order_met(connected_components(coo_array(links, shape=(size, size)), directed=False)[1][:num_episodes])


def episodes_of(clusters: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """The episodes of each cluster drawn, one draw after the other."""
    return np.concatenate([np.flatnonzero(clusters == one) for one in drawn])


def first_matches(persons: NDArray[np.int64] | None, begins: NDArray[np.int64], num_agents: int) -> NDArray[np.bool_]:
    """bool [E, N]: the first match of the person in the seat; where nobody is named, every episode is one."""
    if persons is None:
        return np.ones((len(begins), num_agents), bool)
    episode, seat = np.nonzero(persons != GIVEN)
    order = np.lexsort((episode, begins[episode]))
    who = persons[episode, seat][order]
    first = order[np.unique(who, return_index=True)[1]]
    found = np.zeros(persons.shape, bool)
    found[episode[first], seat[first]] = True
    return found


def _in_order_met(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _given_seats(given: Sequence[str], agents: tuple[str, ...]) -> list[int]:
    if isinstance(given, str):
        raise ValueError(f"given must be a list of agents' names; got {given!r}: write [{given!r}]")
    for name in given:
        if name not in agents:
            raise ValueError(f"given names {name!r}, which is no agent; agents are {', '.join(map(repr, agents))}")
    return [i for i, agent in enumerate(agents) if agent in given]


def _coded(
    codes: ArrayLike | None, labels: Sequence[Label] | None, what: str, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64] | None, tuple[Label, ...]]:
    """Codes of that shape and their labels, of which those that do not occur are dropped."""
    if codes is None:
        if labels:
            raise ValueError(f"there are labels of {what} but no {what}")
        return None, ()
    checked = whole_numbers(codes, what, len(shape))
    if checked.shape != shape:
        raise ValueError(f"{what} have shape {list(checked.shape)} where the actions need {list(shape)}")
    names = checked_labels(range(int(checked.max()) + 1) if labels is None else labels, what)
    wrong = (checked < GIVEN) | (checked >= len(names))
    if wrong.any():
        raise ValueError(f"{what} must be numbers in 0..{len(names) - 1}; got {checked[wrong][0]}")
    return _occurring(checked, names)


def _occurring(codes: NDArray[np.int64], labels: tuple[Label, ...]) -> tuple[NDArray[np.int64], tuple[Label, ...]]:
    """Codes into the labels that occur, in order."""
    kept = in_order({labels[code] for code in np.unique(codes) if code >= 0})
    place = {label: i for i, label in enumerate(kept)}
    new = np.array([*(place.get(label, GIVEN) for label in labels), GIVEN])
    return new[codes], tuple(kept)


def _check_one_seat(
    persons: NDArray[np.int64], labels: tuple[Label, ...], agents: tuple[str, ...], episodes: tuple[Label, ...]
) -> None:
    in_turn = np.sort(persons, 1)
    twice = (in_turn[:, 1:] == in_turn[:, :-1]) & (in_turn[:, 1:] != GIVEN)
    if twice.any():
        episode, place = np.argwhere(twice)[0]
        person = in_turn[episode, place]
        seats = [repr(agent) for agent, one in zip(agents, persons[episode], strict=True) if one == person]
        raise ValueError(
            f"episode {episodes[episode]!r}: person {labels[person]!r} sits in {' and '.join(seats)} at once"
        )


def _check_one_session(
    persons: NDArray[np.int64],
    labels: tuple[Label, ...],
    sessions: NDArray[np.int64] | None,
    session_labels: tuple[Label, ...],
) -> None:
    if sessions is None:
        return
    followed = persons != GIVEN
    who, where = persons[followed], np.broadcast_to(sessions[:, None], persons.shape)[followed]
    first = np.zeros(len(labels), np.int64)
    first[who] = where
    moved = first[who] != where
    if moved.any():
        person, session = who[moved][0], where[moved][0]
        raise ValueError(
            f"person {labels[person]!r} is in sessions {session_labels[session]!r} and "
            f"{session_labels[first[person]]!r}: give different people different labels, or leave the sessions out"
        )
