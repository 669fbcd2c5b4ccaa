"""The family of surrogate learners: against plain loops, against the learners it stands for, and fitted back."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from slow_definitions import random_traces

import agents
import diml_inverse.likelihood.scored
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, OwnLoadTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics, LogitDynamics, StructuredMLE, check_dynamics, simulate
from diml_inverse.dynamics import BatchGradientDynamics
from diml_inverse.dynamics.batch_gradient import LEAST_SQUARE, LEAST_VARIANCE
from diml_inverse.dynamics.members import BLOCKS, MEMBERS, default_members
from diml_inverse.likelihood import decision_log_likelihoods, log_choice_probs, observe, total_log_likelihood
from diml_inverse.uncertainty.fitted import Fitted
from diml_inverse.uncertainty.information import observed_information

OPTIONS: list[dict[str, Any]] = [
    {},
    {"forgone_weight": 0.3},
    {"forgone_weight": 0.0, "forgets": "updated"},
    {"forgone_weight": 0.3, "forgets": "updated", "initial_experience": 0.5, "learning_rate": 0.1, "cumulation": 0.4},
    {"learning_rate": 0.0, "cumulation": 1.0},
    {"learning_rate": 0.0, "initial_experience": 1.0},
    {"learning_rate": 0.1, "cumulation": 0.5, "forgone_weight": 0.2, "initial_experience": 2.0},
    {"learning_rate": 0.2, "cumulation": 1.0, "by": "regret", "choice": "regret", "exploration": 0.1},
    {"learning_rate": 0.1, "cumulation": 1.0, "by": "gradient", "precision": 0.2},
    {"learning_rate": 0.0, "cumulation": 1.0, "by": "gradient", "block": 16},
    {"learning_rate": 0.2, "cumulation": 1.0, "by": "importance", "exploration": 0.3},
    {"bonus": 1.5, "forgone_weight": 0.0, "forgets": "updated", "initial_experience": 1e-3, "learning_rate": 0.0},
    {"habit": -0.5, "block": 16, "forgone_weight": 0.0, "forgets": "updated"},
    {"learning_rate": [0.1, 0.2, 0.3], "forgone_weight": 0.5, "fit": ("learning_rate", "forgone_weight")},
]


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def looped(options: dict[str, Any], payoffs: list[list[float]], actions: list[int], agent: int) -> list[list[float]]:
    """Attractions, bonus and habit that each choice of one agent rests on, from the formulas of the docstring."""

    def given(name: str, default: float) -> float:
        value = options.get(name, default)
        return value[agent] if isinstance(value, list) else value

    phi = 1 - given("learning_rate", 0.25)
    rho = phi * (1 - given("cumulation", 0.0))
    delta, block, by = given("forgone_weight", 1.0), options.get("block", 1), options.get("by", "payoff")
    count = len(payoffs[0])
    moving = options.get("initial_experience")
    experience = [moving if moving is not None else 1 / (1 - rho)] * count
    attractions, path, tried, seen, under_way = [0.0] * count, [], [0] * count, [], []
    for t, (row, action) in enumerate(zip(payoffs, actions, strict=True)):
        current = list(attractions)
        for j in range(count):
            if t and actions[t - 1] == j:
                current[j] += given("habit", 0.0)
            if given("bonus", 0.0):
                current[j] += given("bonus", 0.0) * math.sqrt(
                    math.log(max(t, 1)) / tried[j] if tried[j] else math.log(t + 1) / 1e-3
                )
        path.append(current)
        own, exploration = row[action], given("exploration", 0.0)
        probs = [
            (1 - exploration) * p + exploration / count
            for p in softmax([given("precision", 1.0) * value for value in current])
        ]
        under_way.append((row, action, own))
        baseline = sum(seen) / len(seen) if seen else own
        seen.append(own)
        tried[action] += 1
        if len(under_way) < block:
            continue
        mean_own = sum(o for _, _, o in under_way) / block
        for j in range(count):
            if by == "gradient" and block == 1:
                attractions[j] = phi * attractions[j] + (own - baseline) * ((action == j) - probs[j])
                continue
            gain = value = 0.0
            for u, a, o in under_way:
                g = float(a == j) if by in ("gradient", "importance") else delta + (1 - delta) * (a == j)
                gain += g / block
                value += {
                    "payoff": g * u[j],
                    "regret": g * (u[j] - o),
                    "gradient": (o - mean_own) * g,
                    "importance": g * o / probs[j],
                }[by] / block
            forgets_all = options.get("forgets", "all") == "all"
            kept = phi if forgets_all else 1 - gain * (1 - phi)
            after = experience[j]
            if moving is not None:
                after = (rho if forgets_all else 1 - gain * (1 - rho)) * experience[j] + (1 if forgets_all else gain)
            attractions[j] = (kept * experience[j] * attractions[j] + value) / after
            experience[j] = after
        under_way = []
    return path


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_attractions_follow_the_formulas(options: dict[str, Any]) -> None:
    draw = random.Random(0)
    payoffs = [[[draw.gauss(0, 1) for _ in range(3)] for _ in range(3)] for _ in range(40)]  # [T, N, A]
    actions = [[draw.randrange(3) for _ in range(3)] for _ in range(40)]
    dynamics = AttractionDynamics(**options)
    found = dynamics.attractions(torch.tensor([payoffs], dtype=torch.float64), torch.tensor([actions])).detach()
    for agent in range(3):
        expected = looped(options, [row[agent] for row in payoffs], [row[agent] for row in actions], agent)
        np.testing.assert_allclose(found[0, :, agent], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_passes_the_check(options: dict[str, Any]) -> None:
    check_dynamics(AttractionDynamics(**options))


@pytest.mark.parametrize(
    "member",
    [
        *MEMBERS,
        "policy gradient, blocks of 16",
        "shared policy gradient, blocks of 16",
        "own payoff, blocks of 16",
    ],
)
def test_every_member_passes_the_check_and_is_rebuilt_from_its_configuration(member: str) -> None:
    dynamics = (default_members(10_000) | default_members(1))[member]
    check_dynamics(dynamics)
    again = type(dynamics)(**dynamics.config()).config()
    for name, value in dynamics.config().items():
        assert again[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


def test_blocks_are_tried_in_long_episodes_only() -> None:
    assert set(default_members(60)) == set(MEMBERS)
    long = default_members(8 * max(BLOCKS))
    assert len([name for name in long if "blocks" in name]) == 3 * len(BLOCKS)
    assert set(MEMBERS) - set(long) == {"gradient bandit", "EXP3"}  # followed round by round: slow


def test_a_shared_policy_follows_its_formula() -> None:
    """One policy for all: every mean of the docstring's formula is over rounds and agents alike."""
    draw, block, momentum, tracking, precision = random.Random(1), 4, 0.6, 2.0, 0.3
    payoffs = [[[draw.gauss(0, 1) for _ in range(3)] for _ in range(2)] for _ in range(20)]  # [T, N, A]
    actions = [[draw.randrange(3) for _ in range(2)] for _ in range(20)]
    attractions, moving, squares, expected = [0.0] * 3, [0.0] * 3, [0.0] * 3, []
    for start in range(0, 20, block):
        expected += [attractions] * block
        seen = [(actions[t][i], payoffs[t][i][actions[t][i]]) for t in range(start, start + block) for i in range(2)]
        mean = sum(y for _, y in seen) / len(seen)
        spread = math.sqrt(sum((y - mean) ** 2 for _, y in seen) / len(seen) + LEAST_VARIANCE)
        gradient = [sum((y - mean) * (a == j) for a, y in seen) / len(seen) / spread for j in range(3)]
        moving = [momentum * m + (1 - momentum) * g for m, g in zip(moving, gradient, strict=True)]
        squares = [v + g * g for v, g in zip(squares, gradient, strict=True)]
        shares = [sum(a == j for a, _ in seen) / len(seen) for j in range(3)]
        probs = softmax([precision * a for a in attractions])
        steps = [m / math.sqrt(v / (start // block + 1) + LEAST_SQUARE) for m, v in zip(moving, squares, strict=True)]
        attractions = [a + s + tracking * (c - p) for a, s, c, p in zip(attractions, steps, shares, probs, strict=True)]
    dynamics = BatchGradientDynamics(block, momentum, precision, tracking=tracking, shared=True)
    found = dynamics.attractions(torch.tensor([payoffs], dtype=torch.float64), torch.tensor([actions]))
    for agent in range(2):
        np.testing.assert_allclose(found[0, :, agent], expected, rtol=1e-9, atol=1e-9)


def test_agents_that_learn_together_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streaming, and the curvature of a table, take agents one by one elsewhere: here that would be wrong."""
    dynamics = BatchGradientDynamics(4, tracking=1.0, shared=True)
    mechanism = TabularMechanism.random(2, 2, seed=0)
    play = observe(mechanism, dynamics, simulate(mechanism, dynamics, 3, 12))
    whole = decision_log_likelihoods(mechanism, dynamics, play)
    fitted = Fitted(mechanism, dynamics)
    total = decision_log_likelihoods(fitted.mechanism, fitted.dynamics, play).sum()
    slope = torch.cat([g.reshape(-1) for g in torch.autograd.grad(total, fitted.parameters, create_graph=True)])
    hessian = torch.stack(
        [
            torch.cat([g.reshape(-1) for g in torch.autograd.grad(s, fitted.parameters, retain_graph=True)])
            for s in slope
        ]
    )
    torch.testing.assert_close(observed_information(fitted, play).hessian, -hessian)
    monkeypatch.setattr(diml_inverse.likelihood.scored, "MOST_PAYOFFS", 1)
    torch.testing.assert_close(decision_log_likelihoods(mechanism, dynamics, play), whole)


PAIRS: dict[str, tuple[agents.Learner[Any], AttractionDynamics]] = {
    "logit-Q": (agents.LogitQ(0.3, 2.0, 0.1), LogitDynamics(0.3, 2.0, 0.1)),
    "logit-Q, own payoff": (
        agents.LogitQ(0.3, 2.0, 0.1, feedback="own"),
        AttractionDynamics(0.3, forgone_weight=0.0, precision=2.0, exploration=0.1, forgets="updated"),
    ),
    "Boltzmann bandit": (
        agents.Softmax(2.0, 0.1),
        AttractionDynamics(0.0, 0.0, initial_experience=1e-9, precision=2.0, exploration=0.1, forgets="updated"),
    ),
    "EWA": (agents.EWA(0.2, 0.4, 0.3, 2.0, 0.05, 1.5), AttractionDynamics(0.2, 0.4, 0.3, 1.5, 2.0, 0.05)),
    "Hedge": (agents.Hedge(0.3), AttractionDynamics(0.0, cumulation=1.0, precision=0.3)),
    "fictitious play": (agents.FictitiousPlay(2.0), AttractionDynamics(0.0, initial_experience=1.0, precision=2.0)),
    "gradient bandit": (
        agents.GradientBandit(0.4),
        AttractionDynamics(0.0, cumulation=1.0, precision=0.4, by="gradient"),
    ),
    "EXP3": (
        agents.EXP3(0.05, 0.1),
        AttractionDynamics(0.0, cumulation=1.0, precision=0.05, exploration=0.1, by="importance"),
    ),
    "regret matching": (
        agents.RegretMatching(0.1),
        AttractionDynamics(0.0, cumulation=1.0, precision=1e5, exploration=0.1, by="regret", choice="regret"),
    ),
    "UCB1": (
        agents.UCB1(1.0),
        AttractionDynamics(0.0, 0.0, initial_experience=1e-9, precision=1e5, bonus=1.0, forgets="updated"),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_members_with_the_right_parameters_choose_as_the_learners_do(name: str) -> None:
    """Choice probabilities at every round, from the play alone, are those the choices were drawn with."""
    learner, dynamics = PAIRS[name]
    truth = CongestionMechanism.random(3, 4, seed=1).double()
    rollout = agents.rollout(RepeatedGameEnv(truth, max_cycles=40), learner, num_episodes=5, seed=0)
    with torch.no_grad():
        found = log_choice_probs(truth, dynamics, observe(truth, dynamics, rollout.traces)).exp()
    differ = np.abs(found.numpy() - rollout.choice_probs) > 1e-4
    # Where two means tie to rounding, a bandit without noise may settle the tie either way.
    assert differ.any(-1).mean() <= (0.02 if name in ("UCB1", "regret matching") else 0.0)


@pytest.mark.parametrize("name", ["logit-Q, own payoff", "EWA"])
def test_fitted_learners_are_recovered_within_three_standard_errors(name: str) -> None:
    """Null: the estimate is normal about the truth. Tolerance: three standard errors, from the observed information."""
    learner, true_dynamics = PAIRS[name]
    truth = CongestionMechanism.random(4, 5, seed=1)
    traces = agents.rollout(RepeatedGameEnv(truth, max_cycles=30), learner, num_episodes=100, seed=3).traces
    fitted = [n for n in ("learning_rate", "forgone_weight") if 0 < float(true_dynamics.value(n)) < 1]
    start = {**true_dynamics.config(), "precision": 1.0, **dict.fromkeys(fitted, 0.5), "fit": fitted}
    dynamics = AttractionDynamics(**start)
    estimate = StructuredMLE(OwnLoadTableMechanism(4, 5), dynamics, ridge=0.01, tolerance=1e-11).fit(traces)
    errors = learner_standard_errors(estimate.mechanism, estimate.dynamics, traces)
    estimate.dynamics.requires_grad_(False)
    for parameter, error in zip(fitted, errors, strict=True):
        off = float(estimate.dynamics.value(parameter)) - float(true_dynamics.value(parameter))
        assert abs(off) < 3 * error < 0.2


def learner_standard_errors(mechanism: Mechanism, dynamics: Any, traces: Traces) -> list[float]:
    """From the inverse of the Hessian in all parameters; directions that play does not show are left out."""
    parameters = [*mechanism.requires_grad_(True).parameters(), *dynamics.requires_grad_(True).parameters()]
    play = observe(mechanism, dynamics, traces)
    total = -decision_log_likelihoods(mechanism, dynamics, play).sum()
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(total, parameters, create_graph=True)])
    rows = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(entry, parameters, retain_graph=True)])
        for entry in gradient
    ]
    covariance = torch.linalg.pinv(torch.stack(rows), hermitian=True, rtol=1e-9)
    count = len(dynamics.learner.fitted)
    slopes = [float(dynamics.learner.slope(name).detach()) for name in dynamics.learner.fitted]
    return [math.sqrt(float(v)) * s for v, s in zip(covariance.diagonal()[-count:], slopes, strict=True)]


def test_agents_parameters_go_with_their_agents_when_taken_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    mechanism = CongestionMechanism.random(4, 3, seed=0).double()
    traces = random_traces(mechanism.action_counts, [6, 9, 4], missing=0.1)
    dynamics = AttractionDynamics([0.1, 0.2, 0.3, 0.4], forgone_weight=0.5, habit=0.2, fit=("learning_rate", "habit"))

    def value_and_gradients() -> list[torch.Tensor]:
        total = total_log_likelihood(mechanism, dynamics, observe(mechanism, dynamics, traces))
        return [total.detach(), *torch.autograd.grad(total, [*mechanism.parameters(), *dynamics.parameters()])]

    whole = value_and_gradients()
    monkeypatch.setattr(diml_inverse.likelihood.scored, "MOST_PAYOFFS", 1)
    torch.testing.assert_close(value_and_gradients(), whole, rtol=0, atol=1e-10)


def test_an_unobserved_choice_silences_what_leans_on_it() -> None:
    """Two agents, own payoff only: what the missing choice taught is forgotten by choosing that action again."""
    actions = np.array([[[0, 0], [-1, 1], [0, 0], [0, 1], [1, 0], [0, 1]]])
    traces = Traces(actions, action_labels=[[0, 1], [0, 1]])
    dynamics = AttractionDynamics(0.995, forgone_weight=0.0, forgets="updated")
    play = observe(TabularMechanism([2, 2]), dynamics, traces)
    # Round 1 is not observed, and either action may have been learnt about: 0 is cleared by rounds 2 and 3 but 1 only
    # by round 4. The other agent does not know round 1's payoffs; its action then, 1, is chosen again at round 3.
    assert play.scored[0, :, 0].tolist() == [False, False, False, False, False, True]
    assert play.scored[0, :, 1].tolist() == [False, True, False, False, True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "a learning_rate of 0 averages all of the past"),
        ({"forgone_weight": 1.2}, r"forgone_weight must be in \[0, 1\]; got 1.2"),
        ({"fit": ("precisoin",)}, "there is no parameter 'precisoin' to fit"),
        ({"by": "gradient"}, 'by="gradient" adds up'),
        ({"by": "payof"}, "by must be one of payoff, regret, gradient, importance; got 'payof'"),
        ({"by": "importance", "cumulation": 1.0, "block": 4}, "block must be at least 1"),
        ({"learning_rate": [0.1, 0.2], "precision": [1.0, 1.0, 1.0]}, "of different lengths"),
    ],
)
def test_options_that_mean_nothing_are_rejected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttractionDynamics(**options)


def test_parameters_pushed_to_an_end_are_named() -> None:
    dynamics = AttractionDynamics(
        0.5, forgone_weight=0.5, precision=2.0, fit=("learning_rate", "forgone_weight", "precision")
    )
    assert dynamics.learner.at_edge() == []
    with torch.no_grad():
        dynamics.learner.get_parameter("raw_forgone_weight").fill_(-20.0)
        dynamics.learner.get_parameter("raw_precision").fill_(50.0)
    assert dynamics.learner.at_edge() == ["forgone_weight", "precision"]
    assert dynamics.value("precision").isfinite()
