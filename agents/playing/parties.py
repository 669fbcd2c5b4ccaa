"""Who sits together in a stepped rollout: most alone, the agents of a shared model side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from diml_envs.games.players import make_player
from diml_envs.mechanisms.base import MISSING

Decision = tuple[int, NDArray[np.float64] | float]


class Outcome(NamedTuple):
    """What the env's `step` returns, by agent."""

    observations: Mapping[Any, Any]
    rewards: Mapping[Any, float]
    terminations: Mapping[Any, bool]
    truncations: Mapping[Any, bool]
    infos: Mapping[Any, Mapping[str, Any]]


class Party(Protocol):
    """Agents that decide together. A context: leaving it lets go of whatever they hold.

    Attributes:
        num_uniforms: random numbers that each of the agents uses up in a round.
    """

    num_uniforms: int

    def __enter__(self) -> Party: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self, episode: int) -> None:
        """Forget all play. episode: its number in the rollout."""

    def decide(self, observations: Mapping[Any, Any], uniforms: NDArray[np.float64]) -> dict[Any, Decision]:
        """Action and probabilities [A_i] (NaN if not told) of each own agent still playing.

        observations: of all agents still playing; uniforms: [N, k], all agents in the env's order.
        """

    def hear(self, observations: Mapping[Any, Any], chosen: Mapping[Any, int], outcome: Outcome) -> None:
        """Learn from the round. observations: what was seen before it; chosen: by all agents still playing."""

    def finish(self) -> None:
        """There will be no more play, or none before `start`."""


class Single:
    """One agent, played by a learner, a callable or an object with `act` (see `diml_envs.games.players`)."""

    def __init__(self, behaviour: Any, agent: Any, place: int, num_actions: int, others: Sequence[Any]) -> None:
        self.others = others
        self.player, self.agent, self.place = make_player(behaviour, str(agent), num_actions), agent, place
        self.num_uniforms = self.player.num_uniforms

    def __enter__(self) -> Single:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def start(self, episode: int) -> None:
        """Forget all play."""
        self.player.start()

    def decide(self, observations: Mapping[Any, Any], uniforms: NDArray[np.float64]) -> dict[Any, Decision]:
        """See `Party`."""
        if self.agent not in observations:
            return {}
        return {self.agent: self.player.decide(observations[self.agent], uniforms[self.place])}

    def hear(self, observations: Mapping[Any, Any], chosen: Mapping[Any, int], outcome: Outcome) -> None:
        """See `Party`."""
        agent = self.agent
        sat_out = "seat" in outcome.infos.get(agent, {}) and "match_over" not in outcome.infos[agent]
        if agent in chosen and not sat_out:
            after, info = outcome.observations[agent], outcome.infos[agent]
            others = [chosen.get(other, MISSING) for other in self.others]
            self.player.hear(observations[agent], chosen[agent], outcome.rewards[agent], after, info, others)

    def finish(self) -> None:
        """Nothing is left to do."""
