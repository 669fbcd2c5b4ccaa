"""How agents learn, chosen by held-out likelihood."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from slow_definitions import played, random_traces

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, OwnLoadTableMechanism, TabularMechanism
from diml_inverse import (
    DIML,
    Dynamics,
    DynamicsComparison,
    Estimate,
    LogitDynamics,
    StructuredMLE,
)
from diml_inverse.dynamics.members import MEMBERS
from diml_inverse.estimators import diml, family_comparison
from diml_inverse.estimators import dynamics_comparison as module
from diml_inverse.estimators.held_out import Folds, HeldOut, Starts, folds, score
from diml_inverse.metrics import payoff_difference_agreement
from diml_inverse.structure import default_families

TRUTH = CongestionMechanism.random(3, 3, seed=1)
MEMBER_NAMES = ("logit-Q", "logit-Q, own payoff", "Hedge", "averages, own payoff")


def play(learner: Any, episodes: int = 60, rounds: int = 30) -> Traces:
    env = RepeatedGameEnv(TRUTH, max_cycles=rounds)
    return agents.rollout(env, learner, num_episodes=episodes, seed=0).traces


def members() -> dict[str, Dynamics]:
    return {name: MEMBERS[name]() for name in MEMBER_NAMES}


def under(dynamics: Dynamics) -> StructuredMLE:
    return StructuredMLE(OwnLoadTableMechanism(3, 3), dynamics, ridge=0.1, tolerance=1e-9)


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        (agents.LogitQ(precision=6.0), "logit-Q"),
        (agents.LogitQ(precision=6.0, feedback="own"), "logit-Q, own payoff"),
        (agents.Hedge(1.0), "Hedge"),
        (agents.Softmax(6.0), "averages, own payoff"),
    ],
    ids=lambda value: str(value),
)
def test_the_generating_member_is_chosen_and_payoffs_follow(learner: Any, expected: str) -> None:
    traces = play(learner)
    estimate = DynamicsComparison(under, members()).fit(traces)
    rows = estimate.info["learners"]
    assert [row["member"] for row in rows] == list(MEMBER_NAMES)
    assert next(row["member"] for row in rows if row["chosen"]) == expected
    error, correlation = payoff_difference_agreement(estimate.mechanism, TRUTH, traces)
    assert error < 0.05
    assert correlation > 0.97


def test_rows_are_means_over_held_out_decisions() -> None:
    traces = play(agents.LogitQ(), episodes=6, rounds=10)
    dynamics = LogitDynamics()
    (row,) = DynamicsComparison(under, {"known": dynamics}).fit(traces).info["learners"]
    values = [under(dynamics).fit(train).log_likelihood(test) for train, test in folds(traces, 0)]
    assert row["held_out_log_likelihood"] == pytest.approx(np.mean(values))
    assert row == {**row, "member": "known", "fitted": 0, "standard_error": None, "chosen": True}


def test_a_bonus_for_the_untried_is_given_up_where_nobody_explores() -> None:
    """UCB's fit to people who never tried one of two actions once ended at choices by pure chance."""
    stubborn = np.zeros((20, 15, 2), int)
    stubborn[::2, :, 1] = 1
    stubborn[3, 9, 0] = 1
    form = OwnLoadTableMechanism(2, 2)
    fits = {name: StructuredMLE(form, MEMBERS[name](), 0.1).fit(Traces(stubborn)) for name in MEMBER_NAMES[-1:]}
    fits["UCB"] = StructuredMLE(form, MEMBERS["UCB"](), 0.1).fit(Traces(stubborn))
    assert fits["UCB"].log_likelihood(Traces(stubborn)) == pytest.approx(
        fits["averages, own payoff"].log_likelihood(Traces(stubborn)), abs=1e-3
    )


class Ending(StructuredMLE):
    """Ends in NaN as long as `ends` says so of the traces."""

    def __init__(self, dynamics: Dynamics, ends: Any) -> None:
        super().__init__(OwnLoadTableMechanism(3, 3), dynamics, ridge=0.1, tolerance=1e-9)
        self.ends = ends

    def fit(self, traces: Traces) -> Estimate:
        if self.ends(traces):
            raise FloatingPointError("iteration 3: NaN or infinity in the log-likelihood")
        return super().fit(traces)

    def across(self, folds: Folds, starts: Starts) -> list[HeldOut]:
        if self.ends(folds[0][0]):
            raise FloatingPointError("iteration 3: NaN or infinity in the log-likelihood")
        return super().across(folds, starts)


def test_a_member_that_ends_in_nan_is_a_row_that_says_so() -> None:
    """UCB on people's play overflowed once, and with it went the comparison of all the others."""

    def estimator(dynamics: Dynamics) -> StructuredMLE:
        return Ending(dynamics, lambda _: "bonus" in dynamics.config()["fit"])

    known = {name: MEMBERS[name]() for name in ("UCB", "logit-Q")}
    estimate = DynamicsComparison(estimator, known).fit(play(agents.LogitQ(), episodes=6, rounds=10))
    lost, chosen = estimate.info["learners"]
    assert lost["failed"] == "iteration 3: NaN or infinity in the log-likelihood"
    assert (lost["chosen"], lost["held_out_log_likelihood"], lost["standard_error"]) == (False, None, None)
    assert (chosen["chosen"], chosen["failed"]) == (True, None)


def test_the_next_best_is_taken_if_the_best_cannot_be_fitted_to_all_episodes() -> None:
    traces = play(agents.Hedge(1.0), episodes=12, rounds=20)
    known = {name: MEMBERS[name]() for name in ("logit-Q", "Hedge", "averages, own payoff")}

    def estimator(dynamics: Dynamics) -> StructuredMLE:
        return Ending(dynamics, lambda given: dynamics is known["Hedge"] and len(given) == len(traces))

    before = {row["member"]: row for row in DynamicsComparison(under, known).fit(traces).info["learners"]}
    assert before["Hedge"]["chosen"]
    rows = {row["member"]: row for row in DynamicsComparison(estimator, known).fit(traces).info["learners"]}
    assert rows["Hedge"]["failed"]
    (chosen,) = (row for row in rows.values() if row["chosen"])
    others = [row for name, row in before.items() if name != "Hedge"]
    assert chosen["member"] == max(others, key=lambda row: row["held_out_log_likelihood"])["member"]


def test_if_no_member_can_be_fitted_each_ones_reason_is_told() -> None:
    traces = play(agents.LogitQ(), episodes=6, rounds=10)
    with pytest.raises(FloatingPointError, match=r"no model of learning could be fitted \(logit-Q: .*; Hedge: .*NaN"):
        DynamicsComparison(lambda dynamics: Ending(dynamics, lambda _: True), members()).fit(traces)


def test_half_of_the_members_go_on_to_more_effort() -> None:
    """Six members: six with little effort on one fold, three with all effort on every fold; the last trial decides."""
    traces = play(agents.LogitQ(precision=6.0), episodes=12, rounds=15)
    known = {name: MEMBERS[name]() for name in (*MEMBER_NAMES, "Roth-Erev", "fictitious play")}
    calls: list[tuple[str, str]] = []

    def estimator(effort: str, iterations: int, dynamics: Dynamics) -> StructuredMLE:
        calls.append((effort, next(name for name in known if known[name] is dynamics)))
        return StructuredMLE(OwnLoadTableMechanism(3, 3), dynamics, 0.1, max_iterations=iterations)

    trials = [partial(estimator, "little", 3), partial(estimator, "all", 50)]
    rows = DynamicsComparison(partial(estimator, "refit", 50), known, trials).fit(traces).info["learners"]
    assert [name for effort, name in calls if effort == "little"] == list(known)
    further = [row["member"] for row in rows if row["trial"] == 2]
    assert {name for effort, name in calls if effort == "all"} == set(further)
    train, test = folds(traces, 0)[0]
    first = {name: estimator("again", 3, dynamics).fit(train).log_likelihood(test) for name, dynamics in known.items()}
    assert set(further) == set(sorted(first, key=lambda name: first[name])[-3:])
    for row in rows:
        if row["trial"] == 1:
            assert row["held_out_log_likelihood"] == pytest.approx(first[row["member"]])
    (chosen,) = (row for row in rows if row["chosen"])
    assert chosen["trial"] == 2
    assert chosen["held_out_log_likelihood"] == max(row["held_out_log_likelihood"] for row in rows if row["trial"] == 2)


def test_one_episode_cannot_be_compared_on() -> None:
    with pytest.raises(ValueError, match="compared on held-out episodes"):
        DynamicsComparison(under, members()).fit(random_traces((3, 3, 3), [20]))


def test_structure_and_learners_are_both_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(module, "default_members", lambda rounds: members())
    tables = [family for family in default_families() if not family.network]  # networks would take a minute
    for place in (diml, family_comparison):
        monkeypatch.setattr(place, "default_families", lambda: tables)
    traces = play(agents.LogitQ(precision=8.0, feedback="own"), episodes=30, rounds=25)
    estimate = DIML("auto", "auto", max_epochs=30, members=1).fit(traces)
    assert next(row["member"] for row in estimate.info["learners"] if row["chosen"]) == "logit-Q, own payoff"
    assert payoff_difference_agreement(estimate.mechanism, TRUTH, traces)[0] < 0.1
    estimate.save(tmp_path / "estimate.safetensors")
    again = Estimate.load(tmp_path / "estimate.safetensors")
    assert again.log_likelihood(traces) == pytest.approx(estimate.log_likelihood(traces), abs=1e-12)


def test_a_given_network_is_fitted_under_the_learners_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "default_members", lambda rounds: {"Hedge": MEMBERS["Hedge"](), "own": MEMBERS["UCB"]()}
    )
    estimate = DIML(OwnLoadTableMechanism(3, 3), "auto", max_epochs=200, members=2).fit(played(TRUTH, 10, 20))
    assert estimate.info["learners"][0]["chosen"]
    assert estimate.info["epochs"]


def test_learners_parameters_are_fitted_by_gradient_steps_too() -> None:
    """Null: no information is lost. Two fits of one likelihood, by L-BFGS and by Adam without early stopping."""
    traces = play(agents.LogitQ(0.4, 6.0, 0.1), episodes=30)
    dynamics = LogitDynamics(0.2, 6.0, 0.05, fit=("learning_rate", "exploration"))
    exact = StructuredMLE(OwnLoadTableMechanism(3, 3), dynamics, tolerance=1e-11).fit(traces)
    settings = {"validation_fraction": 0.0, "members": 2, "max_epochs": 1500, "weight_decay": 0.0, "step_size": 0.01}
    stepped = DIML(OwnLoadTableMechanism(3, 3), dynamics, **settings).fit(traces)
    assert stepped.log_likelihood(traces) == pytest.approx(exact.log_likelihood(traces), abs=1e-5)
    for name in ("learning_rate", "exploration"):
        assert float(stepped.dynamics.value(name)) == pytest.approx(float(exact.dynamics.value(name)), abs=0.01)


def test_words_other_than_auto_are_rejected() -> None:
    with pytest.raises(ValueError, match="dynamics must be a Dynamics or \"auto\"; got 'logit'"):
        DIML("auto", "logit")  # type: ignore[arg-type]


@pytest.mark.parametrize("ridge", [0.05, 3.0])
def test_folds_as_one_play_are_fits_to_each_part(ridge: float) -> None:
    """The slow definition: each part fitted from the beginning, and scored on what it leaves out.

    Episodes of different length, so that contexts differ from fold to fold.
    """
    traces = Traces(play(agents.LogitQ(), episodes=9, rounds=12).actions, 12 - np.arange(9) % 4)
    parts = folds(traces, 0)
    starts: Starts = {}
    for estimator in (
        StructuredMLE(OwnLoadTableMechanism(3, 3), MEMBERS["logit-Q"](), value) for value in (1.0, ridge)
    ):
        quick = estimator.across(parts, starts)  # the second time from where the first ended, at another ridge
        for (train, test), found in zip(parts, quick, strict=True):
            expected = score(estimator.fit(train), test)
            np.testing.assert_array_equal(found.decisions, expected.decisions)
            np.testing.assert_allclose(found.totals, expected.totals, rtol=0, atol=3e-2)


def test_what_only_held_out_episodes_show_is_not_carried_into_their_fold() -> None:
    """Others never choose action 2 but in the episodes of the last fold: its fit must know nothing of that context."""
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 2, (6, 20, 2))
    actions[4:, ::3, 1] = 2
    parts = Folds(Traces(actions, action_labels=[range(3)] * 2), [np.array([0, 1]), np.array([4, 5])])
    starts: Starts = {}
    StructuredMLE(TabularMechanism([3, 3]), MEMBERS["logit-Q"](), ridge=1e-4).across(parts, starts)
    tables = [starts[number].parameters[:18].reshape(3, 3, 2)[:, 2, 0] for number in (0, 1)]
    assert np.abs(tables[0]).max() > 0.1
    assert np.abs(tables[1]).max() < 1e-6
