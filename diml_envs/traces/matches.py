"""Which rounds of which group make one match: an episode of traces.

A match is a group of the same people in the same seats for consecutive rounds; what the group is called may change from
round to round. Where somebody's person is not known, the group's name stands for it.

Rounds count through the session, or start anew with every match. The persons tell: one who has two rows of the same
round and session played them in different matches. Then the group's name is the match, and matches follow one another
in the order of these names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diml_envs.traces.frame_checks import Codes
from diml_envs.traces.labels import Label
from diml_envs.traces.people import GIVEN


class Rows(NamedTuple):
    """The R rows of a frame, coded: numbers into labels, in their order.

    Attributes:
        session, round, match, seat: [R].
        person: [R]; `GIVEN` where it is not known.
        group: [R], what keeps groups of one round apart: the match, or the match and the person whose row it is.
    """

    session: Codes
    round: Codes
    match: Codes
    group: Codes
    seat: Codes
    person: Codes


class Matches(NamedTuple):
    """Attributes: episode_of [R]; of each of the E matches its session, first round and a row of it, [E]."""

    episode_of: Codes
    session: Codes
    begins: Codes
    row: Codes
    restart: bool


def find_matches(rows: Rows) -> Matches:
    """The matches, in the order of sessions, first rounds and groups."""
    restart = _rounds_start_anew(rows)
    columns = np.column_stack([rows.session, rows.round, rows.group])
    _, row, group_round = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    seated = np.full((len(row), int(rows.seat.max()) + 1), GIVEN)
    seated[group_round, rows.seat] = rows.person
    named = (seated == GIVEN).any(1) | restart
    same = np.column_stack([rows.session[row], seated, np.where(named, rows.group[row], -1)])
    who = np.unique(same, axis=0, return_inverse=True)[1]
    order = np.lexsort((rows.round[row], who))
    starts = np.diff(who[order], prepend=-1) != 0
    if not restart:  # a round in between without this group is another match; a gap within a named match is an error
        starts |= np.diff(rows.round[row][order], prepend=0) != 1
    first = row[order[starts]]
    begins = _rounds_before(rows)[first] if restart else rows.round[first]
    rank = np.lexsort((rows.group[first], begins, rows.session[first]))
    number = np.empty(len(row), np.int64)
    number[order] = np.argsort(rank)[starts.cumsum() - 1]
    return Matches(number[group_round], rows.session[first][rank], begins[rank], first[rank], restart)


def match_labels(
    found: Matches,
    rows: Rows,
    sessions: Sequence[Label],
    matches: Sequence[Label],
    persons: Sequence[Label] | None = None,
) -> list[str]:
    """What each match is called: session / first round / group, and the person where the row is one person's."""
    labels = []
    for session, begin, row in zip(found.session, found.begins, found.row, strict=True):
        parts = [sessions[session], *([] if found.restart else [begin]), matches[rows.match[row]]]
        labels.append("/".join(map(str, [*parts, *([] if persons is None else [persons[rows.person[row]]])])))
    return labels


def seats_by_person(rows: Rows) -> Codes:
    """A seat [R] for everybody where seats mean nothing: the place of the person among those of the group."""
    order = np.lexsort((np.where(rows.person == GIVEN, np.iinfo(np.int64).max, rows.person), rows.group))
    order = order[np.lexsort((rows.group[order], rows.round[order], rows.session[order]))]
    keys = np.column_stack([rows.session, rows.round, rows.group])[order]
    starts = np.append(True, (keys[1:] != keys[:-1]).any(1))
    place = np.arange(len(order)) - np.flatnonzero(starts)[starts.cumsum() - 1]
    seat = np.empty(len(order), np.int64)
    seat[order] = place
    return seat


def _rounds_start_anew(rows: Rows) -> bool:
    """Somebody has the same round of his session twice, in different matches."""
    known = rows.person != GIVEN
    columns = np.column_stack([rows.session, rows.person, rows.round, rows.match])[known]
    distinct = np.unique(columns, axis=0)
    return bool((distinct[1:, :3] == distinct[:-1, :3]).all(1).any())


def _rounds_before(rows: Rows) -> Codes:
    """Rounds that the matches before a row's in its session took, [R]."""
    _, of_row = np.unique(np.column_stack([rows.session, rows.match]), axis=0, return_inverse=True)
    session = np.zeros(of_row.max() + 1, np.int64)
    session[of_row] = rows.session
    latest, earliest = np.full(len(session), rows.round.min()), np.full(len(session), rows.round.max())
    np.maximum.at(latest, of_row, rows.round)
    np.minimum.at(earliest, of_row, rows.round)
    before = np.cumsum(latest - earliest + 1) - (latest - earliest + 1)
    first = np.searchsorted(session, session)  # matches are sorted by session
    return (before - before[first])[of_row]
