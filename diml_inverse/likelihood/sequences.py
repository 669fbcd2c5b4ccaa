"""The order in which each learner made its decisions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces

Integers = NDArray[np.int64]


class Sequences(NamedTuple):
    """n rounds in which somebody sat in a seat that is followed, learner by learner, in time.

    Attributes:
        episode, round, seat: int64 [n], where in the traces.
        starts: int64 [Q + 1]; memory q, a learner's (in one match), lasts from starts[q] to starts[q + 1].
        first: bool [n]; the learner's first round of all.
    """

    episode: Integers
    round: Integers
    seat: Integers
    starts: Integers
    first: NDArray[np.bool_]

    @property
    def time(self) -> Integers:
        """Rounds remembered, [n]."""
        return np.arange(len(self.episode)) - np.repeat(self.starts[:-1], np.diff(self.starts))


def sequences(traces: Traces, persists: bool = True) -> Sequences:
    """Rounds sorted by learner: the person in the seat or, where none is named, the seat of an episode.

    Seats whose moves are given are left out. A person's matches come in the order in which they began.

    Args:
        traces: E episodes of N seats.
        persists: whether what a person learnt lasts from match to match; if not, each match has learners of its own.
    """
    persons, num_episodes, num_agents = traces.persons, traces.num_episodes, traces.num_agents
    apart = np.arange(num_episodes * num_agents).reshape(num_episodes, num_agents)
    learner = apart if persons is None else persons
    keys = np.tile(np.arange(num_episodes), num_agents), np.tile(traces.begins, num_agents), learner.T.ravel()
    seat, episode = np.divmod(np.lexsort(keys), num_episodes)  # of every (episode, seat), sorted
    followed = ~np.isin(np.array(traces.agents)[seat], traces.given) if persons is None else learner[episode, seat] >= 0
    seat, episode = seat[followed], episode[followed]
    lengths = traces.lengths[episode]
    begins = np.cumsum(lengths) - lengths  # of matches, among the rounds
    who = learner[episode, seat]
    new = np.ones(len(who), bool)
    new[1:] = who[1:] != who[:-1]
    rounds = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    return Sequences(
        np.repeat(episode, lengths),
        rounds,
        np.repeat(seat, lengths),
        np.append(begins[new] if persists else begins, lengths.sum()),
        (rounds == 0) & np.repeat(new, lengths),
    )
