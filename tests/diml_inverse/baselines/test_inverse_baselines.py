"""Static games and single-agent IRL as baselines: they recover what their own model generates, and no more."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from slow_definitions import played

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, TabularMechanism
from diml_inverse import Estimate, check_estimator, metrics
from diml_inverse.baselines import MaximumEntropyIRL, PolicyEstimate, QuantalResponseInversion, last_profile
from diml_inverse.baselines.logit_regression import RIDGES, Regression, chosen_ridge
from diml_inverse.baselines.maximum_entropy import _Seat
from diml_inverse.estimators.check import _play

BOTH = [QuantalResponseInversion(), MaximumEntropyIRL(discount=0.5)]
COUNTS = (2, 3, 2)


@pytest.mark.parametrize("baseline", BOTH, ids=lambda baseline: type(baseline).__name__)
@pytest.mark.parametrize("action_counts", [(3, 3), (2, 3, 2), (3, 1, 2), (3,)], ids=str)
def test_they_pass_the_check(baseline, action_counts):
    check_estimator(baseline, _play(action_counts))


@pytest.mark.parametrize("baseline", BOTH, ids=lambda baseline: type(baseline).__name__)
class TestBoth:
    def test_an_estimate_with_a_policy_and_facts(self, baseline):
        traces = played(CongestionMechanism.random(2, 3), episodes=8, rounds=12)
        found = baseline.fit(traces)
        assert isinstance(found, Estimate)
        assert found.info["estimator"] == type(baseline).__name__
        assert list(found.history["agent"]) == list(traces.agents)
        with pytest.raises(ValueError, match="keep the play and fit again"):
            found.save("nowhere.safetensors")
        with pytest.raises(ValueError, match=r"action counts \(3, 3\), the traces \(3, 3, 3\)"):
            found.choice_probs(played(CongestionMechanism.random(3, 3), episodes=2, rounds=4))

    def test_precision_is_the_unit_alone(self, baseline):
        traces = played(CongestionMechanism.random(2, 3), episodes=8, rounds=12)
        finer = type(baseline)(precision=4.0).fit(traces)
        plain = type(baseline)().fit(traces)
        assert torch.allclose(4 * finer.mechanism.table, plain.mechanism.table, atol=1e-8)
        assert np.allclose(finer.choice_probs(traces), plain.choice_probs(traces))

    def test_a_crowd_is_refused(self, baseline):
        with pytest.raises(ValueError, match="joint actions"):
            baseline.fit(Traces(np.random.default_rng(0).integers(2, size=(3, 4, 16))))

    def test_an_agent_never_seen_is_named(self, baseline):
        actions = np.random.default_rng(0).integers(2, size=(6, 8, 2))
        actions[..., 1] = -1
        unseen = Traces(actions, agents=["ann", "bob"], action_labels=[[0, 1], [0, 1]])
        with pytest.raises(ValueError, match=r"'(bob|ann)'"):
            baseline.fit(unseen)

    def test_payoffs_out_of_range_are_named(self, baseline, monkeypatch):
        def fails(objective, start, **_):
            result = type("Result", (), {})()
            result.x, result.fun, result.nit = np.full_like(start, np.nan), np.nan, 1
            return result

        for module in ("logit_regression", "maximum_entropy"):
            monkeypatch.setattr(f"diml_inverse.baselines.{module}.minimize", fails)
        with pytest.raises(FloatingPointError, match="agent 'agent_0'"):
            baseline.fit(played(CongestionMechanism.random(2, 3), episodes=4, rounds=6))


@pytest.mark.parametrize("setting", [{"precision": 0.0}, {"ridge": -1.0}, {"pseudo_count": math.inf}])
@pytest.mark.parametrize("kind", [QuantalResponseInversion, MaximumEntropyIRL])
def test_settings_out_of_range(kind, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        kind(**setting)


def test_discount_of_one_has_no_value():
    with pytest.raises(ValueError, match=r"discount must be in \[0, 1\)"):
        MaximumEntropyIRL(discount=1.0)


# The last profile


def gappy() -> Traces:
    """Random play with gaps, lengths and action counts unequal."""
    rng = np.random.default_rng(0)
    actions = np.stack([rng.integers(count, size=(5, 9)) for count in COUNTS], -1)
    actions[rng.random(actions.shape) < 0.1] = -1
    labels = [list(range(count)) for count in COUNTS]
    return Traces(actions, lengths=[9, 4, 9, 6, 9], action_labels=labels)


def test_profiles_and_choices_after_them_by_plain_loops():
    traces = gappy()
    numbers = {profile: k for k, profile in enumerate(itertools.product(*map(range, COUNTS)))}
    seen = [np.zeros((12, count)) for count in COUNTS]
    states = last_profile.last_profiles(traces)
    for e, t in itertools.product(range(5), range(9)):
        before = tuple(traces.actions[e, t - 1]) if t else ()
        assert states[e, t] == numbers.get(before, 12)
        for j in range(3):
            if before in numbers and traces.actions[e, t, j] >= 0:
                seen[j][numbers[before], traces.actions[e, t, j]] += 1
    shares = last_profile.choice_shares(traces, 1.0)
    for j, counted in enumerate(last_profile.choices_after(traces)):
        assert np.array_equal(counted, seen[j])
        every = np.array([(traces.actions[..., j] == a).sum() for a in range(COUNTS[j])]) + 1.0
        assert np.allclose(shares[j], every / every.sum())
        expected = (seen[j] + 2 * shares[j]) / (seen[j].sum(1, keepdims=True) + 2)
        assert np.allclose(last_profile.mixtures(counted, shares[j], weight=2.0), expected)


def test_independent_choices_multiply():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(2), 4), rng.dirichlet(np.ones(3), 4)
    found = last_profile.independent([p, q], (4,))
    for row, (a, b) in itertools.product(range(4), itertools.product(range(2), range(3))):
        assert found[row, 3 * a + b] == pytest.approx(p[row, a] * q[row, b])
    assert last_profile.independent([], (4,)).tolist() == [[1.0]] * 4


# Quantal response equilibrium


def equilibrium(payoffs: np.ndarray, starts: list[np.ndarray]) -> list[np.ndarray]:
    """Logit equilibrium of a two-player game [A, B, 2] by damped responses from a start, to 1e-12."""
    x, y = starts
    for _ in range(5000):
        p, q = np.exp(payoffs[..., 0] @ y), np.exp(x @ payoffs[..., 1])
        x, y = 0.9 * x + 0.1 * p / p.sum(), 0.9 * y + 0.1 * q / q.sum()
    return [x, y]


def drawn_from(mixtures: list[list[np.ndarray]], rounds: int, rng: np.random.Generator) -> Traces:
    """Episodes in which every agent draws from its mixture, the episode's own, round by round."""
    actions = [[rng.choice(len(m), size=rounds, p=m) for m in episode] for episode in mixtures]
    return Traces(np.moveaxis(np.array(actions), 1, -1), action_labels=[list(range(len(m))) for m in mixtures[0]])


class TestQuantalResponse:
    payoffs = np.random.default_rng(3).normal(size=(3, 2, 2))

    def test_play_in_equilibrium_is_one_of_the_game_found(self):
        """Null: with 20,000 rounds a choice share is off by at most 5 standard errors, 5 sqrt(.25 / 20,000) = .018."""
        mixtures = equilibrium(self.payoffs, [np.ones(3) / 3, np.ones(2) / 2])
        traces = drawn_from([mixtures] * 20, 1000, np.random.default_rng(0))
        found = QuantalResponseInversion().fit(traces)
        again = equilibrium(found.mechanism.table.numpy(), mixtures)
        for x, recovered, predicted in zip(mixtures, again, found.choice_probs(traces)[0, 0], strict=True):
            assert np.abs(recovered - x).max() < 0.018
            assert np.abs(predicted[: len(x)] - x).max() < 0.018

    def test_one_equilibrium_shows_mean_payoffs_and_no_more(self):
        """Payoffs of least norm lie along the others' mixture."""
        mixtures = equilibrium(self.payoffs, [np.ones(3) / 3, np.ones(2) / 2])
        found = QuantalResponseInversion(ridge=RIDGES[0]).fit(drawn_from([mixtures], 2000, np.random.default_rng(0)))
        of_first = found.payoff_differences([[0, 0], [0, 1]])[:, 0].numpy()  # [other's action, own action]
        assert np.linalg.svd(of_first, compute_uv=False)[1] < 1e-3 * np.linalg.norm(of_first)

    def test_mixtures_that_differ_show_all_payoffs(self):
        """The second player's mixture is another one in each episode, and the first answers it.

        Null: the multinomial logit model holds exactly, with mixtures known to a share's standard error
        sqrt(.25 / 2000) = .011 a piece; 40 episodes with slopes from 1 to 3 leave errors of the differences below .15.
        """
        rng = np.random.default_rng(0)
        second = rng.dirichlet(np.ones(2), size=40)
        first = np.exp(second @ self.payoffs[..., 0].T)
        mixtures = [[x / x.sum(), y] for x, y in zip(first, second, strict=True)]
        found = QuantalResponseInversion().fit(drawn_from(mixtures, 2000, rng))
        assert found.info["ridge"] < RIDGES[0]
        truth = TabularMechanism.from_payoffs(self.payoffs).counterfactual_payoffs(torch.tensor([[0, 0], [0, 1]]))[:, 0]
        differences = (truth - truth.mean(-1, keepdim=True)).detach().numpy()
        assert np.abs(found.payoff_differences([[0, 0], [0, 1]])[:, 0].numpy() - differences).max() < 0.15
        assert found.info["norm"][0] == pytest.approx(np.linalg.norm(differences), abs=0.2)

    def test_regression_in_full_coordinates(self):
        """Against the objective written out, its gradient zero at the payoffs found."""
        rng = np.random.default_rng(0)
        mixtures, chosen = rng.dirichlet(np.ones(4), 6), rng.integers(1, 9, size=(6, 3)).astype(float)
        payoffs, _ = Regression.of(mixtures, chosen).payoffs(ridge=0.7)
        free = torch.tensor(payoffs, requires_grad=True)
        mean = chosen.sum(1) @ mixtures
        along = torch.tensor(mean / np.linalg.norm(mean))
        penalty = 0.7 * (free.square().sum() - (along @ free).square().sum()) + 1e-3 * (along @ free).square().sum()
        loss = penalty / 2 - (torch.tensor(chosen) * (torch.tensor(mixtures) @ free).log_softmax(1)).sum()
        loss.backward()
        assert free.grad.abs().max() < 1e-3

    def test_noise_is_no_reason_for_a_weaker_ridge(self):
        """Null: choices have nothing to do with the mixtures; a weaker ridge passes at odds of about 1 in 40."""
        rng = np.random.default_rng(1)
        mixtures, chosen = rng.dirichlet(np.ones(4), 50), rng.multinomial(30, np.ones(3) / 3, 50).astype(float)
        assert chosen_ridge([Regression.of(mixtures, chosen)]) == RIDGES[0]
        answered = rng.multinomial(30, np.full(3, 0.1) + 0.7 * (mixtures[:, :3].argmax(1)[:, None] == range(3)))
        assert chosen_ridge([Regression.of(mixtures, answered.astype(float))]) < RIDGES[0]


# Maximum causal entropy


def slow_policy(rewards: np.ndarray, after: list[np.ndarray], agent: int, discount: float, rounds: int) -> np.ndarray:
    """Soft value iteration in plain loops. rewards [*A]: of the agent at each profile; after: [S, A_j] for each j."""
    profiles = list(itertools.product(*map(range, rewards.shape)))
    size = rewards.shape[agent]
    values = dict.fromkeys(profiles, 0.0)
    for round_ in range(rounds + 1):
        quality = np.zeros((len(profiles), size))
        for k, _ in enumerate(profiles):
            for to in profiles:
                chance = math.prod(after[j][k, to[j]] for j in range(len(to)) if j != agent)
                quality[k, to[agent]] += chance * (rewards[to] + discount * values[to])
        if round_ < rounds:
            values = {p: float(np.log(np.exp(quality[k]).sum())) for k, p in enumerate(profiles)}
    powers = np.exp(quality)
    return powers / powers.sum(1, keepdims=True)


class TestMaximumEntropy:
    @pytest.mark.parametrize("discount", [0.0, 0.5])
    @pytest.mark.parametrize("agent", range(3))
    def test_soft_value_iteration_by_plain_loops(self, agent, discount):
        rng = np.random.default_rng(agent)
        after = [rng.dirichlet(np.ones(count), 12) for count in COUNTS]
        rewards = rng.normal(size=COUNTS)
        others = last_profile.independent(after[:agent] + after[agent + 1 :], (12,))
        counts = COUNTS[:agent] + COUNTS[agent + 1 :]
        seat = _Seat(torch.from_numpy(others), torch.zeros(12, COUNTS[agent]).double(), counts, agent)
        flat = torch.from_numpy(np.moveaxis(rewards, agent, -1).reshape(-1, COUNTS[agent]))
        assert torch.equal(seat.by_profile(flat), torch.from_numpy(rewards))
        found = seat.log_policy(flat, discount).exp().numpy()
        assert np.allclose(found, slow_policy(rewards, after, agent, discount, rounds=10 if discount else 0))

    rewards = np.array([[1.0, -1.0], [1.6, 0.0]])  # a prisoner's dilemma: [own action, the other's]

    def planner(self, replies: np.ndarray) -> tuple[np.ndarray, _Seat]:
        """A planner's policy against replies [S, 2], and a million of the choices it expects after each profile."""
        policy = slow_policy(self.rewards, [np.ones((4, 2)) / 2, replies], 0, 0.8, rounds=31)
        return policy, _Seat(torch.from_numpy(replies), torch.from_numpy(1e6 * policy), (2,), 0)

    def test_a_planner_is_recovered_where_its_choices_move_nobody(self):
        _, seat = self.planner(np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.2, 0.8]]))
        found, _ = MaximumEntropyIRL(discount=0.8, ridge=1e-3)._rewards(seat, "ann")
        assert (found[:, 1] - found[:, 0]).numpy() == pytest.approx([0.6, 1.0], abs=0.01)

    def test_where_the_other_repays_in_kind_levels_and_differences_cannot_be_told_apart(self):
        """Cooperation may be a means or a pleasure: the choices are explained, differences wrong by one number."""
        policy, seat = self.planner(np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]]))
        found, _ = MaximumEntropyIRL(discount=0.8, ridge=1e-3)._rewards(seat, "ann")
        assert seat.log_policy(found, 0.8).exp().numpy() == pytest.approx(policy, abs=1e-4)
        first, second = (found[:, 1] - found[:, 0]).numpy() - [0.6, 1.0]
        assert first == pytest.approx(second, abs=0.01)
        assert abs(first) > 0.1

    def test_start_and_gaps_are_met_with_shares_of_all_play(self):
        traces = gappy()
        found = MaximumEntropyIRL(discount=0.0).fit(traces)
        shares = last_profile.choice_shares(traces, 1.0)
        probs = found.choice_probs(traces)
        for i, share in enumerate(shares):
            assert np.allclose(probs[:, 0, i, : len(share)], share)
        assert isinstance(found, PolicyEstimate)
        assert found.log_likelihood(traces) == pytest.approx(metrics.log_likelihood_by_episode(probs, traces).value)
