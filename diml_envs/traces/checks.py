"""Checks of what `Traces` are made of: sizes, names, actions and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.labels import Label, checked_labels

MOST_UNLABELLED_ACTIONS = 2**20

Codes = NDArray[np.int64]


def check_sizes(shape: tuple[int, ...], lengths: Codes, episodes: tuple[Label, ...], agents: tuple[str, ...]) -> None:
    """As many lengths, episodes and agents as the actions of that shape have, and lengths that fit."""
    num_episodes, num_rounds, num_agents = shape
    _check_size("lengths", len(lengths), num_episodes, shape)
    _check_size("episodes", len(episodes), num_episodes, shape)
    _check_size("agents", len(agents), num_agents, shape)
    bad = np.flatnonzero((lengths < 1) | (lengths > num_rounds))
    if bad.size:
        raise ValueError(f"episode {episodes[bad[0]]!r}: length {lengths[bad[0]]} is outside 1..{num_rounds}")


def blank_padding(actions: Codes, lengths: Codes) -> Codes:
    """Actions [E, T, N] cut to the longest episode, MISSING behind the end of each."""
    longest = int(lengths.max())
    if longest < actions.shape[1]:
        actions = actions[:, :longest].copy()
    actions[np.arange(longest) >= lengths[:, None]] = MISSING
    return actions


def checked_names(given: Sequence[str]) -> tuple[str, ...]:
    """Names of agents: labels that are text."""
    names = checked_labels(given, "agents")
    if names and not isinstance(names[0], str):
        raise ValueError(f"agents must be named by text; got {names[0]!r}: name them, for instance 'agent_0'")
    return tuple(map(str, names))


def checked_action_labels(
    given: Sequence[Sequence[Label]] | None, actions: Codes, agents: tuple[str, ...]
) -> tuple[tuple[Label, ...], ...]:
    """The labels of each agent's actions; default: as many as the largest action anyone played asks for."""
    if given is None:
        count = max(int(actions.max()) + 1, 1)
        if count > MOST_UNLABELLED_ACTIONS:
            raise ValueError(f"action {count - 1} is too large a number; count each agent's actions from 0")
        return (tuple(range(count)),) * len(agents)
    if isinstance(given, Mapping):
        raise ValueError("action_labels must be a list with the labels of each agent in turn; got a mapping")
    _check_size("action_labels", len(given), len(agents), actions.shape)
    named = zip(given, agents, strict=True)
    labels = tuple(checked_labels(of_agent, f"actions of agent {agent!r}") for of_agent, agent in named)
    if () in labels:
        raise ValueError(f"agent {agents[labels.index(())]!r} has no actions: give it at least one label")
    return labels


def check_actions(
    actions: Codes, episodes: tuple[Label, ...], agents: tuple[str, ...], counts: tuple[int, ...]
) -> None:
    """Every action is one of its agent's, or MISSING."""
    bad = (actions < MISSING) | (actions >= np.array(counts))
    if bad.any():
        episode, round_, agent = np.argwhere(bad)[0]
        raise ValueError(
            f"episode {episodes[episode]!r}, round {round_}, agent {agents[agent]!r}: action "
            f"{actions[episode, round_, agent]} is outside 0..{counts[agent] - 1} ({MISSING} means not observed)"
        )


def _check_size(name: str, given: int, wanted: int, shape: tuple[int, ...]) -> None:
    if given != wanted:
        raise ValueError(f"{name} has {given} entries where actions {list(shape)} need {wanted}")
