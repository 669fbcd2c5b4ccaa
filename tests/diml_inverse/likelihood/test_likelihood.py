"""The likelihood against the plain unrolled definition, its gradient, and what it cannot see."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from own_dynamics import ChosenOnly
from slow_definitions import random_traces, scored_log_probs, unrolled_log_likelihood
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, NeuralMechanism, TabularMechanism
from diml_inverse import LogitDynamics, log_likelihood
from diml_inverse.likelihood import decision_log_likelihoods, log_choice_probs, observe

LENGTHS = [5, 2, 7, 1]


def value(scalar: Tensor) -> float:
    return float(scalar.detach())


def game(*counts: int, seed: int = 0) -> TabularMechanism:
    """Random payoffs of standard deviation 1, float64."""
    return TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(*counts, len(counts))))


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=str)
def test_equals_the_unrolled_definition(
    mechanism: Mechanism, dtype: torch.dtype, tolerance: float, missing: float
) -> None:
    """Every mechanism, unequal lengths (one of them a single round), with all actions and with some unobserved."""
    mechanism, dynamics = mechanism.to(dtype), LogitDynamics(0.3, 2.0, 0.06)
    traces = random_traces(mechanism.action_counts, LENGTHS, missing=missing)
    found = value(log_likelihood(mechanism, dynamics, traces))
    assert found == pytest.approx(value(unrolled_log_likelihood(mechanism, dynamics, traces)), rel=0, abs=tolerance)


def test_gradients_equal_those_through_the_unrolled_definition(parametric_mechanism: Mechanism) -> None:
    mechanism, dynamics = parametric_mechanism.double(), LogitDynamics(0.3, 2.0, 0.06)
    traces = random_traces(mechanism.action_counts, [4, 3], missing=0.05)
    parameters = list(mechanism.parameters())
    fast, slow = (
        torch.autograd.grad(definition(mechanism, dynamics, traces), parameters, materialize_grads=True)
        for definition in (log_likelihood, unrolled_log_likelihood)
    )
    for gradient, expected in zip(fast, slow, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-11)


def test_gradients_match_finite_differences(parametric_mechanism: Mechanism, generator: torch.Generator) -> None:
    """Along random directions d of length 1: (l(x + h d) - l(x - h d)) / 2h, h = 1e-6.

    It errs by rounding, 1e-16 / h, and by what the third derivative and any kink of a ReLU within h add.
    """
    mechanism, dynamics = parametric_mechanism.double(), LogitDynamics()
    traces = random_traces(mechanism.action_counts, LENGTHS)
    parameters = list(mechanism.parameters())
    gradients = torch.autograd.grad(log_likelihood(mechanism, dynamics, traces), parameters, materialize_grads=True)
    for _ in range(3):
        direction = torch.randn(sum(p.numel() for p in parameters), generator=generator, dtype=torch.float64)
        direction /= direction.norm()
        slope = float(torch.cat([gradient.flatten() for gradient in gradients]) @ direction)
        ahead, behind = (value_at(mechanism, dynamics, traces, step * direction) for step in (1e-6, -1e-6))
        assert (ahead - behind) / 2e-6 == pytest.approx(slope, rel=1e-6, abs=1e-8)


def value_at(mechanism: Mechanism, dynamics: LogitDynamics, traces: Traces, shift: Tensor) -> float:
    moved = copy.deepcopy(mechanism)
    vector_to_parameters(parameters_to_vector(moved.parameters()).detach() + shift, moved.parameters())
    return value(log_likelihood(moved, dynamics, traces))


@st.composite
def plays_of_tables(draw: st.DrawFn) -> tuple[TabularMechanism, Traces]:
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    lengths = [2, *draw(st.lists(st.integers(1, 5), max_size=2))]
    seed, missing = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.1, 0.5]))
    return game(*counts, seed=seed), random_traces(counts, lengths, seed, missing)


@settings(max_examples=60)
@given(plays_of_tables(), st.sampled_from([0.005, 0.25, 1.0]), st.sampled_from([0.0, 0.06]))
def test_every_decision_equals_the_unrolled_definition(
    play: tuple[TabularMechanism, Traces], rate: float, exploration: float
) -> None:
    """The same decisions are scored, with the same log probabilities; or none can be, which is an error."""
    mechanism, traces = play
    dynamics = LogitDynamics(rate, 3.0, exploration)
    expected = scored_log_probs(mechanism, dynamics, traces)
    if not expected:
        with pytest.raises(ValueError, match="no decision can be scored"):
            observe(mechanism, dynamics, traces)
        return
    observed = observe(mechanism, dynamics, traces)
    found = decision_log_likelihoods(mechanism, dynamics, observed)
    assert {tuple(place) for place in observed.scored.nonzero().tolist()} == set(expected)
    assert found.count_nonzero() <= len(expected)
    for place, log_prob in expected.items():
        assert value(found[place]) == pytest.approx(value(log_prob), rel=0, abs=1e-12)


def test_choice_probs_are_those_of_the_recursion() -> None:
    """Of every action, not the chosen alone; each is the chosen one's in a play that differs in it."""
    mechanism, dynamics, traces = game(2, 3), LogitDynamics(), random_traces([2, 3], [4])
    log_probs = log_choice_probs(mechanism, dynamics, observe(mechanism, dynamics, traces))
    for agent, count in enumerate((2, 3)):
        for action in range(count):
            actions = traces.actions.copy()
            actions[0, 3, agent] = action
            other = Traces(actions, action_labels=traces.action_labels)
            expected = scored_log_probs(mechanism, dynamics, other)[0, 3, agent]
            assert value(log_probs[0, 3, agent, action]) == pytest.approx(value(expected), abs=1e-12)
    assert (log_probs[:, :, 0, 2] == -torch.inf).all()
    assert log_probs[0, 0, 1].exp().tolist() == pytest.approx([1 / 3] * 3)


def test_a_gap_silences_decisions_until_it_has_faded() -> None:
    """One unobserved action at round 2; by round t its share of the weight is .75^(t - 3) .25 / (1 - .75^t)."""
    actions = np.zeros((1, 30, 2), int)
    actions[0, 2, 1] = -1
    scored = observe(game(2, 2), LogitDynamics(0.25), Traces(actions, action_labels=[[0, 1]] * 2)).scored[0]
    silent = [t for t in range(30) if not scored[t, 0]]
    share = {t: 0.75 ** (t - 3) * 0.25 / (1 - 0.75**t) for t in range(3, 30)}
    assert silent == [0, *[t for t in share if share[t] > 0.01]]
    assert silent[-1] == 14
    # The agent itself knew what the other did: only the unseen decision is lost.
    assert [t for t in range(30) if not scored[t, 1]] == [0, 2]


def test_an_unobserved_choice_still_counts_where_the_others_were_observed() -> None:
    """Payoffs of agent 0 do not depend on what it chose itself."""
    traces = random_traces([2, 2], [6])
    actions = traces.actions.copy()
    actions[0, 2, 0] = -1
    holed = Traces(actions, action_labels=traces.action_labels)
    mechanism, dynamics = game(2, 2), LogitDynamics()
    whole, found = (
        decision_log_likelihoods(mechanism, dynamics, observe(mechanism, dynamics, t))[0, :, 0] for t in (traces, holed)
    )
    assert found[2] == 0
    assert torch.equal(found[[0, 1, 3, 4, 5]], whole[[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("agent", [0, 1, 2])
def test_functions_of_the_others_actions_are_not_seen(agent: int, generator: torch.Generator) -> None:
    mechanism, dynamics = game(2, 3, 4), LogitDynamics()
    traces = random_traces([2, 3, 4], [20, 10])
    shape = [2, 3, 4]
    shape[agent] = 1
    before = value(log_likelihood(mechanism, dynamics, traces))
    mechanism.table.data[..., agent] += torch.randn(shape, generator=generator, dtype=torch.float64)
    assert value(log_likelihood(mechanism, dynamics, traces)) == pytest.approx(before, rel=0, abs=1e-10)


@pytest.mark.parametrize("agent", [0, 1, 2])
def test_functions_of_the_own_action_are_seen(agent: int, generator: torch.Generator) -> None:
    mechanism, dynamics = game(2, 3, 4), LogitDynamics()
    traces = random_traces([2, 3, 4], [20, 10])
    shape = [1, 1, 1]
    shape[agent] = (2, 3, 4)[agent]
    before = value(log_likelihood(mechanism, dynamics, traces))
    mechanism.table.data[..., agent] += torch.randn(shape, generator=generator, dtype=torch.float64)
    assert abs(value(log_likelihood(mechanism, dynamics, traces)) - before) > 1e-3


def test_precision_and_the_scale_of_payoffs_are_one() -> None:
    mechanism, traces = game(2, 3), random_traces([2, 3], [20])
    doubled = TabularMechanism.from_payoffs(2 * mechanism.table.detach().numpy())
    first, second = (
        value(log_likelihood(m, LogitDynamics(precision=p), traces)) for m, p in ((mechanism, 3.0), (doubled, 1.5))
    )
    assert first == pytest.approx(second, rel=0, abs=1e-12)


def test_one_action_leaves_no_choice() -> None:
    assert value(log_likelihood(game(1, 1), LogitDynamics(), random_traces([1, 1], [5]))) == 0


def test_one_agent_alone() -> None:
    mechanism, dynamics, traces = game(3), LogitDynamics(), random_traces([3], [6, 4])
    expected = value(unrolled_log_likelihood(mechanism, dynamics, traces))
    assert value(log_likelihood(mechanism, dynamics, traces)) == pytest.approx(expected, abs=1e-12)


def test_the_order_of_episodes_and_padding_do_not_matter() -> None:
    mechanism, dynamics = game(2, 3), LogitDynamics()
    traces = random_traces([2, 3], LENGTHS)
    padded = np.pad(traces.actions, ((0, 0), (0, 9), (0, 0)), constant_values=0)
    for other in (traces[::-1], Traces(padded, LENGTHS, action_labels=traces.action_labels)):
        assert value(log_likelihood(mechanism, dynamics, other)) == pytest.approx(
            value(log_likelihood(mechanism, dynamics, traces)), rel=0, abs=1e-12
        )


def test_a_mechanism_may_have_actions_that_nobody_played() -> None:
    traces = Traces(random_traces([2, 2], [6]).actions)
    mechanism, dynamics = game(3, 2), LogitDynamics()
    expected = value(unrolled_log_likelihood(mechanism, dynamics, traces))
    assert value(log_likelihood(mechanism, dynamics, traces)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_user_s_own_dynamics_are_scored(missing: float) -> None:
    """They may look at the actions taken, which the widths of what they are given must allow."""
    mechanism, traces = game(2, 3), random_traces([2, 3], [12, 8], missing=missing)
    assert log_likelihood(mechanism, ChosenOnly(), traces).isfinite()


@pytest.mark.parametrize("rounds", [[1], [1, 1]], ids=str)
def test_single_rounds_cannot_be_scored(rounds: list[int]) -> None:
    with pytest.raises(ValueError, match="no decision can be scored: likelihood needs episodes of at least two rounds"):
        log_likelihood(game(2, 2), LogitDynamics(), random_traces([2, 2], rounds))


@pytest.mark.parametrize("rate", [0.001, 0.25])
def test_play_whose_payoffs_are_all_unknown_cannot_be_scored(rate: float) -> None:
    """However slowly it is forgotten, nothing known is nothing known."""
    actions = random_traces([2, 2, 2], [6]).actions.copy()
    actions[..., 1:] = -1
    with pytest.raises(ValueError, match="no decision can be scored"):
        log_likelihood(game(2, 2, 2), LogitDynamics(rate), Traces(actions, action_labels=[[0, 1]] * 3))


def test_sizes_that_do_not_fit_are_rejected() -> None:
    traces = random_traces([3, 3], [5])
    with pytest.raises(ValueError, match="the mechanism has 3 agents, the traces 2"):
        log_likelihood(CongestionMechanism(3, 3), LogitDynamics(), traces)
    with pytest.raises(ValueError, match=r"action 2 of agent \d at \[0, \d\] is outside 0..1"):
        log_likelihood(NeuralMechanism(2, 2), LogitDynamics(), traces)
