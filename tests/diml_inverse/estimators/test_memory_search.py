"""Which memory learners have: found in play drawn from learners who have it, and not where they have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diml_envs import Traces
from diml_envs.mechanisms import SymmetricTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics
from diml_inverse.estimators import memory_search
from diml_inverse.estimators.memory import Memory, interchangeable, states_too_many, states_worth_a_try, tables
from diml_inverse.estimators.memory_search import MemorySearch, MemoryTrial, compared_states, people_folds
from diml_inverse.estimators.own_recovery import agreement
from diml_inverse.estimators.restarts import RestartedMLE
from diml_inverse.prediction.play_again import play_again

CHICKEN = np.array([[[2.0, 1.0], [-1.0, 2.5]], [[3.0, -0.5], [-2.0, 0.0]]])
OWN = {"forgone_weight": 0.0, "forgets": "updated", "learning_rate": 0.3}


def blank(matches: int, rounds: int, **people: object) -> Traces:
    return Traces(np.zeros((matches, rounds, 2), np.int64), action_labels=[[0, 1]] * 2, **people)  # type: ignore[arg-type]


def drawn(state: str | None, discount: float, inertia: float = 0.0, matches: int = 15) -> Traces:
    learners = AttractionDynamics(state=state, discount=discount, value="mean", inertia=inertia, **OWN)  # type: ignore[arg-type]
    return play_again(TabularMechanism.from_payoffs(CHICKEN), learners, blank(matches, 60), seed=1).traces


@pytest.mark.slow
def test_the_last_profile_is_found_and_so_are_the_payoffs() -> None:
    traces = drawn("last_profile", 0.6, inertia=0.3, matches=24)
    found = MemorySearch(forms={"seats": TabularMechanism([2, 2])}).fit(traces)
    assert "by the last profile" in found.info["memory"]
    assert agreement(found.mechanism, TabularMechanism.from_payoffs(CHICKEN), traces) > 0.95
    assert 0.2 < found.dynamics.learner.value("inertia") < 0.4  # type: ignore[union-attr]
    chosen = [row for row in found.info["states"] if row["chosen"]]
    assert [row["memory"] for row in chosen] == [found.info["memory"]]
    low, high = found.intervals([[0, 0], [1, 1]])
    assert (high > low).all()


@pytest.fixture(scope="module")
def without_states() -> tuple[Traces, MemorySearch, list[MemoryTrial]]:
    """Play of learners without states who start from zero, and its search."""
    traces, search = drawn(None, 0.0), MemorySearch(forms={"seats": TabularMechanism([2, 2])})
    return traces, search, search.trials(traces)


def test_learners_without_states_are_found(without_states: tuple[Traces, MemorySearch, list[MemoryTrial]]) -> None:
    ranked = without_states[-1]
    assert ranked[0].memory == Memory(None, first=False)
    assert not any(trial.as_well_as(ranked[0]) for trial in ranked if trial.memory.state)  # type: ignore[union-attr]


def test_of_states_that_predict_as_well_the_one_that_leads_back_to_its_payoffs(
    without_states: tuple[Traces, MemorySearch, list[MemoryTrial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces, search, ranked = without_states
    best = ranked[0]
    second = next(trial for trial in ranked if trial.memory.state)  # type: ignore[union-attr]
    monkeypatch.setattr(MemoryTrial, "as_well_as", lambda trial, _: trial in (best, second))
    for recovered, expected in ((0.7, second), (0.55, best)):  # clearly more surely, and not
        found = {id(best.estimate): 0.5, id(second.estimate): recovered}
        monkeypatch.setattr(memory_search, "own_recovery", lambda one, *rest, found=found: found[id(one)])
        rows = compared_states(ranked, traces, search.estimator, 0)
        assert [trial for trial, row in rows if row["chosen"]] == [expected]


def test_the_best_start_is_kept_and_a_fit_goes_on_from_another() -> None:
    traces = drawn("last_profile", 0.6)
    learners = AttractionDynamics(state="last_profile", discount=0.5, value="mean", fit=("discount",), **OWN)  # type: ignore[arg-type]
    whole = RestartedMLE(TabularMechanism([2, 2]), learners, starts=3).fit(traces)
    once = RestartedMLE(TabularMechanism([2, 2]), learners).fit_from(traces, whole)
    assert once.info["starts"][0] >= max(whole.info["starts"]) - 1e-3
    assert len(whole.info["starts"]) == 3


def test_seats_are_one_where_persons_change_them_or_one_alone_is_followed() -> None:
    fixed = blank(4, 3, persons=[[0, 1], [2, 3], [0, 1], [2, 3]])
    changing = blank(4, 3, persons=[[0, 1], [2, 3], [1, 0], [2, 3]])
    followed = blank(4, 3, persons=[[0, -1], [1, -1], [2, -1], [3, -1]])
    assert [interchangeable(traces) for traces in (fixed, changing, followed)] == [False, True, True]
    assert list(tables(changing)) == ["one table for all seats"]
    assert list(tables(blank(40, 3))) == ["one table for all seats", "a table for each seat"]


def test_states_are_tried_only_where_there_is_play_for_them() -> None:
    assert states_worth_a_try(blank(20, 30)) == [None, "last_profile", "own_last", "others_last"]
    assert states_too_many(blank(20, 30)) is None
    five = Traces(np.zeros((300, 30, 4), np.int64), action_labels=[range(5)] * 4)
    assert "last_profile" not in states_worth_a_try(five)
    assert "626 states" in str(states_too_many(five))


def test_folds_share_nobody() -> None:
    traces = blank(6, 3, persons=[[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5]])
    for train, test in people_folds(traces, 0):
        assert not set(train.person_labels) & set(test.person_labels)
    ring = blank(3, 3, persons=[[0, 1], [1, 2], [2, 0]])
    for train, test in people_folds(ring, 0):
        assert not set(train.person_labels) & set(test.person_labels)


def test_agreement_is_of_differences_whatever_the_unit_or_level() -> None:
    traces = drawn(None, 0.0)
    mechanism, other = TabularMechanism.from_payoffs(CHICKEN), TabularMechanism.from_payoffs(7 * CHICKEN + 5)
    assert agreement(mechanism, other, traces) == pytest.approx(1)
    assert agreement(mechanism, TabularMechanism.from_payoffs(-CHICKEN), traces) == pytest.approx(-1)
    symmetric = SymmetricTableMechanism.random(2, 2)
    with torch.no_grad():
        symmetric.payoffs.zero_()
    assert np.isnan(agreement(mechanism, symmetric, traces))
