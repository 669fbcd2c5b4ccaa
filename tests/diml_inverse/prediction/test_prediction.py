"""Predictions: against play simulated by plain loops, their bands, common random numbers, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from diml_envs import Traces
from diml_envs.mechanisms import (
    CallableMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadTableMechanism,
    TabularMechanism,
    TollMechanism,
)
from diml_inverse import Estimate, LogitDynamics, StructuredMLE, TabularMLE, simulate
from diml_inverse.inference import bootstrap
from diml_inverse.prediction import Prediction, shares_over_rounds
from diml_inverse.prediction.simulation import changed_learners

LEARNERS = LogitDynamics(0.4, 3.0, 0.1)
TOLL = TollMechanism(3, [0.6, 0.0, 0.2])


@pytest.fixture(scope="module")
def truth() -> Mechanism:
    return CongestionMechanism.random(3, 3, seed=2).double().requires_grad_(False)


@pytest.fixture(scope="module")
def estimate(truth: Mechanism) -> Estimate:
    traces = simulate(truth, LEARNERS, 30, 25, seed=1)
    return StructuredMLE(CongestionMechanism(3, 3), LEARNERS).fit(traces)


def exact(mechanism: Mechanism, dynamics: LogitDynamics = LEARNERS) -> Estimate:
    """What an estimator without error would find."""
    labels = tuple(tuple(range(count)) for count in mechanism.action_counts)
    names = tuple(f"agent_{i}" for i in range(mechanism.num_agents))
    return Estimate(mechanism, dynamics, pd.DataFrame(), names, labels)


def played_by_loops(mechanism: Mechanism, episodes: int, rounds: int, dynamics: LogitDynamics) -> np.ndarray:
    """Choice shares [T, N, A] of logit-Q learners, one choice at a time."""
    rng = np.random.default_rng(0)
    rate, precision, exploration = dynamics.config().values()
    table = {place: mechanism(torch.tensor(place)).tolist() for place in np.ndindex(*mechanism.action_counts)}
    agents, actions = mechanism.num_agents, mechanism.num_actions
    counts = np.zeros((rounds, agents, actions))
    for _ in range(episodes):
        attractions = np.zeros((agents, actions))
        for round_ in range(rounds):
            profile = []
            for i in range(agents):
                powers = np.exp(precision * attractions[i])
                probs = (1 - exploration) * powers / powers.sum() + exploration / actions
                profile.append(int(rng.choice(actions, p=probs)))
                counts[round_, i, profile[i]] += 1
            for i in range(agents):
                for action in range(actions):
                    paid = table[(*profile[:i], action, *profile[i + 1 :])][i]
                    attractions[i, action] += rate * (paid - attractions[i, action])
    return counts / episodes


@pytest.mark.parametrize("change", ["toll", "learners", "agents"])
def test_predicted_shares_are_those_of_play_by_plain_loops(truth: Mechanism, change: str) -> None:
    """Null: the same. Squared distance in units of the bands' own standard errors; its mean is 1 if they are right."""
    changes = {
        "toll": ({"mechanism": lambda game: game + TOLL}, truth + TOLL, LEARNERS),
        "learners": ({"learners": {"learning_rate": 0.5, "precision": 1.5}}, truth, LogitDynamics(0.2, 4.5, 0.1)),
        "agents": ({"num_agents": 2}, truth.with_num_agents(2), LEARNERS),
    }
    arguments, mechanism, dynamics = changes[change]
    prediction = exact(truth).predict_under(num_rounds=8, num_episodes=1000, **arguments)
    seen = torch.tensor(played_by_loops(mechanism, 300, 8, dynamics))
    bands = prediction.intervals(num_episodes=300)
    squares = ((bands.value - seen) / bands.standard_error)[1:].square()
    free = squares[..., :-1]  # shares of an agent add up to one
    assert prediction.shares.shape == seen.shape
    assert abs(float(free.mean()) - 1) < 4 * math.sqrt(2 / free.numel())


def test_bands_hold_what_parameters_leave_open(truth: Mechanism) -> None:
    """Expected shares of 12 fits lie in their 95 % bands; few enough data that parameters make up most of the error."""
    true = exact(truth).predict_under(mechanism=lambda game: game + TOLL, num_rounds=6, num_episodes=4000, draws=0)
    inside, without = [], []
    for seed in range(12):
        fitted = StructuredMLE(CongestionMechanism(3, 3), LEARNERS).fit(simulate(truth, LEARNERS, 10, 12, seed=seed))
        prediction = fitted.predict_under(mechanism=lambda game: game + TOLL, num_rounds=6, num_episodes=100, draws=20)
        for found, one in ((inside, prediction), (without, replace(prediction, draws=()))):
            bands = one.intervals(num_episodes=math.inf)
            later = slice(1, None)  # in round 0 nothing is learnt, and shares are exact
            found.append(((bands.low <= true.shares) & (true.shares <= bands.high))[later].double().mean())
    # Shares within a fit hang together: a standard error of about .04 over 12 fits.
    assert 0.83 < np.mean(inside) <= 1
    assert np.mean(without) < np.mean(inside) - 0.1


def test_the_policy_on_the_estimate_is_the_policy_on_every_draw(estimate: Estimate) -> None:
    sizes = {"num_rounds": 5, "num_episodes": 20, "draws": 3}
    first = estimate.predict_under(mechanism=estimate.mechanism + TOLL, **sizes)
    second = estimate.predict_under(mechanism=lambda game: game + TOLL, **sizes)
    assert torch.equal(first.shares, second.shares)
    assert torch.equal(first.parameter_errors, second.parameter_errors)
    assert first.parameter_errors[1:].min() > 0


def test_common_random_numbers_make_differences_sharp(estimate: Estimate) -> None:
    """Variance over 60 seeds of the difference that a small toll makes: a fifth at most of that of unlike luck."""
    small = TollMechanism(3, [0.05, 0.0, 0.0])

    def totals(seed: int, toll: bool) -> float:
        changed = (lambda game: game + small) if toll else None
        prediction = estimate.predict_under(changed, num_rounds=15, num_episodes=10, draws=0, seed=seed)
        return float((prediction.traces.actions == 0).mean())

    before = np.array([totals(seed, False) for seed in range(60)])
    after = np.array([totals(seed, True) for seed in range(60)])
    assert (after - before).var() < 0.2 * (after - np.roll(before, 1)).var()
    assert (after - before).mean() < 0  # a toll drives away


def test_a_difference_is_paired(estimate: Estimate) -> None:
    sizes = {"num_rounds": 10, "num_episodes": 50, "draws": 5}
    base = estimate.predict_under(**sizes)
    changed = estimate.predict_under(mechanism=lambda game: game + TOLL, **sizes)
    found = changed.difference(base)
    torch.testing.assert_close(found.value, changed.shares - base.shares)
    apart = [one.intervals(num_episodes=math.inf).standard_error[1:] for one in (base, changed)]
    assert found.standard_error[1:].mean() < torch.hypot(*apart).mean()
    same = changed.difference(changed)
    assert float(same.standard_error.abs().max() + same.value.abs().max()) == 0
    with pytest.raises(ValueError, match="need the same seed"):
        changed.difference(estimate.predict_under(seed=1, **sizes))


def test_totals_count_what_they_are_told_to(estimate: Estimate, truth: Mechanism) -> None:
    """By hand; the toll is transferred, not lost."""
    prediction = estimate.predict_under(lambda game: game + TOLL, num_rounds=6, num_episodes=9, draws=2)
    actions = torch.tensor(prediction.traces.actions)
    kept = estimate.mechanism(actions).sum(-1).mean()
    paid = TOLL(actions).sum(-1).mean()
    torch.testing.assert_close(prediction.total_payoffs(lambda game: game).value, kept)
    assert prediction.welfare is not None
    torch.testing.assert_close(prediction.welfare.value, kept + paid)
    base = estimate.predict_under(num_rounds=6, num_episodes=9, draws=2)
    less = prediction.total_payoffs(lambda game: game, less=base)
    torch.testing.assert_close(less.value, kept - base.total_payoffs().value)
    assert less.standard_error < base.total_payoffs().standard_error


@pytest.mark.parametrize(
    ("form", "learners", "note"),
    [
        (TabularMechanism([3, 3, 3]), LEARNERS, "does not identify the level"),
        (OwnLoadTableMechanism(3, 3), LEARNERS, "does not identify the level"),  # a constant on all roads
        (CongestionMechanism(3, 3), LogitDynamics(0.4, 3.0, 0.1, fit=("precision",)), "payoffs have no scale"),
    ],
)
def test_welfare_without_scale_or_level_is_a_note(
    truth: Mechanism, form: Mechanism, learners: LogitDynamics, note: str
) -> None:
    traces = simulate(truth, LEARNERS, 10, 10)
    fitted = StructuredMLE(form, learners, ridge=0.1, max_iterations=60).fit(traces)
    prediction = fitted.predict_under(num_rounds=3, num_episodes=5, draws=2)
    assert prediction.welfare is None
    assert note in prediction.notes[-1]
    found = replace(fitted, info={"learners": []}).predict_under(num_rounds=3, num_episodes=5, draws=0)
    assert "payoffs have no scale" in found.notes[-1]


def test_choices_that_rest_on_nothing_seen_are_noted(truth: Mechanism, estimate: Estimate) -> None:
    """Fitted to play of roads 0 and 1 only; then road 0 is closed by its toll."""
    closed = TollMechanism(3, [0.0, 0.0, 50.0])
    traces = simulate(truth + closed, LogitDynamics(0.4, 3.0, 0.0), 20, 20)
    kept = traces.actions[(traces.actions[..., 0] < 2).all(1)]
    fitted = TabularMLE(LEARNERS).fit(Traces(kept, action_labels=[range(3)] * 3))
    prediction = fitted.predict_under(mechanism=lambda game: game + TollMechanism(3, [9.0, 0.0, 0.0]), draws=2)
    assert any("does not identify" in note and "% of the predicted choices" in note for note in prediction.notes)
    assert estimate.predict_under(num_rounds=3, draws=2).notes == ()


def test_no_covariance_means_sampling_bands_only_and_says_so(truth: Mechanism) -> None:
    prediction = exact(truth).predict_under(num_rounds=3, num_episodes=5)
    assert prediction.draws == ()
    assert "bands hold sampling only" in prediction.notes[0]
    assert "not known whether play identifies the level" in prediction.notes[1]
    assert prediction.welfare is None
    given = exact(truth).predict_under(mechanism=NeuralMechanism(3, 3), num_rounds=3, num_episodes=5)
    assert "does not hold the recovered one" in given.notes[0]


def test_draws_can_be_estimates(truth: Mechanism) -> None:
    traces = simulate(truth, LEARNERS, 10, 10)
    resampled = bootstrap(StructuredMLE(CongestionMechanism(3, 3), LEARNERS), traces, 4)
    prediction = exact(truth).predict_under(num_rounds=4, num_episodes=10, draws=resampled.replicates)
    assert len(prediction.draws) == 4
    assert prediction.parameter_errors[1:].min() > 0


def test_learners_fitted_with_the_mechanism_are_drawn_and_changed(truth: Mechanism) -> None:
    start = LogitDynamics(0.3, 3.0, 0.1, fit=("learning_rate",))
    fitted = StructuredMLE(CongestionMechanism(3, 3), start).fit(simulate(truth, LEARNERS, 20, 20))
    prediction = fitted.predict_under(learners=changed_learners, num_rounds=3, num_episodes=4, draws=3)
    rates = [float(draw.dynamics.value("learning_rate")) for draw in (prediction.play, *prediction.draws)]
    assert rates[0] == pytest.approx(0.6 * float(fitted.dynamics.value("learning_rate")))
    assert len(set(rates)) == 4
    given = fitted.predict_under(learners=LEARNERS, num_rounds=3, num_episodes=4, draws=1)
    assert given.draws[0].dynamics is LEARNERS


def test_names_go_with_the_game(truth: Mechanism) -> None:
    named = replace(exact(truth), agents=("a", "b", "c"), action_labels=(("x", "y", "z"),) * 3)
    same = named.predict_under(num_rounds=2, num_episodes=2).traces
    more = named.predict_under(num_agents=5, num_rounds=2, num_episodes=2).traces
    assert (same.agents, same.action_labels) == (named.agents, named.action_labels)
    assert (len(more.agents), more.action_labels) == (5, (("x", "y", "z"),) * 5)


def test_the_table_has_a_row_for_every_action_of_every_agent() -> None:
    prediction = exact(TabularMechanism.random(2, 2) + TollMechanism(2, [1.0, 0.0])).predict_under(num_rounds=3)
    frame = prediction.frame()
    assert len(frame) == 3 * 2 * 2
    assert ((frame["low"] <= frame["share"]) & (frame["share"] <= frame["high"])).all()
    np.testing.assert_allclose(frame.groupby(["round", "agent"])["share"].sum(), 1)
    unequal = exact(TabularMechanism([2, 3])).predict_under(num_rounds=2).frame()
    assert len(unequal) == 2 * 5


def test_the_band_of_all_agents_is_that_of_their_mean(estimate: Estimate) -> None:
    """By simulation: the spread of shares among all choices over 400 sets of 20 episodes."""
    prediction = estimate.predict_under(num_rounds=5, num_episodes=8000, draws=0)
    chosen = torch.nn.functional.one_hot(torch.tensor(prediction.traces.actions), 3).double().mean(2)
    sets = chosen.reshape(400, 20, 5, 3).mean(1)
    bands = prediction.mean_over_agents(num_episodes=20)
    torch.testing.assert_close(bands.value, prediction.shares.mean(1))
    torch.testing.assert_close(sets.std(0), bands.standard_error, rtol=4 / math.sqrt(2 * 400), atol=0)


def test_a_picture_has_a_panel_for_each_action(estimate: Estimate) -> None:
    prediction = estimate.predict_under(num_rounds=4, num_episodes=5, draws=2)
    figure = shares_over_rounds(
        {"today": prediction, "again": prediction}, simulate(estimate.mechanism, LEARNERS, 3, 4)
    )
    drawn = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in drawn] == ["0", "1", "2"]
    assert [len(axes.lines) for axes in drawn] == [3, 3, 3]
    with pytest.raises(ValueError, match="needs predictions"):
        shares_over_rounds({})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mechanism": lambda game: None}, TypeError, "must give a Mechanism; it gave a NoneType"),
        ({"mechanism": lambda game: game + TollMechanism(2, [0.0] * 3)}, ValueError, "same agents and actions"),
        ({"learners": {"patience": 2.0}}, ValueError, "no 'patience' to change"),
        ({"learners": LogitDynamics(precision=[1.0, 2.0])}, ValueError, "those of 2 agents one by one, the game has 3"),
        ({"num_rounds": 0}, ValueError, "at least 1"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"draws": -1}, ValueError, "draws must be 0 or more"),
        (
            {"mechanism": lambda game: game + CallableMechanism(lambda _: [0.0] * 3, [3] * 3), "num_agents": 4},
            ValueError,
            "CallableMechanism says nothing about 4 agents",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    estimate: Estimate, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        estimate.predict_under(**{"num_rounds": 2, "num_episodes": 2, "draws": 0, **arguments})


def test_bands_need_episodes(estimate: Estimate) -> None:
    prediction: Prediction = estimate.predict_under(num_rounds=2, num_episodes=2, draws=0)
    with pytest.raises(ValueError, match="num_episodes must be above 0"):
        prediction.intervals(num_episodes=0)
    with pytest.raises(ValueError, match="level must be between"):
        prediction.intervals(level=1.0)


def test_the_picture_cuts_no_band_off():
    payoffs = np.zeros((3, 3, 2))
    payoffs[2, :, 0] = payoffs[:, 2, 1] = 3.0  # the last panel's line and band rise far above the first one's
    prediction = exact(TabularMechanism.from_payoffs(payoffs)).predict_under(num_rounds=10, num_episodes=50, draws=0)
    figure = shares_over_rounds({"it": prediction})
    tops = {axes.get_ylim() for axes in figure.axes}
    assert len(tops) == 1
    assert tops.pop()[1] >= prediction.mean_over_agents().high.max()
