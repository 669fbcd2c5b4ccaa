"""Play drawn by learners with memory: what it is drawn with is what the likelihood says of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from diml_envs import Traces
from diml_envs.mechanisms import Mechanism, SymmetricTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics
from diml_inverse.likelihood import log_choice_probs, observe
from diml_inverse.prediction.play_again import play_again

OWN: dict[str, Any] = {"forgone_weight": 0.0, "forgets": "updated", "learning_rate": 0.4}
ALL: dict[str, Any] = {"forgone_weight": 1.0, "learning_rate": 0.3}
CASES = [
    {**kind, "state": state, "value": value, "discount": discount, "end": end, "inertia": 0.2, "exploration": 0.1}
    for number, (kind, state, value, end) in enumerate(
        itertools.product(
            (OWN, ALL), (None, "last_profile", "own_last_2"), ("max", "mean", "chosen"), ("seen", "unseen")
        )
    )
    for discount in ((0.6, 0.0)[number % 3 == 2 and state is not None],)
    if not (kind is ALL and value == "chosen" and discount)
]


def matches(counts: tuple[int, ...], persons: bool, seed: int = 0) -> Traces:
    """Five persons, two in each of 14 matches of one to nine rounds; one move in a seat given now and then."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 10, size=14)
    actions = np.stack([rng.integers(count, size=(14, 9)) for count in counts], -1)
    labels = [range(count) for count in counts]
    if not persons:
        return Traces(actions, lengths, action_labels=labels)
    sat = np.stack([rng.permutation(5)[: len(counts)] for _ in range(14)])
    sat[5, 1] = -1
    return Traces(actions, lengths, action_labels=labels, persons=sat, begins=np.arange(14))


def check(mechanism: Mechanism, options: dict[str, Any], traces: Traces) -> None:
    dynamics = AttractionDynamics(**options)
    played, probs = play_again(mechanism, dynamics, traces, seed=3)
    expected = log_choice_probs(mechanism, dynamics, observe(mechanism, dynamics, played)).detach().exp().numpy()
    drawn = probs.sum(-1) > 0
    np.testing.assert_allclose(probs[drawn], expected[drawn], atol=1e-12)
    assert (drawn == (traces.followed[:, None] & traces.observed)).all()


@pytest.mark.parametrize("options", CASES, ids=lambda case: "-".join(str(part) for part in case.values()))
@pytest.mark.parametrize("persons", [True, False])
def test_play_is_drawn_with_the_probabilities_of_the_likelihood(options: dict[str, Any], persons: bool) -> None:
    rng = np.random.default_rng(1)
    check(TabularMechanism.from_payoffs(rng.normal(size=(2, 3, 2))), options, matches((2, 3), persons))


@pytest.mark.parametrize("persists", [True, False])
def test_seats_that_are_alike_share_a_table_and_a_person_keeps_what_was_learnt_in_either(persists: bool) -> None:
    options = {**OWN, "state": "last_profile", "discount": 0.5, "persists": persists, "first_attractions": [0.3, -0.2]}
    check(SymmetricTableMechanism.random(2, 2).double(), options, matches((2, 2), True))


def test_given_moves_stay_and_choices_are_drawn_as_often_as_they_should() -> None:
    """Null: choices follow their probabilities; sum of (1 - p)-like residuals within 4 standard errors."""
    traces = matches((2, 3), True)
    mechanism = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 3, 2)))
    dynamics = AttractionDynamics(state="last_profile", discount=0.5, **OWN)
    residuals, variance = np.zeros(3), np.zeros(3)
    for seed in range(40):
        played, probs = play_again(mechanism, dynamics, traces, seed)
        assert (played.actions[5, :, 1] == traces.actions[5, :, 1]).all()
        drawn = probs.sum(-1) > 0
        taken = (played.actions[..., None] == np.arange(3)) & drawn[..., None]
        residuals += (taken - probs)[drawn].sum(0)
        variance += (probs * (1 - probs))[drawn].sum(0)
    assert (np.abs(residuals) < 4 * np.sqrt(variance)).all()


def test_learners_of_another_kind_are_refused() -> None:
    mechanism = TabularMechanism.from_payoffs(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="cannot be played again"):
        play_again(mechanism, AttractionDynamics(habit=1.0), matches((2, 3), False))
