"""How well learners with memory are recovered from play of `agents`: `python benchmarks/memory.py quick --seeds 0 1`.

Cases: q-learning (3x3 game, last profile, rate .1, discount .9, exploration .1, 12 runs of 3,000 rounds), quick (rate
.3, discount .5, 4 runs of 1,000), softmax, sarsa, expected-sarsa (of the quick kind), inertia (logit-Q that keeps its
action with probability .7, 60 runs of 60 rounds: known, fitted, ignored). Prints a row for each seed: the error of
payoff differences over that of knowing nothing after the best rescaling, the learners found, and CPU seconds.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
import torch

import agents
import diml_envs
from diml_envs import Traces
from diml_envs.mechanisms import Mechanism, TabularMechanism
from diml_inverse import AttractionDynamics, Estimate
from diml_inverse.estimators.memory import Memory
from diml_inverse.estimators.memory_search import MemorySearch
from diml_inverse.estimators.restarts import RestartedMLE

QUICK = {"state": "last_profile", "learning_rate": 0.3, "discount": 0.5}
CASES = {
    "q-learning": (agents.QLearning(state="last_profile", learning_rate=0.1, discount=0.9, exploration=0.1), 12, 3000),
    "quick": (agents.QLearning(exploration=0.1, **QUICK), 4, 1000),
    "softmax": (agents.QLearning(exploration=0.02, precision=3.0, **QUICK), 4, 1000),
    "sarsa": (agents.SARSA(exploration=0.02, precision=3.0, **QUICK), 4, 1000),
    "expected-sarsa": (agents.ExpectedSARSA(exploration=0.02, precision=3.0, **QUICK), 4, 1000),
}
MEMBERS = [Memory("last_profile", value, first=False) for value in ("max", "mean", "chosen")]


def play(case: str, seed: int) -> tuple[TabularMechanism, Traces]:
    learner, runs, rounds = CASES[case]
    truth = TabularMechanism.random(2, 3, seed=1000 + seed).double()
    env = diml_envs.RepeatedGameEnv(truth, max_cycles=rounds, feedback="own")
    return truth, agents.rollout(env, learner, num_episodes=runs, seed=seed).traces


def error(found: Mechanism, truth: Mechanism, levels: bool = False) -> float:
    """Squared error of payoffs after the best rescaling over that of zero; differences, or with their levels."""
    profiles = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    with torch.no_grad():
        parts = [one.counterfactual_payoffs(profiles).double() for one in (found, truth)]
    ours, theirs = (part if levels else part - part.mean(-1, keepdim=True) for part in parts)
    scale = (ours * theirs).sum() / (ours**2).sum()
    return float(((scale * ours - theirs) ** 2).sum() / (theirs**2).sum())


def row(case: str, seed: int, search: bool) -> dict[str, object]:
    truth, traces = play(case, seed)
    begun = time.process_time()
    if search:
        found = MemorySearch(forms={"seats": TabularMechanism([3, 3])}, seed=seed).fit(traces)
        member = found.info["memory"]
    else:
        fits = {
            one.name: RestartedMLE(TabularMechanism([3, 3]), one.learners(), starts=3).fit(traces) for one in MEMBERS
        }
        member, found = max(fits.items(), key=lambda pair: pair[1].log_likelihood(traces))
    learner = found.dynamics.learner  # type: ignore[union-attr]
    values = {name: float(learner.value(name)) for name in ("learning_rate", "discount", "exploration", "inertia")}
    errors = {"error": error(found.mechanism, truth), "with_levels": error(found.mechanism, truth, True)}
    return {"case": case, "seed": seed, **errors, **values, "member": member, "cpu_s": time.process_time() - begun}


def inertia_rows(seed: int) -> list[dict[str, object]]:
    """Error with inertia fitted and ignored, over that with inertia known."""
    truth = TabularMechanism.random(2, 3, seed=1000 + seed).double()
    env = diml_envs.RepeatedGameEnv(truth, max_cycles=60, feedback="full")
    keeps = agents.Inertia(agents.LogitQ(0.25, 1.0, 0.06), 0.7)
    traces = agents.rollout(env, keeps, num_episodes=60, seed=seed).traces
    fit = ("learning_rate", "exploration")
    ways = {
        "known": AttractionDynamics(0.25, exploration=0.05, inertia=0.7, fit=fit),
        "fitted": AttractionDynamics(0.25, exploration=0.05, inertia=0.3, fit=(*fit, "inertia")),
        "ignored": AttractionDynamics(0.25, exploration=0.05, fit=fit),
    }
    fits: dict[str, Estimate] = {
        name: RestartedMLE(TabularMechanism([3, 3]), it, starts=1).fit(traces) for name, it in ways.items()
    }
    errors = {name: error(found.mechanism, truth) for name, found in fits.items()}
    found = float(fits["fitted"].dynamics.learner.value("inertia"))  # type: ignore[union-attr]
    return [{"case": "inertia", "seed": seed, **errors, "inertia": found}]


def main() -> None:
    parser = argparse.ArgumentParser(description="Recovery of learners with memory.")
    parser.add_argument("case", choices=[*CASES, "inertia"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--search", action="store_true", help="over states and all else; default: the value alone")
    given = parser.parse_args()
    for seed in given.seeds:
        rows = inertia_rows(seed) if given.case == "inertia" else [row(given.case, seed, given.search)]
        print(pd.DataFrame(rows).to_string(index=False, float_format="%.4f"), flush=True)


if __name__ == "__main__":
    main()
