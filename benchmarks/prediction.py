"""Predicted against realised choice shares after a toll change, E2; run by hand, prints a table.

    OMP_NUM_THREADS=1 python benchmarks/prediction.py [estimator ...]

The game is recovered from 60 episodes of 60 rounds under today's tolls. Then each road gets a flat toll, drawn between
0 and 1 payoff units, on top. Realised: agents.LogitQ in the true game with these tolls. Columns, means over rounds,
agents and actions:

    error       |predicted - realised expected share|, the latter over 4000 episodes (its own error is near .005)
    all rounds  the same of shares pooled over rounds and agents
    no change   |share under today's tolls - realised|: what knowing nothing of the toll's effect costs
    in bands    share of the shares seen in 200 further episodes that lie inside their 95 % bands
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

import agents
from diml_envs import RepeatedGameEnv
from diml_envs.mechanisms import CongestionMechanism, Mechanism, TollMechanism
from diml_inverse import DIML, Estimate, LogitDynamics, StructuredMLE, TabularMLE

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
EPISODES, ROUNDS, SEEDS = 4000, 60, (0, 1, 2)
ESTIMATORS: dict[str, Callable[[], StructuredMLE | DIML]] = {
    "structured": lambda: StructuredMLE(CongestionMechanism(4, 5), KNOWN),
    "auto": lambda: DIML("auto", KNOWN),
    "tabular": lambda: TabularMLE(KNOWN, ridge=1.0),
}


def played(mechanism: Mechanism, episodes: int, seed: int) -> agents.Rollout:
    """By the learners themselves."""
    env = RepeatedGameEnv(mechanism, max_cycles=ROUNDS)
    return agents.rollout(env, agents.LogitQ(**KNOWN.config()), num_episodes=episodes, seed=seed)


def compare(estimate: Estimate, truth: Mechanism, tolls: TollMechanism, seed: int) -> dict[str, float]:
    """One row."""
    draws = 40 if estimate.uncertainty is not None else 0
    predicted = estimate.predict_under(mechanism=estimate.mechanism + tolls, draws=draws, num_episodes=1000)
    realised = torch.tensor(played(truth + tolls, EPISODES, 100 + seed).choice_probs.mean(0))
    before = torch.tensor(played(truth, 1000, 200 + seed).choice_probs.mean(0))
    seen = torch.tensor(played(truth + tolls, 200, 300 + seed).traces.actions)
    shares = torch.nn.functional.one_hot(seen, 5).double().mean(0)
    bands = predicted.intervals(num_episodes=200)
    return {
        "error": float((predicted.shares - realised).abs().mean()),
        "all rounds": float((predicted.shares.mean((0, 1)) - realised.mean((0, 1))).abs().mean()),
        "no change": float((before - realised).abs().mean()),
        "in bands": float(((bands.low <= shares) & (shares <= bands.high)).double().mean()),
    }


def lines(name: str) -> Iterator[str]:
    """Rows of the table, one for each seed."""
    for seed in SEEDS:
        begun = time.process_time()
        truth = CongestionMechanism.random(4, 5, seed).requires_grad_(False)
        estimate = ESTIMATORS[name]().fit(played(truth, 60, seed).traces)
        tolls = TollMechanism(4, np.random.default_rng(seed).uniform(size=5).tolist())
        row = compare(estimate, truth, tolls, seed)
        shown = "".join(f"{what} {value:.4f}   " for what, value in row.items())
        yield f"{name:<12}{seed}   {shown}{time.process_time() - begun:.0f} s of CPU"


if __name__ == "__main__":
    for estimator in sys.argv[1:] or list(ESTIMATORS):
        for line in lines(estimator):
            print(line, flush=True)
