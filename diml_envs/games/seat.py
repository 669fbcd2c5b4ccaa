"""One seat of a repeated game as a Gymnasium env; the other seats are played by opponents that learn as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.players import Player, check_feedback, is_learner, make_player


class SeatEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """What one agent sees and earns. Opponents start afresh at every reset.

    Observations, rewards, infos and the end of the episode are the agent's own from the `RepeatedGameEnv`. All
    randomness (the opponents' choices, payoff noise) comes from `reset(seed=...)`.

    Args:
        env: the game.
        agent: who is played from outside; default: the first.
        opponents: one for all other agents, or `{agent: opponent}`: a learner such as `agents.LogitQ()`, a callable
            `policy(observation) -> action`, or an object with `act(observation)`. Default: uniformly random play.

    Raises:
        ValueError: an unknown agent, opponents that do not name each other agent, or learners that need to be told
            more than the env tells.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012  (as gymnasium declares it)

    def __init__(self, env: RepeatedGameEnv, agent: str | None = None, opponents: Any = None) -> None:
        self.game, self.render_mode = env, env.render_mode
        self.agent = env.possible_agents[0] if agent is None else agent
        if self.agent not in env.possible_agents:
            raise ValueError(f"agent {agent!r} is not in the game; agents: {env.possible_agents}")
        self.observation_space = env.observation_space(self.agent)
        self.action_space = env.action_space(self.agent)
        self._players = self._seated(opponents)

    def _seated(self, opponents: Any) -> dict[str, Player]:
        others = [agent for agent in self.game.possible_agents if agent != self.agent]
        by_agent = opponents if isinstance(opponents, Mapping) else dict.fromkeys(others, opponents)
        if set(by_agent) != set(others):
            raise ValueError(f"opponents must name each agent but {self.agent!r}: {others}; got {list(by_agent)}")
        players: dict[str, Player] = {}
        for other in others:
            if is_learner(by_agent[other]):
                check_feedback(by_agent[other], other, self.game.feedback)
            count = int(self.game.action_space(other).n)
            is_given = by_agent[other] is not None
            players[other] = make_player(by_agent[other], other, count) if is_given else UniformPlayer(count)
        return players

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; all opponents forget."""
        super().reset(seed=seed)
        self._observations, infos = self.game.reset(seed=int(self.np_random.integers(2**31)))
        for player in self._players.values():
            player.start()
        return self._observations[self.agent], infos[self.agent]

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play one round against the opponents' choices. Raises as `RepeatedGameEnv.step`."""
        actions: dict[str, Any] = {self.agent: action}
        for other, player in self._players.items():
            uniforms = self.np_random.random(player.num_uniforms)
            actions[other], _ = player.decide(self._observations[other], uniforms)
        seen, (self._observations, rewards, terminations, truncations, infos) = (
            self._observations,
            self.game.step(actions),
        )
        for other, player in self._players.items():
            rest = [int(actions[agent]) for agent in self.game.possible_agents if agent != other]
            player.hear(seen[other], actions[other], rewards[other], self._observations[other], infos[other], rest)
        own = self.agent
        return self._observations[own], rewards[own], terminations[own], truncations[own], infos[own]

    def render(self) -> str | None:
        """A table of the last round, if `render_mode` is `ansi`."""
        return self.game.render()


class UniformPlayer:
    """Every action equally likely."""

    num_uniforms = 1

    def __init__(self, num_actions: int) -> None:
        self._choice_probs = np.full(num_actions, 1 / num_actions)

    def start(self) -> None:
        """Nothing to forget."""

    def decide(self, observation: Any, uniforms: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
        """Any action."""
        return int(uniforms[0] * len(self._choice_probs)), self._choice_probs

    def hear(
        self,
        observation: Any,
        action: int,
        payoff: float,
        next_observation: Any,
        info: Mapping[str, Any],
        others: Sequence[int] = (),
    ) -> None:
        """Nothing to learn."""


def seat_constructor(parallel_env: Callable[..., RepeatedGameEnv]) -> Callable[..., SeatEnv]:
    """`seat_env(agent=None, opponents=None, **kwargs of parallel_env)`, for `gymnasium.make`."""

    def seat_env(agent: str | None = None, opponents: Any = None, **kwargs: Any) -> SeatEnv:
        return SeatEnv(parallel_env(**kwargs), agent, opponents)

    seat_env.__doc__ = f"One seat of the game; keyword arguments as in `{parallel_env.__module__}.parallel_env`."
    return seat_env
