"""Traces chosen from others or put together: the arguments that make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.labels import Label, label_kind
from diml_envs.traces.people import GIVEN

Codes = NDArray[np.int64]


def chosen_fields(play: Any, which: int | slice | ArrayLike) -> dict[str, Any]:
    """The chosen episodes, see `Traces.__getitem__`."""
    # An empty list would become an array of floats, which is no index.
    index = which if isinstance(which, slice) else np.asarray(which, None if np.size(which) else np.int64)
    chosen = np.atleast_1d(np.arange(len(play.episodes))[index])
    if not chosen.size:
        raise ValueError(f"no episode chosen out of {len(play.episodes)}")
    lengths = play.lengths[chosen]
    copy = _times_met(chosen)
    persons, person_labels = _of_copies(play.persons, play.person_labels, chosen, copy)
    sessions, session_labels = _of_copies(play.sessions, play.session_labels, chosen, copy)
    return {
        **play.fields(),
        "actions": play.actions[chosen, : lengths.max()],
        "lengths": lengths,
        "episodes": _if_distinct([play.episodes[i] for i in chosen]),
        "begins": play.begins[chosen],
        "persons": persons,
        "person_labels": person_labels,
        "sessions": sessions,
        "session_labels": session_labels,
        "given": play.given if persons is None else (),
    }


def followed_fields(play: Any, persons: ArrayLike) -> dict[str, Any]:
    """The matches of some persons, see `Traces.follow`."""
    if play.persons is None:
        raise ValueError("no persons are named in these traces: choose episodes instead")
    followed = np.zeros(len(play.person_labels), bool)
    followed[np.asarray(persons, None if np.size(persons) else np.int64)] = True
    kept = np.where(np.append(followed, False)[play.persons], play.persons, GIVEN)
    return chosen_fields(play.replace(persons=kept, given=()), np.flatnonzero((kept != GIVEN).any(1)))


def drawn_fields(play: Any, drawn: Codes) -> dict[str, Any]:
    """The matches of persons drawn with replacement, each with the moves of the others given; numbered afresh."""
    episodes = [np.flatnonzero((play.persons == person).any(1)) for person in drawn]
    chosen = np.concatenate(episodes)
    number = np.repeat(np.arange(len(drawn)), [len(own) for own in episodes])[:, None]
    persons = np.where(play.persons[chosen] == drawn[number], number, GIVEN)
    fields = chosen_fields(play.replace(sessions=None, session_labels=None), chosen)
    return {**fields, "persons": persons, "person_labels": None, "episodes": None, "given": ()}


def joined_fields(one: Any, two: Any) -> dict[str, Any]:
    """Both sets of episodes, see `Traces.__add__`."""
    for name in ("agents", "action_labels"):
        if getattr(one, name) != getattr(two, name):
            raise ValueError(f"cannot add traces: {name} are {getattr(one, name)} and {getattr(two, name)}")
    if one.persons is None and two.persons is None and one.given != two.given:
        raise ValueError(f"cannot add traces: given are {one.given} and {two.given}")
    num_rounds = max(one.actions.shape[1], two.actions.shape[1])
    padded = [
        np.pad(part.actions, ((0, 0), (0, num_rounds - part.actions.shape[1]), (0, 0)), constant_values=MISSING)
        for part in (one, two)
    ]
    episodes = _if_distinct([*one.episodes, *two.episodes])
    persons, person_labels = _joined(one, two, "persons", "person_labels", episodes is not None)
    sessions, session_labels = _joined(one, two, "sessions", "session_labels", episodes is not None)
    return {
        "actions": np.concatenate(padded),
        "lengths": np.concatenate([one.lengths, two.lengths]),
        "agents": one.agents,
        "action_labels": one.action_labels,
        "episodes": episodes,
        "metadata": {key: value for key, value in one.metadata.items() if (key, value) in two.metadata.items()},
        "persons": persons,
        "person_labels": person_labels,
        "sessions": sessions,
        "session_labels": session_labels,
        "begins": np.concatenate([one.begins, two.begins]),
        "given": one.given if persons is None else (),
    }


def _times_met(chosen: Codes) -> Codes:
    """How often the same number came before, [E]."""
    order = np.argsort(chosen, kind="stable")
    starts = np.diff(chosen[order], prepend=chosen.min() - 1) != 0
    copy = np.empty(len(chosen), np.int64)
    copy[order] = np.arange(len(chosen)) - np.flatnonzero(starts)[starts.cumsum() - 1]
    return copy


def _of_copies(
    codes: Codes | None, labels: Sequence[Label], chosen: Codes, copy: Codes
) -> tuple[Codes | None, Sequence[Label] | None]:
    """Codes of the chosen episodes; where some are chosen again, every copy has its own, numbered afresh."""
    if codes is None:
        return None, None
    codes = codes[chosen]
    if not copy.any():
        return codes, labels
    of_copy = codes + len(labels) * copy.reshape(-1, *[1] * (codes.ndim - 1))
    numbers = np.unique(of_copy[codes != GIVEN])
    return np.where(codes == GIVEN, GIVEN, np.searchsorted(numbers, of_copy)), range(len(numbers))


def _joined(one: Any, two: Any, codes: str, labels: str, same: bool) -> tuple[Codes | None, Sequence[Label] | None]:
    """Codes of both; `same`: a label means the same in both, else all are numbered afresh."""
    first, second = getattr(one, codes), getattr(two, codes)
    if (first is None) != (second is None):
        raise ValueError(f"cannot add traces: only one of them names {codes}")
    if first is None:
        return None, None
    of_first, of_second = getattr(one, labels), getattr(two, labels)
    if same and len({label_kind(label, codes) for label in (*of_first, *of_second)}) <= 1:
        union = list(dict.fromkeys([*of_first, *of_second]))
        number = {label: i for i, label in enumerate(union)}
        place = np.array([*(number[label] for label in of_second), GIVEN])
        return np.concatenate([first, place[second]]), union
    moved = np.where(second == GIVEN, GIVEN, second + len(of_first))
    return np.concatenate([first, moved]), range(len(of_first) + len(of_second))


def _if_distinct(episodes: list[Label]) -> list[Label] | None:
    one_kind = len({label_kind(label, "episodes") for label in episodes}) <= 1
    return episodes if one_kind and len(set(episodes)) == len(episodes) else None
