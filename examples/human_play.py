"""What recorded human play says: `python human_play.py DATA`, or with the folder in DIML_HUMAN_DATA.

DATA holds inspection_game/ and repeated_pd/, each with plays.csv (episode, round, agent, action; the dilemma also
reward_cc, the reward for joint cooperation) and truth.json (the money paid, which only the models "money" see).

Every model is scored on people it was not fitted to. In the inspection game these are pairs, who never meet others.
In the dilemma people are rematched within a session; its columns name neither people nor sessions, but supergames are
numbered in the order of sessions, so a run of consecutive numbers with one reward is taken for a session.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import t as student_t

from diml_envs import Mechanism, Traces
from diml_envs.mechanisms import OwnLoadTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics, DynamicsComparison, Estimate, StructuredMLE, cross_validate
from diml_inverse.baselines import BehaviouralCloning, ChoiceFrequencies
from diml_inverse.dynamics.members import MEMBERS
from diml_inverse.inference import Jackknife, jackknife

PAIRS_LEFT_OUT = 10  # at a time, in the inspection game
RIDGE = 0.01  # just enough for a maximum to exist
OTHER_PLAYS = torch.tensor([[0, 0], [1, 1]])  # its first action, its second
ROLE_MODELS = ("auto", "auto, habit", "auto, each role")  # of which the last is drawn
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


# The tables


def score_table(game: Game, candidates: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Nats per choice of people left out and what that is more than `auto`'s, errors over pairs or sessions."""
    scores = {name: cross_validate(it, game.traces, game.people, game.folds, seed) for name, it in candidates.items()}
    auto, uniform = scores["auto"], -float(np.log(2))
    rows: list[dict[str, Any]] = [
        {"model": "uniform", "nats": uniform, "over_auto": uniform - auto.mean, "over_auto_error": auto.standard_error}
    ]
    for name, score in scores.items():
        row = {"model": name, "nats": score.mean, "nats_error": score.standard_error}
        row |= {"over_auto": score.mean - auto.mean, "over_auto_error": score.standard_error_to(auto)}
        searched = [fold for fold in score.predictors if isinstance(fold, Estimate)]
        rows.append(row | {"chosen": "; ".join(sorted({chosen_member(fold) for fold in searched}))})
    return pd.DataFrame(rows).assign(game=game.name, groups=len(set(game.people)))


def member_table(games: list[Game], autos: list[Auto]) -> pd.DataFrame:
    """Nats per choice of episodes left out at random, by which a member is chosen for all of a game's play."""
    found = [(game.name, row) for game, auto in zip(games, autos, strict=True) for row in learners_of(auto, game)]
    rows = [{"game": game, "member": row["member"], "nats": row["held_out_log_likelihood"]} for game, row in found]
    return pd.DataFrame(rows).pivot(index="member", columns="game", values="nats")


def learners_of(auto: Auto, game: Game) -> list[dict[str, Any]]:
    return list(auto.fit(game.traces).info["learners"])


def gaps(mechanism: Mechanism) -> np.ndarray:
    """Payoff of the first action less the second's, by what the other plays and agent, [2, 2]."""
    with torch.no_grad():
        payoffs = mechanism.counterfactual_payoffs(OTHER_PLAYS).double().numpy()
    return payoffs[..., 0] - payoffs[..., 1]


def gap_rows(game: Game, model: str, agents: str, gap: np.ndarray, error: np.ndarray, width: float) -> pd.DataFrame:
    """A row for what the other plays and each agent; gap, error: [2, n] of the first n agents."""
    money = gaps(TabularMechanism.from_payoffs(game.money))
    rows = []
    for agent in range(gap.shape[1]):
        own, others = game.traces.action_labels[agent], game.traces.action_labels[1 - agent]
        for other in range(2):
            row = {"game": game.name, "model": model, "agent": agents or game.traces.agents[agent]}
            row |= {"gap": f"{own[0]} - {own[1]}", "other": others[other], "money": money[other, agent]}
            found, doubt = gap[other, agent], error[other, agent]
            row |= {"recovered": found, "error": doubt, "low": found - width * doubt, "high": found + width * doubt}
            rows.append(row)
    return pd.DataFrame(rows)


def gap_jackknife(game: Game, estimator: Any, people: list[int]) -> Jackknife:
    """Gaps [2, 2], each group of people left out in turn."""
    return jackknife(estimator, game.traces, people, lambda estimate: gaps(estimate.mechanism))


def role_rows(game: Game, auto: Auto) -> pd.DataFrame:
    """Of the inspection game, under the member chosen for all of its play, without and with more to fit."""
    member = auto.members[chosen_member(auto.fit(game.traces))]
    tens = [pair % PAIRS_LEFT_OUT for pair in game.people]
    rows = []
    for name, learners in zip(ROLE_MODELS, (member, with_habit(member), for_each_role(member)), strict=True):
        found = gap_jackknife(game, maximum(game.form, learners), tens)
        rows.append(gap_rows(game, name, "", found.value, found.standard_errors, student_t.ppf(0.975, found.degrees)))
    return pd.concat(rows)


def dilemma_rows(game: Game, member: str, pooled: Jackknife, apart: Jackknife) -> pd.DataFrame:
    """One table for both seats, and one for each."""
    width = student_t.ppf(0.975, pooled.degrees)
    both = gap_rows(game, member, "both seats", pooled.value[:, :1], pooled.standard_errors[:, :1], width)
    return pd.concat([both, gap_rows(game, f"{member}, each seat", "", apart.value, apart.standard_errors, width)])


def order_table(games: list[Game], pooled: list[Jackknife], apart: list[Jackknife]) -> pd.DataFrame:
    """Whether defecting on a cooperator pays less where cooperation is rewarded more. Money: 8 points less at a time.

    Differences between games, their people independent; Student's t with as many degrees as both games have.
    """
    cases: dict[str, tuple[list[Jackknife], Callable[[np.ndarray], np.ndarray]]] = {
        "both seats": (pooled, lambda gap: gap[..., 1, 0]),
        "both seats, over the gap given defection": (pooled, lambda gap: gap[..., 1, 0] / gap[..., 0, 0]),
        **{who: (apart, lambda gap, i=i: gap[..., 1, i]) for i, who in enumerate(games[0].traces.agents)},
    }
    rows = []
    for case, (found, part) in cases.items():
        for less, more in ((0, 1), (1, 2), (0, 2)):
            low, high = (Jackknife(part(found[i].value), part(found[i].left_out)) for i in (less, more))
            fall, error = low.value - high.value, float(np.hypot(low.standard_errors, high.standard_errors))
            degrees = low.degrees + high.degrees
            half = student_t.ppf(0.975, degrees) * error
            row = {"gap given cooperation": case, "fall": f"{games[less].name} to {games[more].name.split()[1]}"}
            row |= {"value": fall, "error": error, "low": fall - half, "high": fall + half}
            rows.append(row | {"p_value": 2 * student_t.sf(abs(fall) / error, degrees)})
    return pd.DataFrame(rows)


def every_member(games: list[Game], members: Members) -> pd.DataFrame:
    """The gap given cooperation in each dilemma under every member, fitted to all play."""
    found: dict[str, list[float]] = {}
    for name, learners in members.items():
        try:
            fits = [maximum(game.form, learners).fit(game.traces) for game in games]
        except FloatingPointError:
            continue
        found[name] = [gaps(fit.mechanism)[1, 0] for fit in fits]
    return pd.DataFrame(found, index=[f"gap, {game.name}" for game in games]).T.rename_axis("member")


def best_for_all(games: list[Game], autos: list[Auto]) -> str:
    """One member for the games, so that their payoffs can be compared: the best for choices of all together."""
    choices = np.array([game.traces.observed[:, 1:].sum() for game in games])
    held_out = member_table(games, autos)[[game.name for game in games]]
    return str((held_out * choices).sum(axis=1).idxmax())


def show(title: str, table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    print(f"\n{title}\n{table.to_string(index=False, float_format='%.4g', na_rep='')}", flush=True)


# The picture


def picture(scores: pd.DataFrame, payoffs: pd.DataFrame) -> Figure:
    """What each model gains over uniform play, and recovered gaps against money's."""
    figure = Figure(figsize=(12.5, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    colours = dict(zip(scores["game"].unique(), ("#000000", "#0072B2", "#E69F00", "#009E73"), strict=False))
    names = list(dict.fromkeys(scores["model"]))
    for place, (game, part) in enumerate(scores.groupby("game", sort=False)):
        height = np.array([names.index(model) for model in part["model"]]) + 0.16 * (place - 1.5)
        bars = part["nats_error"].fillna(0)
        left.errorbar(part["nats"], height, xerr=bars, fmt="o", color=colours[game], ms=4.5, capsize=2, label=game)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("log-likelihood per choice of people left out, nats (one standard error)")
    left.grid(axis="x", color="0.92")
    left.legend(frameon=False, loc="lower left")
    right.axhspan(0, 1e3, xmax=0.5, color="0.95")
    right.axhspan(-1e3, 0, xmin=0.5, color="0.95")
    for row in payoffs.to_dict("records"):
        bar = [[row["recovered"] - row["low"]], [row["high"] - row["recovered"]]]
        first = row["agent"] in ("examiner", "both seats")
        style = {"marker": "o" if first else "s", "mfc": colours[row["game"]] if first else "white"}
        right.errorbar(row["money"], row["recovered"], yerr=bar, color=colours[row["game"]], capsize=2, **style)
    reach = 1.1 * np.abs(payoffs["money"]).max()
    tall = 1.15 * np.abs(payoffs["recovered"]).max() + 0.5
    right.set(xlim=(-reach, reach), ylim=(-tall, tall), xlabel="money, points", ylabel="recovered, logits (95 %)")
    right.axhline(0, color="0.6", lw=0.8)
    right.axvline(0, color="0.6", lw=0.8)
    right.set_title("Payoff of the first action less the second's; shaded: wrong sign\nsquares: students", fontsize=10)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description="What recorded human play says, and what it does not.")
    parser.add_argument("data", nargs="?", default=os.environ.get("DIML_HUMAN_DATA"), help="or DIML_HUMAN_DATA")
    parser.add_argument("-o", "--output", type=Path, default=Path("human_play"), help="folder of tables and picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", nargs="+", choices=MEMBERS, default=list(MEMBERS), help="default: all")
    given = parser.parse_args()
    data = Path(given.data or "")
    if given.data is None or not all(
        (data / name / "plays.csv").is_file() for name in ("inspection_game", "repeated_pd")
    ):
        where = f"not in {data}" if given.data else "no folder given"
        sys.exit(
            f"The recorded human play is not there ({where}): give the folder that holds inspection_game/ and "
            "repeated_pd/, as an argument or in DIML_HUMAN_DATA."
        )
    members = {name: MEMBERS[name]() for name in given.members}
    inspection, *rest = games = [inspection_game(data / "inspection_game"), *dilemmas(data / "repeated_pd")]

    candidates = {game.name: models(game, members, given.seed) for game in games}
    scores = pd.concat([score_table(game, candidates[game.name], given.seed) for game in games], ignore_index=True)
    show("Log-likelihood per choice of people left out", scores, given.output / "scores.csv")

    autos = [candidates[game.name]["auto"] for game in games]
    by_member = member_table(games, autos).join(every_member(rest, members)).reset_index()
    show("Every member", by_member, given.output / "members.csv")

    one = best_for_all(rest, autos[1:])
    pooled = [gap_jackknife(game, maximum(game.form, members[one]), game.people) for game in rest]
    apart = [gap_jackknife(game, maximum(inspection.form, members[one]), game.people) for game in rest]
    tables = [dilemma_rows(game, one, *found) for game, *found in zip(rest, pooled, apart, strict=True)]
    payoffs = pd.concat([role_rows(inspection, autos[0]), *tables], ignore_index=True)
    show("Payoff gaps: money in points, recovered in logits", payoffs, given.output / "payoffs.csv")
    show("Order of the dilemmas", order_table(rest, pooled, apart), given.output / "order.csv")
    shown = payoffs[payoffs["model"].isin([ROLE_MODELS[-1], one])]
    picture(scores, shown).savefig(given.output / "human_play.png", dpi=150)
    print(f"tables and picture: {given.output}/")


if __name__ == "__main__":
    main()
