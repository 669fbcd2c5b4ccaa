"""What recorded human play says: `python human_play.py DATA`, or with the folder in DIML_HUMAN_PLAY.

DATA holds inspection_game/ and repeated_pd/, each with plays.csv (episode, round, agent, action; the dilemma also
reward_cc, the reward for joint cooperation) and truth.json (the money paid, which only the models "money" see).

Every model is scored on people it was not fitted to. In the inspection game these are pairs, who never meet others.
In the dilemma people are rematched within a session; its columns name neither people nor sessions, but supergames are
numbered in the order of sessions, so a run of consecutive numbers with one reward is taken for a session.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from human_play_models import (
    PAIRS_LEFT_OUT,
    Auto,
    Game,
    Members,
    chosen_member,
    dilemmas,
    for_each_role,
    inspection_game,
    maximum,
    models,
    with_habit,
)
from human_play_picture import picture
from scipy.stats import t as student_t

from diml_envs import Mechanism
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import AttractionDynamics, Estimate, cross_validate
from diml_inverse.dynamics.members import MEMBERS
from diml_inverse.inference import Jackknife, jackknife

OTHER_PLAYS = torch.tensor([[0, 0], [1, 1]])  # its first action, its second
ROLE_MODELS = ("auto", "auto, habit", "auto, each role")  # of which the last is drawn


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


def gap_jackknife(game: Game, form: Mechanism, learners: AttractionDynamics, people: list[int]) -> Jackknife:
    """Gaps [2, 2] under one model of learning fitted to all play, each group of people left out in turn."""
    return jackknife(maximum(form, learners), game.traces, people, lambda estimate: gaps(estimate.mechanism))


def gap_rows(game: Game, model: str, found: Jackknife, agents: Mapping[int, str]) -> pd.DataFrame:
    """Of each agent named: both gaps, and the ratio of the gap that money makes smaller or changes to the other."""
    top, money, rows = int(game.seats_alike), gaps(TabularMechanism.from_payoffs(game.money)), []
    for agent, who in agents.items():
        own, others = game.traces.action_labels[agent], game.traces.action_labels[1 - agent]

        def of_agent(gap: np.ndarray, i: int = agent) -> np.ndarray:
            return np.stack([gap[..., 0, i], gap[..., 1, i], gap[..., top, i] / gap[..., 1 - top, i]], -1)

        its = Jackknife(of_agent(found.value), of_agent(found.left_out))
        low, high = its.intervals()
        columns = {"money": of_agent(money), "recovered": its.value, "error": its.standard_errors}
        given = [*others, f"{others[top]} over {others[1 - top]}"]
        part = pd.DataFrame({"agent": who, "gap": f"{own[0]} - {own[1]}", "other": given, **columns})
        rows.append(part.assign(low=low, high=high))
    table = pd.concat(rows)
    return table.set_axis(range(len(table))).assign(game=game.name, model=model)


def role_rows(game: Game, auto: Auto) -> pd.DataFrame:
    """Of the inspection game, under the member chosen for all of its play, without and with more to fit."""
    member = auto.members[chosen_member(auto.fit(game.traces))]
    tens = [pair % PAIRS_LEFT_OUT for pair in game.people]
    found = [gap_jackknife(game, game.form, it, tens) for it in (member, with_habit(member), for_each_role(member))]
    roles = dict(enumerate(game.traces.agents))
    return pd.concat([gap_rows(game, name, it, roles) for name, it in zip(ROLE_MODELS, found, strict=True)])


def dilemma_rows(game: Game, member: str, pooled: Jackknife, apart: Jackknife) -> pd.DataFrame:
    """One table for both seats, and one for each."""
    seats = dict(enumerate(game.traces.agents))
    each = gap_rows(game, f"{member}, each seat", apart, seats)
    return pd.concat([gap_rows(game, member, pooled, {0: "both seats"}), each])


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
    """The gap given cooperation in each dilemma under every member, fitted to all play; whether it falls throughout."""
    found: dict[str, list[float]] = {}
    for name, learners in members.items():
        try:
            fits = [maximum(game.form, learners).fit(game.traces) for game in games]
        except FloatingPointError:
            continue
        found[name] = [gaps(fit.mechanism)[1, 0] for fit in fits]
    table = pd.DataFrame(found, index=[f"gap, {game.name}" for game in games]).T.rename_axis("member")
    return table.assign(falls=(table.diff(axis=1).iloc[:, 1:] < 0).all(axis=1))


def answer_table(games: list[Game]) -> pd.DataFrame:
    """How often people cooperate by what both did in the round before: what the models have to explain."""
    rows = []
    for game in games:
        before, after, labels = game.traces.actions[:, :-1], game.traces.actions[:, 1:], game.traces.action_labels[0]
        for own, other in ((1, 1), (1, 0), (0, 1), (0, 0)):
            met = np.stack([(before[..., i] == own) & (before[..., 1 - i] == other) for i in (0, 1)], -1) & (after >= 0)
            row = {"game": game.name, "own": labels[own], "other": labels[other]}
            rows.append(row | {"cooperate": after[met].mean(), "choices": met.sum()})
    return pd.DataFrame(rows)


def best_for_all(games: list[Game], autos: list[Auto]) -> str:
    """One member for the games, so that their payoffs can be compared: the best for choices of all together."""
    choices = np.array([game.traces.observed[:, 1:].sum() for game in games])
    held_out = member_table(games, autos)[[game.name for game in games]]
    return str((held_out * choices).sum(axis=1).idxmax())


def show(title: str, table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    print(f"\n{title}\n{table.to_string(index=False, float_format='%.4g', na_rep='')}", flush=True)


def main() -> None:
    data, output, members, seed = arguments()
    inspection, *rest = games = [inspection_game(data / "inspection_game"), *dilemmas(data / "repeated_pd")]
    candidates = [models(game, members, seed) for game in games]
    autos = [found["auto"] for found in candidates]

    scores = pd.concat([score_table(*pair, seed) for pair in zip(games, candidates, strict=True)], ignore_index=True)
    show("Log-likelihood per choice of people left out", scores, output / "scores.csv")
    show("Share cooperating after what was played the round before", answer_table(rest), output / "answers.csv")
    by_member = member_table(games, autos).join(every_member(rest, members)).reset_index()
    show("Every member", by_member, output / "members.csv")

    one = best_for_all(rest, autos[1:])
    pooled = [gap_jackknife(game, game.form, members[one], game.people) for game in rest]
    apart = [gap_jackknife(game, inspection.form, members[one], game.people) for game in rest]
    tables = [dilemma_rows(game, one, *found) for game, *found in zip(rest, pooled, apart, strict=True)]
    payoffs = pd.concat([role_rows(inspection, autos[0]), *tables], ignore_index=True)
    show("One action less the other: money in points, recovered in logits", payoffs, output / "payoffs.csv")
    show("Order of the dilemmas", order_table(rest, pooled, apart), output / "order.csv")

    shown = payoffs[payoffs["model"].isin([ROLE_MODELS[-1], one]) & ~payoffs["other"].str.contains(" over ")]
    picture(scores, shown).savefig(output / "human_play.png", dpi=150)
    print(f"tables and picture: {output}/")


def arguments() -> tuple[Path, Path, Members, int]:
    """Folder of the data, folder to write to, members to choose among, seed."""
    parser = argparse.ArgumentParser(description="What recorded human play says, and what it does not.")
    parser.add_argument("data", nargs="?", default=os.environ.get("DIML_HUMAN_PLAY"), help="or DIML_HUMAN_PLAY")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("output/human_play"), help="folder of tables and picture"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", nargs="+", choices=MEMBERS, default=list(MEMBERS), help="default: all")
    given = parser.parse_args()
    files = [Path(given.data or "") / name / "plays.csv" for name in ("inspection_game", "repeated_pd")]
    if given.data is None or not all(file.is_file() for file in files):
        sys.exit(
            f"The recorded human play is not there ({given.data or 'no folder given'}): give the folder that holds "
            "inspection_game/ and repeated_pd/, as an argument or in DIML_HUMAN_PLAY."
        )
    return Path(given.data), given.output, {name: MEMBERS[name]() for name in given.members}, given.seed


if __name__ == "__main__":
    main()
