"""What `payoff_bounds` finds where the truth is known: python benchmarks/bounds.py [part ...]; CSV on stdout.

Parts: theorem, coverage, first_price, q_auctions, congestion, speed, people. Seeds from 1000 on.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, TabularMechanism
from diml_inverse import payoff_bounds
from diml_inverse.bounds import no_regret_rate, parameters

SPAN = ["low", "high"]
DATA = Path(__file__).parents[2] / "shared" / "data"

LEARNERS: dict[str, Any] = {
    "LogitQ": agents.LogitQ(),
    "LogitQ own": agents.LogitQ(feedback="own"),
    "Hedge": agents.Hedge(),
    "EXP3": agents.EXP3(),
    "EWA": agents.EWA(),
    "FictitiousPlay": agents.FictitiousPlay(),
    "RegretMatching": agents.RegretMatching(),
    "EpsilonGreedy": agents.EpsilonGreedy(),
    "QLearning": agents.QLearning(),
    "Softmax": agents.Softmax(),
    "UCB1": agents.UCB1(),
    "ThompsonSampling": agents.ThompsonSampling(),
    "GradientBandit": agents.GradientBandit(),
    "Uniform": agents.Uniform(),
    "Inertia": agents.Inertia(agents.Hedge(), 0.3),
    "SARSA": agents.SARSA(),
    "ExpectedSARSA": agents.ExpectedSARSA(),
}
GAMES: dict[str, Callable[[int], Mechanism]] = {
    "congestion": lambda seed: CongestionMechanism.random(3, 3, seed=seed),
    "table": lambda seed: TabularMechanism.random(2, 3, seed=seed),
    "dilemma": lambda seed: TabularMechanism.from_payoffs([[[3, 3], [0, 5]], [[5, 0], [1, 1]]]),
}


class FirstPrice(Mechanism):
    """The highest bid wins and pays itself, equal ones alike likely; bids on an even grid from 0 to 1.

    Unknown: what the object is worth to each bidder, `values` [N].
    """

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__([num_actions] * num_agents)
        self.values = nn.Parameter(torch.ones(num_agents, dtype=torch.float64))

    def forward(self, actions: Tensor) -> Tensor:
        best = actions == actions.max(-1, keepdim=True).values
        return best / best.sum(-1, keepdim=True) * (self.values - actions / (self.num_actions - 1))


def played(truth: Mechanism, learner: Any, episodes: int, rounds: int, seed: int) -> Traces:
    env = RepeatedGameEnv(truth, max_cycles=rounds)
    return agents.rollout(env, learner, num_episodes=episodes, seed=seed).traces


def in_unit(make: Callable[[int], Mechanism], seed: int) -> tuple[Mechanism, Mechanism | None]:
    """A game whose payoffs span 1 at most, and the form that it is bounded in."""
    truth = make(seed).double()
    counts = truth.action_counts
    profiles = torch.tensor(list(itertools.product(*map(range, counts))))
    with torch.no_grad():
        payoffs = truth.counterfactual_payoffs(profiles)
        largest = (payoffs.max(-1).values - payoffs.min(-1).values).max()
    for parameter in truth.parameters():
        parameter.data /= largest
    return truth, CongestionMechanism(*[len(counts), counts[0]]) if isinstance(truth, CongestionMechanism) else None


def theorem(seeds: int = 100) -> pd.DataFrame:
    """Truth in the set at the regret realised, which is computed from what was earned."""
    rows = []
    for game, name in itertools.product(GAMES, LEARNERS):
        inside, worst = 0, 0.0
        for seed in range(1000, 1000 + seeds):
            truth, form = in_unit(GAMES[game], seed)
            traces = played(truth, LEARNERS[name], 2, 15, seed)
            with torch.no_grad():
                instead = truth.counterfactual_payoffs(torch.tensor(traces.actions)).numpy()
            earned = np.take_along_axis(instead, traces.actions[..., None], -1)
            regret = dict(zip(traces.agents, (instead - earned).mean((0, 1)).max(1).tolist(), strict=True))
            found = payoff_bounds(traces, regret, "range", mechanism=form, most_contexts=0)
            inside += found.contains(truth)
            of_truth = found.regret_of(truth)
            worst = max(worst, *(of_truth[name] - regret[name] for name in regret))
        rows.append({"game": game, "learner": name, "seeds": seeds, "inside": inside, "largest excess": worst})
    return pd.DataFrame(rows)


def coverage(seeds: int = 20, episodes: int = 12, rounds: int = 15) -> pd.DataFrame:
    """Truth in the set at its regret in endless play (4,000 episodes), with a margin of 95 % and without."""
    rows = []
    for game, name in itertools.product(GAMES, ("LogitQ", "Hedge", "EpsilonGreedy", "EXP3", "UCB1", "FictitiousPlay")):
        truth, form = in_unit(GAMES[game], 1000)
        long = played(truth, LEARNERS[name], 4000, rounds, 999)
        epsilon = payoff_bounds(long, 1.0, "range", mechanism=form, most_contexts=0).regret_of(truth)
        options: dict[str, Any] = {"normalise": "range", "mechanism": form, "most_contexts": 0, "replicates": 50}
        without, covered = 0, 0
        for seed in range(1000, 1000 + seeds):
            traces = played(truth, LEARNERS[name], episodes, rounds, seed)
            within = payoff_bounds(traces, 1.0, **options).regret_of(truth)
            without += all(within[one] <= epsilon[one] for one in within)
            covered += payoff_bounds(traces, epsilon, confidence=0.95, seed=seed, **options).contains(truth)
        rows.append({"game": game, "learner": name, "samples": seeds, "without": without, "with margin": covered})
    return pd.DataFrame(rows)


def first_price(seeds: int = 5, copies: int = 4) -> pd.DataFrame:
    """Width of the interval for a value, by rounds and number of bids; Hedge tuned to the horizon.

    floor: of the interval at epsilon 0 if both always bid the same b: from b to b and two steps, as winning half as
    often at b must be no worse than winning always a step above, and no worse than never winning.
    """
    rows = []
    for bids, rounds, seed in itertools.product((6, 21), (1000, 4000, 16000), range(1000, 1000 + seeds)):
        truth, epsilon = FirstPrice(2, bids), float(no_regret_rate([bids], [rounds])[0])
        truth.values.data = torch.tensor(np.random.default_rng(seed).uniform(0.6, 1.0, 2))
        hedge = agents.Hedge(precision=float(np.sqrt(8 * np.log(bids) / rounds)))
        together = played(truth, hedge, copies, rounds, seed)
        for copy in range(copies):
            rows += [
                {"bids": bids, "rounds": rounds, "seed": seed, "copy": copy, "floor": 2 / (bids - 1), **row}
                for row in _widths(together[[copy]], truth, epsilon)
            ]
    return pd.DataFrame(rows)


def _widths(traces: Traces, truth: Mechanism, of_theory: float) -> Iterator[dict[str, Any]]:
    """Of each bidder's value: at the epsilon of theory, at the regret realised, and at 0 (NaN: nothing is left)."""
    options: dict[str, Any] = {"mechanism": FirstPrice(2, truth.num_actions), "most_contexts": 0}
    whole = payoff_bounds(traces, 1.0, **options)
    realised = {name: max(value, 0.0) for name, value in whole.regret_of(truth).items()}
    values = dict(zip(whole.parameters["parameter"], truth.get_parameter("values").tolist(), strict=True))
    for kind, allowed in (("theory", of_theory), ("truth's", realised), ("0", 0.0)):
        limit = np.broadcast_to(list(allowed.values()) if isinstance(allowed, dict) else allowed, 2)
        for bidder, (name, value) in enumerate(values.items()):
            # The other bidder's regret says nothing of this one's value, but must not empty the set.
            each = {one: float(limit[bidder]) if place == bidder else 1.0 for place, one in enumerate(traces.agents)}
            try:
                low, high = payoff_bounds(traces, each, **options).parameters.set_index("parameter").loc[name, SPAN]
            except ValueError:
                low, high = np.nan, np.nan
            inside = low - 1e-7 <= value <= high + 1e-7
            yield {"epsilon": kind, "bidder": bidder, "allowed": limit[bidder], "width": high - low, "inside": inside}


def q_auctions() -> pd.DataFrame:
    """Values of Q-learning bidders (truth 1) from rounds 500 on; what exploration costs taken out, or not."""
    rows = []
    for run in (1, 2):
        frame = pd.read_csv(DATA / "q_auctions" / f"exp1_history_run_{run}_first.csv")
        bids = frame.assign(bid=(5 * frame["bid"]).round().astype(int))
        actions = bids.pivot(index="episode", columns="bidder_id", values="bid").to_numpy()[None, 500:]
        traces = Traces(actions, action_labels=[range(6)] * 2)
        share = np.clip(1 - np.arange(500, 1000) / 900, 0, 1)[None, :, None]
        for taken_out, exploration in (("yes", share), ("no", 0.0)):
            for regret in (0.0, "smallest", 0.02):
                try:
                    found = payoff_bounds(traces, regret, mechanism=FirstPrice(2, 6), exploration=exploration)
                except ValueError as error:
                    rows.append({"run": run, "taken out": taken_out, "regret": regret, "parameter": str(error)[:60]})
                    continue
                of_truth = list(found.regret_of(FirstPrice(2, 6)).values())
                for place, (name, low, high, _) in enumerate(found.parameters.itertuples(index=False)):
                    row = {"run": run, "taken out": taken_out, "regret": regret, "parameter": name, "low": low}
                    rows.append({**row, "high": high, "width": high - low, "truth's regret": of_truth[place]})
    return pd.DataFrame(rows)


CONGESTION_LEARNERS: dict[str, Callable[[np.random.Generator], Any]] = {
    "LogitQ own": lambda rng: agents.LogitQ(rng.uniform(0.1, 0.5), 3 * np.exp(0.5 * rng.normal()), 0.06, "own"),
    "LogitQ own, precise": lambda rng: agents.LogitQ(
        rng.uniform(0.1, 0.5), 30 * np.exp(0.5 * rng.normal()), 0.02, "own"
    ),
    "EpsilonGreedy": lambda rng: agents.EpsilonGreedy(rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.5)),
    "UCB1": lambda rng: agents.UCB1(),
}


def congestion(seeds: int = 3) -> pd.DataFrame:
    """Net linear (cost less toll) and quadratic costs of E2's game, as shares of their prior ranges."""
    prior = {"linear_cost": (-0.1, 0.4), "quadratic_cost": (0.05, 0.15), "toll_rate": (0.0, 0.0)}
    rows = []
    for name, seed in itertools.product(CONGESTION_LEARNERS, range(1000, 1000 + seeds)):
        truth, rng = CongestionMechanism.random(4, 5, seed=seed).double(), np.random.default_rng(seed)
        truth.linear_cost.data -= truth.toll_rate.data
        truth.toll_rate.data.zero_()
        learners = {f"agent_{i}": CONGESTION_LEARNERS[name](rng) for i in range(4)}
        traces = played(truth, learners, 300, 60, seed)
        options: dict[str, Any] = {"mechanism": CongestionMechanism(4, 5), "know": [parameters(prior)]}
        whole = payoff_bounds(traces, 10.0, most_contexts=0, **options)
        regret = whole.regret_of(truth)
        costs = torch.cat([truth.linear_cost, truth.quadratic_cost]).detach().numpy()
        ranges = np.repeat([0.5, 0.1], 5)
        for kind, allowed in (("truth's", regret), ("smallest + .005", "smallest")):
            slack = 1e-9 if kind == "truth's" else 0.005
            found = payoff_bounds(traces, allowed, slack=slack, most_contexts=0, **options)
            low, high = found.parameters[["low", "high"]].to_numpy()[:10].T
            inside = int(((low <= costs + 1e-7) & (costs <= high + 1e-7)).sum())
            width = (high - low) / ranges
            row = {"learners": name, "seed": seed, "epsilon": kind, "contained of 10": inside}
            row |= {"median width / range": float(np.median(width)), "a third at most": int((width <= 1 / 3).sum())}
            rows.append({**row, "truth's regret": max(regret.values()), "least": max(found.least_regret.values())})
    return pd.DataFrame(rows)


def speed() -> pd.DataFrame:
    """All bounds of free payoffs of E2's game: 4 agents x 125 contexts x 5 actions, 20,000 rounds."""
    traces = played(CongestionMechanism.random(4, 5, seed=1000), agents.LogitQ(), 100, 200, 1000)
    rows = []
    for regret in (0.05, "smallest"):
        start, cpu = time.perf_counter(), time.process_time()
        found = payoff_bounds(traces, regret)
        row = {"regret": regret, "bounds": 2 * len(found.table), "wall seconds": time.perf_counter() - start}
        rows.append({**row, "CPU seconds": time.process_time() - cpu, "notes": "; ".join(found.notes)})
    return pd.DataFrame(rows)


def people() -> pd.DataFrame:
    """Inspection game: (trust - control) against honest over that against cheat; money -.333."""
    traces = Traces.from_frame(pd.read_csv(DATA / "inspection_game" / "plays.csv"))
    unit = ("examiner", {("control", "cheat"): 1, ("trust", "cheat"): 0})
    rows = []
    for against, slack in itertools.product(("external", "swap", "last_profile", "episode"), (0.0, 0.01)):
        found = payoff_bounds(traces, "smallest", unit, against=against, slack=slack)
        table = found.table.set_index(["agent", "others", "action"])
        low, high = -2 * table.loc[("examiner", "student=honest", "trust"), ["high", "low"]].to_numpy(float)
        row = {"against": against, "slack": slack, "ratio low": low, "ratio high": high}
        rows.append({**row, "least regret": found.least_regret["examiner"]})
    return pd.DataFrame(rows)


PARTS: dict[str, Callable[[], pd.DataFrame]] = {
    part.__name__: part for part in (theorem, coverage, first_price, q_auctions, congestion, speed, people)
}

if __name__ == "__main__":
    for asked in sys.argv[1:] or list(PARTS):
        print(f"# {asked}: {PARTS[asked].__doc__}")
        print(PARTS[asked]().to_csv(index=False, float_format="%.4g"), flush=True)
