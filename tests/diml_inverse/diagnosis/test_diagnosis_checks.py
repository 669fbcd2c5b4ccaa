"""Checks of residuals against their definitions in plain loops, and what each is there to find."""

import numpy as np
import pytest
from scipy.stats import chi2

from diml_envs import Traces
from diml_inverse.diagnosis.checks import (
    CHECKS,
    EVERYONE,
    MEMORY,
    AgentPlay,
    autocorrelation,
    before,
    check_table,
    learning_curve,
    on_average,
    others_choices,
    own_choices,
    recent,
    so_far,
)
from diml_inverse.diagnosis.curves import autocorrelations, learning_curves
from diml_inverse.diagnosis.moments import moment_test
from diml_inverse.diagnosis.predicted import PredictedPlay
from diml_inverse.metrics.decisions import scored_decisions

RNG = np.random.default_rng(0)


def predicted(probs, traces):
    return PredictedPlay.from_probs(probs, traces, scored_decisions(traces))


def drawn(probs, rng):
    """Actions [E, T, N] drawn from probabilities [E, T, N, A]."""
    return (rng.random(probs.shape[:-1])[..., None] > probs.cumsum(-1)).sum(-1).clip(max=probs.shape[-1] - 1)


def slow_test(weights, residuals, probs):
    """Sums and covariances term by term."""
    number = weights.shape[1]
    total, covariance = np.zeros(number), np.zeros((number, number))
    for w, r, p in zip(weights, residuals, probs, strict=True):
        for k in range(number):
            total[k] += sum(w[k, a] * r[a] for a in range(len(p)))
            for m in range(number):
                mean_k, mean_m = (sum(p[a] * w[j, a] for a in range(len(p))) for j in (k, m))
                covariance[k, m] += sum(p[a] * (w[k, a] - mean_k) * (w[m, a] - mean_m) for a in range(len(p)))
    return total @ np.linalg.pinv(covariance, rcond=1e-8, hermitian=True) @ total, np.linalg.matrix_rank(covariance)


@pytest.fixture
def play():
    """12 episodes of unequal lengths, three agents with 3, 3 and 2 actions, some choices not observed."""
    lengths = np.linspace(15, 30, 12).astype(int)
    exists = np.arange(3) < np.array([3, 3, 2])[:, None]
    probs = RNG.dirichlet(np.ones(3), (12, 30, 3)) * exists
    probs /= probs.sum(-1, keepdims=True)
    actions = drawn(probs, RNG)
    actions[RNG.random(actions.shape) < 0.05] = -1
    return predicted(probs, Traces(actions, lengths, action_labels=[range(3), range(3), list("ab")]))


def of_agent(play, agent):
    chosen = np.eye(3)[play.traces.actions] * play.traces.observed[..., None]
    return AgentPlay.of(play, chosen.sum(2), agent)


def test_moments_are_those_of_the_definition():
    probs = RNG.dirichlet(np.ones(3), 40)
    residuals = np.eye(3)[drawn(probs, RNG)] - probs
    weights = RNG.normal(size=(40, 4, 3))
    weights[:, 3] = weights[:, 0] - 2 * weights[:, 1]  # says nothing new
    found = moment_test(weights, residuals, probs)
    statistic, freedom = slow_test(weights, residuals, probs)
    assert found.statistic == pytest.approx(statistic)
    assert found.freedom == freedom == 3
    assert found.p_value(2.0) == pytest.approx(chi2.sf(statistic / 2, 3))


def test_weights_alike_for_all_actions_test_nothing():
    probs = RNG.dirichlet(np.ones(3), 40)
    found = moment_test(np.ones((40, 2, 3)), np.eye(3)[drawn(probs, RNG)] - probs, probs)
    assert found.freedom == 0
    assert np.isnan(found.p_value())


def test_statistic_is_chi_squared_under_the_right_probabilities():
    """Null: mean K. 300 draws, so the mean has a standard error of sqrt(2 K / 300); 4 of them."""
    rng = np.random.default_rng(1)
    probs, weights = rng.dirichlet(np.ones(3), 200), rng.normal(size=(200, 5, 3))
    found = [moment_test(weights, np.eye(3)[drawn(probs, rng)] - probs, probs).statistic for _ in range(300)]
    assert np.mean(found) == pytest.approx(5, abs=4 * np.sqrt(10 / 300))


def test_the_past_is_that_of_earlier_rounds():
    values = RNG.normal(size=(2, 6, 3))
    for t in range(6):
        expected = values[:, t - 2] if t >= 2 else np.zeros((2, 3))
        np.testing.assert_array_equal(before(values, 2)[:, t], expected)
        np.testing.assert_allclose(
            recent(values)[:, t], sum((MEMORY ** (t - 1 - s) * values[:, s] for s in range(t)), np.zeros((2, 3)))
        )
        np.testing.assert_allclose(so_far(values)[:, t], values[:, :t].sum(1), atol=1e-12)
        np.testing.assert_allclose(on_average(values)[:, t], values[:, :t].sum(1) / max(t, 1), atol=1e-12)


@pytest.mark.parametrize("agent", [0, 2])
def test_past_choices_are_weighed_as_defined(play, agent):
    """Each own action, repeated after each action of the others; and each own action after each of the others'."""
    who = of_agent(play, agent)
    actions, number = play.traces.actions, play.traces.num_agents
    repeats, answers, places = [], [], np.argwhere(play.scored[:, :, agent])
    for episode, round_ in places:
        repeat, answer = np.zeros((3, 4, 3)), np.zeros((3, 3, 3))
        for past in range(round_):
            weight = MEMORY ** (round_ - 1 - past)
            own = actions[episode, past, agent]
            shares = np.zeros(3)
            for other in set(range(number)) - {agent}:
                if actions[episode, past, other] >= 0:
                    shares[actions[episode, past, other]] += 1 / (number - 1)
            if own >= 0:
                repeat[own, :3, own] += weight * shares
                repeat[own, 3, own] += weight
            for action in range(3):
                answer[action, :, action] += weight * shares
        repeats.append(repeat.reshape(-1, 3))
        answers.append(answer.reshape(-1, 3))
    residuals, probs = (values[:, :, agent][play.scored[:, :, agent]] for values in (play.residuals, play.probs))
    for test, weights in ((own_choices, repeats), (others_choices, answers)):
        statistic, freedom = slow_test(np.array(weights), residuals, probs)
        assert test(who, recent).statistic == pytest.approx(statistic)
        assert test(who, recent).freedom == freedom


def test_everyone_is_the_sum_of_the_agents(play):
    table = check_table(play)
    assert set(table["check"]) == set(CHECKS)
    for _, rows in table.groupby("check"):
        alone, together = rows[rows["agent"] != EVERYONE], rows[rows["agent"] == EVERYONE]
        assert together["statistic"].item() == pytest.approx(alone["statistic"].sum())
        assert together["freedom"].item() == alone["freedom"].sum()
        assert together["p_value"].item() == pytest.approx(chi2.sf(alone["statistic"].sum(), alone["freedom"].sum()))
    assert (check_table(play, 2.0)["p_value"] >= table["p_value"]).all()


def test_rare_actions_are_taken_together_and_few_decisions_test_less():
    probs = np.broadcast_to([0.1, 0.53, 0.14, 0.22, 0.01], (20, 11, 2, 5))
    play = predicted(probs, Traces(drawn(probs, RNG), action_labels=[range(5)] * 2))
    who = AgentPlay.of(play, np.eye(5)[play.traces.actions].sum(2), 0)
    assert who.groups.T.tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [1, 0, 1, 0, 1]]  # 106, 44, 28 + 20 + 2
    assert own_choices(who, recent).freedom == 2  # 200 decisions are too few for 5 x 5 products
    assert others_choices(who, recent).freedom == 1
    assert learning_curve(who).freedom == 4 * 2


def test_one_long_episode_is_not_set_against_sums_over_all_rounds():
    """They wander as one path does, and right models were rejected in half of the cases."""
    probs = np.full((1, 400, 2, 2), 0.5)
    table = check_table(predicted(probs, Traces(drawn(probs, RNG)))).set_index("check")
    whole = table.index.str.contains("so far|on average")
    assert (table.loc[whole, "freedom"] == 0).all()
    assert (table.loc[~whole & (table.index != "calibration"), "freedom"] > 0).all()


def test_an_agent_alone_has_no_others(play):
    probs = play.probs[:, :, :1]
    alone = predicted(probs, Traces(play.traces.actions[:, :, :1], play.traces.lengths, action_labels=[range(3)]))
    table = check_table(alone).set_index("check")
    assert EVERYONE not in set(table["agent"])
    of_others = table.index.str.startswith("others")
    assert (table.loc[of_others, "freedom"] == 0).all()
    assert table.loc[of_others, "p_value"].isna().all()
    assert (table.loc[~of_others, "freedom"] > 0).all()


def test_each_check_finds_what_it_is_for():
    """What the predictions lack, and nothing else, is far below chance (1e-6); null: all checks are right."""
    rng = np.random.default_rng(2)
    shape, half = (30, 40, 2, 2), np.full((30, 40, 2, 2), 0.5)
    rounds = np.linspace(0.3, 0.7, 40)[None, :, None]
    drifting = np.stack(np.broadcast_arrays(rounds, 1 - rounds), -1) * np.ones(shape)
    varying = rng.uniform(0.2, 0.8, shape[:-1])
    varying = np.stack([varying, 1 - varying], -1)
    too_sure = varying**3 / (varying**3).sum(-1, keepdims=True)
    lost = {
        "learning curve": check_table(predicted(half, Traces(drawn(drifting, rng)))),
        "calibration": check_table(predicted(too_sure, Traces(drawn(varying, rng)))),
    }
    for what, table in lost.items():
        assert table.loc[(table["agent"] == EVERYONE) & (table["check"] == what), "p_value"].item() < 1e-6
    persistent = np.zeros((30, 40, 2), int)
    answering = rng.integers(2, size=(30, 40, 2))
    for t in range(1, 40):
        persistent[:, t] = np.where(rng.random((30, 2)) < 0.3, 1 - persistent[:, t - 1], persistent[:, t - 1])
        answering[:, t, 0] = np.where(rng.random(30) < 0.3, answering[:, t, 0], answering[:, t - 1, 1])
    table = check_table(predicted(half, Traces(persistent))).set_index(["check", "agent"])["p_value"]
    assert table["autocorrelation", EVERYONE] < 1e-6
    assert table["own recent choices", EVERYONE] < 1e-6
    table = check_table(predicted(half, Traces(answering))).set_index(["check", "agent"])["p_value"]
    assert table["others' recent choices", "agent_0"] < 1e-6
    assert table["others' recent choices", "agent_1"] > 1e-4


def test_autocorrelations_are_those_of_the_definition(play):
    table = autocorrelations(play).set_index(["agent", "lag"])
    residuals, probs = play.residuals[:, :, 1], play.probs[:, :, 1]
    for lag in (1, 3):
        total = variance = 0.0
        for episode in range(12):
            for t in range(lag, residuals.shape[1]):
                past, p = residuals[episode, t - lag], probs[episode, t]
                total += residuals[episode, t] @ past
                variance += p @ past**2 - (p @ past) ** 2
        scale = (residuals**2).sum()
        assert table.loc[("agent_1", lag), "correlation"] == pytest.approx(total / scale)
        assert table.loc[("agent_1", lag), "standard_error"] == pytest.approx(np.sqrt(variance) / scale)
    assert autocorrelation(of_agent(play, 1)).freedom == 5


def test_learning_curves_are_means_with_errors_over_episodes(play):
    curves = learning_curves(play)
    assert curves.groupby("agent")["action"].nunique().to_dict() == {"agent_0": 3, "agent_1": 3, "agent_2": 2}
    row = curves[(curves["agent"] == "agent_1") & (curves["action"] == 2)].iloc[-1]
    rounds = slice(row["first_round"], row["last_round"] + 1)
    scored, taken, probs = (v[:, rounds, 1] for v in (play.scored, play.taken[..., 2], play.probs[..., 2]))
    assert row["decisions"] == scored.sum()
    assert row["observed"] == pytest.approx(taken[scored].mean())
    assert row["predicted"] == pytest.approx(probs[scored].mean())
    mean = (taken - probs)[scored].mean()
    of_episodes = [((t - p)[s] - mean).sum() for t, p, s in zip(taken, probs, scored, strict=True) if s.any()]
    number = len(of_episodes)
    error = np.sqrt(number / (number - 1) * np.sum(np.square(of_episodes))) / scored.sum()
    assert row["standard_error"] == pytest.approx(error)


def test_learning_curves_cover_every_scored_decision(play):
    curves = learning_curves(play)
    assert (curves["decisions"] * curves["observed"]).sum() == pytest.approx(play.scored.sum())
