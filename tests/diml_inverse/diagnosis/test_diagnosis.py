"""`diagnose` as its user meets it: the sentence, what it rests on, other predictors, bad input."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import chi2
from statsmodels.stats.multitest import multipletests

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, TabularMechanism
from diml_inverse import LogitDynamics, StructuredMLE, TabularMLE, diagnose, simulate
from diml_inverse.baselines import BehaviouralCloning
from diml_inverse.diagnosis.moments import least_found
from diml_inverse.diagnosis.predicted import PredictedPlay
from diml_inverse.diagnosis.rivals import CLONING, SHARES, UNIFORM, constant_shares, likelihood_table
from diml_inverse.diagnosis.verdict import holm, with_shares
from diml_inverse.dynamics import AttractionDynamics
from diml_inverse.estimate.estimate import Estimate

LEARNERS = LogitDynamics(0.25, 3.0, 0.06)
BANDITS = AttractionDynamics(0.25, precision=6.0, forgone_weight=0.0, forgets="updated", exploration=0.06)
TRUTH = CongestionMechanism.random(3, 3, seed=0)


def known(traces, mechanism=TRUTH, dynamics=LEARNERS):
    return Estimate(mechanism, dynamics, pd.DataFrame(), traces.agents, traces.action_labels)


class Constant:
    """A predictor without a mechanism."""

    def __init__(self, probs):
        self.probs = np.asarray(probs, float)

    def choice_probs(self, traces):
        return np.broadcast_to(self.probs, (*traces.actions.shape, self.probs.shape[-1]))

    def log_likelihood(self, traces):
        raise NotImplementedError


@pytest.fixture(scope="module")
def play():
    return simulate(TRUTH, LEARNERS, 60, 30, seed=0).split(0.6)


@pytest.fixture(scope="module")
def right(play):
    train, test = play
    estimate = StructuredMLE(CongestionMechanism(3, 3), LEARNERS).fit(train)
    return estimate, diagnose(estimate, test, train)


def test_a_right_model_describes(play, right):
    train, test = play
    estimate, found = right
    assert found.status == "describes"
    assert found.describes
    assert (found.missed, found.missed_share) == (0, 0)
    assert str(found) == found.verdict
    assert found.verdict.startswith("The model describes the agents: none of 66 checks finds a departure")
    assert found.decisions == 24 * 29 * 3
    assert set(found.checks["play"]) == {"traces", "train"}
    assert set(found.agents["status"]) <= {"describes", "too little play"}  # of a third of the decisions each
    assert 0 < found.detectable_share < 0.2
    rows = found.likelihoods.set_index("predictor")
    assert list(rows.index) == ["model", SHARES, CLONING, UNIFORM]
    assert rows.loc["model", "log_likelihood"] == pytest.approx(estimate.log_likelihood(test))
    cloned = BehaviouralCloning().fit(train).log_likelihood(test)
    assert rows.loc[CLONING, "log_likelihood"] == pytest.approx(cloned)
    assert rows.loc[UNIFORM, "log_likelihood"] == pytest.approx(-np.log(3))


def test_wrong_learners_are_found():
    """Bandits, who see what they earned alone; fitted as if told what every action would have paid."""
    train, test = simulate(TRUTH, BANDITS, 60, 30, seed=0).split(0.6)
    estimate = StructuredMLE(CongestionMechanism(3, 3), LEARNERS).fit(train)
    found = diagnose(estimate, test, train, cloning=False)
    assert found.status == "wrong"
    assert not found.describes
    assert found.missed_share > 0.1
    assert "own " in found.verdict
    assert found.verdict.endswith("Do not believe its payoffs.")
    assert diagnose(StructuredMLE(CongestionMechanism(3, 3), BANDITS).fit(train), test, train, cloning=False).describes


def test_learners_who_forget_nothing_are_told_from_those_who_do():
    """Hedge, which adds up all payoffs, fitted as logit-Q with its usual learning rate."""
    hedge = AttractionDynamics(0.0, precision=0.5, cumulation=1.0)
    train, test = simulate(TRUTH, hedge, 60, 30, seed=1).split(0.6)
    found = diagnose(StructuredMLE(CongestionMechanism(3, 3), LEARNERS).fit(train), test, train, cloning=False)
    assert found.status == "wrong"
    assert "so far" in found.verdict
    assert diagnose(StructuredMLE(CongestionMechanism(3, 3), hedge).fit(train), test, train, cloning=False).describes


def test_players_who_follow_rules_are_not_described():
    """Tit for tat with slips."""
    rng = np.random.default_rng(0)
    actions = np.zeros((30, 40, 2), int)
    for t in range(1, 40):
        actions[:, t] = np.where(rng.random((30, 2)) < 0.1, 1 - actions[:, t - 1, ::-1], actions[:, t - 1, ::-1])
    train, test = Traces(actions).split(0.6)
    assert diagnose(TabularMLE(LEARNERS).fit(train), test, train).status == "wrong"


def test_too_free_a_form_is_imprecise_and_not_wrong():
    flat = LogitDynamics(0.25, 0.3, 0.06)
    train, test = simulate(TabularMechanism.random(3, 5, seed=1), flat, 40, 20, seed=0).split(0.6)
    estimate = TabularMLE(flat).fit(train)
    found = diagnose(estimate, test, train)
    assert found.status == "imprecise"
    assert not found.describes
    assert "too little play for so free a form" in found.verdict
    assert diagnose(estimate, train, cloning=False).describes  # in sample it cannot be seen


def test_a_mild_ridge_is_a_small_departure():
    """Payoffs held back enough to be seen in 60 x 60 rounds, but they still predict nearly all there is."""
    traces = simulate(TRUTH, LogitDynamics(0.25, 8.0, 0.06), 60, 60, seed=0)
    estimate = TabularMLE(LogitDynamics(0.25, 8.0, 0.06), ridge=2.3).fit(traces)
    found = diagnose(estimate, traces, cloning=False)
    assert found.status == "small departures"
    assert found.describes
    assert 0 < found.missed_share <= 0.07
    assert "calibration" in found.verdict


def test_any_predictor_can_be_diagnosed(play):
    train, test = play
    assert diagnose(BehaviouralCloning().fit(train), test, train).decisions == 24 * 29 * 3
    found = diagnose(Constant([0.98, 0.01, 0.01]), test, cloning=False)
    assert found.status == "wrong"
    assert found.missed_share == pytest.approx(1, abs=0.01)


def test_constant_shares_outdo_a_model_that_wobbles():
    """Predictions right in shares and time, but off by chance; that they are too sure, a check may see too."""
    rng = np.random.default_rng(0)
    traces = Traces(rng.integers(2, size=(40, 30, 1)))
    noise = np.clip(0.5 + 0.3 * rng.choice([-1, 1], traces.actions.shape), 0, 1)

    class Wobbling(Constant):
        def choice_probs(self, given):
            return np.stack([noise, 1 - noise], -1)

    found = diagnose(Wobbling([0]), traces, cloning=False)
    assert "constant shares predict" in found.verdict
    assert not found.describes


def test_choices_ruled_out():
    traces = Traces(np.tile([[0], [1]], (4, 10, 1)))
    found = diagnose(Constant([1.0, 0.0]), traces, cloning=False)
    assert found.status == "wrong"
    assert "rules out choices that were made" in found.verdict
    assert found.plot().axes


def test_the_size_of_training_widens_what_chance_may_do(right, play):
    estimate, _ = right
    _, test = play
    alone, told = (diagnose(estimate, test, train, cloning=False).checks for train in (None, 3 * 36 * 29))
    assert (told["p_value"] > alone["p_value"]).all()
    assert set(told["play"]) == {"traces"}


def test_rival_p_values_bound_their_likelihood_ratio(play):
    train, test = play
    predicted = PredictedPlay.of(known(test), test)
    table = likelihood_table(predicted, train, False, 0).set_index("predictor")
    shares = constant_shares(train, test)
    assert shares[0, 0].sum(-1) == pytest.approx(1)
    counts = np.bincount(train.actions[:, 1:, 1].ravel(), minlength=3) + 0.5
    np.testing.assert_allclose(shares[3, 7, 1], counts / counts.sum())
    chosen = np.take_along_axis(shares, test.actions[..., None], -1)[:, 1:, :, 0]
    log_ratio = np.log(chosen).sum() - known(test).log_likelihood(test) * predicted.scored.sum()
    assert table.loc[SHARES, "p_value"] == pytest.approx(min(1, np.exp(-log_ratio)))


def test_rivals_without_other_play_predict_episodes_left_out():
    """Four choices in five are one action: uniform choice is refuted by shares of episodes fitted to; fair ones not."""
    for often, refuted in ((0.8, True), (0.5, False)):
        traces = Traces((np.random.default_rng(0).random((12, 30, 1)) < often).astype(int))
        scored = traces.observed & (np.arange(30) > 0)[:, None]
        uniform = PredictedPlay.from_probs(np.full((12, 30, 1, 2), 0.5), traces, scored)
        p_value = likelihood_table(uniform, None, False, 0).set_index("predictor").loc[SHARES, "p_value"]
        assert (p_value < 1e-6) == refuted


def test_adjusted_p_values_are_holms():
    p_values = np.array([0.01, 0.2, np.nan, 0.003, 0.04])
    expected = multipletests(p_values[np.isfinite(p_values)], method="holm")[1]
    np.testing.assert_allclose(holm(p_values)[[0, 1, 3, 4]], expected)
    assert np.isnan(holm(p_values)[2])


def test_files_and_picture(right, tmp_path):
    _, found = right
    found.save(tmp_path / "new" / "diagnosis")
    written = {path.name for path in (tmp_path / "new" / "diagnosis").iterdir()}
    tables = {
        "agents.csv",
        "checks.csv",
        "likelihoods.csv",
        "learning_curves.csv",
        "calibration.csv",
        "autocorrelations.csv",
    }
    assert written == {*tables, "verdict.txt", "diagnosis.png"}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "diagnosis" / "checks.csv"), found.checks)
    assert imread(tmp_path / "new" / "diagnosis" / "diagnosis.png").std() > 0.05
    titles = [axes.get_title() for axes in found.plot().axes]
    assert titles[:4] == ["agent_0", "agent_1", "agent_2", "Calibration\n" + titles[3].partition("\n")[2]]
    assert titles[4] == "Autocorrelation of residuals"


def test_unequal_lengths_action_counts_and_unobserved_actions():
    rng = np.random.default_rng(0)
    truth = TabularMechanism.from_payoffs(rng.normal(size=(2, 3, 2)))
    whole = simulate(truth, LEARNERS, 30, 20, seed=0)
    actions = whole.actions.copy()
    actions[rng.random(actions.shape) < 0.1] = -1
    traces = Traces(actions, rng.integers(2, 21, 30), action_labels=whole.action_labels)
    estimate = known(traces, truth)
    found = diagnose(estimate, traces)
    assert found.describes
    assert found.plot().axes
    with pytest.raises(ValueError, match="agents"):
        diagnose(estimate, simulate(TRUTH, LEARNERS, 2, 3))


def test_one_episode_has_no_rivals_and_no_errors_over_episodes():
    traces = simulate(TRUTH, LEARNERS, 1, 60, seed=0)
    found = diagnose(known(traces), traces)
    assert list(found.likelihoods["predictor"]) == ["model", UNIFORM]
    assert found.learning_curves["standard_error"].isna().all()
    assert found.status in ("too little play", "uninformative")
    assert found.plot().axes


def test_a_gain_of_next_to_nothing_says_little_however_sure_it_is():
    """Choices of 51.5 %: .00045 nats better than uniform, with a standard error of .0001."""
    traces = Traces((np.random.default_rng(0).random((20_000, 5, 1)) < 0.515).astype(int))
    found = diagnose(Constant([0.485, 0.515]), traces, cloning=False)
    behind = found.likelihoods.iloc[-1]
    assert -behind["missed"] > 3 * behind["standard_error"]
    assert found.status == "uninformative"


def test_one_agent_and_a_single_choice():
    alone = Traces([[[0], [1], [0]], [[1], [1], [0]]])
    assert diagnose(Constant([0.5, 0.5]), alone).status == "uninformative"
    shortest = Traces([[[0], [1]]])
    found = diagnose(Constant([0.5, 0.5]), shortest)
    assert not found.describes
    assert found.verdict.startswith("The fit says little about payoffs")
    assert found.plot().axes


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="no decision"):
        diagnose(Constant([0.5, 0.5]), Traces([[[0]], [[1]]]))
    with pytest.raises(ValueError, match="no decision"):
        diagnose(known(Traces([[[0, 0, 0]]])), Traces([[[0, 1, 2]]]))
    with pytest.raises(ValueError, match="no decision that a model could have been fitted to"):
        diagnose(Constant([0.5, 0.5]), Traces([[[0], [1]]]), 0)
    with pytest.raises(ValueError, match="choice probabilities must be"):
        diagnose(Constant([0.5, 0.25, 0.25]), Traces([[[0], [1]]]))


@pytest.mark.slow
def test_a_right_model_is_seldom_said_to_depart():
    """Null: at most 5 % of 200 data sets; 3 standard errors above."""
    found = [
        diagnose(known(t), t, cloning=False) for t in (simulate(TRUTH, LEARNERS, 20, 30, seed=s) for s in range(200))
    ]
    departs = np.mean([each.status not in ("describes", "too little play") for each in found])
    assert departs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_few_episodes_are_too_few_to_praise_a_model():
    """30 episodes of 2 rounds once were enough for "describes"."""
    traces = simulate(TRUTH, LogitDynamics(0.5, 8.0, 0.02), 30, 2, seed=0)
    found = diagnose(known(traces, dynamics=LogitDynamics(0.5, 8.0, 0.02)), traces, cloning=False)
    assert found.status == "too little play"
    assert not found.describes
    assert "times as much play" in found.verdict
    assert found.detectable_share > 0.2


def test_a_check_finds_what_it_says_it_would():
    """Power: under the noncentral distribution, 4 in 5; by simulation, 3 standard errors."""
    size = least_found(3, 0.01)
    draws = np.random.default_rng(0).noncentral_chisquare(3, size, 20_000)
    assert np.mean(draws > chi2.isf(0.01, 3)) == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 20_000))
    assert np.isnan(least_found(0, 0.01))


def test_agents_are_judged_one_by_one():
    """One seat learns as the model says, the other plays the same moves whatever happens, in every episode."""
    rng = np.random.default_rng(0)
    truth = TabularMechanism.from_payoffs(np.array([[[1.0, 0], [-1, 0]], [[-1, 0], [1, 0]]]))
    moves = np.resize([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 40)
    attraction, actions = np.zeros((60, 2)), np.zeros((60, 40, 2), int)
    for t in range(40):
        probs = 0.97 / (1 + np.exp(3 * (attraction[:, 0] - attraction[:, 1]))) + 0.015
        actions[:, t, 0], actions[:, t, 1] = rng.random(60) < probs, moves[t]
        attraction += 0.25 * (truth.table[:, moves[t], 0].detach().numpy() - attraction)
    traces = Traces(actions, agents=("learner", "script"))
    learners = LogitDynamics(0.25, 3.0, 0.03)
    found = diagnose(TabularMLE(learners).fit(traces), traces, cloning=False)
    assert found.agents.set_index("agent").loc["learner", "status"] in ("describes", "small departures")
    assert found.agents.set_index("agent").loc["script", "status"] == "wrong"
    assert found.status == "wrong"
    assert found.verdict.startswith("The model describes learner but not script")
    assert "Do not believe the payoffs of script" in found.verdict


def test_rivals_score_alike_beside_any_model():
    """With 5 % of choices missing they once scored -.69457 beside one model and -.69470 beside another."""
    truth = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 2, 2)))
    whole = simulate(truth, LEARNERS, 30, 20, seed=0)
    actions = np.where(np.random.default_rng(1).random(whole.actions.shape) < 0.05, -1, whole.actions)
    traces = Traces(actions, action_labels=whole.action_labels)
    slow = AttractionDynamics(0.05, forgone_weight=0.0, precision=3.0, exploration=0.06, forgets="updated")
    tables = [diagnose(known(traces, truth, its), traces).likelihoods for its in (LEARNERS, slow)]
    for rival in (SHARES, CLONING, UNIFORM):
        scores = [table.set_index("predictor").loc[rival, "log_likelihood"] for table in tables]
        assert scores[0] == scores[1]


def test_shares_are_on_one_scale():
    """Cloning .14 better, checks missing .019 "or 100 %" once stood in one sentence."""
    table = with_shares(pd.DataFrame({"missed": [0.14, 0.019, 0.0]}), ahead=-0.05)
    np.testing.assert_allclose(table["missed_share"], [1, 0.019 / 0.14, 0])
