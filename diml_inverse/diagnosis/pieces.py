"""Pieces of play between which residuals are uncorrelated under the right model: episodes, or blocks of their rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces import Traces

FloatArray = NDArray[np.float64]

ENOUGH_EPISODES = 20  # from here on episodes are the pieces
PIECES = 100  # about as many blocks are cut where episodes are fewer
FEWEST_ROUNDS = 10  # in a block


@dataclass(frozen=True)
class Pieces:
    """Stretches of rounds that cover the play, in its order.

    Attributes:
        places: int64 [G, 3]; episode, first round, round after the last.
        shape: E, T of the play.
    """

    places: NDArray[np.int64]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def whole_episodes(self) -> bool:
        """Each piece is an episode."""
        return len(self) == self.shape[0]

    def sums(self, values: NDArray[np.generic]) -> FloatArray:
        """Total of each piece, [E, T, *D] -> [G, *D]. Padding, which belongs to an episode's last piece, must be 0."""
        flat = np.asarray(values, np.float64).reshape(-1, *values.shape[2:])
        return np.add.reduceat(flat, self.places[:, 0] * self.shape[1] + self.places[:, 1], axis=0)

    def rounds(self, which: ArrayLike) -> NDArray[np.bool_]:
        """The rounds of the chosen pieces, bool [E, T]."""
        inside = np.zeros(self.shape, bool)
        for episode, start, stop in self.places[np.asarray(which)]:
            inside[episode, start:stop] = True
        return inside

    def cut(self, traces: Traces, which: ArrayLike) -> Traces | None:
        """The chosen pieces as episodes of their own; None if nothing was observed in any."""
        used = [place for place in self.places[np.asarray(which)] if traces.observed[place[0], slice(*place[1:])].any()]
        if not used:
            return None
        lengths = [stop - start for _, start, stop in used]
        actions = np.full((len(used), max(lengths), traces.num_agents), MISSING)
        for row, (episode, start, stop) in enumerate(used):
            actions[row, : stop - start] = traces.actions[episode, start:stop]
        return Traces(actions, lengths, traces.agents, traces.action_labels)


def pieces_of(traces: Traces) -> Pieces:
    """Episodes where there are enough of them, else blocks of at least ten rounds."""
    wanted = 1 if len(traces) >= ENOUGH_EPISODES else -(-PIECES // len(traces))
    places = []
    for episode, length in enumerate(traces.lengths):
        number = max(min(wanted, length // FEWEST_ROUNDS), 1)
        ends = np.linspace(0, length, number + 1).astype(int)
        places += [(episode, start, stop) for start, stop in zip(ends[:-1], ends[1:], strict=True)]
    return Pieces(np.array(places, np.int64), traces.actions.shape[:2])


def ratio(totals: FloatArray, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of totals [G, *D] over sum of counts [G, *D], and its standard error from the spread of the pieces.

    That of a ratio of sums over clusters (Cochran 1977, section 6.3); NaN with fewer than two pieces that count.
    """
    number, whole = (counts > 0).sum(0), counts.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = totals.sum(0) / whole
        variance = ((totals - mean * counts) ** 2).sum(0) * number / (number - 1)
        return mean, np.where(number > 1, np.sqrt(variance) / whole, np.nan)


def critical(errors: float, pieces: int, comparisons: int = 1) -> float:
    """Standard errors that a statistic has to lie off to be as unlikely as `errors` of a normal one, one-sided.

    Student's t with pieces - 1 degrees of freedom, Bonferroni's correction for the number of comparisons.
    """
    return float(stats.t.isf(stats.norm.sf(errors) / comparisons, max(pieces - 1, 1)))
