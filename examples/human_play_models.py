"""The recorded games, and the models of them, for human_play.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from diml_envs import Mechanism, Traces
from diml_envs.mechanisms import OwnLoadTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics, DynamicsComparison, Estimate, StructuredMLE
from diml_inverse.baselines import BehaviouralCloning, ChoiceFrequencies

PAIRS_LEFT_OUT = 10  # at a time, in the inspection game
RIDGE = 0.01  # just enough for a maximum to exist
Members = Mapping[str, AttractionDynamics]

# The games


@dataclass(frozen=True)
class Game:
    """Play, the people of each episode, the money [A, A, 2], and the form of the payoffs to recover."""

    name: str
    traces: Traces
    people: list[int]
    money: np.ndarray
    form: Mechanism

    @property
    def seats_alike(self) -> bool:
        return isinstance(self.form, OwnLoadTableMechanism)  # of two agents: one payoff table for both

    @property
    def folds(self) -> int:
        groups = len(set(self.people))
        return groups if self.seats_alike else max(groups // PAIRS_LEFT_OUT, 2)


def inspection_game(folder: Path) -> Game:
    """Roles differ: a payoff table for each."""
    frame, truth = _read(folder)
    traces = Traces.from_frame(frame, action_labels=truth["actions"])
    money = _money(truth["payoffs"], *(truth["actions"][agent] for agent in truth["agents"]))
    return Game("inspection", traces, list(range(len(traces))), money, TabularMechanism([2, 2]))


def dilemmas(folder: Path) -> Iterator[Game]:
    """A game for each reward."""
    frame, truth = _read(folder)
    frame["number"] = frame["episode"].str.extract(r"(\d+)$", expand=False).astype(int)
    frame = frame.sort_values("number", kind="stable")
    session_of = (frame["reward_cc"] != frame["reward_cc"].shift()).cumsum().groupby(frame["episode"]).first()
    labels = dict.fromkeys(truth["agents"], truth["actions"])
    for reward, part in frame.groupby("reward_cc"):
        traces = Traces.from_frame(part, action_labels=labels)
        money = _money(truth["payoffs"][str(reward)], truth["actions"], truth["actions"])
        people = [int(session_of[episode]) for episode in traces.episodes]
        yield Game(f"dilemma {reward}", traces, people, money, OwnLoadTableMechanism(2, 2))


def _read(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    return pd.read_csv(folder / "plays.csv"), json.loads((folder / "truth.json").read_text())


def _money(payoffs: Mapping[str, list[float]], first: list[str], second: list[str]) -> np.ndarray:
    return np.array([[payoffs[f"{a},{b}"] for b in second] for a in first], float)


# The models


class Money(Mechanism):
    """The money paid, times a weight and less a reference point, each agent's own: nothing else is fitted."""

    def __init__(self, money: np.ndarray) -> None:
        super().__init__(money.shape[:2])
        self.register_buffer("money", torch.tensor(money / money.std()))
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.reference = torch.nn.Parameter(torch.zeros(2))

    def reset_parameters(self, generator: torch.Generator) -> None:
        self.weight.data.fill_(0.1)
        self.reference.data.zero_()

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        self.validate(actions)
        return self.weight * self.money[tuple(actions.unbind(-1))] - self.reference


def maximum(form: Mechanism, learners: AttractionDynamics) -> StructuredMLE:
    return StructuredMLE(form, learners, RIDGE, max_iterations=500, tolerance=1e-8)


@dataclass
class Auto:
    """Payoffs and learners together, the member chosen by `DynamicsComparison` within the play that is given."""

    form: Mechanism
    members: Members
    seed: int
    found: dict[Any, Estimate] = field(default_factory=dict)  # what `Extended` starts from is not searched for again

    def fit(self, traces: Traces) -> Estimate:
        if traces.episodes not in self.found:
            comparison = DynamicsComparison(partial(maximum, self.form), self.members, seed=self.seed)
            self.found[traces.episodes] = comparison.fit(traces)
        return self.found[traces.episodes]


@dataclass
class Extended:
    """The member that `auto` chooses, with more to fit, or with other payoffs."""

    auto: Auto
    more: Callable[[AttractionDynamics], AttractionDynamics] = field(default=lambda learners: learners)
    form: Mechanism | None = None

    def fit(self, traces: Traces) -> Estimate:
        chosen = self.auto.fit(traces)
        learners = self.more(self.auto.members[chosen_member(chosen)])
        found = maximum(self.form or self.auto.form, learners).fit(traces)
        return replace(found, info=chosen.info)


@dataclass
class BothWays:
    """An estimator that is shown each episode a second time with the seats exchanged."""

    estimator: ChoiceFrequencies

    def fit(self, traces: Traces) -> Any:
        exchanged = Traces(traces.actions[..., ::-1], traces.lengths, traces.agents, traces.action_labels)
        return self.estimator.fit(traces + exchanged)


def chosen_member(estimate: Estimate) -> str:
    return next(row["member"] for row in estimate.info["learners"] if row["chosen"])


def with_habit(learners: AttractionDynamics) -> AttractionDynamics:
    """And a pull towards the own last action, or away from it."""
    config = learners.config()
    return AttractionDynamics(**{**config, "habit": 0.0, "fit": [*config["fit"], "habit"]})


def for_each_role(learners: AttractionDynamics) -> AttractionDynamics:
    """What is fitted is one number for each agent instead of one for both."""
    config = learners.config()
    return AttractionDynamics(**{**config, **{name: [config[name]] * 2 for name in config["fit"]}})


def models(game: Game, members: Members, seed: int) -> dict[str, Any]:
    auto, money = Auto(game.form, members, seed), Money(game.money)
    static, yesterday = ChoiceFrequencies(0), ChoiceFrequencies(1)
    found = {
        "static logit": BothWays(static) if game.seats_alike else static,
        "yesterday's profile": BothWays(yesterday) if game.seats_alike else yesterday,
        "cloning": BehaviouralCloning(seed=seed),
        "money": Extended(auto, form=money),
        "auto": auto,
        "auto, habit": Extended(auto, with_habit),
    }
    if not game.seats_alike:
        found["auto, each role"] = Extended(auto, for_each_role)
        found["money, each role"] = Extended(auto, for_each_role, money)
    return found
