"""`SB3`: agents played by models of stable-baselines3 that train while they play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INSTALL = "agents.SB3 needs stable-baselines3: pip install 'diml[rl]'"
OURS = {"env": "the rollout's env takes its place", "_init_setup_model": "the model must be set up to play"}


class SB3:
    """A recipe: each agent gets a model of its own, or all of them share one, afresh in each episode.

        agents.rollout(env, agents.SB3(PPO, n_steps=64, gamma=0.0), num_episodes=12)

    An episode is one run of a model's `learn`: it acts with its own exploration, trains as it goes, and what it does
    is recorded. Runs of single agents take turns, round by round; none sees another's random numbers. Should `learn`
    end before the env does (after `total_timesteps`, or because a callback said so), the model plays on untrained.

    Args:
        algorithm: PPO, A2C, DQN, or another of stable-baselines3's (or its contributors') with `Discrete` actions.
        policy: as the algorithm takes it; "MultiInputPolicy" for dictionary observations.
        shared: whether the agents that are given this very object train one model together, each of them one of its
            parallel envs. They need equal spaces and must play to the end of each episode.
        seed: takes the place of the rollout's for the models. Either way episodes and agents have models of their own.
        callback: as `learn` takes it: a function(locals, globals) that returns True to go on, a `BaseCallback`, or a
            list of them. Where several models play at once, a `BaseCallback` must be given as its class, which is
            called without arguments for each run. `self.training_env.get_attr("agent")` names the agents.
        progress_bar: show stable-baselines3's own (needs rich): the first model's, as all keep pace.
        total_timesteps: length of `learn`. Schedules are laid out over it. Default: the whole run, that is the env's
            `max_cycles` times the agents that share the model (times the episodes, with learn="across_episodes").
        **options: settings of the algorithm. `device` is "cpu" unless given: networks that are asked for one action
            at a time are small.

    Raises:
        TypeError: something that is not such an algorithm.
        ValueError: an option that the rollout sets.
        ImportError: stable-baselines3 is not installed.
    """

    def __init__(
        self,
        algorithm: type[Any],
        policy: Any = "MlpPolicy",
        *,
        shared: bool = False,
        seed: int | None = None,
        callback: Any = None,
        progress_bar: bool = False,
        total_timesteps: int | None = None,
        **options: Any,
    ) -> None:
        _check_algorithm(algorithm)
        for name, reason in OURS.items():
            if name in options:
                raise ValueError(f"SB3 does not take {name}: {reason}")
        if seed is not None and seed < 0:
            raise ValueError(f"SB3: seed must be 0 or more; got {seed}")
        if total_timesteps is not None and total_timesteps < 1:
            raise ValueError(f"SB3: total_timesteps must be 1 or more; got {total_timesteps}")
        self.algorithm, self.policy, self.options = algorithm, policy, options
        self.shared, self.seed, self.total_timesteps = shared, seed, total_timesteps
        self.callback, self.progress_bar = callback, progress_bar

    def describe(self) -> dict[str, Any]:
        """JSON values, for the record of a rollout; what is not one goes by its name."""
        mine = {name: getattr(self, name) for name in ("algorithm", "policy", "shared", "seed", "total_timesteps")}
        return {"name": "SB3", **_plain({**mine, **self.options})}

    def __repr__(self) -> str:
        return f"SB3({', '.join(f'{key}={value!r}' for key, value in self.describe().items() if key != 'name')})"


def _check_algorithm(algorithm: Any) -> None:
    try:
        from stable_baselines3.common.base_class import BaseAlgorithm
    except ImportError as error:
        raise ImportError(INSTALL) from error
    if not isinstance(algorithm, type) or not issubclass(algorithm, BaseAlgorithm):
        raise TypeError(f"SB3 takes an algorithm such as stable_baselines3.PPO, the class itself; got {algorithm!r}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return getattr(value, "__name__", type(value).__name__)
