"""`Traces`: what an observer of repeated play sees. Actions, labels and who sat where; nothing of the payoffs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.checks import blank_padding, check_actions, check_sizes, checked_action_labels, checked_names
from diml_envs.traces.columns import Columns
from diml_envs.traces.fields import Fields
from diml_envs.traces.frames import fields_of_frame, frame_of_fields
from diml_envs.traces.joining import chosen_fields, drawn_fields, followed_fields, joined_fields
from diml_envs.traces.labels import Label, checked_labels
from diml_envs.traces.people import GIVEN, checked_people, clusters_of, episodes_of, first_matches
from diml_envs.traces.remedies import Remedies
from diml_envs.traces.validation import plain_json, whole_numbers

__all__ = ["MISSING", "Label", "Traces"]


class Traces:
    """Actions of E episodes of up to T rounds by N agents, validated on construction and never changed after.

    An action that was not observed is `MISSING` (-1): it is not scored, and payoffs that depend on it are
    undetermined (see `diml_inverse.log_likelihood` for what is then scored). Rounds from an episode's length
    on are padding: whatever they hold becomes `MISSING`, and rounds beyond the longest episode are cut.

    Where persons are named, an agent is a seat, and an episode one match: the same people in the same seats for
    consecutive rounds. What a person has learnt he takes from match to match. Without persons, every agent is somebody
    new in every episode.

    Args:
        actions: integers [E, T, N]; each agent's actions counted from 0. Copied.
        lengths: rounds of each episode, [E]; default: T for all.
        agents: N distinct names; default `agent_0` ...
        action_labels: the labels of each agent's actions, N sequences of distinct labels; their lengths are the
            action counts. Default: 0, 1, ... up to the largest action that anyone played.
        episodes: E distinct labels; default 0, 1, ...
        metadata: JSON values: who played, in what, which seed. Copied; numpy values become plain ones.
        persons: who sat in each seat, integers [E, N] into `person_labels`; -1: that seat's moves are given (a script,
            somebody who is not followed), context for the others, neither fitted nor scored. Default: nobody is named.
        person_labels: distinct labels; default 0, 1, ... Labels that do not occur are dropped and the others sorted.
        sessions: the session of each episode, integers [E] into `session_labels`. A person belongs to one session.
        session_labels: as person_labels.
        begins: integers [E], the round of its session at which each episode starts: the order of a person's matches.
            Those that begin alike are in the order of episodes. Default: 0.
        given: names of agents whose moves are given in all episodes.

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
    persons: NDArray[np.int64] | None
    person_labels: tuple[Label, ...]
    sessions: NDArray[np.int64] | None
    session_labels: tuple[Label, ...]
    begins: NDArray[np.int64]
    given: tuple[str, ...]

    def __init__(
        self,
        actions: ArrayLike,
        lengths: ArrayLike | None = None,
        agents: Sequence[str] | None = None,
        action_labels: Sequence[Sequence[Label]] | None = None,
        episodes: Sequence[Label] | None = None,
        metadata: Mapping[str, Any] | None = None,
        persons: ArrayLike | None = None,
        person_labels: Sequence[Label] | None = None,
        sessions: ArrayLike | None = None,
        session_labels: Sequence[Label] | None = None,
        begins: ArrayLike | None = None,
        given: Sequence[str] = (),
    ) -> None:
        played = whole_numbers(actions, "actions", dimensions=3)
        num_episodes, num_rounds, num_agents = played.shape
        if 0 in played.shape:
            raise ValueError(f"no play: actions [E, T, N] have shape {list(played.shape)}")
        self.agents = checked_names([f"agent_{i}" for i in range(num_agents)] if agents is None else agents)
        self.episodes = checked_labels(range(num_episodes) if episodes is None else episodes, "episodes")
        self.lengths = whole_numbers(np.full(num_episodes, num_rounds) if lengths is None else lengths, "lengths", 1)
        check_sizes(played.shape, self.lengths, self.episodes, self.agents)
        self.actions = blank_padding(played, self.lengths)
        self.action_labels = checked_action_labels(action_labels, self.actions, self.agents)
        self.metadata = plain_json(metadata or {})
        check_actions(self.actions, self.episodes, self.agents, self.action_counts)
        people = checked_people(
            self.agents, self.episodes, persons, person_labels, sessions, session_labels, begins, given
        )
        self._people = people
        self.persons, self.person_labels, self.sessions, self.session_labels, self.begins, self.given = people
        for array in (self.actions, self.lengths, self.persons, self.sessions, self.begins):
            if array is not None:
                array.flags.writeable = False

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

    @property
    def followed(self) -> NDArray[np.bool_]:
        """bool [E, N]: the seat's moves are somebody's choices to be explained, not given."""
        if self.persons is not None:
            return self.persons != GIVEN
        return np.broadcast_to([agent not in self.given for agent in self.agents], (len(self), self.num_agents))

    @property
    def clusters(self) -> NDArray[np.int64]:
        """int64 [E]: the largest units that share no people, numbered in the order of episodes.

        Sessions where they are known, else episodes that persons connect, else each episode by itself.
        """
        return clusters_of(self._people)

    @property
    def units(self) -> NDArray[np.int64]:
        """int64 [E, N]: what choices are resampled, held out and counted by: the `clusters`, numbered as there.

        Where everybody is connected (a single session, say), the persons instead, -1 for a given move: each with the
        moves of the others given. That takes the model for right in how persons answer one another.
        """
        clusters = self.clusters
        if self.persons is not None and clusters.max() == 0 and len(self.person_labels) > 1:
            return self.persons
        return np.broadcast_to(clusters[:, None], (len(self), self.num_agents))

    @property
    def num_units(self) -> int:
        """How many `units` there are."""
        return int(self.units.max()) + 1

    @property
    def by_person(self) -> bool:
        """Whether `units` are persons."""
        return self.units is self.persons

    def of_units(self, chosen: ArrayLike) -> Traces:
        """The play of some units, bool [U]: their episodes, or the matches of these persons (see `follow`).

        Raises:
            ValueError: none chosen.
        """
        mask = np.asarray(chosen, bool)
        return self.follow(mask) if self.by_person else self[np.flatnonzero(mask[self.clusters])]

    def drawn(self, units: ArrayLike) -> Traces:
        """The play of units drawn with replacement, as for a bootstrap: whoever is drawn twice is two people."""
        numbers = np.asarray(units, np.int64)
        return Traces(**drawn_fields(self, numbers)) if self.by_person else self[episodes_of(self.clusters, numbers)]

    @property
    def beginnings(self) -> NDArray[np.bool_]:
        """bool [E, N]: the first match of whoever sits there, in whose first round nothing has been learnt."""
        return first_matches(self.persons, self.begins, self.num_agents)

    def fields(self) -> dict[str, Any]:
        """The arguments that make these traces again."""
        return {name: getattr(self, name) for name in Fields._fields}

    def replace(self, **changes: Any) -> Traces:
        """The same traces with other values of some arguments; the people stay who they were."""
        for codes, labels in (("persons", "person_labels"), ("sessions", "session_labels")):
            if changes.get(codes, 0) is None or getattr(self, codes) is None:
                changes.setdefault(labels, None)
        return Traces(**{**self.fields(), **changes})

    def follow(self, persons: ArrayLike) -> Traces:
        """The matches of some persons; the moves of all others in them are given.

        Args:
            persons: bool [P] or numbers of those who are followed.

        Raises:
            ValueError: no persons are named here, or none chosen.
        """
        return Traces(**followed_fields(self, persons))

    def __len__(self) -> int:
        return self.num_episodes

    def __iter__(self) -> Iterator[Traces]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, which: int | slice | ArrayLike) -> Traces:
        """The chosen episodes (an index, a slice, a mask [E] or indices), as Traces cut to their longest.

        Indices may repeat, as in a bootstrap; the episodes are then numbered afresh, and so are persons and sessions:
        whoever is drawn twice is two people.

        Raises:
            ValueError: none chosen.
            IndexError: an index outside the episodes, or a mask of another length.
        """
        return Traces(**chosen_fields(self, which))

    def __add__(self, other: Traces) -> Traces:
        """Both sets of episodes, with the metadata they agree on.

        Labels of episodes are kept if they stay distinct and of one kind, and then persons and sessions of one label
        are the same. Else all are numbered afresh: different people.

        Raises:
            ValueError: other agents or other actions; persons, sessions or given moves in one alone.
        """
        if not isinstance(other, Traces):
            return NotImplemented
        return Traces(**joined_fields(self, other))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Traces):
            return NotImplemented
        pairs = [(getattr(self, name), getattr(other, name)) for name in Fields._fields]
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]  # compared by content

    def __repr__(self) -> str:
        missing = int(self.lengths.sum()) * self.num_agents - int(self.observed.sum())
        people = "" if self.persons is None else f", persons={len(self.person_labels)}"
        people += "" if self.sessions is None else f", sessions={len(self.session_labels)}"
        people += f", given={self.given}" if self.given else ""
        return (
            f"Traces(episodes={self.num_episodes}, rounds={self.lengths.min()}..{self.lengths.max()}, "
            f"agents={self.num_agents}, action_counts={self.action_counts}{people}, missing={missing})"
        )

    def split(self, fraction: float = 0.8, seed: int | None = None) -> tuple[Traces, Traces]:
        """Two sets of play that share nobody: `fraction` of it (rounded, at least one unit on each side), and the rest.

        Units are whole `clusters`: sessions where they are known, else episodes that persons connect, else episodes.
        Where everybody is connected, persons are parted instead: both sets hold the matches of their own persons, in
        which the moves of the others are given.

        The first units form the first set unless a seed is given, which draws them at random. Both sets keep
        the order of the episodes.

        Raises:
            ValueError: a fraction outside (0, 1), or a single unit.
        """
        units = self.num_units
        if not 0 < fraction < 1 or units < 2:
            raise ValueError(
                "split needs 0 < fraction < 1 and at least two episodes that share nobody, or two persons; "
                f"got {fraction} and {self}"
            )
        order = np.arange(units) if seed is None else np.random.default_rng(seed).permutation(units)
        first = np.isin(np.arange(units), order[: min(max(round(fraction * units), 1), units - 1)])
        return self.of_units(first), self.of_units(~first)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        episode: str = "episode",
        round: str = "round",
        agent: str | None = "agent",
        action: str = "action",
        action_labels: Mapping[str, Sequence[Label]] | None = None,
        *,
        person: str | None = "person",
        session: str | None = "session",
        match: str | None = None,
        other: str | None = None,
        given: Sequence[str] = (),
        **remedies: Unpack[Remedies],
    ) -> Traces:
        """Traces from a long frame: a row for each episode, round and agent. See `diml_envs.traces.frames`.

        Args:
            frame: rows in any order; other columns are ignored.
            episode, round, agent, action: names of its columns. An empty action was not observed.
            action_labels: {agent: labels} of agents whose actions the frame cannot tell, because some were never
                played. Default: the actions it played itself, or any seat that one of its persons sat in.
            person: column that says who sat in the agent's seat; empty for a given move. A column of just this name is
                used without asking; None leaves persons out.
            session: column with the session of the episode; as person. Labels of persons count within their session.
            match: column with the group of each round, where groups change; the episode column is then the session.
                A group that keeps its people in their seats for consecutive rounds makes one episode. `agent=None`:
                seats mean nothing.
            other: column with the other's choice, where a row holds both; each person's rows make episodes of their
                own, in which the other's moves are given.
            given: agents whose moves are given.
            remedies: what to change while reading (`diml_envs.traces.remedies.Remedies`): missing=["NA"],
                merge_labels=True, bins=5 or "width=0.25", cut="restart" or a number of rounds. Default: nothing.

        Raises:
            ValueError: missing columns, rows missing or given twice, gaps in the rounds; says where.
        """
        columns = Columns(episode, round, agent, action, person, session, match, other)
        return cls(*fields_of_frame(frame, columns, action_labels, given, **remedies))

    def to_frame(self) -> pd.DataFrame:
        """Long frame with columns episode, round, agent, action; an unobserved action is an empty cell.

        Where they are known, columns person and session follow; a given move has no person. `from_frame` gives the same
        traces back; actions that nobody ever played need its `action_labels`, and agents whose moves are given where no
        persons are named its `given`.
        """
        return frame_of_fields(self)

    def save(self, path: str | Path) -> None:
        """Write to `path` by its ending: `.nc` (everything), `.csv` or `.parquet` (the long frame).

        Whole or not at all: a file that was there stays until the new one is complete.
        """
        from diml_envs.traces.files import write_fields  # pyarrow and h5py, which most programs do without, take time

        write_fields(self, path)

    @classmethod
    def load(cls, path: str | Path, **columns: Any) -> Traces:
        """Read what `save` wrote, or any long `.csv` or `.parquet`, its columns named as in `from_frame`.

        Raises:
            ValueError: names the file, if it is not whole and right.
            FileNotFoundError: no such file.
        """
        from diml_envs.traces.files import read_fields  # see save

        fields = read_fields(path, **columns)
        try:
            return cls(*fields)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
