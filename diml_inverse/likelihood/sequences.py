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
        starts: int64 [Q + 1]; learner q has rounds starts[q] to starts[q + 1].
    """

    episode: Integers
    round: Integers
    seat: Integers
    starts: Integers

    @property
    def time(self) -> Integers:
        """Rounds that the learner sat through before, [n]."""
        return np.arange(len(self.episode)) - np.repeat(self.starts[:-1], np.diff(self.starts))


def sequences(traces: Traces, persists: bool = True) -> Sequences:
    """Rounds sorted by learner: the person in the seat or, where none is named, the seat of an episode.

    Seats whose moves are given are left out. A person's matches come in the order in which they began.

    Args:
        traces: E episodes of N seats.
        persists: whether what a person learnt lasts from match to match; if not, each match has learners of its own.
    """
    persons = getattr(traces, "persons", None)
    num_episodes, num_agents = traces.num_episodes, traces.num_agents
    apart = np.arange(num_episodes * num_agents).reshape(num_episodes, num_agents)
    learner = apart if persons is None or not persists else np.where(persons < 0, -1, persons)
    begins = traces.begins if hasattr(traces, "begins") else np.zeros(num_episodes, np.int64)
    order = np.lexsort((np.tile(np.arange(num_episodes), num_agents), np.tile(begins, num_agents), learner.T.ravel()))
    seat, episode = np.divmod(order, num_episodes)  # of every (episode, seat), sorted
    followed = np.ones(len(seat), bool) if persons is None else persons[episode, seat] >= 0
    seat, episode = seat[followed], episode[followed]
    lengths = traces.lengths[episode]
    first = np.cumsum(lengths) - lengths
    rounds = np.arange(lengths.sum()) - np.repeat(first, lengths)
    who = learner[episode, seat]
    new = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.zeros(0, np.int64)
    starts = np.r_[first[new], lengths.sum()]
    return Sequences(np.repeat(episode, lengths), rounds, np.repeat(seat, lengths), starts)
