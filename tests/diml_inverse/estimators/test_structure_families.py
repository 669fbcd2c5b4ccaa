"""Families compared on held-out episodes, and `DIML(mechanism="auto")`, which chooses between the two routes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from slow_definitions import played, random_traces

from diml_envs import Traces
from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    CongestionMechanism,
    Mechanism,
    OwnLoadMechanism,
    TabularMechanism,
)
from diml_inverse import DIML, Dynamics, Estimate, LogitDynamics, StructuredMLE
from diml_inverse.estimators import held_out
from diml_inverse.estimators.family_comparison import RIDGE_FACTOR, TRIAL_ITERATIONS, TRIAL_TOLERANCE, FamilyComparison
from diml_inverse.estimators.held_out import NUM_FOLDS
from diml_inverse.structure import Family, default_families

DYNAMICS = LogitDynamics()


def table(traces: Traces) -> Mechanism:
    return TabularMechanism(traces.action_counts)


def congestion(traces: Traces) -> Mechanism:
    """A user's own family is a function of the traces."""
    return CongestionMechanism(traces.num_agents, traces.action_counts[0])


FAMILIES = [Family("table", table), Family("congestion", congestion), Family("none for these", lambda traces: None)]


def rows_of(estimate: Estimate) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = estimate.info["families"]
    return rows


def chosen(estimate: Estimate) -> str:
    return next(row["family"] for row in rows_of(estimate) if row["chosen"])


def compared(traces: Traces, families: list[Family] = FAMILIES, **settings: Any) -> Estimate:
    return FamilyComparison(DYNAMICS, families, **settings).fit(traces)


def test_the_truth_s_family_is_chosen_and_refitted() -> None:
    traces = played(CongestionMechanism.random(3, 3), 12, 40)
    estimate = compared(traces)
    rows = rows_of(estimate)
    assert [(row["family"], row["parameters"]) for row in rows] == [("table", 81), ("congestion", 9)]
    assert chosen(estimate) == "congestion"
    assert rows[1]["held_out_log_likelihood"] > rows[0]["held_out_log_likelihood"] + rows[0]["standard_error"]
    assert rows[1]["standard_error"] is None  # it is the best itself
    assert rows == rows_of(compared(traces))
    refitted = StructuredMLE(congestion(traces), DYNAMICS, rows[1]["ridge"]).fit(traces)
    for found, expected in zip(estimate.mechanism.parameters(), refitted.mechanism.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # which starts elsewhere


def test_a_free_game_is_not_forced_into_a_form() -> None:
    truth = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(3, 3, 2)))
    assert chosen(compared(played(truth, 12, 40))) == "table"


def test_scores_are_means_over_held_out_decisions_and_no_other_ridge_is_clearly_better() -> None:
    """By the definition: three folds, each fitted to the others. Episodes of unequal lengths.

    A weaker ridge may predict better by less than two standard errors.
    """
    traces = random_traces((3, 3), [20, 5, 12])
    folds = [[int(x)] for x in np.random.default_rng(0).permutation(3)]
    estimate = compared(traces)
    totals, decisions = {}, 2 * (traces.lengths[[fold[0] for fold in folds]] - 1)

    def by_definition(candidate: Mechanism, ridge: float) -> NDArray[np.float64]:
        values = []
        for fold in folds:
            rest = traces[np.setdiff1d(np.arange(3), fold)]
            fit = StructuredMLE(candidate, DYNAMICS, ridge, TRIAL_ITERATIONS, tolerance=TRIAL_TOLERANCE).fit(rest)
            values.append(fit.log_likelihood(traces[np.array(fold)]))
        return np.array(values) * decisions

    for row, build in zip(rows_of(estimate), (table, congestion), strict=True):
        totals[row["family"]] = by_definition(build(traces), row["ridge"])
        mean = totals[row["family"]].sum() / decisions.sum()
        assert row["held_out_log_likelihood"] == pytest.approx(mean, abs=1e-9)
        stronger, weaker = (by_definition(build(traces), row["ridge"] * x) for x in (RIDGE_FACTOR, 1 / RIDGE_FACTOR))
        gain = (weaker - totals[row["family"]]) / decisions.mean()
        assert stronger.sum() / decisions.sum() <= mean + 1e-9
        assert gain.mean() <= 2 * gain.std(ddof=1) / math.sqrt(3) + 1e-9
    other = next(row for row in rows_of(estimate) if not row["chosen"])
    difference = (totals[other["family"]] - totals[chosen(estimate)]) / decisions.mean()
    assert other["standard_error"] == pytest.approx(difference.std(ddof=1) / math.sqrt(3), abs=1e-9)


class Infinite(TabularMechanism):
    """A table whose payoffs leave what floats can hold."""

    def context_payoffs(self, contexts: Any) -> torch.Tensor:
        return super().context_payoffs(contexts) * math.nan


def test_a_family_that_ends_in_nan_is_a_row_that_says_so() -> None:
    traces = played(CongestionMechanism.random(3, 3), 6, 20)
    endless = Family("endless", lambda traces: Infinite(traces.action_counts))
    lost, found = rows_of(compared(traces, [endless, FAMILIES[0]]))
    assert "NaN or infinity" in lost["failed"]
    assert (lost["chosen"], lost["held_out_log_likelihood"]) == (False, None)
    assert (found["chosen"], found["failed"]) == (True, None)
    with pytest.raises(FloatingPointError, match=r"no family could be fitted \(endless: .*NaN"):
        compared(traces, [endless])


@pytest.mark.parametrize(("episodes", "enough", "fits"), [(2, False, 2), (7, False, NUM_FOLDS), (7, True, 1)])
def test_few_decisions_are_held_out_in_turn_many_once(
    monkeypatch: pytest.MonkeyPatch, episodes: int, enough: bool, fits: int
) -> None:
    traces = random_traces((2, 2), [3] * episodes)
    monkeypatch.setattr(held_out, "MANY_EPISODES", 3)
    monkeypatch.setattr(held_out, "MANY_DECISIONS", 4 * episodes + (not enough))
    parts = held_out.folds(traces, 0)
    assert len(parts) == fits
    for training, rest in parts:
        assert sorted((*training.episodes, *rest.episodes)) == sorted(traces.episodes)
    held_out_once = [episode for _, part in parts for episode in part.episodes]
    assert len(set(held_out_once)) == len(held_out_once) == (episodes if fits > 1 else math.ceil(episodes / NUM_FOLDS))


def test_networks_are_fitted_by_their_settings() -> None:
    """Trials on one member; the refit as told."""
    network = Family("network", lambda traces: OwnLoadMechanism(3, 3, hidden=(4,)), network=True)
    traces = played(CongestionMechanism.random(3, 3), 6, 10)
    estimate = compared(traces, [network], seed=3, network_settings={"max_epochs": 2, "members": 2})
    assert (estimate.info["seed"], estimate.info["members"], estimate.info["epochs"]) == (3, 2, [2, 2])
    (row,) = rows_of(estimate)
    assert row["ridge"] is None
    again = DIML(network.build(traces), DYNAMICS, seed=3, max_epochs=2, members=2).fit(traces)  # type: ignore[arg-type]
    assert estimate.log_likelihood(traces) == again.log_likelihood(traces)


def test_episodes_of_a_single_round_are_no_use() -> None:
    """Held out alone they would have no decision to score."""
    (row,) = rows_of(compared(random_traces((2, 2), [1, 6, 1, 7, 1, 1]), FAMILIES[:1]))
    assert math.isfinite(row["held_out_log_likelihood"])


@pytest.mark.parametrize("lengths", [[30], [30, 1, 1]], ids=str)
def test_one_episode_cannot_be_held_out(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two of two rounds or more are needed"):
        compared(random_traces((2, 2), lengths))


def test_some_family_must_apply() -> None:
    with pytest.raises(ValueError, match=r"no family applies to a game of action counts \(2, 3\)"):
        compared(random_traces((2, 3), [5, 5]), FAMILIES[2:])


def applying(traces: Traces) -> dict[str, Mechanism]:
    built = {family.name: family.build(traces) for family in default_families()}
    return {name: mechanism for name, mechanism in built.items() if mechanism is not None}


def test_default_families_of_different_games() -> None:
    small = applying(random_traces((3, 3, 3), [20] * 5))
    assert len(small) == len(default_families())
    assert {mechanism.action_counts for mechanism in small.values()} == {(3, 3, 3)}
    assert isinstance(small["own level and total"], AggregativeMechanism)
    assert isinstance(small["own action and its load"], OwnLoadMechanism)
    assert applying(random_traces((2, 3), [20] * 5)).keys() == {"table", "free form"}
    named = Traces(np.zeros((5, 20, 3), int), action_labels=[["a", "b", "c"]] * 3)
    assert small.keys() - applying(named).keys() == {"own level and total"}
    assert "table" not in applying(random_traces((3, 3, 3), [5] * 5))  # fewer observations than payoffs
    crowd = applying(random_traces([10] * 60, [30] * 10))
    assert crowd.keys().isdisjoint({"table", "free form", "anonymous, own action in"})
    assert isinstance(crowd["anonymous, own action out"], AnonymousMechanism)


def auto(dynamics: Dynamics = DYNAMICS, **settings: Any) -> DIML:
    return DIML("auto", dynamics, **{"max_epochs": 3, "members": 2, **settings})


def test_auto_takes_a_small_game_apart() -> None:
    traces = played(CongestionMechanism.random(3, 3), 10, 40)
    estimate = auto().fit(traces)
    assert estimate.info["route"].startswith("interactions by evidence")
    assert estimate.info["estimator"] == "DIML"
    assert {"kind", "share_of_variance", "log_evidence"} <= estimate.info["kinds"][0].keys()
    assert isinstance(estimate.mechanism, TabularMechanism)


def test_auto_compares_families_of_a_large_game_and_says_so() -> None:
    """The same seed gives the same choice and the same numbers."""
    traces = played(CongestionMechanism.random(12, 6), 6, 8)
    estimate, again = (auto(seed=4).fit(traces) for _ in range(2))
    assert estimate.info["route"].startswith("families by held-out likelihood")
    assert estimate.info["families"] == again.info["families"]
    assert sum(row["chosen"] for row in estimate.info["families"]) == 1
    for one, other in zip(estimate.mechanism.state_dict().values(), again.mechanism.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_auto_is_the_only_word() -> None:
    with pytest.raises(ValueError, match=r'mechanism must be a Mechanism or "auto"; got \'automatic\''):
        DIML("automatic", DYNAMICS)  # type: ignore[arg-type]
