"""`RepeatedGameEnv`: any mechanism, played round after round through PettingZoo's parallel API."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from diml_envs.games.observations import OBSERVATIONS, observation_size, observations
from diml_envs.games.payoff_lookup import PayoffLookup
from diml_envs.mechanisms.base import MISSING, Mechanism

FEEDBACKS = ("full", "own")


class RepeatedGameEnv(ParallelEnv[str, NDArray[np.float32], int]):
    """The same hidden game again and again, all agents acting at once, truncated after `max_cycles` rounds.

    The reward is the agent's own payoff. With `feedback="full"` each agent's info also holds, after every step,
    `counterfactual_payoffs`: float64 [A_i], what it would have earned had it alone played each of its actions.

    Args:
        mechanism: joint actions -> payoffs, taken as it is now: later changes to it do not show.
        max_cycles: rounds of an episode.
        feedback: `full` or `own` (an agent learns nothing of the actions it did not take).
        observation: `last_profile`, `counts` or `constant`; see `diml_envs.games.observations`.
        payoff_noise: standard deviation, in payoffs, of independent Gaussian noise added to every counterfactual
            payoff each round (the own payoff is its entry at the own action). Seeded by `reset`.
        render_mode: `ansi` makes `render()` return a table of the last round.
        agents: N distinct names; default `agent_0` ...
        description: `{"env": id, "kwargs": {...}}`, JSON values: what made the mechanism, so that recorded play can
            say what it was played in. The settings above are added to it.

    Raises:
        ValueError: a setting that is not allowed; the message names those that are.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (as PettingZoo declares it)
        "name": "repeated_game_v0",
        "render_modes": ["ansi"],
        "is_parallelizable": True,
    }

    def __init__(
        self,
        mechanism: Mechanism,
        max_cycles: int = 60,
        feedback: str = "full",
        observation: str = "last_profile",
        payoff_noise: float = 0.0,
        render_mode: str | None = None,
        agents: Sequence[str] | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        _check_choice("feedback", feedback, FEEDBACKS)
        _check_choice("observation", observation, OBSERVATIONS)
        _check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        if max_cycles < 1:
            raise ValueError(f"max_cycles must be at least 1 round; got {max_cycles}")
        if not 0 <= payoff_noise < math.inf:
            raise ValueError(f"payoff_noise is a standard deviation, 0 or more and finite; got {payoff_noise}")
        self.mechanism = mechanism
        self.action_counts = mechanism.action_counts
        self.max_cycles, self.payoff_noise = max_cycles, payoff_noise
        self.feedback, self.observation, self.render_mode = feedback, observation, render_mode
        self.possible_agents = _names(agents, len(self.action_counts))
        self.agents: list[str] = []
        self._made_by = description or {"env": None, "kwargs": {"mechanism": type(mechanism).__name__}}
        self.payoff_lookup = PayoffLookup(mechanism)
        self._counts = np.array(self.action_counts)
        self._generator: np.random.Generator | None = None
        self._forget_play()
        self._make_spaces()

    def _make_spaces(self) -> None:
        size = observation_size(self.observation, self.action_counts)
        named = dict(zip(self.possible_agents, self.action_counts, strict=True))
        self.action_spaces = {agent: Discrete(count) for agent, count in named.items()}
        self.observation_spaces = {agent: Box(0, 1, (size,), np.float32) for agent in named}
        self.state_space = Box(0, 1, (sum(self.action_counts),), np.float32)

    def _forget_play(self) -> None:
        self._round = 0
        self._actions = np.full(len(self.action_counts), MISSING)
        self._payoffs = np.full(len(self.action_counts), np.nan)

    @property
    def description(self) -> dict[str, Any]:
        """JSON values: the registered id (None if built by hand) and the keyword arguments that make it again."""
        settings = ("max_cycles", "feedback", "observation", "payoff_noise")
        return {
            "env": self._made_by["env"],
            "kwargs": {**self._made_by["kwargs"], **{name: getattr(self, name) for name in settings}},
        }

    def observation_space(self, agent: str) -> Space[NDArray[np.float32]]:
        """Box of floats in [0, 1], shape [D]."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """Discrete(A_i)."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Start an episode. `seed` starts the noise afresh; without it the noise continues where it stopped."""
        if seed is not None or self._generator is None:
            self._generator = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._forget_play()
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[
        dict[str, NDArray[np.float32]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Play one round.

        Raises:
            RuntimeError: before `reset`, or after the last round.
            ValueError: an agent left out, unknown, or with an action outside its range.
        """
        self._actions = self._joint_action(actions)
        payoffs = self.payoff_lookup(self._actions)  # [N, A]
        if self.payoff_noise and self._generator is not None:
            payoffs = payoffs + self.draw_noise(self._generator, 1)[0]
        self._payoffs = payoffs[np.arange(len(payoffs)), self._actions]
        self._round += 1
        over = self._round >= self.max_cycles
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        if self.feedback == "full":
            for agent, own, count in zip(self.agents, payoffs, self.action_counts, strict=True):
                infos[agent]["counterfactual_payoffs"] = own[:count]
        rewards = dict(zip(self.agents, self._payoffs.tolist(), strict=True))
        terminations, truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, over)
        self.agents = [] if over else self.agents
        return self._observations(), rewards, terminations, truncations, infos

    def _joint_action(self, actions: Mapping[str, int]) -> NDArray[np.int64]:
        if not self.agents:
            when = f"after round {self._round}, the last" if self._round else "before the first reset()"
            raise RuntimeError(f"step() called {when}; call reset() to start an episode")
        if actions.keys() != self.action_spaces.keys():
            missing = [agent for agent in self.possible_agents if agent not in actions]
            unknown = [agent for agent in actions if agent not in self.action_spaces]
            raise ValueError(
                f"step() needs one action of each agent; missing: {missing}, unknown: {unknown} "
                f"(agents: {self.possible_agents})"
            )
        return np.array([self._action(agent, actions[agent]) for agent in self.possible_agents])

    def _action(self, agent: str, action: Any) -> int:
        count = int(self.action_spaces[agent].n)
        try:
            index = operator.index(action)
        except TypeError:
            index = -1
        if not 0 <= index < count:
            raise ValueError(f"round {self._round}: action {action!r} of {agent!r} is not an integer in 0..{count - 1}")
        return index

    def counterfactual_payoffs(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Payoff of agent i had it alone played b, without noise. int [*B, N] -> float64 [*B, N, A].

        NaN where agent i has no action b. `payoff_lookup` is the same without the check of the actions.

        Raises:
            ValueError: an action outside its range.
        """
        actions = np.asarray(actions)
        if ((actions < 0) | (actions >= self._counts)).any():
            raise ValueError(f"actions must lie in 0..A_i - 1 for action counts {self.action_counts}")
        return self.payoff_lookup(actions)

    def observations(self, actions: NDArray[np.int64]) -> NDArray[np.float32]:
        """What each agent sees after a joint action. int [*B, N] -> float32 [*B, N, D]; `MISSING` before round one."""
        return observations(self.observation, actions, self.action_counts)

    def draw_noise(self, generator: np.random.Generator, num_rounds: int) -> NDArray[np.float64]:
        """Noise of the next rounds, [num_rounds, N, A]; the same numbers drawn at once or a round at a time."""
        shape = (num_rounds, len(self.action_counts), max(self.action_counts))
        return self.payoff_noise * generator.standard_normal(shape)

    def _observations(self) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.possible_agents, self.observations(self._actions), strict=True))

    def state(self) -> NDArray[np.float32]:
        """The last joint action as one-hot actions side by side, float32 [sum of A_i]; zeros before round one."""
        return observations("last_profile", self._actions, self.action_counts)[0]

    def render(self) -> str | None:
        """A table of the last round, if `render_mode` is `ansi`."""
        if self.render_mode is None:
            return None
        width = max(map(len, self.possible_agents))
        rows = zip(self.possible_agents, self._actions, self._payoffs, strict=True)
        lines = [f"{agent:<{width}}  action {action:>3}  payoff {payoff:>9.4f}" for agent, action, payoff in rows]
        return "\n".join([f"round {self._round} of {self.max_cycles}", *(lines if self._round else [])])


def _check_choice(name: str, given: str | None, choices: Sequence[str | None]) -> None:
    if given not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {given!r}")


def _names(agents: Sequence[str] | None, num_agents: int) -> list[str]:
    names = [f"agent_{i}" for i in range(num_agents)] if agents is None else list(agents)
    if len(set(names)) != num_agents or len(names) != num_agents:
        raise ValueError(
            f"agents must be {num_agents} distinct names, one for each agent of the mechanism; got {names}"
        )
    return names
