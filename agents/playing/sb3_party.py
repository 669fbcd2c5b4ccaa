"""Models of stable-baselines3 at the table: one `learn` after another, each on a thread that runs in its turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.playing.aside import Aside, Randomness
from agents.playing.parties import Decision, Outcome
from agents.playing.randomness import model_seed_of
from agents.playing.sb3 import SB3
from agents.playing.sb3_bridge import BridgeEnv, EndOfRun, Reached, plain_info, teller


def seat_models(
    env: ParallelEnv[Any, Any, Any], recipes: Mapping[Any, SB3], seed: int, episodes_per_run: int
) -> dict[int, ModelParty]:
    """A party for each agent, or for all agents of a shared recipe, by the place of its first agent.

    Raises ValueError for recipes that cannot be played in this env.
    """
    groups: dict[Any, list[Any]] = {}
    for agent, recipe in recipes.items():
        groups.setdefault(id(recipe) if recipe.shared else (id(recipe), agent), []).append(agent)
    _check_callbacks([recipes[members[0]] for members in groups.values()])
    num_rounds = _num_rounds(env, episodes_per_run)
    parties = {}
    for number, members in enumerate(groups.values()):
        recipe, place = recipes[members[0]], env.possible_agents.index(members[0])
        parties[place] = ModelParty(recipe, members, env, (seed, place), num_rounds, shows=number == 0)
    return parties


class ModelParty:
    """The agents of one model. See `agents.playing.parties.Party`.

    Args:
        recipe: of the model.
        agents: one, or those who share it.
        env: where spaces are looked up.
        seed: of the rollout, and the first agent's place.
        num_rounds: of a run; None if not known.
        shows: whether a progress bar that the recipe asks for is this model's.
    """

    num_uniforms = 0

    def __init__(
        self,
        recipe: SB3,
        agents: list[Any],
        env: ParallelEnv[Any, Any, Any],
        seed: tuple[int, int],
        num_rounds: int | None,
        shows: bool,
    ) -> None:
        self.recipe, self.agents, self._seed, self._shows = recipe, agents, seed, shows
        self._num_rounds = num_rounds
        self._spaces = _common_spaces(env, agents)
        self._total_timesteps = _total_timesteps(recipe, agents, num_rounds)
        self._model: BaseAlgorithm | None = None
        self._aside: Aside | None = None
        self._latest: Reached | None = None

    def __enter__(self) -> ModelParty:
        self._num_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # on networks of this size, more of them are ten times slower
        return self

    def __exit__(self, *error: object) -> None:
        if self._aside is not None:
            self._aside.close()
        torch.set_num_threads(self._num_threads)

    def start(self, episode: int) -> None:
        """A new model, which has seen nothing."""
        seed, place = self._seed
        own = self.recipe.seed
        randomness = Randomness()
        self._bridge = BridgeEnv(self.agents, *self._spaces)
        with randomness:
            self._model = self._make(model_seed_of(seed if own is None else own, episode, place))
        _check_that_it_learns(self._model, self._num_rounds, len(self.agents))
        self._aside = self._bridge.aside = Aside(self._run, randomness, f"{self._name()} of {self._who()}")
        self._latest = None

    def decide(self, observations: Mapping[Any, Any], uniforms: NDArray[np.float64]) -> dict[Any, Decision]:
        """See `Party`. Raises what the model, or its callback, raises."""
        playing = [agent for agent in self.agents if agent in observations]
        if not playing:
            return {}
        if len(playing) < len(self.agents):
            gone = [agent for agent in self.agents if agent not in observations]
            raise ValueError(f"agents of a shared model must play to the end, but {gone} left; use shared=False")
        if self._aside is None:
            self.start(0)
        seen = [observations[agent] for agent in self.agents]
        handed = seen if self._latest is None else self._latest._replace(observations=seen)
        actions, probs = self._resume(handed)
        told = probs if probs is not None else [np.nan] * len(self.agents)
        return {agent: (int(actions[k]), told[k]) for k, agent in enumerate(self.agents)}

    def hear(self, observations: Mapping[Any, Any], chosen: Mapping[Any, int], outcome: Outcome) -> None:
        """Keep the round, until it is the model's turn again."""
        if self.agents[0] not in chosen:
            return
        after = [outcome.observations[agent] for agent in self.agents]
        truncated = [outcome.truncations[agent] and not outcome.terminations[agent] for agent in self.agents]
        dones = [bool(outcome.truncations[agent] or outcome.terminations[agent]) for agent in self.agents]
        infos = [
            plain_info(outcome.infos[agent], done, cut, seen)
            for agent, done, cut, seen in zip(self.agents, dones, truncated, after, strict=True)
        ]
        self._latest = Reached(after, [outcome.rewards[agent] for agent in self.agents], dones, infos, over=False)

    def finish(self) -> None:
        """Hand over the last round, and let the model end its run."""
        if self._latest is not None:
            self._resume(self._latest._replace(over=True))
        self._aside = self._latest = None

    def _resume(self, handed: Any) -> Any:
        assert self._aside is not None
        return self._aside.resume(handed)

    def _make(self, seed: int) -> BaseAlgorithm:
        recipe = self.recipe
        # copied, as algorithms write into them
        options = {name: dict(value) if isinstance(value, dict) else value for name, value in recipe.options.items()}
        if issubclass(recipe.algorithm, OffPolicyAlgorithm):
            options.setdefault("buffer_size", max(self._total_timesteps, len(self.agents)))
        try:
            return recipe.algorithm(recipe.policy, self._bridge, seed=seed, **{"device": "cpu", **options})
        except AssertionError as error:
            raise ValueError(f"{self._name()} cannot play {self._who()}: {error}") from error

    def _run(self, first: list[Any]) -> None:
        """On the thread: learn, then play on for as long as there is a game."""
        model, bridge = self._model, self._bridge
        assert model is not None
        bridge.see(first)
        bridge.tell = teller(model, training=True)
        end = EndOfRun(bridge, self._total_timesteps)
        callbacks = [_one(callback) for callback in _callbacks(self.recipe)]
        shows = self.recipe.progress_bar and self._shows
        model.learn(self._total_timesteps, callback=[*callbacks, end], progress_bar=shows)
        bridge.tell = teller(model, training=False)
        state, starts = None, np.zeros(bridge.num_envs, bool)
        while not bridge.over:
            actions, state = model.predict(bridge.observations, state, starts, deterministic=False)
            _, _, starts, _ = bridge.step(actions)

    def _name(self) -> str:
        return self.recipe.algorithm.__name__

    def _who(self) -> str:
        return ", ".join(map(repr, self.agents))


def _num_rounds(env: ParallelEnv[Any, Any, Any], episodes_per_run: int) -> int | None:
    max_cycles = getattr(env.unwrapped, "max_cycles", None)
    return max_cycles * episodes_per_run if isinstance(max_cycles, int) else None


def _total_timesteps(recipe: SB3, agents: list[Any], num_rounds: int | None) -> int:
    if recipe.total_timesteps is not None:
        return recipe.total_timesteps
    if num_rounds is None:
        raise ValueError("SB3 cannot tell how long a run will be, as the env has no max_cycles; give total_timesteps")
    return num_rounds * len(agents)


def _common_spaces(env: ParallelEnv[Any, Any, Any], agents: list[Any]) -> tuple[Any, Discrete]:
    spaces = [(env.observation_space(agent), env.action_space(agent)) for agent in agents]
    for agent, own in zip(agents, spaces, strict=True):
        if own != spaces[0]:
            raise ValueError(
                f"a shared model needs equal spaces, but {agents[0]!r} has {spaces[0]} and {agent!r} has {own}; "
                "use shared=False"
            )
    observation_space, action_space = spaces[0]
    return observation_space, Discrete(int(action_space.n))  # its own: algorithms seed it


def _callbacks(recipe: SB3) -> list[Any]:
    given = recipe.callback if isinstance(recipe.callback, list) else [recipe.callback]
    return [callback for callback in given if callback is not None]


def _check_callbacks(recipes: list[SB3]) -> None:
    """recipes: one for each model that plays."""
    objects = [one for recipe in recipes for one in _callbacks(recipe) if isinstance(one, BaseCallback)]
    if len({id(one) for one in objects}) < len(objects):
        raise ValueError(
            "one callback object cannot follow several models at once; give its class, or each agent a recipe of its "
            "own: {agent: agents.SB3(..., callback=...)}"
        )


def _one(callback: Any) -> BaseCallback:
    if isinstance(callback, type):
        return callback()
    return callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)


def _check_that_it_learns(model: BaseAlgorithm, num_rounds: int | None, num_agents: int) -> None:
    if num_rounds is None:
        return
    if isinstance(model, OnPolicyAlgorithm) and model.n_steps >= num_rounds:
        late = f"n_steps={model.n_steps} rounds"
    elif isinstance(model, OffPolicyAlgorithm) and model.learning_starts >= num_rounds * num_agents:
        late = f"learning_starts={model.learning_starts} timesteps"
    else:
        return
    raise ValueError(
        f"{type(model).__name__} trains first after {late}, but a run has {num_rounds} rounds, so nothing it learns "
        "would be seen; lower it, or make the env with more max_cycles"
    )
