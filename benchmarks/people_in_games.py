"""What people were paid, recovered from how they learn with memory: `python people_in_games.py DATA`.

DATA holds df2011_persons/, inspection_game/ and repeated_pd/ with their plays.csv. For each set: payoffs recovered
beside money, with intervals from leaving groups of people out, and nats a choice of people left out, beside the shares
of choices after the last profile. Writes tables and one picture a set.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch

from diml_envs import Mechanism, Traces
from diml_envs.mechanisms import SymmetricTableMechanism, TabularMechanism
from diml_inverse import Estimate
from diml_inverse.estimators.memory import Memory
from diml_inverse.estimators.memory_search import people_folds
from diml_inverse.estimators.restarts import RestartedMLE
from diml_inverse.inference import jackknife

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GROUPS = 10  # of people, left out in turn
FOLDS = 3
PSEUDO_COUNT = 1.0  # choices of each action added to those after a profile


@dataclass(frozen=True)
class Experiment:
    """Play, what was paid, and the learners it is read with.

    money: [K], of the payoffs named. payoffs: the same of a mechanism. contrasts: name: (plus, minus), places in [K].
    """

    name: str
    traces: Traces
    form: Mechanism
    memory: Memory
    named: tuple[str, ...]
    money: np.ndarray
    payoffs: Callable[[Mechanism], np.ndarray]
    contrasts: dict[str, tuple[int, int]]

    @property
    def estimator(self) -> RestartedMLE:
        return RestartedMLE(self.form, self.memory.learners(), starts=1, tolerance=1e-8)


def dilemma(name: str, traces: Traces, reward: float, discount: float) -> Experiment:
    """A prisoner's dilemma, actions cooperate and defect in this order: payoffs P, T, S, R."""

    def payoffs(mechanism: Mechanism) -> np.ndarray:
        cooperates, defects = mechanism.counterfactual_payoffs(torch.tensor([[0, 0], [0, 1]]))[:, 0].tolist()
        return np.array([defects[1], cooperates[1], defects[0], cooperates[0]])

    form, memory = SymmetricTableMechanism(2, 2), Memory("last_profile", "mean", discount)
    contrasts = {"T - R": (1, 3), "P - S": (0, 2), "R - P": (3, 0)}
    money = np.array([25.0, 50.0, 12.0, reward])
    return Experiment(name, traces, form, memory, ("P", "T", "S", "R"), money, payoffs, contrasts)


def persons_of(folder: Path) -> list[Experiment]:
    """One a treatment; the other's person is not recorded, so each person's rows stand alone."""
    found = []
    for treatment, rows in pd.read_csv(folder / "plays.csv").groupby("treatment"):
        columns = {"episode": "match", "round": "period", "action": "choice", "other": "other_choice"}
        traces = Traces.from_frame(rows, agent=None, person="person", session=None, **columns)
        discount = 0.5 if str(treatment).startswith("D5") else 0.75
        found.append(dilemma(str(treatment), traces, float(str(treatment)[-2:]), discount))
    return found


def pairs_of(folder: Path) -> list[Experiment]:
    """Supergames by reward. People are rematched in a session, which its columns do not name: see `neighbours`."""
    found = []
    for reward, rows in pd.read_csv(folder / "plays.csv").groupby("reward_cc"):
        found.append(dilemma(f"reward {reward}", Traces.from_frame(rows), float(reward), 0.75))
    return found


def inspection_of(folder: Path) -> Experiment:
    """Fixed pairs, roles that differ; the discount is fitted."""
    truth, traces = (
        json.loads((folder / "truth.json").read_text()),
        Traces.from_frame(pd.read_csv(folder / "plays.csv")),
    )
    profiles = [(i, j) for i in range(2) for j in range(2)]
    labels = [",".join((traces.action_labels[0][i], traces.action_labels[1][j])) for i, j in profiles]  # type: ignore[misc]
    named = tuple(f"{agent}: {label}" for agent in traces.agents for label in labels)
    money = np.array([truth["payoffs"][label][agent] for agent in range(2) for label in labels], float)

    def payoffs(mechanism: Mechanism) -> np.ndarray:
        return mechanism(torch.tensor(profiles)).detach().numpy().T.ravel()

    contrasts = {
        "examiner: control - trust if cheat": (0, 2),
        "examiner: control - trust if honest": (1, 3),
        "student: honest - cheat if trust": (7, 6),
        "student: honest - cheat if control": (5, 4),
    }
    memory = Memory("last_profile", "mean")
    return Experiment("inspection game", traces, TabularMechanism([2, 2]), memory, named, money, payoffs, contrasts)


def groups_of(traces: Traces) -> list[int]:
    """Of each episode, one of `GROUPS` groups of units that share nobody."""
    return [int(unit) * GROUPS // (int(traces.clusters.max()) + 1) for unit in traces.clusters]


def neighbours(experiment: Experiment) -> Experiment:
    """Episodes in runs of consecutive ones, as sessions, which they come in the order of."""
    traces = experiment.traces
    sessions = np.arange(len(traces)) * GROUPS // len(traces)
    return Experiment(**{**vars(experiment), "traces": traces.replace(sessions=sessions, session_labels=range(GROUPS))})


def payoff_table(experiment: Experiment) -> pd.DataFrame:
    """Recovered payoffs and contrasts beside money; intervals by leaving groups of people out."""

    def statistics(estimate: Estimate) -> np.ndarray:
        values = experiment.payoffs(estimate.mechanism)
        return np.r_[values, [values[plus] - values[minus] for plus, minus in experiment.contrasts.values()]]

    found = jackknife(experiment.estimator, experiment.traces, groups_of(experiment.traces), statistics)
    low, high = found.intervals()
    money = np.r_[
        experiment.money, [experiment.money[a] - experiment.money[b] for a, b in experiment.contrasts.values()]
    ]
    columns = {"money": money, "recovered": found.value, "error": found.standard_errors, "low": low, "high": high}
    names = [*experiment.named, *experiment.contrasts]
    return pd.DataFrame({"experiment": experiment.name, "payoff": names, **columns})


def score_row(experiment: Experiment, seed: int = 0) -> dict[str, object]:
    """Nats a choice of people left out, and of the shares of choices after the last profile on the same choices."""
    ours, rival = [], []
    for train, test in people_folds(experiment.traces, seed, FOLDS):
        probs = experiment.estimator.fit(train).choice_probs(test)
        shares = shares_after(train)
        before = np.concatenate([np.full_like(test.actions[:, :1], -1), test.actions[:, :-1]], 1)
        scored = (test.actions >= 0) & (before >= 0).all(-1)[..., None] & test.followed[:, None]
        for episode, round_, seat in np.argwhere(scored):
            mine, others = before[episode, round_, seat], before[episode, round_, 1 - seat]
            action = test.actions[episode, round_, seat]
            ours.append(np.log(probs[episode, round_, seat, action]))
            rival.append(np.log(shares[place(experiment, seat), mine, others, action]))
    difference = np.array(ours) - np.array(rival)
    return {"experiment": experiment.name, "memory": np.mean(ours), "last profile": np.mean(rival)} | {
        "ahead": difference.mean(),
        "choices": len(difference),
    }


def place(experiment: Experiment, seat: int) -> int:
    return 0 if isinstance(experiment.form, SymmetricTableMechanism) else seat


def shares_after(traces: Traces) -> np.ndarray:
    """Of each seat (the first: all, where they are alike), own last, other's last, action: [2, A, A, A]."""
    size = max(traces.action_counts)
    counts = np.full((2, size, size, size), PSEUDO_COUNT)
    alike = len(set(traces.action_labels)) == 1
    for seat in range(2):
        used = traces.followed[:, seat]
        own, other = traces.actions[used, :, seat], traces.actions[used, :, 1 - seat]
        known = (own[:, 1:] >= 0) & (own[:, :-1] >= 0) & (other[:, :-1] >= 0)
        where = own[:, :-1][known], other[:, :-1][known], own[:, 1:][known]
        np.add.at(counts[0 if alike else seat], where, 1)
    shares: np.ndarray = counts / counts.sum(-1, keepdims=True)
    return shares


def picture(table: pd.DataFrame, path: Path) -> None:
    """Recovered against money with intervals, a panel for each experiment and role."""
    rows = table[~table["payoff"].str.contains(" - ")]
    role = rows["payoff"].str.extract(r"^(.*): ")[0]
    rows = rows.assign(
        panel=rows["experiment"] + (", " + role).fillna(""), label=rows["payoff"].str.split(": ").str[-1]
    )
    names = list(dict.fromkeys(rows["panel"]))
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure, axes = plt.subplots(down, across, figsize=(3.3 * across, 3.1 * down), squeeze=False, layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        part = rows[rows["panel"] == name]
        spread = np.abs(part[["low", "high"]].to_numpy().T - part["recovered"].to_numpy())
        axis.errorbar(part["money"], part["recovered"], spread, fmt="o", capsize=3)
        for row in part.itertuples():
            place = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 7}
            axis.annotate(str(row.label), (row.money, row.recovered), **place)
        correlation = np.corrcoef(part["money"], part["recovered"])[0, 1]
        axis.set_title(f"{name} (correlation {correlation:.2f})", fontsize=8)
        axis.set(xlabel="money", ylabel="recovered, in logits")
        axis.margins(x=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Payoffs of people, recovered with memory, beside money.")
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("output/people_in_games"))
    parser.add_argument("--seed", type=int, default=0, help="of the people left out")
    given = parser.parse_args()
    inspection = inspection_of(given.data / "inspection_game")
    experiments = {
        "inspection": [inspection],
        "persons": persons_of(given.data / "df2011_persons"),
        "pairs": [neighbours(one) for one in pairs_of(given.data / "repeated_pd")],
    }
    given.output.mkdir(parents=True, exist_ok=True)
    for name, group in experiments.items():
        scores = pd.DataFrame([score_row(one, given.seed) for one in group])
        scores.to_csv(given.output / f"{name}_scores.csv", index=False)
        print(scores.to_string(index=False, float_format="%.4f"), flush=True)
        table = pd.concat([payoff_table(one) for one in group], ignore_index=True)
        table.to_csv(given.output / f"{name}_payoffs.csv", index=False)
        print(table.to_string(index=False, float_format="%.2f"), flush=True)
        picture(table, given.output / f"{name}.png")


if __name__ == "__main__":
    main()
