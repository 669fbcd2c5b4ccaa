"""States, discount, inertia, first attractions and persons, against a plain loop and finite differences."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from slow_states import state_log_probs

from diml_envs import Traces
from diml_envs.mechanisms import MISSING, TabularMechanism
from diml_inverse import AttractionDynamics, LogitDynamics, check_dynamics
from diml_inverse.dynamics.states import States
from diml_inverse.likelihood import (
    decision_log_likelihoods,
    log_choice_probs,
    nonfinite_place,
    observe,
    total_log_likelihood,
)

OWN: dict[str, Any] = {"forgone_weight": 0.0, "forgets": "updated", "learning_rate": 0.4}
ALL: dict[str, Any] = {"forgone_weight": 0.3, "learning_rate": 0.3, "cumulation": 0.4, "initial_experience": 1.5}
STATES = [None, "last_profile", "own_last", "others_last", "others_counts", "own_last_2"]
MORE: list[dict[str, Any]] = [
    {},
    {"exploration": 0.3, "exploration_falls": "linear", "exploration_rounds": 6.3, "inertia": 0.2},
    {"exploration": 0.5, "exploration_falls": "exponential", "exploration_rounds": 5.0, "exploration_floor": 0.1},
    {"inertia": 0.3, "habit": 0.2, "precision": 2.0},
    {"exploration": 0.1, "persists": False},
]
RANDOM = np.random.default_rng(7)
COMBINATIONS: list[dict[str, Any]] = [
    {**kind, **more, "state": state, "value": value, "discount": discount, "end": end}
    for number, (kind, state, value, end) in enumerate(
        itertools.product((OWN, ALL), STATES, ("max", "mean", "chosen"), ("seen", "unseen"))
    )
    for more, discount in [(MORE[number % len(MORE)], (0.7, 0.7, 0.0)[number % 3])]
    if not (kind is ALL and value == "chosen" and discount)
]


def people(seed: int, missing: float = 0.0, persons: bool = True, counts: tuple[int, ...] = (2, 3)) -> Traces:
    """Five persons, two sitting in, seats changing, matches of one to six rounds; the last seat given now and then."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, size=9)
    actions = np.stack([rng.integers(count, size=(9, 6)) for count in counts], -1)
    actions[rng.random(actions.shape) < missing] = MISSING
    sat = np.stack([rng.permutation(5)[: len(counts)] for _ in range(9)])
    sat[3, -1] = -1
    labels = [range(count) for count in counts]
    if not persons:
        return Traces(actions, lengths, action_labels=labels)
    return Traces(actions, lengths, action_labels=labels, persons=sat, begins=rng.permutation(9) * 10)


def first_numbers(states: States) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(states.num_agents, states.count, states.num_actions, generator=generator, dtype=torch.float64)


def code_of(states: States, state: Any, me: int, num_agents: int) -> int:
    """Of a state as the plain loop has it."""
    code = 0
    for seen in reversed(state):
        if seen is None:
            digit = 0
        elif states.kind == "others_counts":
            weights = [0, *(num_agents**power for power in range(states.num_actions - 1))]
            digit = 1 + sum(weights[action] for action in seen)
        else:
            digit = 1 + sum(action * states.num_actions**place for place, action in enumerate(seen))
        code = code * (states.values + 1) + digit
    return code


def by_loop(options: dict[str, Any], mechanism: TabularMechanism, traces: Traces) -> torch.Tensor:
    states = States(options.get("state"), traces.num_agents, mechanism.num_actions)
    numbers = first_numbers(states)
    found = state_log_probs(
        options,
        mechanism.table.detach().numpy(),
        traces,
        lambda seat, state, action: float(numbers[seat, code_of(states, state, seat, traces.num_agents), action]),
    )
    laid = torch.zeros(traces.actions.shape, dtype=torch.float64)
    for place, value in found.items():
        laid[place] = value
    return laid


def learners(options: dict[str, Any], traces: Traces, fit: tuple[str, ...] = ()) -> AttractionDynamics:
    numbers = first_numbers(States(options.get("state"), traces.num_agents, max(traces.action_counts)))
    return AttractionDynamics(**options, first_attractions=numbers.numpy(), fit=fit)


@pytest.mark.parametrize("options", COMBINATIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_every_combination_is_the_plain_loop(options: dict[str, Any]) -> None:
    mechanism = TabularMechanism.random(2, 3, seed=1).double()
    mechanism = TabularMechanism.from_payoffs(mechanism.table[:2].detach().numpy())
    for traces in (people(0), people(1, missing=0.15), people(2, persons=False)):
        dynamics = learners(options, traces)
        play = observe(mechanism, dynamics, traces)
        found = decision_log_likelihoods(mechanism, dynamics, play).detach()
        expected = by_loop(options, mechanism, traces)
        assert torch.equal(play.scored, expected != 0)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def fitted(options: dict[str, Any]) -> tuple[str, ...]:
    names = [name for name, value in options.items() if isinstance(value, float) and value > 0]
    return (*names, "precision", "first_attractions")


@pytest.mark.parametrize("options", COMBINATIONS[::4], ids=lambda options: "-".join(map(str, options.values())))
def test_gradients_are_finite_differences_and_hessians_those_of_gradients(options: dict[str, Any]) -> None:
    mechanism = TabularMechanism.random(2, 2, seed=2).double()
    traces = people(4, missing=0.05, counts=(2, 2))
    dynamics = learners(options, traces, fitted(options))
    play = observe(mechanism, dynamics, traces)
    parameters = [mechanism.table, *dynamics.parameters()]
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    start = [p.detach().clone() for p in parameters]

    def at(step: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
        with torch.no_grad():
            for p, s, d in zip(parameters, start, direction, strict=True):
                p.copy_(s + step * d)
        total = total_log_likelihood(mechanism, dynamics, play)
        return total.detach(), list(torch.autograd.grad(total, parameters, materialize_grads=True))

    high, low = at(1e-5), at(-1e-5)
    _, slopes = at(0.0)
    along = sum((s * d).sum() for s, d in zip(slopes, direction, strict=True))
    assert float(along) == pytest.approx(float((high[0] - low[0]) / 2e-5), rel=1e-5, abs=1e-5)
    total = total_log_likelihood(mechanism, dynamics, play)
    slopes = list(torch.autograd.grad(total, parameters, create_graph=True, materialize_grads=True))
    along = sum((s * d).sum() for s, d in zip(slopes, direction, strict=True))
    second = torch.autograd.grad(along, parameters, materialize_grads=True)
    for one, up, down in zip(second, high[1], low[1], strict=True):
        torch.testing.assert_close(one, (up - down) / 2e-5, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", COMBINATIONS[1::5], ids=lambda options: "-".join(map(str, options.values())))
def test_the_definition_in_torch_is_the_compiled_recursion(options: dict[str, Any]) -> None:
    mechanism = TabularMechanism.from_payoffs(TabularMechanism.random(2, 3, seed=1).table[:2].detach().numpy())
    traces = people(2, persons=False)
    dynamics = learners(options, traces)
    play = observe(mechanism, dynamics, traces)
    slow = replace(play, followed=None)
    here = torch.arange(6)[:, None] < torch.tensor(traces.lengths)[:, None, None]
    for function in (decision_log_likelihoods, log_choice_probs):
        found, expected = (function(mechanism, dynamics, either) for either in (play, slow))
        shown = here.expand(play.scored.shape)
        torch.testing.assert_close(found[shown], expected[shown], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("options", COMBINATIONS[::9], ids=lambda options: "-".join(map(str, options.values())))
def test_conformance(options: dict[str, Any]) -> None:
    check_dynamics(AttractionDynamics(**options), num_rounds=20)


def test_a_function_as_state_and_last_k() -> None:
    mechanism = TabularMechanism.random(2, 2, seed=1).double()
    traces = people(3, persons=False, counts=(2, 2))

    def same(actions: torch.Tensor) -> torch.Tensor:
        return (actions == actions.flip(-1)).long()

    def others(actions: torch.Tensor) -> torch.Tensor:
        return actions.flip(-1)

    values = [
        total_log_likelihood(mechanism, dynamics, observe(mechanism, dynamics, traces)).detach()
        for dynamics in (
            AttractionDynamics(**OWN, state=state, discount=0.5) for state in (same, others, "others_last")
        )
    ]
    assert values[1] == values[2] != values[0]


def test_persons_without_states_remember_over_matches() -> None:
    """Matches of one round each, one person's own payoff known: his attractions are one recursion over all of them."""
    mechanism = TabularMechanism.random(2, 2, seed=1).double()
    traces = people(5, counts=(2, 2))
    dynamics = AttractionDynamics(**OWN, exploration=0.1)
    found = decision_log_likelihoods(mechanism, dynamics, observe(mechanism, dynamics, traces)).detach()
    expected = state_log_probs({**OWN, "exploration": 0.1}, mechanism.table.detach().numpy(), traces)
    # Without states there is one memory of a person in a seat, and the loop's state is the empty one.
    assert sorted(expected) == [tuple(place) for place in (found != 0).nonzero().tolist()]
    for place, value in expected.items():
        assert float(found[place]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "last_profil"}, "state must be one of last_profile, own_last"),
        ({"value": "best"}, "value must be one of max, mean, chosen"),
        ({"state": "own_last", "bonus": 1.0}, "no bonus"),
        ({"discount": 0.5, "value": "chosen"}, "needs forgone_weight=0"),
        ({"first_attractions": "fitted"}, "first_attractions must be None"),
        ({"exploration_falls": "slowly"}, "exploration_falls must be"),
        ({"end": "open"}, "end must be one of seen, unseen"),
        ({"inertia": 1.0}, r"inertia must be in \[0, 1\)"),
    ],
)
def test_options_that_mean_nothing_are_rejected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttractionDynamics(**options)


def test_persons_are_not_followed_in_parts() -> None:
    mechanism, traces = TabularMechanism.random(2, 2, seed=1).double(), people(5, counts=(2, 2))
    dynamics = AttractionDynamics(**OWN, state="own_last")
    play = replace(observe(mechanism, dynamics, traces), followed=None)
    for function in (decision_log_likelihoods, log_choice_probs):
        with pytest.raises(ValueError, match="from match to match in whole play"):
            function(mechanism, dynamics, play)


def test_a_payoff_that_is_not_finite_is_named_for_persons_too() -> None:
    mechanism, traces = TabularMechanism.random(2, 2, seed=1).double(), people(5, counts=(2, 2))
    mechanism.table.data[..., 1] = torch.nan
    place = nonfinite_place(mechanism, LogitDynamics(), observe(mechanism, LogitDynamics(), traces))
    assert place.startswith("counterfactual payoffs at round 0 of agent 'agent_1'")


def test_too_many_states_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 65,536"):
        States("last_profile_2", 4, 5).after(torch.zeros(4).long(), torch.zeros(4).long())
