"""`Traces`: what an observer of repeated play sees. Actions and labels; nothing of the payoffs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.labels import Label, checked_labels, label_kind
from diml_envs.traces.remedies import Remedies
from diml_envs.traces.validation import plain_json, whole_numbers

__all__ = ["MISSING", "Label", "Traces"]

MOST_UNLABELLED_ACTIONS = 2**20


class Traces:
    """Actions of E episodes of up to T rounds by N agents, validated on construction and never changed after.

    An action that was not observed is `MISSING` (-1): it is not scored, and payoffs that depend on it are
    undetermined (see `diml_inverse.log_likelihood` for what is then scored). Rounds from an episode's length
    on are padding: whatever they hold becomes `MISSING`, and rounds beyond the longest episode are cut.

    Args:
        actions: integers [E, T, N]; each agent's actions counted from 0. Copied.
        lengths: rounds of each episode, [E]; default: T for all.
        agents: N distinct names; default `agent_0` ...
        action_labels: the labels of each agent's actions, N sequences of distinct labels; their lengths are the
            action counts. Default: 0, 1, ... up to the largest action that anyone played.
        episodes: E distinct labels; default 0, 1, ...
        metadata: JSON values: who played, in what, which seed. Copied; numpy values become plain ones.

    Labels are str, int, float or bool, and of one kind among themselves (the actions of one agent, the episodes).

    Raises:
        ValueError: says what is wrong, and at which episode, round and agent.
    """

    actions: NDArray[np.int64]
    lengths: NDArray[np.int64]
    agents: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]
    episodes: tuple[Label, ...]
    metadata: dict[str, Any]

    def __init__(
        self,
        actions: ArrayLike,
        lengths: ArrayLike | None = None,
        agents: Sequence[str] | None = None,
        action_labels: Sequence[Sequence[Label]] | None = None,
        episodes: Sequence[Label] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        given = whole_numbers(actions, "actions", dimensions=3)
        num_episodes, num_rounds, num_agents = given.shape
        if 0 in given.shape:
            raise ValueError(f"no play: actions [E, T, N] have shape {list(given.shape)}")
        self.agents = _names([f"agent_{i}" for i in range(num_agents)] if agents is None else agents)
        self.episodes = checked_labels(range(num_episodes) if episodes is None else episodes, "episodes")
        self.lengths = whole_numbers(np.full(num_episodes, num_rounds) if lengths is None else lengths, "lengths", 1)
        self._check_sizes(given.shape)
        self.actions = _blank_padding(given, self.lengths)
        self.action_labels = self._labels_of_actions(action_labels)
        self.metadata = plain_json(metadata or {})
        self._check_actions()
        self.actions.flags.writeable = self.lengths.flags.writeable = False

    def _check_sizes(self, shape: tuple[int, ...]) -> None:
        num_episodes, num_rounds, num_agents = shape
        _check_size("lengths", len(self.lengths), num_episodes, shape)
        _check_size("episodes", len(self.episodes), num_episodes, shape)
        _check_size("agents", len(self.agents), num_agents, shape)
        bad = np.flatnonzero((self.lengths < 1) | (self.lengths > num_rounds))
        if bad.size:
            length = self.lengths[bad[0]]
            raise ValueError(f"episode {self.episodes[bad[0]]!r}: length {length} is outside 1..{num_rounds}")

    def _labels_of_actions(self, given: Sequence[Sequence[Label]] | None) -> tuple[tuple[Label, ...], ...]:
        if given is None:
            count = max(int(self.actions.max()) + 1, 1)
            if count > MOST_UNLABELLED_ACTIONS:
                raise ValueError(f"action {count - 1} is too large a number; count each agent's actions from 0")
            return (tuple(range(count)),) * self.num_agents
        if isinstance(given, Mapping):
            raise ValueError("action_labels must be a list with the labels of each agent in turn; got a mapping")
        _check_size("action_labels", len(given), self.num_agents, self.actions.shape)
        named = zip(given, self.agents, strict=True)
        labels = tuple(checked_labels(of_agent, f"actions of agent {agent!r}") for of_agent, agent in named)
        if () in labels:
            raise ValueError(f"agent {self.agents[labels.index(())]!r} has no actions: give it at least one label")
        return labels

    def _check_actions(self) -> None:
        bad = (self.actions < MISSING) | (self.actions >= np.array(self.action_counts))
        if bad.any():
            episode, round_, agent = np.argwhere(bad)[0]
            raise ValueError(
                f"episode {self.episodes[episode]!r}, round {round_}, agent {self.agents[agent]!r}: action "
                f"{self.actions[episode, round_, agent]} is outside 0..{self.action_counts[agent] - 1} "
                f"({MISSING} means not observed)"
            )

    @property
    def num_episodes(self) -> int:
        """E."""
        return self.actions.shape[0]

    @property
    def num_rounds(self) -> int:
        """T, the rounds of the longest episode."""
        return self.actions.shape[1]

    @property
    def num_agents(self) -> int:
        """N."""
        return self.actions.shape[2]

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each agent."""
        return tuple(len(labels) for labels in self.action_labels)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """bool [E, T, N]: the agent's action is known (neither missing nor padding)."""
        return self.actions != MISSING

    def __len__(self) -> int:
        return self.num_episodes

    def __iter__(self) -> Iterator[Traces]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, which: int | slice | ArrayLike) -> Traces:
        """The chosen episodes (an index, a slice, a mask [E] or indices), as Traces cut to their longest.

        Indices may repeat, as in a bootstrap; the episodes are then numbered afresh.

        Raises:
            ValueError: none chosen.
            IndexError: an index outside the episodes, or a mask of another length.
        """
        # An empty list would become an array of floats, which is no index.
        index = which if isinstance(which, slice) else np.asarray(which, None if np.size(which) else np.int64)
        chosen = np.atleast_1d(np.arange(len(self))[index])
        if not chosen.size:
            raise ValueError(f"no episode chosen out of {len(self)}")
        lengths = self.lengths[chosen]
        return Traces(
            self.actions[chosen, : lengths.max()],
            lengths,
            self.agents,
            self.action_labels,
            _if_distinct([self.episodes[i] for i in chosen]),
            self.metadata,
        )

    def __add__(self, other: Traces) -> Traces:
        """Both sets of episodes, with the metadata they agree on.

        Labels of episodes are kept if they stay distinct and of one kind; else episodes are numbered afresh.

        Raises:
            ValueError: other agents or other actions.
        """
        if not isinstance(other, Traces):
            return NotImplemented
        for name in ("agents", "action_labels"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"cannot add traces: {name} are {getattr(self, name)} and {getattr(other, name)}")
        num_rounds = max(self.num_rounds, other.num_rounds)
        padded = [
            np.pad(part.actions, ((0, 0), (0, num_rounds - part.num_rounds), (0, 0)), constant_values=MISSING)
            for part in (self, other)
        ]
        return Traces(
            np.concatenate(padded),
            np.concatenate([self.lengths, other.lengths]),
            self.agents,
            self.action_labels,
            _if_distinct([*self.episodes, *other.episodes]),
            {key: value for key, value in self.metadata.items() if (key, value) in other.metadata.items()},
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Traces):
            return NotImplemented
        return (
            np.array_equal(self.actions, other.actions)
            and np.array_equal(self.lengths, other.lengths)
            and all(getattr(self, n) == getattr(other, n) for n in ("agents", "action_labels", "episodes", "metadata"))
        )

    __hash__ = None  # type: ignore[assignment]  # compared by content

    def __repr__(self) -> str:
        missing = int(self.lengths.sum()) * self.num_agents - int(self.observed.sum())
        return (
            f"Traces(episodes={self.num_episodes}, rounds={self.lengths.min()}..{self.lengths.max()}, "
            f"agents={self.num_agents}, action_counts={self.action_counts}, missing={missing})"
        )

    def split(self, fraction: float = 0.8, seed: int | None = None) -> tuple[Traces, Traces]:
        """Two disjoint sets of whole episodes: `fraction` of them (rounded, at least one on each side), the rest.

        The first episodes form the first set unless a seed is given, which draws them at random. Both sets keep
        the order of the episodes.

        Raises:
            ValueError: a fraction outside (0, 1), or a single episode.
        """
        if not 0 < fraction < 1 or len(self) < 2:
            raise ValueError(f"split needs 0 < fraction < 1 and at least two episodes; got {fraction}, {len(self)}")
        order = np.arange(len(self)) if seed is None else np.random.default_rng(seed).permutation(len(self))
        cut = min(max(round(fraction * len(self)), 1), len(self) - 1)
        return self[np.sort(order[:cut])], self[np.sort(order[cut:])]

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        episode: str = "episode",
        round: str = "round",
        agent: str = "agent",
        action: str = "action",
        action_labels: Mapping[str, Sequence[Label]] | None = None,
        **remedies: Unpack[Remedies],
    ) -> Traces:
        """Traces from a long frame: a row for each episode, round and agent. See `diml_envs.frames`.

        Args:
            frame: rows in any order; other columns are ignored.
            episode, round, agent, action: names of its columns. An empty action was not observed.
            action_labels: {agent: labels} of agents whose actions the frame cannot tell, because some were never
                played. Default: the actions it played itself.
            remedies: what to change while reading (`diml_envs.traces.remedies.Remedies`): missing=["NA"],
                merge_labels=True, bins=5 or "width=0.25", cut="restart" or a number of rounds. Default: nothing.

        Raises:
            ValueError: missing columns, rows missing or given twice, gaps in the rounds; says where.
        """
        from diml_envs.traces.frames import traces_from_frame

        return traces_from_frame(frame, episode, round, agent, action, action_labels, **remedies)

    def to_frame(self) -> pd.DataFrame:
        """Long frame with columns episode, round, agent, action; an unobserved action is an empty cell.

        `from_frame` gives the same traces back; actions that nobody ever played need its `action_labels`.
        """
        from diml_envs.traces.frames import traces_to_frame

        return traces_to_frame(self)

    def save(self, path: str | Path) -> None:
        """Write to `path` by its ending: `.nc` (everything), `.csv` or `.parquet` (the long frame).

        Whole or not at all: a file that was there stays until the new one is complete.
        """
        from diml_envs.traces.files import save_traces

        save_traces(self, path)

    @classmethod
    def load(cls, path: str | Path, **columns: Any) -> Traces:
        """Read what `save` wrote, or any long `.csv` or `.parquet`, its columns named as in `from_frame`.

        Raises:
            ValueError: names the file, if it is not whole and right.
            FileNotFoundError: no such file.
        """
        from diml_envs.traces.files import load_traces

        return load_traces(path, **columns)


def _blank_padding(actions: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    longest = int(lengths.max())
    if longest < actions.shape[1]:
        actions = actions[:, :longest].copy()
    actions[np.arange(longest) >= lengths[:, None]] = MISSING
    return actions


def _check_size(name: str, given: int, wanted: int, shape: tuple[int, ...]) -> None:
    if given != wanted:
        raise ValueError(f"{name} has {given} entries where actions {list(shape)} need {wanted}")


def _names(given: Sequence[str]) -> tuple[str, ...]:
    names = checked_labels(given, "agents")
    if names and not isinstance(names[0], str):
        raise ValueError(f"agents must be named by text; got {names[0]!r}: name them, for instance 'agent_0'")
    return tuple(map(str, names))


def _if_distinct(episodes: list[Label]) -> list[Label] | None:
    one_kind = len({label_kind(label, "episodes") for label in episodes}) <= 1
    return episodes if one_kind and len(set(episodes)) == len(episodes) else None
