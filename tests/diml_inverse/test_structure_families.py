"""Families compared on held-out episodes, and `DIML(mechanism="auto")`, which chooses between the two routes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
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
from diml_inverse import DIML, Dynamics, LogitDynamics, StructuredMLE, log_likelihood
from diml_inverse.structure import Family, compare_families, default_families
from diml_inverse.structure.families import MANY_EPISODES, NUM_FOLDS

DYNAMICS = LogitDynamics()


def maximum_likelihood(candidate: Mechanism, traces: Traces) -> Mechanism:
    return StructuredMLE(candidate, DYNAMICS, ridge=0.1, max_iterations=50).fit(traces).mechanism


def as_it_is(candidate: Mechanism, traces: Traces) -> Mechanism:
    return candidate


def table(traces: Traces) -> Mechanism:
    return TabularMechanism(traces.action_counts)


def congestion(traces: Traces) -> Mechanism:
    """A user's own family is a function of the traces."""
    return CongestionMechanism(traces.num_agents, traces.action_counts[0])


FAMILIES = [Family("table", table), Family("congestion", congestion), Family("none for these", lambda traces: None)]


def chosen(rows: list[dict[str, Any]]) -> str:
    return next(row["family"] for row in rows if row["chosen"])


def test_the_truth_s_family_is_chosen() -> None:
    traces = played(CongestionMechanism.random(3, 3), 12, 40)
    rows = compare_families(FAMILIES, maximum_likelihood, DYNAMICS, traces, seed=0)
    assert [(row["family"], row["parameters"]) for row in rows] == [("table", 81), ("congestion", 9)]
    assert chosen(rows) == "congestion"
    assert rows[1]["held_out_log_likelihood"] > rows[0]["held_out_log_likelihood"] + rows[0]["standard_error"]
    assert rows[1]["standard_error"] == 0  # of the difference to the best, itself
    assert rows == compare_families(FAMILIES, maximum_likelihood, DYNAMICS, traces, seed=0)


def test_a_free_game_is_not_forced_into_a_form() -> None:
    truth = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(3, 3, 2)))
    rows = compare_families(FAMILIES, maximum_likelihood, DYNAMICS, played(truth, 12, 40), seed=0)
    assert chosen(rows) == "table"


def test_scores_are_means_over_decisions_and_errors_those_of_their_differences() -> None:
    """Fixed mechanisms, three episodes of unequal lengths: each is held out once, so all of them are scored."""
    truth, nothing = CongestionMechanism.random(2, 3), CongestionMechanism(2, 3)
    traces = random_traces((3, 3), [20, 5, 12])
    families = [Family("truth", lambda _: truth), Family("nothing", lambda _: nothing)]
    rows = {row["family"]: row for row in compare_families(families, as_it_is, DYNAMICS, traces, seed=0)}
    means = {
        name: float(log_likelihood(m, DYNAMICS, traces).detach())
        for name, m in (("truth", truth), ("nothing", nothing))
    }
    for name, mean in means.items():
        assert rows[name]["held_out_log_likelihood"] == pytest.approx(mean, abs=1e-6)
    best, other = sorted(means, key=lambda name: -means[name])
    assert (rows[best]["chosen"], rows[other]["chosen"]) == (True, False)
    decisions = 2 * (traces.lengths - 1)
    mechanisms = {"truth": truth, "nothing": nothing}
    totals = {
        name: np.array([float(log_likelihood(m, DYNAMICS, one).detach()) for one in traces]) * decisions
        for name, m in mechanisms.items()
    }
    difference = (totals[other] - totals[best]) / decisions.mean()
    assert rows[other]["standard_error"] == pytest.approx(difference.std(ddof=1) / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize(("episodes", "fits"), [(2, 2), (7, NUM_FOLDS), (MANY_EPISODES, 1)])
def test_few_episodes_are_held_out_in_turn_many_once(episodes: int, fits: int) -> None:
    traces, fitted_to = random_traces((2, 2), [3] * episodes), []

    def remember(candidate: Mechanism, part: Traces) -> Mechanism:
        fitted_to.append(set(part.episodes))
        return candidate

    compare_families([Family("table", table)], remember, DYNAMICS, traces, seed=0)
    assert len(fitted_to) == fits
    left_out = [set(range(episodes)) - part for part in fitted_to]
    held_out = sum(map(len, left_out))
    assert held_out == len(set().union(*left_out))
    assert held_out == (episodes if fits > 1 else math.ceil(episodes / NUM_FOLDS))


def test_episodes_of_a_single_round_are_no_use() -> None:
    """Held out alone they would have no decision to score."""
    traces = random_traces((2, 2), [1, 6, 1, 7, 1, 1])
    (row,) = compare_families([Family("table", table)], as_it_is, DYNAMICS, traces, seed=0)
    assert row["held_out_log_likelihood"] == pytest.approx(-math.log(2))


@pytest.mark.parametrize("lengths", [[30], [30, 1, 1]], ids=str)
def test_one_episode_cannot_be_held_out(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two of two rounds or more are needed"):
        compare_families(FAMILIES, as_it_is, DYNAMICS, random_traces((2, 2), lengths), seed=0)


def test_some_family_must_apply() -> None:
    with pytest.raises(ValueError, match=r"no family applies to a game of action counts \(2, 3\)"):
        compare_families(FAMILIES[2:], as_it_is, DYNAMICS, random_traces((2, 3), [5, 5]), seed=0)


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
