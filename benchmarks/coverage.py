"""Coverage of intervals and size of tests over simulated data sets; run by hand, prints a table.

    OMP_NUM_THREADS=1 python benchmarks/coverage.py [study [data sets [first seed]]]

Studies: parametric, tabular, learners, tests, same, evidence, neural, few, bootstrap, rare, rare_few, verdict4,
verdict10, verdict40, verdict200, choice.

Play is simulated from the surrogate learners, so that the model is right; every data set is drawn afresh with the
truth kept. A share measured over n data sets has a standard error of about sqrt(.05 .95 / n), less where a data set
gives many intervals: .015 at 200, .011 at 400.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, NeuralMechanism, TabularMechanism
from diml_inverse import DIML, InteractionEvidence, LogitDynamics, StructuredMLE, TabularMLE, diagnose, simulate
from diml_inverse.dynamics.members import default_members
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison, quick_tables
from diml_inverse.inference import bootstrap, learner_parameters, likelihood_ratio_test, same_mechanism_test, wald_test
from diml_inverse.inference.intervals import payoff_difference_ends

KINDS = ("clustered", "information")
KNOWN = LogitDynamics(0.25, 3.0, 0.06)
LEVEL = 0.95
RARELY = np.stack([[[0.1, 0.3, -0.2], [-0.1, -0.2, 0.3]], [[0.3, 0.1, -1.5], [0.0, 0.3, -1.5]]], -1)  # [2, 3, N]
EVERY_PROFILE = torch.cartesian_prod(*[torch.arange(3)] * 3)


def covers(estimate, truth: Mechanism, actions: torch.Tensor, kinds=KINDS) -> dict[str, float]:
    """Share of identified payoff differences at these profiles inside their intervals, by kind of covariance."""
    payoffs = truth.counterfactual_payoffs(actions).double().detach()
    true = payoffs - payoffs.mean(-1, keepdim=True)
    shares = {}
    for kind in kinds:
        low, high = estimate.intervals(actions, LEVEL, kind)
        identified = (high - low).isfinite()
        shares[kind] = float(((low <= true) & (true <= high))[identified].double().mean())
    return {**shares, "identified": float(identified.double().mean())}


def parametric(seed: int) -> dict[str, float]:
    """E2's congestion game with tolls, 60 episodes of 60 rounds; payoff differences of the first 20 profiles."""
    truth = CongestionMechanism.random(4, 5, seed=0)
    traces = simulate(truth, KNOWN, 60, 60, seed=seed)
    estimate = StructuredMLE(CongestionMechanism(4, 5), KNOWN).fit(traces)
    return covers(estimate, truth, torch.tensor(traces.actions[0, :20]))


def tabular(seed: int) -> dict[str, float]:
    """A 2 x 2 game, 60 episodes of 40 rounds, default ridge; every identified payoff difference."""
    truth = TabularMechanism.random(2, 2, seed=3)
    estimate = TabularMLE(KNOWN).fit(simulate(truth, KNOWN, 60, 40, seed=seed))
    return covers(estimate, truth, torch.tensor([[0, 0], [1, 1]]))


def learners(seed: int) -> dict[str, float]:
    """Learning rate and exploration fitted with E2's game: intervals of these and of payoff differences.

    Exploration .2: near an end of its range no interval holds its level.
    """
    true = {"learning_rate": 0.25, "exploration": 0.2}
    truth, played = CongestionMechanism.random(4, 5, seed=0), LogitDynamics(0.25, 5.0, 0.2)
    traces = simulate(truth, played, 40, 60, seed=seed)
    start = LogitDynamics(0.4, 5.0, 0.1, fit=tuple(true))
    estimate = StructuredMLE(CongestionMechanism(4, 5), start, tolerance=1e-11).fit(traces)
    found = {f"payoffs, {k}": v for k, v in covers(estimate, truth, torch.tensor(traces.actions[0, :20])).items()}
    for kind in KINDS:
        for row in learner_parameters(estimate, LEVEL, kind).to_dict("records"):
            found[f"{row['name']}, {kind}"] = float(row["low"] <= true[row["name"]] <= row["high"])
    return found


class KnownQuadratic(CongestionMechanism):
    """Quadratic costs known."""

    def __init__(self, costs: torch.Tensor) -> None:
        super().__init__(3, 3)
        del self.quadratic_cost
        self.register_buffer("quadratic_cost", costs.double())


def tests(seed: int) -> dict[str, float]:
    """Size of 5 % tests that the quadratic costs are what they are; 3 agents, 3 resources, 60 episodes of 30 rounds."""
    truth = CongestionMechanism.random(3, 3, seed=0).requires_grad_(False)
    traces = simulate(truth, KNOWN, 60, 30, seed=seed)
    full = StructuredMLE(CongestionMechanism(3, 3), KNOWN).fit(traces)
    restricted = StructuredMLE(KnownQuadratic(truth.quadratic_cost), KNOWN).fit(traces)
    rejected = {"LR": likelihood_ratio_test(restricted, full, traces).p_value < 0.05}
    for kind in KINDS:
        for what, function in (("3 restrictions", _costs), ("1 restriction", _cost)):
            tested = wald_test(full, function, function(truth, KNOWN).double(), kind)
            rejected[f"Wald, {what}, {kind}"] = tested.p_value < 0.05
    return {name: float(value) for name, value in rejected.items()}


def same(seed: int) -> dict[str, float]:
    """Size of the 5 % test that two sets of 30 episodes had one mechanism, which they had."""
    truth = CongestionMechanism.random(3, 3, seed=0)
    first, second = (simulate(truth, KNOWN, 30, 30, seed=2 * seed + part) for part in (0, 1))
    return {
        "same": float(same_mechanism_test(StructuredMLE(CongestionMechanism(3, 3), KNOWN), first, second)[2] < 0.05)
    }


def evidence(seed: int) -> dict[str, float]:
    """Structure learnt: 3 agents, 3 resources, 60 episodes of 30 rounds; all payoff differences."""
    truth = CongestionMechanism.random(3, 3, seed=0)
    estimate = InteractionEvidence(KNOWN).fit(simulate(truth, KNOWN, 60, 30, seed=seed))
    return covers(estimate, truth, EVERY_PROFILE, ("posterior",))


def neural(seed: int) -> dict[str, float]:
    """Mean of five small networks, 3 agents, 3 resources, 40 episodes of 30 rounds; all payoff differences."""
    truth = CongestionMechanism.random(3, 3, seed=0)
    estimate = DIML(NeuralMechanism(3, 3, hidden=(32, 32)), KNOWN).fit(simulate(truth, KNOWN, 40, 30, seed=seed))
    return covers(estimate, truth, EVERY_PROFILE, ("linearised",))


def few(seed: int) -> dict[str, float]:
    """Mean of three small networks, `tabular`'s 2 x 2 game, 40 episodes of 20 rounds; every payoff difference."""
    truth, traces = _small(seed)
    estimate = DIML(NeuralMechanism(2, 2, hidden=(16, 16)), KNOWN, members=3).fit(traces)
    return covers(estimate, truth, torch.tensor([[0, 0], [1, 1]]), ("linearised",))


def resampled(seed: int) -> dict[str, float]:
    """As `few`, one network, estimate +- 1.96 standard errors from 20 resamples of the episodes."""
    truth, traces = _small(seed)
    actions = torch.tensor([[0, 0], [1, 1]])
    found = bootstrap(DIML(NeuralMechanism(2, 2, hidden=(16, 16)), KNOWN, members=1), traces, 20, seed)
    payoffs = truth.counterfactual_payoffs(actions).double().detach()
    true = payoffs - payoffs.mean(-1, keepdim=True)
    off = (found.estimate.payoff_differences(actions) - true).abs() / found.standard_errors(actions)
    return {"bootstrap": float((off < 1.96).double().mean())}


def _rare(seed: int, episodes: int, rounds: int) -> dict[str, float]:
    """A 2 x 3 game of whose second player's actions the third is chosen 1 time in 200; no exploration."""
    truth = TabularMechanism.from_payoffs(RARELY)
    played = LogitDynamics(0.5, 3.0, 0.0)
    traces = simulate(truth, played, episodes, rounds, seed=seed)
    profiles = torch.tensor([[0, 0], [1, 1], [0, 2]])
    payoffs = truth.counterfactual_payoffs(profiles).double().detach()
    true = payoffs - payoffs.nanmean(-1, keepdim=True)
    low, high = TabularMLE(played).fit(traces).intervals(profiles, LEVEL)
    bounded = (low.isfinite() | high.isfinite()) & ~true.isnan()
    found = {"chosen": float((traces.actions[:, 1:, 1] == 2).mean())}
    for name, rows in (("all", bounded), ("third action", bounded & (torch.arange(3) == 2))):
        below, above = (true < low)[rows].double().mean(), (true > high)[rows].double().mean()
        found |= {name: float(1 - below - above), f"{name}, truth below": float(below)}
        found |= {f"{name}, truth above": float(above)}
    one_sided = (low.isinf() ^ high.isinf())[bounded].double().mean()
    return {**found, "bounded": float(bounded[~true.isnan()].double().mean()), "one-sided": float(one_sided)}


def rare(seed: int) -> dict[str, float]:
    """20 episodes of 30 rounds; every payoff difference bounded on a side at least."""
    return _rare(seed, 20, 30)


def rare_few(seed: int) -> dict[str, float]:
    """6 episodes of 20 rounds."""
    return _rare(seed, 6, 20)


CUMULATING = 0.15  # logits of payoffs that are added up round after round; three where they are averaged


class _Scored(DynamicsComparison):
    """A comparison that keeps held-out log-likelihoods of episodes and the fits of those not told apart."""

    def _alike(self, ranked, traces):
        self.found = super()._alike(ranked, traces)
        kept = [ranked[0], *(trial for trial in ranked if trial.member in self.found)]
        self.held_out = np.stack([trial.outcome.held_out.totals for trial in kept], 1)  # [E, M]
        return self.found


def _stacked(scores: np.ndarray) -> np.ndarray:
    """Weights of models that maximise sum_e log sum_m w_m exp(score_em) (Yao et al. 2018), by EM."""
    likelihoods = np.exp(scores - scores.max(1, keepdims=True))
    weights = np.full(scores.shape[1], 1 / scores.shape[1])
    for _ in range(500):
        shares = likelihoods * weights
        weights = (shares / shares.sum(1, keepdims=True)).mean(0)
    return weights


def _stacked_ends(estimate, comparison: _Scored, profiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantiles of the mixture of each model's normal distribution, in the chosen one's unit."""
    contexts = estimate.mechanism.contexts(profiles)
    exists = torch.ones_like(estimate.mechanism.context_payoffs(contexts), dtype=torch.bool)
    models = estimate.uncertainty.models
    factors = [1.0, *getattr(estimate.uncertainty, "factors", {}).values()]
    rng, parts = np.random.default_rng(0), []
    for model, factor, weight in zip(models, factors, _stacked(comparison.held_out), strict=False):
        ends = model.ends_of_contexts(contexts, exists, LEVEL)
        half = torch.minimum(ends.high - ends.value, 1e6 + 0 * ends.value).clamp(max=1e6)
        below = (ends.value - ends.low).clamp(max=1e6)
        draws = torch.tensor(rng.normal(size=(round(4000 * weight), *ends.value.shape))) / 1.959964
        parts.append(factor * (ends.value + torch.where(draws > 0, draws * half, draws * below)))
    low, high = torch.quantile(torch.cat(parts), torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    return low[contexts.index], high[contexts.index]


def choice(seed: int) -> dict[str, float]:
    """The learner chosen among all members: 2 x 2 game of `tabular`, 20 episodes of 25 rounds; each member in turn
    plays it, with its starting parameters. Payoff differences, as shares of their root mean square (units differ).

    union: as reported. stacking: quantiles of the mixture. alone: of the chosen member, its rivals unheard of.
    """
    members = default_members(25)
    name = list(members)[seed % len(members)]
    played, base = members[name], TabularMechanism.random(2, 2, seed=3).table.detach()
    adds_up = float(getattr(played.learner, "cumulation", 0.0)) > 0
    truth = TabularMechanism.from_payoffs((CUMULATING if adds_up else 3.0) * base)
    traces = simulate(truth, played, 20, 25, seed=seed)
    form = TabularMechanism([2, 2])
    comparison = _Scored(partial(StructuredMLE, form, ridge=0.01), members, quick_tables(form, 0.01), seed=seed)
    estimate = comparison.fit(traces)
    profiles = torch.tensor([[0, 0], [1, 1]])
    payoffs = truth.counterfactual_payoffs(profiles).double().detach()
    true = payoffs - payoffs.mean(-1, keepdim=True)
    own = estimate.uncertainty.models[0]
    alone = payoff_difference_ends(replace(estimate, uncertainty=own), profiles, LEVEL)
    intervals = {
        "union": estimate.intervals(profiles, LEVEL),
        "stacking": _stacked_ends(estimate, comparison, profiles),
        "alone": (alone.low, alone.high),
    }
    right = next(row["chosen"] for row in estimate.info["learners"] if row["member"] == name)
    among = right or name in estimate.info["not_told_apart"]
    found = {"right chosen": float(right), "right among": float(among)}
    unit = estimate.payoff_differences(profiles).double().square().mean().sqrt() / true.square().mean().sqrt()
    for way, (low, high) in intervals.items():
        inside = (low <= unit * true) & (unit * true <= high)
        found[way] = float(inside.double().mean())
        found[f"{way}, in logits"] = float(((low <= true) & (true <= high)).double().mean()) if right else np.nan
        found[f"{way}, width"] = float(((high - low) / unit).clamp(max=20).median())
    return found


def _verdict(seed: int, episodes: int) -> dict[str, float]:
    """What is said of a right model, fitted to the play it is checked on: 2 x 2 game of `tabular`, 40 rounds."""
    truth = TabularMechanism.random(2, 2, seed=3)
    traces = simulate(truth, KNOWN, episodes, 40, seed=seed)
    status = diagnose(TabularMLE(KNOWN).fit(traces), traces, cloning=False).status
    kinds = ("describes", "too little play", "uninformative", "small departures", "imprecise", "wrong")
    return {"describes or too little": float(status in kinds[:2])} | {kind: float(status == kind) for kind in kinds}


def _small(seed: int) -> tuple[Mechanism, Traces]:
    truth = TabularMechanism.random(2, 2, seed=3)
    return truth, simulate(truth, KNOWN, 40, 20, seed=seed)


def _costs(mechanism: Mechanism, _: object) -> torch.Tensor:
    return mechanism.quadratic_cost


def _cost(mechanism: Mechanism, _: object) -> torch.Tensor:
    return mechanism.quadratic_cost[2]


STUDIES: dict[str, tuple[Callable[[int], dict[str, float]], int]] = {
    "parametric": (parametric, 200),
    "tabular": (tabular, 200),
    "learners": (learners, 200),
    "tests": (tests, 400),
    "same": (same, 400),
    "evidence": (evidence, 200),
    "neural": (neural, 40),
    "few": (few, 40),
    "bootstrap": (resampled, 40),
    "rare": (rare, 400),
    "rare_few": (rare_few, 400),
    **{f"verdict{number}": (partial(_verdict, episodes=number), 100) for number in (4, 10, 40, 200)},
    "choice": (choice, 200),
}


def lines(name: str, data_sets: int, first: int) -> Iterator[str]:
    """Rows of the table."""
    begun = time.process_time()
    results = [STUDIES[name][0](seed) for seed in range(first, first + data_sets)]
    for measure in results[0]:
        values = np.array([result[measure] for result in results])
        known = values[~np.isnan(values)]
        error = known.std(ddof=1) / np.sqrt(len(known))
        yield f"{name:<12}{measure:<36}{known.mean():>8.3f} +- {error:.3f}   {len(known)} data sets"
    yield f"{name:<12}{time.process_time() - begun:.0f} s of CPU"


if __name__ == "__main__":
    chosen = sys.argv[1:2] or list(STUDIES)
    size, first_seed = (int(number) if number else None for number in (*sys.argv[2:4], "", "")[:2])
    for study in chosen:
        for line in lines(study, size or STUDIES[study][1], first_seed or 0):
            print(line, flush=True)
