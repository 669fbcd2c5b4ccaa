"""Learners with states, persons and matches by a plain loop: one person, one match, one round after another."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diml_envs import Traces
from diml_envs.mechanisms import MISSING

USUAL: dict[str, Any] = {
    "learning_rate": 0.25, "forgone_weight": 1.0, "cumulation": 0.0, "initial_experience": None, "precision": 1.0,
    "exploration": 0.0, "habit": 0.0, "inertia": 0.0, "discount": 0.0, "exploration_rounds": 100.0,
    "exploration_floor": 0.0, "state": None, "value": "max", "forgets": "all", "persists": True, "end": "seen",
    "exploration_falls": None,
}  # fmt: skip


def seen(kind: str | None, profile: tuple[int, ...], me: int) -> tuple[int, ...]:
    others = tuple(action for i, action in enumerate(profile) if i != me)
    if kind is None:
        return ()
    if kind == "own_last":
        return (profile[me],)
    if kind == "others_last":
        return others
    if kind == "others_counts":
        return tuple(sorted(others))
    return (*(profile[me],), *others)


class Person:
    """One learner."""

    def __init__(self, options: dict[str, Any], first: Any, counts: tuple[int, ...]) -> None:
        self.o, self.first, self.counts = {**USUAL, **options}, first, counts
        self.forget()
        self.time = 0

    def forget(self) -> None:
        phi = 1 - self.o["learning_rate"]
        rho = phi * (1 - self.o["cumulation"])
        start = self.o["initial_experience"]
        self.attraction: dict[Any, float] = {}
        self.experience: dict[Any, float] = defaultdict(lambda: 1 / (1 - rho) if start is None else start)

    def value_of(self, seat: int, state: Any, action: int) -> float:
        return self.attraction.get((seat, state, action), self.first(seat, state, action))

    def exploration(self, time: int) -> float:
        start, rounds, floor = self.o["exploration"], self.o["exploration_rounds"], self.o["exploration_floor"]
        if self.o["exploration_falls"] == "linear":
            return start * max(0.0, 1 - time / rounds)
        if self.o["exploration_falls"] == "exponential":
            return floor + (start - floor) * math.exp(-time / rounds)
        return start

    def chances(self, seat: int, state: Any, time: int, last: int | None) -> list[float]:
        """Choice probabilities without inertia."""
        scores = [self.value_of(seat, state, a) for a in range(self.counts[seat])]
        if last is not None:
            scores[last] += self.o["habit"]
        powers = [math.exp(self.o["precision"] * score) for score in scores]
        eps = self.exploration(time)
        return [(1 - eps) * power / sum(powers) + eps / len(powers) for power in powers]

    def worth(self, seat: int, state: Any, next_action: int | None) -> float:
        values = [self.value_of(seat, state, a) for a in range(self.counts[seat])]
        if self.o["value"] == "max":
            return max(values)
        if self.o["value"] == "mean":
            return sum(p * v for p, v in zip(self.chances(seat, state, self.time + 1, None), values, strict=True))
        return values[next_action]

    def learn(self, seat: int, state: Any, action: int, payoffs: list[float], follows: list[float]) -> None:
        phi = 1 - self.o["learning_rate"]
        rho = phi * (1 - self.o["cumulation"])
        moved = {}
        for a in range(self.counts[seat]):
            key = seat, state, a
            gain = self.o["forgone_weight"] + (1 - self.o["forgone_weight"]) * (a == action)
            value, before = gain * (payoffs[a] + self.o["discount"] * follows[a]), self.experience[key]
            if self.o["forgets"] == "all":
                kept, after = phi, rho * before + 1
            else:
                kept, after = 1 - gain * (1 - phi), (1 - gain * (1 - rho)) * before + gain
            if self.o["initial_experience"] is None:
                after = before
            moved[key] = (kept * before * self.value_of(seat, state, a) + value) / after
            self.experience[key] = after
        self.attraction.update(moved)


def state_log_probs(
    options: dict[str, Any], payoffs: NDArray[np.float64], traces: Traces, first: Any = lambda seat, state, action: 0.0
) -> dict[tuple[int, int, int], float]:
    """Log probability of each scored decision (episode, round, agent). payoffs: [A_1, ..., A_N, N].

    first(seat, state, action): first attractions; a state is a tuple of what was seen of the last rounds, newest first,
    None in the place of a round before the match.
    """
    found: dict[tuple[int, int, int], float] = {}
    people: dict[Any, Person] = {}
    met: set[Any] = set()
    for episode in np.argsort(traces.begins, kind="stable").tolist():
        for seat in range(traces.num_agents):
            who = (episode, seat) if traces.persons is None else int(traces.persons[episode, seat])
            if who == -1 or traces.agents[seat] in traces.given:
                continue
            person = people.setdefault(who, Person(options, first, traces.action_counts))
            if not person.o["persists"]:
                person.forget()
                person.time = 0
            play = traces.actions[episode, : traces.lengths[episode]]
            _follow_match(person, seat, [tuple(row) for row in play.tolist()], payoffs, found, episode, who in met)
            met.add(who)
    return found


def _follow_match(
    person: Person, seat: int, play: list[tuple[int, ...]], payoffs: Any, found: Any, episode: int, known_before: bool
) -> None:
    kind, rounds = person.o["state"], 1
    if kind and kind[-2] == "_":
        kind, rounds = kind[:-2], int(kind[-1])
    states: list[Any] = []  # before each round and after the last; None: unknown
    for t in range(len(play) + 1):
        state: list[Any] = []
        for ago in range(1, rounds + 1):
            state.append(seen(kind, play[t - ago], seat) if t >= ago else None)
        unknown = kind is not None and any(s is not None and MISSING in s for s in state)
        states.append(None if unknown else tuple(state) if kind else ())
    for t, profile in enumerate(play):
        action, state = profile[seat], states[t]
        last = play[t - 1][seat] if t else None
        blind = last == MISSING and (person.o["inertia"] or person.o["habit"])
        if action != MISSING and state is not None and not blind and (t or known_before):
            chance = person.chances(seat, state, person.time, None if last == MISSING else last)[action]
            if last is not None:
                chance = (1 - person.o["inertia"]) * chance + person.o["inertia"] * (last == action)
            found[episode, t, seat] = math.log(chance)
        if person.o["value"] == "chosen" and person.o["discount"]:
            if t:
                _learn(person, seat, play, states, payoffs, t - 1, kind, action)
            if t == len(play) - 1 and person.o["end"] == "seen":
                _learn(person, seat, play, states, payoffs, t, kind, None)
        else:
            _learn(person, seat, play, states, payoffs, t, kind, None)
        person.time += 1


def _learn(
    person: Person, seat: int, play: Any, states: Any, payoffs: Any, t: int, kind: Any, next_action: int | None
) -> None:
    profile, state, over = play[t], states[t], t == len(play) - 1 and person.o["end"] == "seen"
    looks = person.o["discount"] > 0
    if MISSING in profile or state is None or (looks and states[t + 1] is None) or next_action == MISSING:
        return
    pay, follows = [], []
    for action in range(person.counts[seat]):
        deviation = (*profile[:seat], action, *profile[seat + 1 :])
        pay.append(float(payoffs[deviation][seat]))
        led_to = (seen(kind, deviation, seat), *state[:-1]) if kind else ()
        chosen_only = person.o["forgone_weight"] == 0 and action != profile[seat]
        follows.append(0.0 if over or not looks or chosen_only else person.worth(seat, led_to, next_action))
    person.learn(seat, state, profile[seat], pay, follows)
