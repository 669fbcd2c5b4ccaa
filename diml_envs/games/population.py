"""`PopulationEnv`: many persons play a game of few seats, in groups that are drawn anew, match after match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.matching import OUT, Schedule, checked_matching, others_of, places
from diml_envs.games.observations import observation_size, observations
from diml_envs.mechanisms.base import MISSING, Mechanism


class PopulationEnv(RepeatedGameEnv):
    """A session of up to `max_cycles` rounds among P persons, who are the agents: `person_0` ...

    In each match the persons are matched into groups, one to a seat of the mechanism: person p keeps seat p mod n
    unless the matching says otherwise. All matches of a session end together. Rewards, feedback and observations are
    those of the own group. After `reset` and every step, infos hold what a person knows besides:

    - `seat` in the coming round, None for one who sits out (whatever such a person then does is ignored);
    - after a step `others_actions` (of the own group, in the order of seats) and `match_over`, both absent for a
      person who sat out.

    At the start of a match there is nothing to observe, as at the start of play.

    Args:
        mechanism: the game of a group, n seats.
        num_persons: P; default: one group, or all whom an array names.
        matching: "partners", "strangers" (drawn anew for each match, within the seat), "perfect_strangers" (who never
            meet twice), or persons [M, G, n] of each match in turn; those not named sit out.
        match_rounds: rounds of a match; default: one for strangers, else all.
        continuation: probability that a match goes on after a round; then match_rounds is not used.
        num_matches: the session ends after these, or after `max_cycles` rounds if that is sooner.
        one_population: seats are alike and persons change them.
        max_cycles, feedback, observation, payoff_noise, render_mode, description: as of `RepeatedGameEnv`.

    Raises:
        ValueError: a setting that means nothing, named with what is allowed.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        num_persons: int | None = None,
        matching: str | ArrayLike = "strangers",
        match_rounds: int | None = None,
        continuation: float | None = None,
        num_matches: int | None = None,
        one_population: bool = False,
        max_cycles: int = 60,
        feedback: str = "full",
        observation: str = "last_profile",
        payoff_noise: float = 0.0,
        render_mode: str | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        self.seat_counts = mechanism.action_counts
        self.matching = checked_matching(
            num_persons, self.seat_counts, matching, match_rounds, continuation, num_matches, one_population
        )
        self.max_cycles = max_cycles
        self.schedule = self.draw_schedule(np.random.default_rng(0))
        super().__init__(
            mechanism, max_cycles, feedback, observation, payoff_noise, render_mode, description=description
        )
        self.seats = tuple(self.possible_agents)
        self.possible_agents = [f"person_{i}" for i in range(self.matching.num_persons)]
        self.action_counts = tuple(self.seat_counts[seat] for seat in self.usual_seats())
        self._counts = np.array(self.action_counts)
        self._make_spaces()
        self._forget_play()

    def _make_spaces(self) -> None:
        super()._make_spaces()
        size = observation_size(self.observation, self.seat_counts)
        self.observation_spaces = {one: Box(0, 1, (size,), np.float32) for one in self.possible_agents}

    def usual_seats(self) -> list[int]:
        """The seat of each person, [P]; where persons change seats, one of them."""
        who, num_persons = self.matching.who, self.matching.num_persons
        seats = np.arange(num_persons) % len(self.seat_counts)
        if not isinstance(who, str):
            for seat in range(who.shape[2]):
                seats[who[:, :, seat]] = seat
        return [int(seat) for seat in seats]

    def draw_schedule(self, generator: np.random.Generator) -> Schedule:
        """The session that `reset` draws from a generator of its seed, before any noise."""
        return self.matching.draw(generator, self.max_cycles)

    def place(self, round_: int) -> NDArray[np.int64]:
        """Where each person sits in a round, [P], counted through groups and seats; `OUT` for one who sits out."""
        return places(self._groups(round_), len(self.possible_agents))

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Draw a session. `seed` starts all randomness afresh; without it, it goes on where it was."""
        if seed is not None or self._generator is None:
            self._generator = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.schedule = self.draw_schedule(self._generator)
        self._forget_play()
        return self._observations(), self._seats_to_come()

    def step(self, actions: Mapping[str, int]) -> Any:
        """Play one round, as `RepeatedGameEnv.step`."""
        joint = self._joint_action(actions)
        place, played = self.place(self._round), joint[self.schedule.groups[self._round]]
        payoffs = self.counterfactual_payoffs(joint)
        if self.payoff_noise and self._generator is not None:
            payoffs = payoffs + self.draw_noise(self._generator, 1)[0]
        self._actions, self._payoffs = joint, np.nan_to_num(payoffs[np.arange(len(joint)), joint])
        over = bool(self.schedule.ends()[self._round])
        told = self._told(payoffs, place, played, over)
        self._round += 1
        self._seen = np.full(played.shape, MISSING) if over else played
        agents, ended = self.agents, self._round >= len(self.schedule.match)
        infos = {person: told[person] | info for person, info in self._seats_to_come().items()}
        self.agents = [] if ended else agents
        rewards = dict(zip(agents, self._payoffs.tolist(), strict=True))
        return self._observations(), rewards, dict.fromkeys(agents, False), dict.fromkeys(agents, ended), infos

    def _told(
        self, payoffs: NDArray[np.float64], place: NDArray[np.int64], played: NDArray[np.int64], over: bool
    ) -> dict[str, dict[str, Any]]:
        """What the round tells each person of it."""
        told: dict[str, dict[str, Any]] = {person: {} for person in self.possible_agents}
        others = others_of(played).reshape(played.size, -1)
        for person, own, where, count in zip(told, payoffs, place, self.action_counts, strict=True):
            if where != OUT:
                told[person] = {"others_actions": others[where].tolist(), "match_over": over}
                if self.feedback == "full":
                    told[person]["counterfactual_payoffs"] = own[:count]
        return told

    def _seats_to_come(self) -> dict[str, dict[str, Any]]:
        """The seat of everybody in the coming round."""
        over = self._round >= len(self.schedule.match)
        seats = [None if over or where == OUT else int(where) % len(self.seats) for where in self.place(self._round)]
        return {person: {"seat": seat} for person, seat in zip(self.possible_agents, seats, strict=True)}

    def counterfactual_payoffs(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Payoff of each person had it alone played b, in the groups of the coming round: [*B, P] -> [*B, P, A].

        NaN for those who sit out, and where a seat has no action b.

        Raises:
            ValueError: an action outside its range.
        """
        actions = np.asarray(actions)
        if ((actions < 0) | (actions >= self._counts)).any():
            raise ValueError(f"actions must lie in 0..A_i - 1 for action counts {self.action_counts}")
        return self.payoffs_in(actions, self._round)

    def payoffs_in(self, actions: NDArray[np.int64], round_: int) -> NDArray[np.float64]:
        """`counterfactual_payoffs` in the groups of any round, the actions not checked."""
        payoffs = self.payoff_lookup(actions[..., self._groups(round_)])
        flat = payoffs.reshape(*actions.shape[:-1], -1, payoffs.shape[-1])
        place = self.place(round_)
        return np.where((place == OUT)[:, None], np.nan, flat[..., place, :])

    def shown(self, played: NDArray[np.int64], round_: int) -> NDArray[np.float32]:
        """Observations of all persons [1, P, D] before a round, after their groups played [G, n]; zeros if out."""
        seats = observations(self.observation, played, self.seat_counts)
        place = self.place(round_)
        return np.where((place == OUT)[:, None], 0, seats.reshape(-1, seats.shape[-1])[place])[None].astype(np.float32)

    def _groups(self, round_: int) -> NDArray[np.int64]:
        """Persons [G, n] of a round; of the last one once it is over."""
        return self.schedule.groups[min(round_, len(self.schedule.match) - 1)]

    def draw_noise(self, generator: np.random.Generator, num_rounds: int) -> NDArray[np.float64]:
        """Noise of the next rounds, [num_rounds, P, A]."""
        shape = (num_rounds, len(self.possible_agents), max(self.action_counts))
        return self.payoff_noise * generator.standard_normal(shape)

    def _forget_play(self) -> None:
        super()._forget_play()
        self._seen = np.full(self.schedule.groups.shape[1:], MISSING)

    def _observations(self) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.possible_agents, self.shown(self._seen, self._round)[0], strict=True))
