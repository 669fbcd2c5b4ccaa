"""Metrics of behaviour against plain loops and known answers."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from slow_definitions import random_traces

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, TabularMechanism
from diml_inverse import Dynamics, LogitDynamics, likelihood, metrics
from diml_inverse.metrics.histograms import PSEUDO_COUNT
from diml_inverse.prediction.simulation import scaled_learners

COUNTS = (2, 4, 3)


def random_probs(traces: Traces, seed: int) -> NDArray[np.float64]:
    """[E, T, N, A], 0 at actions that do not exist."""
    rng = np.random.default_rng(seed)
    counts = np.array(traces.action_counts)
    weights = rng.uniform(0.01, 1, size=(*traces.actions.shape, counts.max())) ** 2
    weights[..., np.arange(counts.max()) >= counts[:, None]] = 0
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def scored_places(traces: Traces) -> list[tuple[int, int, int]]:
    """Observed decisions of every round but the first."""
    num_episodes, num_rounds, num_agents = traces.actions.shape
    places = [(e, t, i) for e in range(num_episodes) for t in range(1, num_rounds) for i in range(num_agents)]
    return [place for place in places if traces.actions[place] >= 0]


def probs_along(mechanism: Mechanism, dynamics: Dynamics, traces: Traces) -> NDArray[np.float64]:
    play = likelihood.observe(mechanism, dynamics, traces)
    probs: NDArray[np.float64] = likelihood.log_choice_probs(mechanism, dynamics, play).detach().exp().numpy()
    return probs


@pytest.fixture(params=[0.0, 0.3], ids=["whole", "missing"])
def traces(request: pytest.FixtureRequest) -> Traces:
    return random_traces(COUNTS, [6, 3, 5], missing=request.param)


class TestChoiceKL:
    def test_is_the_mean_over_scored_decisions(self, traces: Traces) -> None:
        true, predicted = random_probs(traces, 0), random_probs(traces, 1)
        values = []
        for e, t, i in scored_places(traces):
            terms = [p * math.log(p / q) for p, q in zip(true[e, t, i], predicted[e, t, i], strict=True) if p > 0]
            values.append(sum(terms))
        assert metrics.choice_kl(predicted, true, traces) == pytest.approx(np.mean(values), rel=1e-12)

    @given(seeds=st.tuples(st.integers(0, 50), st.integers(0, 50)))
    def test_is_zero_for_the_truth_and_only_for_it(self, seeds: tuple[int, int]) -> None:
        traces = random_traces(COUNTS, [4, 4])
        predicted, true = (random_probs(traces, seed) for seed in seeds)
        value = metrics.choice_kl(predicted, true, traces)
        assert value == 0 if seeds[0] == seeds[1] else value > 1e-6

    def test_the_true_mechanism_and_dynamics_predict_what_the_learners_did(self) -> None:
        truth, dynamics = TabularMechanism.random(3, 3).double(), LogitDynamics()
        rollout = agents.rollout(RepeatedGameEnv(truth, max_cycles=30), agents.LogitQ(**dynamics.config()), 6)
        right = probs_along(truth, dynamics, rollout.traces)
        wrong = probs_along(truth, scaled_learners(dynamics, precision=0.6), rollout.traces)
        assert abs(metrics.choice_kl(right, rollout.choice_probs, rollout.traces)) < 1e-9
        assert metrics.choice_kl(wrong, rollout.choice_probs, rollout.traces) > 0.01

    def test_known_value_and_infinity(self) -> None:
        traces = Traces([[[0], [1]]])
        true, half = np.full((1, 2, 1, 2), 0.5), np.array([0.8, 0.2]) * np.ones((1, 2, 1, 2))
        assert metrics.choice_kl(half, true, traces) == pytest.approx(-0.5 * math.log(4 * 0.8 * 0.2))
        assert metrics.choice_kl([0.0, 1.0] * np.ones((1, 2, 1, 2)), true, traces) == math.inf
        assert metrics.choice_kl(true, [0.0, 1.0] * np.ones((1, 2, 1, 2)), traces) == pytest.approx(math.log(2))

    def test_first_rounds_and_nan_where_nobody_played_do_not_matter(self, traces: Traces) -> None:
        true, predicted = random_probs(traces, 0), random_probs(traces, 1)
        expected = metrics.choice_kl(predicted, true, traces)
        true[:, 0] = np.nan
        true[np.arange(traces.num_rounds) >= traces.lengths[:, None]] = np.nan
        true[..., 0, 2:] = np.nan
        assert metrics.choice_kl(predicted, true, traces) == expected

    def test_decisions_to_score_can_be_chosen(self, traces: Traces) -> None:
        true, predicted = random_probs(traces, 0), random_probs(traces, 1)
        only = np.zeros(traces.actions.shape, bool)
        only[scored_places(traces)[3]] = True
        value = metrics.choice_kl(predicted, true, traces, scored=only)
        p, q = true[only][0], predicted[only][0]
        assert value == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))

    def test_what_does_not_fit_is_refused(self) -> None:
        traces = random_traces(COUNTS, [4, 3], missing=0.2)
        probs = random_probs(traces, 0)
        with pytest.raises(ValueError, match=r"must be \[E, T, N, A\]"):
            metrics.choice_kl(probs[:, 1:], probs, traces)
        with pytest.raises(ValueError, match="are no choice probabilities"):
            metrics.choice_kl(probs * 1.1, probs, traces)
        with pytest.raises(ValueError, match="not observed cannot be scored"):
            metrics.choice_kl(probs, probs, traces, scored=np.ones(traces.actions.shape, bool))
        with pytest.raises(ValueError, match="must have the shape"):
            metrics.choice_kl(probs, probs, traces, scored=[True])
        with pytest.raises(ValueError, match="no decision to score"):
            metrics.accuracy(probs[:, :1], Traces(traces.actions[:, :1], action_labels=traces.action_labels))


class TestChoicesMade:
    def test_log_likelihood_is_the_mean_log_probability_of_what_was_done(self, traces: Traces) -> None:
        probs = random_probs(traces, 0)
        logs = [math.log(probs[*place, traces.actions[place]]) for place in scored_places(traces)]
        assert metrics.log_likelihood_by_episode(probs, traces).value == pytest.approx(np.mean(logs))

    def test_log_likelihood_agrees_with_the_estimates_own_scoring(self) -> None:
        truth, dynamics = TabularMechanism.random(2, 3).double(), LogitDynamics()
        traces = random_traces((3, 3), [30, 20], missing=0.1)
        scored = likelihood.observe(truth, dynamics, traces).scored.numpy()
        probs = probs_along(truth, dynamics, traces)
        value = metrics.log_likelihood_by_episode(probs, traces, scored).value
        assert value == pytest.approx(-metrics.negative_log_likelihood(truth, dynamics, traces), rel=1e-9)

    def test_accuracy_is_the_share_of_hits(self, traces: Traces) -> None:
        probs = random_probs(traces, 0)
        hits = [max(range(4), key=lambda b: probs[*p, b]) == traces.actions[p] for p in scored_places(traces)]
        assert metrics.accuracy(probs, traces) == pytest.approx(np.mean(hits))

    def test_negative_log_likelihood_by_context(self, traces: Traces) -> None:
        training, probs = random_traces(COUNTS, [4], seed=9), random_probs(traces, 0)
        parts: dict[str, list[float]] = {"all": [], "seen": [], "unseen": []}
        for e, t, i in scored_places(traces):
            loss = -math.log(probs[e, t, i, traces.actions[e, t, i]])
            before = np.delete(traces.actions[e, t - 1], i).tolist()
            known = any(np.delete(profile, i).tolist() == before for profile in training.actions[0])
            parts["all"].append(loss)
            if -1 not in before:
                parts["seen" if known else "unseen"].append(loss)
        expected = {name: np.mean(losses) for name, losses in parts.items()}
        assert metrics.negative_log_likelihood_by_context(probs, traces, training) == pytest.approx(expected)

    def test_contexts_all_seen_leave_no_unseen_ones(self) -> None:
        traces = random_traces((2, 2), [8])
        found = metrics.negative_log_likelihood_by_context(random_probs(traces, 0), traces, traces)
        assert found["seen"] == pytest.approx(found["all"])
        assert math.isnan(found["unseen"])


class TestCalibration:
    def test_is_the_mean_gap_over_equally_full_bins(self, traces: Traces) -> None:
        probs, num_bins = random_probs(traces, 0), 4
        predictions = sorted(
            (probs[*place, action], traces.actions[place] == action)
            for place in scored_places(traces)
            for action in range(COUNTS[place[2]])
        )
        bins: dict[int, list[tuple[float, bool]]] = {}
        for rank, prediction in enumerate(predictions):
            bins.setdefault(rank * num_bins // len(predictions), []).append(prediction)
        gaps = [abs(sum(p for p, _ in rows) - sum(taken for _, taken in rows)) for rows in bins.values()]
        value = metrics.expected_calibration_error(probs, traces, num_bins)
        assert value == pytest.approx(sum(gaps) / len(predictions))
        table = metrics.reliability(probs, traces, num_bins)
        for row, rows in zip(table.to_dict("records"), bins.values(), strict=True):
            assert row["predictions"] == len(rows)
            assert row["predicted"] == pytest.approx(np.mean([p for p, _ in rows]))
            assert row["taken"] == pytest.approx(np.mean([taken for _, taken in rows]))

    @staticmethod
    def drawn_from(probs: NDArray[np.float64], rng: np.random.Generator) -> Traces:
        actions = (rng.random((*probs.shape[:-1], 1)) > probs.cumsum(-1)[..., :-1]).sum(-1)
        return Traces(actions, action_labels=[range(probs.shape[-1])] * probs.shape[2])

    def test_perfectly_calibrated_predictions_err_by_noise_alone(self) -> None:
        rng = np.random.default_rng(0)
        probs = rng.dirichlet([1.0, 1.0, 2.0], size=(40, 101, 2))
        traces = self.drawn_from(probs, rng)
        table = metrics.reliability(probs, traces)
        share = table["predictions"] / table["predictions"].sum()
        # A bin's gap is the size of a normal number with the bin's standard error, nearly: known mean and variance.
        expected = math.sqrt(2 / math.pi) * (share * table["standard_error"]).sum()
        deviation = math.sqrt((1 - 2 / math.pi) * ((share * table["standard_error"]) ** 2).sum())
        assert abs(metrics.expected_calibration_error(probs, traces) - expected) < 3 * deviation
        assert expected < 0.01

    def test_too_sure_predictions_err_by_how_much_too_sure_they_are(self) -> None:
        rng = np.random.default_rng(0)
        true = np.broadcast_to([0.6, 0.4], (50, 101, 2, 2))
        traces = self.drawn_from(true, rng)
        value = metrics.expected_calibration_error(np.broadcast_to([0.9, 0.1], true.shape), traces)
        assert abs(value - 0.3) < 3 * math.sqrt(0.24 / 10_000)

    def test_equal_predictions_share_a_bin(self) -> None:
        traces = random_traces((3, 3), [10])
        table = metrics.reliability(np.full((1, 10, 2, 3), 1 / 3), traces)
        assert table["predictions"].tolist() == [54]
        assert metrics.expected_calibration_error(np.full((1, 10, 2, 3), 1 / 3), traces) == pytest.approx(0)

    def test_no_bin_is_refused(self) -> None:
        traces = random_traces((2,), [3])
        with pytest.raises(ValueError, match="num_bins must be at least 1"):
            metrics.expected_calibration_error(random_probs(traces, 0), traces, 0)

    def test_plot_shows_the_bins_beside_the_diagonal(self, tmp_path: Path) -> None:
        traces = random_traces(COUNTS, [30, 30])
        table = metrics.reliability(random_probs(traces, 0), traces)
        figure = metrics.reliability_plot(table)
        drawn = [line.get_xydata() for line in figure.axes[0].lines]
        assert any(np.array_equal(points, table[["predicted", "taken"]].to_numpy()) for points in drawn)
        figure.savefig(tmp_path / "reliability.png")
        assert (tmp_path / "reliability.png").stat().st_size > 5000


class TestHistogramKL:
    def test_joint_actions_of_a_small_game(self) -> None:
        truth, prediction = random_traces((2, 3), [9, 7]), random_traces((2, 3), [8, 8], seed=1, missing=0.2)
        cells = [(a, b) for a in range(2) for b in range(3)]
        shares = []
        for traces in (truth, prediction):
            counts = Counter(tuple(profile) for profile in traces.actions.reshape(-1, 2).tolist() if -1 not in profile)
            total = sum(counts.values()) + PSEUDO_COUNT * len(cells)
            shares.append([(counts[cell] + PSEUDO_COUNT) / total for cell in cells])
        expected = sum(p * math.log(p / q) for p, q in zip(*shares, strict=True))
        assert metrics.histogram_kl(prediction, truth) == pytest.approx(expected)

    def test_numbers_choosing_each_action_in_a_large_game(self) -> None:
        num_agents, num_actions = 9, 3
        truth, prediction = (random_traces((num_actions,) * num_agents, [9, 7], seed=seed) for seed in (0, 1))
        of_actions = []
        for action in range(num_actions):
            shares = []
            for traces in (truth, prediction):
                rows = traces.actions[traces.observed.all(-1)].tolist()
                counts = Counter(row.count(action) for row in rows)
                total = len(rows) + PSEUDO_COUNT * (num_agents + 1)
                shares.append([(counts[number] + PSEUDO_COUNT) / total for number in range(num_agents + 1)])
            of_actions.append(sum(p * math.log(p / q) for p, q in zip(*shares, strict=True)))
        assert metrics.histogram_kl(prediction, truth) == pytest.approx(np.mean(of_actions))

    @given(seeds=st.tuples(st.integers(0, 20), st.integers(0, 20)))
    def test_is_zero_for_the_same_play_and_never_below(self, seeds: tuple[int, int]) -> None:
        first, second = (random_traces((2, 2), [5, 4], seed=seed) for seed in seeds)
        assert metrics.histogram_kl(first, first) == 0
        assert metrics.histogram_kl(first, second) >= -1e-12

    def test_the_noise_floor_is_about_cells_over_rounds(self) -> None:
        """Two simulations of the paper's first experiment differ by the .03 that the paper reports as an error."""
        uniform = LogitDynamics(precision=0.0)
        truth = TabularMechanism([6, 6, 6])
        found = metrics.counterfactual_kl(truth, uniform, truth, uniform)
        for value, _, _ in (found.histogram_kl, found.noise_floor):
            assert 0.7 * 216 / 7000 < value < 1.3 * 216 / 7000

    def test_tells_a_wrong_mechanism_from_the_right_one(self) -> None:
        truth, other, dynamics = CongestionMechanism.random(2, 4), TabularMechanism([4, 4]), LogitDynamics()
        right = metrics.counterfactual_kl(truth, dynamics, truth, dynamics, seed=1)
        wrong = metrics.counterfactual_kl(other, dynamics, truth, dynamics, seed=1)
        assert right.histogram_kl.value < 2 * right.noise_floor.value
        assert wrong.histogram_kl.low > 5 * wrong.noise_floor.high
        assert right.noise_floor == wrong.noise_floor

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="action counts differ"):
            metrics.histogram_kl(random_traces((2, 2), [3]), random_traces((2, 3), [3]))
        with pytest.raises(ValueError, match="no round in which every agent"):
            metrics.histogram_kl(Traces([[[0, -1]]], action_labels=[range(2)] * 2), random_traces((2, 2), [3]))
        with pytest.raises(ValueError, match="as many predicted as true"):
            metrics.histogram_kl_by_episode(random_traces((2, 2), [3]), random_traces((2, 2), [3, 3]))


def test_every_metric_is_explained_once() -> None:
    names = [metric.name for metric in metrics.METRICS]
    reported = {"payoff_difference_mse", "log_likelihood", "choice_kl", "histogram_kl", "accuracy", "fit_seconds"}
    assert len(set(names)) == len(names)
    assert reported <= set(names)
    assert all(metric.meaning.endswith(".") and metric.unit and metric.best for metric in metrics.METRICS)
