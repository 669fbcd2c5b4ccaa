"""People who played, for money known to us and not to the estimators. The plays are not part of this project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from diml_envs.mechanisms import Mechanism, NeuralMechanism, TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.benchmark.tasks.task import Play, Task

PLAYS, TRUTH = "plays.csv", "truth.json"
PLACE = "--human-play FOLDER, or the variable DIML_HUMAN_PLAY"


def _nothing_drawn(seed: int) -> NoReturn:
    raise NotImplementedError("people played: there is nothing to draw")


@dataclass(frozen=True)
class HumanTask(Task):
    """Recorded play; the seed draws which episodes train. The truth is the money, in units of its own.

    Attributes:
        place: folder of the experiment within `folder`: `plays.csv` (episode, round, agent, action, and the column of
            `group`) and `truth.json` (agents; payoffs: `"action,action": [payoff, payoff]`, by group if there is one).
        group: column and value of the episodes to take; empty for all.
        folder: where the experiments are; None if the user gave none.
    """

    place: str = ""
    group: tuple[str, str] = ("", "")
    folder: Path | None = None

    @property
    def told(self) -> None:
        """Nobody knows how people learn."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Of behaviour first: money need not be all that people care for."""
        return "log_likelihood", "payoff_difference_mse_rescaled"

    @property
    def missing(self) -> str | None:
        """The plays, where they are not there."""
        if self.folder is None:
            return f"needs recorded plays ({PLACE})"
        absent = [name for name in (PLAYS, TRUTH) if not (self.folder / self.place / name).is_file()]
        return f"no file {self.folder / self.place / absent[0]}" if absent else None

    def settings(self) -> dict[str, Any]:
        """Which plays, told apart by their bytes."""
        sizes = {"num_agents": len(self.action_counts), "num_actions": max(self.action_counts)}
        known = {} if self.missing else {"plays": hashlib.sha256(self._file(PLAYS).read_bytes()).hexdigest()[:16]}
        return {**sizes, "train_share": self.train_share, **known}

    def play(self, seed: int) -> Play:
        """Read the plays and draw the episodes that train.

        Raises:
            ValueError: a file that is not as described.
        """
        if self.missing:
            raise ValueError(f"task {self.name}: {self.missing}")
        traces = self._traces()
        train, test = traces.split(self.train_share, seed=seed)
        return Play(train, test, self._truth(traces), None, None)

    def _file(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / self.place / name

    def _traces(self) -> Traces:
        path, (column, value) = self._file(PLAYS), self.group
        frame = pd.read_csv(path, dtype={column: "string"} if column else None)
        if column:
            if column not in frame:
                raise ValueError(f"{path} has no column {column!r}")
            frame = frame[frame[column] == value]
        traces = Traces.from_frame(frame)
        if traces.action_counts != self.action_counts:
            raise ValueError(f"{path}: actions {traces.action_counts}, where {self.name} has {self.action_counts}")
        return traces

    def _truth(self, traces: Traces) -> Mechanism:
        path = self._file(TRUTH)
        try:
            content = json.loads(path.read_text())
            table = content["payoffs"][self.group[1]] if self.group[0] else content["payoffs"]
            return _payoff_table(table, content["agents"], traces)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path} does not hold the payoffs of {self.name}: {error!r}") from error


def _payoff_table(table: Mapping[str, list[float]], agents: list[str], traces: Traces) -> TabularMechanism:
    """From `"action,action": [payoff, payoff]`, both in the order of `agents`."""
    order = [agents.index(agent) for agent in traces.agents]
    payoffs = np.full((*traces.action_counts, traces.num_agents), np.nan)
    for text, values in table.items():
        labels = text.split(",")
        place = [traces.action_labels[i].index(labels[j]) for i, j in enumerate(order)]
        payoffs[tuple(place)] = [values[j] for j in order]
    return TabularMechanism.from_payoffs(payoffs)


def with_human_play(task: Task, folder: Path | None) -> Task:
    """The task, told where recorded plays are if it needs them."""
    return replace(task, folder=folder) if isinstance(task, HumanTask) else task


def _two_by_two(name: str, about: str, num_rounds: int, **rest: Any) -> HumanTask:
    form = partial(NeuralMechanism, 2, 2, hidden=(32,))
    free = partial(TabularMechanism, [2, 2])
    return HumanTask(
        f"{name}-v0",
        about,
        _nothing_drawn,
        published_form=form,
        network=form,
        form=free,
        form_ridge=0.01,
        precision=1.0,
        exploration=0.02,
        num_rounds=num_rounds,
        **rest,
    )


HUMAN: dict[str, Task] = {
    task.name: task
    for task in (
        _two_by_two(
            "inspection-game",
            "People, 50 fixed pairs: an inspection game of 70 rounds, paid by a known table.",
            70,
            place="inspection_game",
        ),
        *(
            _two_by_two(
                f"repeated-pd-{reward}",
                f"People: the repeated prisoner's dilemma of Dal Bo & Frechette (2011), {reward} points for both.",
                23,
                place="repeated_pd",
                group=("reward_cc", reward),
            )
            for reward in ("32", "40", "48")
        ),
    )
}
