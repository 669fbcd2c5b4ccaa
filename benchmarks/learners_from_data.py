"""How long it takes to find out how agents learn and for what, beside another version of this program.

    python benchmarks/learners_from_data.py [--against CHECKOUT] [--cases three bandits] [--plays CSV]

Prints a row for each case and version: CPU seconds of `DIML("auto", "auto")`, the model of learning found, its held-out
log-likelihood, and the error of payoff differences after the best rescaling, over that of knowing nothing. Each runs in
a process of its own, one after the other, on one thread. --plays adds a file of yours as a case.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, TabularMechanism
from diml_inverse import DIML, Estimate

HERE = Path(__file__).resolve().parents[1]
Case = tuple[Traces, Mechanism]


def played(mechanism: Mechanism, learner: agents.Learner, episodes: int, rounds: int, seed: int) -> Case:
    env = RepeatedGameEnv(mechanism, max_cycles=rounds)
    traces = agents.rollout(env, learner, num_episodes=episodes, seed=seed).traces
    return Traces(traces.actions, action_labels=traces.action_labels), mechanism


def bandits() -> Case:
    """100 pairs at matching pennies, each with a rate and a precision of its own; 12,000 rows."""
    row = np.array([[1.0, -1.0], [-1.0, 1.0]])
    mechanism, rng = TabularMechanism.from_payoffs(np.stack([row, -row], -1)), np.random.default_rng(0)
    pairs = []
    for pair in range(100):
        rate, precision = rng.uniform(0.05, 0.95), rng.uniform(0.3, 4)
        learner = agents.LogitQ(learning_rate=float(rate), precision=float(precision), exploration=0.02)
        pairs.append(played(mechanism, learner, 1, 60, pair)[0].actions)
    return Traces(np.concatenate(pairs)), mechanism


def three() -> Case:
    """Three players, 2 x 2 x 3 actions, 4,800 rows."""
    mechanism = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 2, 3, 3)))
    return played(mechanism, agents.LogitQ(learning_rate=0.3, precision=2.0, exploration=0.05), 32, 50, 0)


def congestion() -> Case:
    """The paper's E2, 300 episodes of 30 rounds."""
    learner = agents.LogitQ(learning_rate=0.25, precision=3.0, exploration=0.06)
    return played(CongestionMechanism.random(4, 5, seed=0), learner, 300, 30, 0)


CASES: dict[str, Callable[[], Case]] = {"three": three, "bandits": bandits, "congestion": congestion}


def measure(case: str) -> dict[str, object]:
    """One row."""
    if case in CASES:
        traces, truth = CASES[case]()
    else:
        traces, truth = Traces.from_frame(pd.read_csv(case)[["episode", "round", "agent", "action"]]), None
    begun = time.process_time()
    estimate = DIML("auto", "auto").fit(traces)
    seconds = time.process_time() - begun
    chosen = next(row for row in estimate.info["learners"] if row["chosen"])
    error = None if truth is None else rescaled_error(estimate, truth, traces)
    return {
        "case": case,
        "cpu_seconds": round(seconds, 1),
        "member": chosen["member"],
        "held_out": chosen["held_out_log_likelihood"],
        "error": error,
    }


def rescaled_error(estimate: Estimate, truth: Mechanism, traces: Traces) -> float:
    """Of payoff differences at the profiles played."""
    profiles = torch.tensor(traces.actions[:, :-1].reshape(-1, traces.num_agents))
    with torch.no_grad():
        payoffs = truth.counterfactual_payoffs(profiles).double()
    true = payoffs - payoffs.nanmean(-1, keepdim=True)
    found, there = estimate.payoff_differences(profiles).double(), ~true.isnan()
    found, true = found[there], true[there]
    scale = (found @ true) / (found @ found)
    return float((scale * found - true).square().mean() / true.square().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--plays", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    rows = []
    for case in [*given.cases, *([str(given.plays)] if given.plays else [])]:
        for build in [HERE, *([given.against] if given.against else [])]:
            environment = os.environ | {"PYTHONPATH": str(build), "OMP_NUM_THREADS": "1"}
            line = [sys.executable, "-W", "ignore", __file__, "--measure", case]
            done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
            rows.append({"version": str(build), **json.loads(done.stdout.splitlines()[-1])})
            print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
