"""`rollout`: let agents play an env, and keep what they did."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv

from agents.playing.batched import play_batched
from agents.playing.plays import Plays
from agents.playing.population import by_person, in_matches, obstacle_to_side_by_side, play_sessions, population_of
from agents.playing.sb3 import SB3
from agents.playing.stepping import play_stepping
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.players import check_feedback, is_learner
from diml_envs.games.population import PopulationEnv
from diml_envs.traces import Traces

LEARN = ("per_episode", "across_episodes")


@dataclass(frozen=True)
class Rollout:
    """What was played. Only `traces` is an observer's; the rest is the truth behind it.

    Attributes:
        traces: the actions.
        payoffs: what each agent earned (noise included), float64 [E, T, N]; NaN where nobody played.
        choice_probs: what each action was drawn with, float64 [E, T, N, A]; NaN where the agent has no such action,
            did not play, or does not tell.
    """

    traces: Traces
    payoffs: NDArray[np.float64]
    choice_probs: NDArray[np.float64]


def rollout(
    env: ParallelEnv[Any, Any, Any],
    learners: Any,
    num_episodes: int = 60,
    seed: int = 0,
    learn: str = "per_episode",
    batched: bool | None = None,
    progress: bool = False,
    *,
    matching: str | ArrayLike | None = None,
    num_persons: int | None = None,
    match_rounds: int | None = None,
    continuation: float | None = None,
    num_matches: int | None = None,
    one_population: bool = False,
) -> Rollout:
    """Play `num_episodes` episodes and record them. The same seed gives the same play, batched or not.

    With `matching` an episode is a session of many persons, who meet in groups, match after match, and take what they
    learnt along (see `diml_envs.PopulationEnv`, which may also be given as env). The traces then have an episode for
    each group of each match, and say who sat where.

    Args:
        env: a PettingZoo parallel env with `Discrete` actions counted from 0. With `batched=False` it is used through
            PettingZoo's own methods only.
        learners: one for all agents, or `{agent: learner}`: an `agents.Learner`, a callable
            `policy(observation) -> action`, an object with `act(observation)` and, if it likes, `learn` and
            `reset` (see `diml_envs.games.players`), or `agents.SB3` for models that train as they play.
        num_episodes: E.
        seed: integer, 0 or more. Decides everything except the randomness that policies or foreign envs keep to
            themselves; each episode resets the env with a seed of its own.
        learn: "per_episode": learners start afresh each episode. "across_episodes": they never do, and all episodes
            together are one trace, E = 1 and T = all rounds.
        batched: play all episodes side by side, in numpy. Needs a `RepeatedGameEnv` and none but `Learner` objects;
            the default is to do so where possible.
        progress: show a bar on stderr.
        matching: "partners", "strangers", "perfect_strangers", or persons [M, G, n] of each match in turn. Learners may
            be named by person or by seat.
        num_persons, match_rounds, continuation, num_matches, one_population: of the sessions; see `PopulationEnv`.

    Raises:
        ValueError: learners that do not fit the agents or the env's feedback, or an argument out of range.
        TypeError: something that cannot act, or actions that are not `Discrete`.
    """
    if num_episodes < 1 or seed < 0:
        raise ValueError(f"num_episodes must be 1 or more and seed 0 or more; got {num_episodes} and {seed}")
    if learn not in LEARN:
        raise ValueError(f"learn must be one of {', '.join(map(repr, LEARN))}; got {learn!r}")
    if matching is not None:
        env = population_of(env, num_persons, matching, match_rounds, continuation, num_matches, one_population)
    elif (num_persons, match_rounds, continuation, num_matches, one_population) != (None, None, None, None, False):
        raise ValueError("num_persons and the like are for play in matches: say who meets whom, matching='strangers'")
    action_counts = [_action_count(env, agent) for agent in env.possible_agents]
    by_agent = _by_agent(by_person(learners, env), env.possible_agents)
    for agent, learner in by_agent.items():
        if is_learner(learner) and isinstance(env, RepeatedGameEnv):
            check_feedback(learner, agent, env.feedback)
    obstacle = _obstacle_to_batching(env, by_agent)
    if batched and obstacle:
        raise ValueError(f"batched=True is not possible: {obstacle}; leave batched out, or batched=False")
    if isinstance(env, PopulationEnv):
        if learn != "per_episode":
            raise ValueError("persons learn across the matches of a session, and start afresh in the next one")
        play = play_sessions if obstacle is None and batched is not False else play_stepping
    else:
        play = play_batched if obstacle is None and batched is not False else play_stepping
    plays = play(env, by_agent, action_counts, num_episodes, seed, learn == "across_episodes", progress)
    return _recorded(plays, env, learners, action_counts, seed, learn)


def _recorded(
    plays: Plays,
    env: ParallelEnv[Any, Any, Any],
    learners: Any,
    action_counts: list[int],
    seed: int,
    learn: str,
) -> Rollout:
    metadata = {
        **_world(env),
        "learners": _who(learners),
        "seed": seed,
        "learn": learn,
        "versions": _versions(_trains(learners)),
    }
    if isinstance(env, PopulationEnv):
        cut = in_matches(env, plays, seed)
        labels = [range(count) for count in env.seat_counts]
        traces = Traces(agents=env.seats, action_labels=labels, metadata=metadata, **cut.fields)
        return Rollout(traces, cut.payoffs, cut.choice_probs)
    agents, labels = [str(agent) for agent in env.possible_agents], [range(count) for count in action_counts]
    traces = Traces(plays.actions, plays.lengths, agents, labels, metadata=metadata)
    return Rollout(traces, plays.payoffs, plays.choice_probs)


def _action_count(env: ParallelEnv[Any, Any, Any], agent: Any) -> int:
    space = env.action_space(agent)
    if not isinstance(space, Discrete) or space.start != 0:
        raise TypeError(f"rollout needs Discrete actions counted from 0; the action space of {agent!r} is {space}")
    return int(space.n)


def _by_agent(learners: Any, agents: list[Any]) -> dict[Any, Any]:
    if not isinstance(learners, Mapping):
        return dict.fromkeys(agents, learners)
    missing, unknown = [a for a in agents if a not in learners], [a for a in learners if a not in agents]
    if missing or unknown:
        raise ValueError(f"learners must name each agent once; missing: {missing}, unknown: {unknown}")
    return {agent: learners[agent] for agent in agents}


def _obstacle_to_batching(env: ParallelEnv[Any, Any, Any], by_agent: Mapping[Any, Any]) -> str | None:
    if isinstance(env, PopulationEnv):
        if obstacle := obstacle_to_side_by_side(env):
            return obstacle
    elif not isinstance(env, RepeatedGameEnv) or type(env).step is not RepeatedGameEnv.step:
        return f"the env is a {type(env).__name__}, not a RepeatedGameEnv"
    outside = [agent for agent, learner in by_agent.items() if not is_learner(learner)]
    return f"{outside[0]!r} is not played by an agents.Learner" if outside else None


def _world(env: ParallelEnv[Any, Any, Any]) -> dict[str, Any]:
    description = getattr(env.unwrapped, "description", None)
    if description is None:
        return {"env": str(env), "env_kwargs": {}}
    return {"env": description["env"], "env_kwargs": description["kwargs"]}


def _who(learners: Any) -> dict[str, dict[str, Any]]:
    if isinstance(learners, Mapping):
        return {str(agent): _name_and_parameters(learner) for agent, learner in learners.items()}
    return {"all": _name_and_parameters(learners)}


def _name_and_parameters(learner: Any) -> dict[str, Any]:
    name = getattr(learner, "__name__", type(learner).__name__)
    if isinstance(learner, SB3):
        return learner.describe()
    if not dataclasses.is_dataclass(learner) or isinstance(learner, type):
        return {"name": name}
    values = {field.name: getattr(learner, field.name) for field in dataclasses.fields(learner)}
    plain = {key: value for key, value in values.items() if isinstance(value, str | int | float | bool | None)}
    made_of = {key: _name_and_parameters(value) for key, value in values.items() if dataclasses.is_dataclass(value)}
    return {"name": name, **plain, **made_of}


@functools.cache
def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _trains(learners: Any) -> bool:
    return any(isinstance(one, SB3) for one in (learners.values() if isinstance(learners, Mapping) else [learners]))


def _versions(trained: bool) -> dict[str, str]:
    packages = ("diml", "numpy", "torch", "pettingzoo", *(["stable-baselines3"] if trained else []))
    return {package: _installed(package) for package in packages}
