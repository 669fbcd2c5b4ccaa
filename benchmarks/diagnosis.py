"""How often `diagnose` calls a right model right, and a wrong one wrong; run by hand, prints a table.

    OMP_NUM_THREADS=1 python benchmarks/diagnosis.py [known|fitted|congestion|table [data sets [first seed]]]

known: play simulated from the surrogate learners, judged by the true mechanism and learners. fitted: the same, judged
after maximum likelihood on 60 % of the episodes, on all the play and in sample. congestion, table: learners of every
kind, under the paper's surrogate and under the member of the family that is nearest to them. Every data set has new
draws of play; in the last two a new mechanism too. A share measured over n data sets has a standard error of
sqrt(share (1 - share) / n).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

import agents
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.mechanisms import (
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadTableMechanism,
    TabularMechanism,
)
from diml_inverse import LogitDynamics, StructuredMLE, simulate
from diml_inverse.benchmark.tasks.learners import SHORT
from diml_inverse.diagnosis import Diagnosis, diagnose
from diml_inverse.dynamics.members import MEMBERS
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.metrics import payoff_difference_agreement

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
FITTED = LogitDynamics(0.4, 3.0, 0.1, fit=("learning_rate", "exploration"))
PAPERS = "logit-Q as in the paper"  # with its parameters
SURROGATES = {PAPERS: lambda: KNOWN, **MEMBERS}
STATUSES = ("describes", "small departures", "uninformative", "imprecise", "wrong")

# Name: true mechanism, form fitted, ridge, episodes, rounds.
GAMES = {
    "congestion 3 x 3": (CongestionMechanism.random(3, 3, seed=0), CongestionMechanism(3, 3), 0.0, 40, 30),
    "congestion 4 x 5 (E2)": (CongestionMechanism.random(4, 5, seed=0), OwnLoadTableMechanism(4, 5), 0.01, 40, 30),
    "table 2 x 2": (TabularMechanism.random(2, 2, seed=3), TabularMechanism([2, 2]), 0.01, 40, 30),
    "table 3 x 3": (TabularMechanism.random(3, 3, seed=0), TabularMechanism([3] * 3), 0.01, 40, 30),
    "network 3 x 3 (E1)": (NeuralMechanism.random(3, 3, seed=0), TabularMechanism([3] * 3), 0.01, 40, 30),
    "one long episode, 3 x 3": (CongestionMechanism.random(3, 3, seed=0), CongestionMechanism(3, 3), 0.0, 1, 600),
}
NEAREST = {
    "logit-q": "logit-Q",
    "logit-q-own": "logit-Q, own payoff",
    "epsilon-greedy": "averages, own payoff",
    "softmax": "averages, own payoff",
    "ucb1": "UCB",
    "exp3": "EXP3",
    "thompson": "averages, own payoff",
    "gradient-bandit": "gradient bandit",
    "q-learning": "logit-Q, own payoff",
    "ewa": "EWA",
    "hedge": "Hedge",
    "fictitious-play": "fictitious play",
    "regret-matching": "regret matching",
}


def known(data_sets: int, first: int) -> Iterator[str]:
    """Size when nothing was estimated. Without cloning, whose p-value is a bound that holds for any play."""
    for name, (truth, _, _, episodes, rounds) in GAMES.items():
        found = []
        for seed in range(first, first + data_sets):
            traces = simulate(truth, KNOWN, episodes, rounds, seed=seed)
            estimate = Estimate(truth, KNOWN, pd.DataFrame(), traces.agents, traces.action_labels)
            found.append(diagnose(estimate, traces, cloning=False))
        yield f"known   {name:<26}{shares(found)}"


def fitted(data_sets: int, first: int) -> Iterator[str]:
    """Size after estimation: learners known or fitted too; other play with what was trained on, and in sample."""
    for name, (truth, form, ridge, episodes, rounds) in GAMES.items():
        if episodes == 1:
            continue
        for learners, dynamics in (("known", KNOWN), ("fitted", FITTED)):
            held, inside = [], []
            for seed in range(first, first + data_sets):
                train, test = simulate(truth, KNOWN, episodes, rounds, seed=seed).split(0.6)
                estimate = StructuredMLE(form, dynamics, ridge, tolerance=1e-10).fit(train)
                held.append(diagnose(estimate, test, train))
                inside.append(diagnose(estimate, train, cloning=False))
            yield f"fitted  {name:<26}learners {learners:<8}train given {shares(held)}"
            yield f"fitted  {name:<26}learners {learners:<8}in sample   {shares(inside)}"


def power(game: str, data_sets: int, first: int) -> Iterator[str]:
    """Learners of every kind on congestion games (E2) or 3 x 3 x 3 tables, 60 episodes of 30 rounds, 60 % to train."""
    for learner, build in SHORT.items():
        for member in (PAPERS, NEAREST[learner]):
            found, errors = [], []
            for seed in range(first, first + data_sets):
                truth, form = _game(game, seed)
                env = RepeatedGameEnv(truth, max_cycles=30)
                train, test = agents.rollout(env, build(), num_episodes=60, seed=seed).traces.split(0.6)
                estimate = StructuredMLE(form, SURROGATES[member](), 0.01, tolerance=1e-8).fit(train)
                found.append(diagnose(estimate, test, train))
                errors.append(payoff_difference_agreement(estimate.mechanism, truth, test)[0])
            missed = np.mean([each.missed_share for each in found])
            end = f"missed {missed:>5.0%}  error {np.mean(errors):.3f}"
            yield f"{game:<12}{learner:<16}{member:<25}{end}  {shares(found)}"


def _game(name: str, seed: int) -> tuple[Mechanism, Mechanism]:
    if name == "congestion":
        return CongestionMechanism.random(4, 5, seed=seed), OwnLoadTableMechanism(4, 5)
    return TabularMechanism.random(3, 3, seed=seed), TabularMechanism([3, 3, 3])


def shares(found: list[Diagnosis]) -> str:
    """How often each status came out."""
    counts = Counter(each.status for each in found)
    return "  ".join(f"{status} {counts[status] / len(found):.2f}" for status in STATUSES if counts[status])


STUDIES: dict[str, tuple[Callable[[int, int], Iterator[str]], int]] = {
    "known": (known, 200),
    "fitted": (fitted, 40),
    "congestion": (partial(power, "congestion"), 3),
    "table": (partial(power, "table"), 3),
}

if __name__ == "__main__":
    chosen = sys.argv[1:2] or list(STUDIES)
    size, first_seed = (int(number) if number else None for number in (*sys.argv[2:4], "", "")[:2])
    for study in chosen:
        run, usual = STUDIES[study]
        begun = time.process_time()
        for line in run(size or usual, first_seed or 0):
            print(line, flush=True)
        print(f"{study:<8}{size or usual} data sets, {time.process_time() - begun:.0f} s of CPU", flush=True)
