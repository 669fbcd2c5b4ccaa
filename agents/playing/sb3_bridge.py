"""Between a rollout and a model of stable-baselines3: the env that the model sees, and what its actions are drawn with.

Imports stable-baselines3; nothing imports this module before a model is to play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Dict, Discrete, Space
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from agents.playing.aside import Aside

Tell = Callable[[Any], NDArray[np.float64] | None]


class Reached(NamedTuple):
    """What a model is handed: one item per agent. over: no further action will be taken."""

    observations: list[Any]
    rewards: list[float]
    dones: list[bool]
    infos: list[dict[str, Any]]
    over: bool


class BridgeEnv(VecEnv):
    """The seats of a model's agents as parallel envs. It runs aside, and each step waits for the rest of the game.

    Args:
        agents: names, one for each parallel env.
        observation_space, action_space: of each of them.
    """

    aside: Aside
    tell: Tell

    def __init__(self, agents: Sequence[Any], observation_space: Space[Any], action_space: Discrete) -> None:
        self.agents = tuple(agents)
        self.over = False
        self.observations: Any = None
        super().__init__(len(agents), observation_space, action_space)

    def see(self, observations: list[Any]) -> Any:
        """Note the observations, [n, ...] or {key: [n, ...]}, copied."""
        space = self.observation_space
        if isinstance(space, Dict):
            self.observations = {
                key: np.array([seen[key] for seen in observations], part.dtype) for key, part in space.items()
            }
        else:
            self.observations = np.array(observations, space.dtype)
        return self.observations

    def reset(self) -> Any:
        """The observations as they are: when an episode begins is for the rollout to say."""
        return self.observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Note the actions [n], and what they were drawn with."""
        self._decision = np.asarray(actions).reshape(self.num_envs), self.tell(self.observations)

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Hand the actions over, and wait until all have acted. A new episode has begun where done."""
        reached: Reached = self.aside.hand_over(self._decision)
        self.over = reached.over
        rewards, dones = np.array(reached.rewards, np.float32), np.array(reached.dones)
        return self.see(reached.observations), rewards, dones, reached.infos

    def close(self) -> None:
        """The rollout's env is not ours to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """`agent`: the names; anything else: an attribute of this object, for each of them."""
        own = {"agent": self.agents, "render_mode": [None] * self.num_envs}.get(attr_name)
        values = own if own is not None else [getattr(self, attr_name)] * self.num_envs
        return [values[index] for index in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the game belongs to the rollout."""
        raise NotImplementedError("attributes of a rollout's env cannot be set from inside a model")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refused: the game belongs to the rollout."""
        raise NotImplementedError("methods of a rollout's env cannot be called from inside a model")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """It never is."""
        return [False for _ in self._get_indices(indices)]


class EndOfRun(BaseCallback):
    """Ends `learn` with the run, though not before it has trained on a rollout that is complete."""

    def __init__(self, bridge: BridgeEnv, total_timesteps: int) -> None:
        super().__init__()
        self.bridge, self.total_timesteps = bridge, total_timesteps

    def _on_step(self) -> bool:
        if not self.bridge.over:
            return True
        ends_by_itself = self.model.num_timesteps >= self.total_timesteps
        return isinstance(self.model, OnPolicyAlgorithm) and ends_by_itself and self.n_calls % self.model.n_steps == 0


def teller(model: BaseAlgorithm, training: bool) -> Tell:
    """Function of observations [n, ...]: the probabilities [n, A] that the model draws with now; None if unknown.

    Known for policies with a distribution that SB3's own algorithms draw from, and for DQN's exploration. training:
    whether it acts in `learn`.
    """
    policy: Any = model.policy
    if isinstance(model, DQN) and type(model).predict is DQN.predict:
        return lambda observations: _epsilon_greedy(model, observations, training)
    distributed = getattr(type(policy), "get_distribution", None) is ActorCriticPolicy.get_distribution
    if not isinstance(model, OnPolicyAlgorithm) or not distributed:
        return lambda observations: None

    def tell(observations: Any) -> NDArray[np.float64]:
        with torch.no_grad():
            distribution = policy.get_distribution(policy.obs_to_tensor(observations)[0]).distribution
        return distribution.probs.cpu().numpy().astype(np.float64)

    return tell


def _epsilon_greedy(model: DQN, observations: Any, training: bool) -> NDArray[np.float64]:
    with torch.no_grad():
        values = model.q_net(model.policy.obs_to_tensor(observations)[0]).cpu().numpy()
    num_actions = values.shape[-1]
    if training and model.num_timesteps < model.learning_starts:
        return np.full(values.shape, 1 / num_actions)
    greedy = np.arange(num_actions) == values.argmax(-1, keepdims=True)
    return (1 - model.exploration_rate) * greedy + model.exploration_rate / num_actions


def plain_info(info: Mapping[str, Any], done: bool, truncated: bool, observation: Any) -> dict[str, Any]:
    """An agent's info as SB3 wants it: with the last observation and the reason where its episode has ended."""
    if not done:
        return dict(info)
    return {**info, "terminal_observation": observation, "TimeLimit.truncated": truncated}
