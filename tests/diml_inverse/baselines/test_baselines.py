"""Baselines: what they must get right, what they must get wrong, and that all answer to one interface."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from slow_definitions import played, random_traces

from diml_envs import Traces, check_mechanism
from diml_envs.mechanisms import CongestionMechanism
from diml_inverse import DIML, Estimate, Estimator, LogitDynamics, StructuredMLE, TabularMLE, metrics
from diml_inverse.baselines import (
    BehaviouralCloning,
    EquilibriumInversion,
    ModalMechanism,
    Predictor,
    WrongLearner,
)
from diml_inverse.baselines.modal import modal_action
from diml_inverse.prediction.simulation import simulate

DYNAMICS = LogitDynamics()


def test_all_fit_traces_and_predict_what_metrics_can_score() -> None:
    traces = played(CongestionMechanism.random(2, 3), episodes=8, rounds=12)
    baselines = [BehaviouralCloning(max_epochs=3), EquilibriumInversion(), WrongLearner(TabularMLE(DYNAMICS))]
    for baseline in baselines:
        assert isinstance(baseline, Estimator)
        found = baseline.fit(traces)
        assert isinstance(found, Predictor)
        probs = found.choice_probs(traces)
        assert metrics.log_likelihood_by_episode(probs, traces).value == pytest.approx(found.log_likelihood(traces))
        assert metrics.choice_kl(probs, probs, traces) == 0
        assert found.info["estimator"] == type(baseline).__name__


class TestWrongLearner:
    def test_payoffs_come_out_larger_and_predictions_the_same(self) -> None:
        """Under another precision the same maximum of the likelihood lies at payoffs scaled to match."""
        traces = played(CongestionMechanism.random(2, 3), episodes=20, rounds=20)
        right = TabularMLE(DYNAMICS, ridge=1e-9)
        wrong = WrongLearner(right, precision_factor=0.5)
        profiles = torch.tensor(traces.actions[0])
        expected = 2 * right.fit(traces).payoff_differences(profiles)
        estimate = wrong.fit(traces)
        assert torch.allclose(estimate.payoff_differences(profiles), expected, atol=1e-3)
        assert estimate.log_likelihood(traces) == pytest.approx(right.fit(traces).log_likelihood(traces), abs=1e-6)

    def test_takes_any_candidate_and_leaves_the_estimator_alone(self) -> None:
        traces = played(CongestionMechanism.random(2, 3), episodes=8, rounds=10)
        neural = DIML(CongestionMechanism(2, 3), DYNAMICS, members=1, max_epochs=2)
        for right in (StructuredMLE(CongestionMechanism(2, 3), DYNAMICS), neural, TabularMLE(DYNAMICS)):
            estimate = WrongLearner(right).fit(traces)
            assert float(estimate.dynamics.precision) == pytest.approx(1.8)  # type: ignore[arg-type]
            assert float(right.dynamics.precision) == 3.0  # type: ignore[arg-type]
            assert estimate.info["inner_estimator"] == type(right).__name__
            assert estimate.info["precision_factor"] == 0.6

    @pytest.mark.parametrize("factor", [0.0, -1.0, math.nan])
    def test_a_factor_not_above_zero_is_refused(self, factor: float) -> None:
        with pytest.raises(ValueError, match="precision_factor must be above 0"):
            WrongLearner(TabularMLE(DYNAMICS), factor)


class TestEquilibriumInversion:
    @pytest.mark.parametrize("missing", [0.0, 0.3])
    def test_differences_are_logs_of_shares_given_what_the_others_did_before(self, missing: float) -> None:
        counts = (2, 4, 3)
        traces = random_traces(counts, [9, 4, 7], missing=missing)
        estimate = EquilibriumInversion(precision=2.0, pseudo_count=0.5).fit(traces)
        rng = np.random.default_rng(0)
        for profile in rng.integers(counts, size=(10, 3)).tolist():
            found = estimate.payoff_differences(profile)
            for agent, count in enumerate(counts):
                others = np.delete(profile, agent).tolist()
                chosen = [0.5] * count
                for episode in traces.actions.tolist():
                    for before, after in pairwise(episode):
                        if np.delete(before, agent).tolist() == others and after[agent] != -1:
                            chosen[after[agent]] += 1
                logs = np.log(chosen) / 2.0
                assert found[agent, :count].numpy() == pytest.approx(logs - logs.mean())

    def test_predicts_the_shares(self) -> None:
        traces = Traces([[[0, 0], [1, 0], [1, 1], [1, 0], [0, 1]]])
        probs = EquilibriumInversion(precision=5.0).fit(traces).choice_probs(traces)
        # Agent 0 faced action 0 in rounds 0, 1 and 3 and then chose 1, 1 and 0; it faced 1 in round 2 and chose 1.
        facing = {0: [(1 + 1) / (3 + 2), (2 + 1) / (3 + 2)], 1: [1 / 3, 2 / 3]}
        for round_ in range(1, 5):
            assert probs[0, round_, 0] == pytest.approx(facing[int(traces.actions[0, round_ - 1, 1])])
        assert probs[0, 0] == pytest.approx(0.5)  # nothing to answer yet

    def test_recovers_the_payoffs_of_agents_that_really_have_no_memory(self) -> None:
        truth, static = CongestionMechanism.random(2, 4), LogitDynamics(1.0, 3.0, 0.0)
        traces = simulate(truth, static, num_episodes=100, num_rounds=40)
        estimate = EquilibriumInversion(precision=3.0).fit(traces)
        assert metrics.payoff_difference_mse(estimate.mechanism, truth, traces, relative=True) < 0.02

    def test_shrinks_the_payoffs_of_agents_that_remember(self) -> None:
        truth = CongestionMechanism.random(2, 4)
        traces = simulate(truth, LogitDynamics(0.2, 3.0, 0.0), num_episodes=100, num_rounds=40)
        profiles = torch.tensor(traces.actions[:, -1])
        found = EquilibriumInversion(precision=3.0).fit(traces).payoff_differences(profiles)
        true = truth.counterfactual_payoffs(profiles).detach()
        true = true - true.mean(-1, keepdim=True)
        assert float((found * true).sum() / true.square().sum()) < 0.8

    @pytest.mark.parametrize("missing", [0.0, 0.1])
    def test_large_games_are_summed_up_by_the_others_modal_action(self, missing: float) -> None:
        num_agents, num_actions = 9, 3
        traces = random_traces((num_actions,) * num_agents, [6, 8], missing=missing)
        estimate = EquilibriumInversion(precision=2.0).fit(traces)
        chosen = np.ones((num_actions, num_actions))
        for episode in traces.actions.tolist():
            for before, after in pairwise(episode):
                for agent in range(num_agents):
                    others = np.delete(before, agent).tolist()
                    if -1 not in others and after[agent] != -1:
                        chosen[np.bincount(others, minlength=num_actions).argmax(), after[agent]] += 1
        logs = np.log(chosen) / 2.0
        assert isinstance(estimate.mechanism, ModalMechanism)
        assert estimate.info["summary"] == "others' modal action"
        assert estimate.mechanism.table.numpy() == pytest.approx(logs - logs.mean(1, keepdims=True))

    def test_can_be_saved_and_loaded(self, tmp_path: Path) -> None:
        small, large = random_traces((2, 2), [9]), random_traces((3,) * 9, [9])
        for traces, mechanism in ((small, None), (large, ModalMechanism(9, 3))):
            estimate = EquilibriumInversion().fit(traces)
            estimate.save(tmp_path / "estimate.safetensors")
            loaded = Estimate.load(tmp_path / "estimate.safetensors", mechanism=mechanism)
            assert np.array_equal(loaded.choice_probs(traces), estimate.choice_probs(traces))

    def test_what_it_cannot_do_is_refused(self) -> None:
        with pytest.raises(ValueError, match="same number of actions"):
            EquilibriumInversion().fit(random_traces((3,) * 9 + (2,), [4]))
        with pytest.raises(ValueError, match="at least two agents"):
            EquilibriumInversion().fit(Traces([[[10_000], [3]]]))
        with pytest.raises(ValueError, match="precision must be above 0"):
            EquilibriumInversion(precision=0.0)
        with pytest.raises(ValueError, match="pseudo_count must be above 0"):
            EquilibriumInversion(pseudo_count=math.inf)


def test_modal_mechanism_keeps_the_contract() -> None:
    mechanism = ModalMechanism(4, 3)
    torch.nn.init.normal_(mechanism.table, generator=torch.Generator().manual_seed(0))
    check_mechanism(mechanism)
    assert mechanism(torch.tensor([2, 1, 1, 0]))[0] == mechanism.table[1, 2]
    assert modal_action(torch.tensor([[0, 2, 2], [3, 1, 1], [0, 0, 0]])).tolist() == [1, 0, 0]
