"""Who meets whom in a session, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MATCHINGS = ("partners", "strangers", "perfect_strangers")
Codes = NDArray[np.int64]


class Schedule(NamedTuple):
    """A session of T rounds: who sits in each seat of each group, int64 [T, G, n], and the match of each round, [T]."""

    groups: Codes
    match: Codes

    def ends(self) -> NDArray[np.bool_]:
        """bool [T]: the last rounds of matches."""
        return np.append(np.diff(self.match) != 0, True)


OUT = -1  # the place of a person who sits out


def places(groups: Codes, num_persons: int) -> Codes:
    """Where each person sits, counted through groups and seats: [G, n] -> [P]; `OUT` for one who sits out."""
    place = np.full(num_persons, OUT)
    place[groups.ravel()] = np.arange(groups.size)
    return place


def others_of(in_seats: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the others of the group did, in the order of seats: [*B, n] -> [*B, n, n - 1]."""
    every = np.arange(in_seats.shape[-1])
    return in_seats[..., np.array([np.delete(every, seat) for seat in every], np.int64).reshape(len(every), -1)]


class Matching(NamedTuple):
    """How a session is put together.

    Attributes:
        num_persons: P.
        num_seats: n, of the game.
        who: one of `MATCHINGS`, or the persons of each match in turn, int64 [M, G, n]; after the last it starts anew.
        match_rounds: rounds of a match; None: one for strangers, all for partners and where an array says who meets.
        continuation: a match goes on after each round with this probability, drawn for all groups together; then
            match_rounds is not used.
        num_matches: where the session ends, unless `max_rounds` comes first; None: there.
        one_population: seats are all alike, so that persons may sit in any.
    """

    num_persons: int
    num_seats: int
    who: str | Codes
    match_rounds: int | None
    continuation: float | None
    num_matches: int | None
    one_population: bool

    def draw(self, generator: np.random.Generator, max_rounds: int) -> Schedule:
        """The matches of a session of at most so many rounds."""
        lengths = self._lengths(generator, max_rounds)
        matches = np.stack([self._groups(generator, number) for number in range(len(lengths))])
        match = np.repeat(np.arange(len(lengths)), lengths)
        return Schedule(matches[match], match)

    def _lengths(self, generator: np.random.Generator, max_rounds: int) -> list[int]:
        lengths: list[int] = []
        rounds = self.match_rounds or (1 if isinstance(self.who, str) and self.who != "partners" else max_rounds)
        while sum(lengths) < max_rounds and len(lengths) != self.num_matches:
            drawn = rounds if self.continuation is None else int(generator.geometric(1 - self.continuation))
            lengths.append(min(drawn, max_rounds - sum(lengths)))
        return lengths

    def _groups(self, generator: np.random.Generator, number: int) -> Codes:
        """Persons [G, n] of a match."""
        if not isinstance(self.who, str):
            return self.who[number % len(self.who)]
        persons = np.arange(self.num_persons).reshape(-1, self.num_seats)
        if self.who == "partners":
            return persons
        if self.who == "perfect_strangers":
            turned = [np.roll(persons[:, seat], number * seat) for seat in range(self.num_seats)]
            return np.stack(turned, 1)
        if self.one_population:
            return generator.permutation(self.num_persons).reshape(persons.shape)
        return np.stack([generator.permutation(persons[:, seat]) for seat in range(self.num_seats)], 1)


def checked_matching(
    num_persons: int | None,
    action_counts: tuple[int, ...],
    who: str | ArrayLike,
    match_rounds: int | None,
    continuation: float | None,
    num_matches: int | None,
    one_population: bool,
) -> Matching:
    """The matching, if it can be played.

    Raises:
        ValueError: persons that do not fill groups, somebody in two seats at once, seats that are not alike though
            persons change them, or a number out of range.
    """
    num_seats = len(action_counts)
    if continuation is not None and not 0 <= continuation < 1:
        raise ValueError(f"continuation must be in [0, 1); got {continuation}")
    for name, value in {"match_rounds": match_rounds, "num_matches": num_matches}.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be 1 or more; got {value}")
    if one_population and len(set(action_counts)) > 1:
        raise ValueError(f"one_population: seats must be alike, but have {action_counts} actions")
    if not isinstance(who, str):
        who = _checked_array(who, num_seats)
        num_persons = int(who.max()) + 1 if num_persons is None else num_persons
        _check_seats(who, num_persons, one_population)
    elif who not in MATCHINGS:
        raise ValueError(f"matching must be one of {', '.join(map(repr, MATCHINGS))} or an array; got {who!r}")
    else:
        num_persons = num_seats if num_persons is None else num_persons
        if num_persons < num_seats or num_persons % num_seats:
            raise ValueError(f"num_persons must be a multiple of the {num_seats} seats; got {num_persons}")
    if isinstance(who, str) and who == "perfect_strangers":
        _check_perfect(num_persons, num_seats, num_matches)
    return Matching(num_persons, num_seats, who, match_rounds, continuation, num_matches, one_population)


def _checked_array(who: ArrayLike, num_seats: int) -> Codes:
    array = np.asarray(who)
    if array.ndim != 3 or array.shape[2] != num_seats or not array.size or array.dtype.kind not in "iu":
        raise ValueError(f"matching must be persons [matches, groups, {num_seats}]; got {array.dtype} {array.shape}")
    return array.astype(np.int64)


def _check_seats(who: Codes, num_persons: int, one_population: bool) -> None:
    if who.min() < 0 or who.max() >= num_persons:
        raise ValueError(f"matching must name persons 0..{num_persons - 1}; got {who.min()}..{who.max()}")
    for number, match in enumerate(who):
        persons, times = np.unique(match, return_counts=True)
        if (times > 1).any():
            raise ValueError(f"match {number} of the matching: person {persons[times.argmax()]} sits in two seats")
    if not one_population:
        seats = [set(who[:, :, seat].ravel().tolist()) for seat in range(who.shape[2])]
        moving = [one for one in range(num_persons) if sum(one in seat for seat in seats) > 1]
        if moving:
            raise ValueError(
                f"person {moving[0]} changes seats; with one_population=True what was learnt in one seat holds in all"
            )


def _check_perfect(num_persons: int, num_seats: int, num_matches: int | None) -> None:
    groups = num_persons // num_seats
    most = groups if num_seats == 2 else min(groups // np.gcd(groups, d) for d in range(1, num_seats))
    if num_matches is None or num_matches > most:
        raise ValueError(
            f"perfect strangers: {num_persons} persons in groups of {num_seats} never meet twice in up to {most} "
            f"matches; got num_matches={num_matches}"
        )
