"""`InteractionEvidence`: it finds what a game is made of, says nothing where there is nothing, and breaks nowhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from own_dynamics import ChosenOnly
from slow_definitions import played, random_traces

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, TabularMechanism
from diml_inverse import Estimate, LogitDynamics
from diml_inverse.structure import Game, InteractionEvidence, SameAction
from diml_inverse.structure.interactions import fits


def shares(estimate: Estimate) -> dict[str, float]:
    return {row["kind"]: row["share_of_variance"] for row in estimate.info["kinds"]}


def differences(mechanism: Mechanism) -> NDArray[np.float64]:
    """Payoff differences from the mean over own actions, at every profile. [profiles, N, A]"""
    profiles = torch.cartesian_prod(*[torch.arange(count) for count in mechanism.action_counts])
    with torch.no_grad():
        payoffs = mechanism.counterfactual_payoffs(profiles.reshape(-1, mechanism.num_agents)).double()
    return (payoffs - payoffs.nanmean(-1, keepdim=True)).numpy()


def error(estimate: Estimate, truth: Mechanism) -> float:
    """Of payoff differences, over knowing nothing."""
    expected = differences(truth)
    return float(((differences(estimate.mechanism) - expected) ** 2).mean() / (expected**2).mean())


def evidence(**parameters: float) -> InteractionEvidence:
    return InteractionEvidence(LogitDynamics(**parameters))


def test_a_congestion_game_is_found_to_be_one() -> None:
    truth = CongestionMechanism.random(3, 4)
    estimate = evidence().fit(played(truth, 40, 60))
    found = shares(estimate)
    assert sum(share for kind, share in found.items() if "on the own action" in kind) > 0.6
    assert sum(share for kind, share in found.items() if "x" in kind or "per agent" in kind) < 0.02
    assert error(estimate, truth) < 0.05


def test_a_game_of_own_actions_is_found_to_be_one() -> None:
    """Each agent has favourites of its own, whatever the others do."""
    favourites = np.random.default_rng(0).normal(scale=0.5, size=(3, 4))
    profiles = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1)  # [4, 4, 4, 3]
    truth = TabularMechanism.from_payoffs(favourites[np.arange(3), profiles])
    estimate = evidence().fit(played(truth, 10, 40))
    assert shares(estimate)["own action, per agent"] > 0.9
    assert error(estimate, truth) < 0.05


@pytest.mark.parametrize("counts", [(3, 3), (4, 4, 4), (2, 5, 3)], ids=str)
def test_play_at_random_is_found_to_be_about_nothing(counts: tuple[int, ...]) -> None:
    """Choice probabilities follow from precision x payoff differences; the data's own noise would give about .3."""
    estimate = evidence().fit(random_traces(counts, [60] * 10))
    assert np.nanmax(np.abs(3.0 * differences(estimate.mechanism))) < 0.05


def test_the_same_play_gives_the_same_estimate() -> None:
    traces = random_traces((3, 2), [20] * 4)
    first, second = (evidence().fit(traces) for _ in range(2))
    assert torch.equal(first.mechanism.table, second.mechanism.table)
    assert first.info == second.info


def test_payoffs_are_in_units_of_one_over_precision() -> None:
    traces = played(CongestionMechanism.random(2, 3), 10, 40)
    coarse, fine = (evidence(precision=precision).fit(traces) for precision in (3.0, 3e6))
    torch.testing.assert_close(1e6 * fine.mechanism.table, coarse.mechanism.table, rtol=1e-6, atol=1e-9)
    assert shares(fine) == pytest.approx(shares(coarse))


def test_estimates_are_saved_and_loaded(tmp_path: Path) -> None:
    traces = random_traces((3, 2), [20] * 4)
    estimate = evidence().fit(traces)
    estimate.save(tmp_path / "estimate")
    again = Estimate.load(tmp_path / "estimate")
    assert torch.equal(again.mechanism.table, estimate.mechanism.table)
    assert again.info == json.loads(json.dumps(estimate.info))
    assert again.log_likelihood(traces) == estimate.history["train_log_likelihood"].item()


@dataclass(frozen=True)
class MatchingTheFirst:
    """A user's own kind: whether the first of the others is matched."""

    name: str = "matching"
    shared: bool = True

    def features(self, game: Game, agent: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        return (others[:, :1] == np.arange(game.action_counts[agent]))[:, :, None].astype(float)


def test_a_kind_of_one_s_own() -> None:
    truth = TabularMechanism.from_payoffs(np.stack([0.8 * np.eye(3)] * 2, -1))
    estimate = InteractionEvidence(LogitDynamics(), [MatchingTheFirst(), SameAction(1)]).fit(played(truth, 10, 40))
    assert sum(shares(estimate).values()) == pytest.approx(1, abs=0.2)
    assert error(estimate, truth) < 0.05


def test_contexts_that_nobody_met_get_finite_payoffs() -> None:
    actions = np.random.default_rng(0).integers(2, size=(3, 20, 3))  # of the four actions there are
    estimate = evidence().fit(Traces(actions, action_labels=[range(4)] * 3))
    assert estimate.mechanism.table.isfinite().all()


UNCHANGING = np.zeros((4, 40, 2), int)
SWITCHING = np.where(np.arange(40)[:, None] < 20, [0, 0], [1, 0])[None].repeat(50, 0)  # all at once: needs huge payoffs
EXTREMES: dict[str, tuple[Any, dict[str, float]]] = {
    "one agent": (random_traces([4], [9, 9]), {}),
    "an agent without a choice": (random_traces([1, 3], [9, 9]), {}),
    "nobody has a choice": (random_traces([1, 1], [9, 9]), {}),
    "one agent without a choice": (random_traces([1], [9, 9]), {}),
    "two rounds": (random_traces([2, 2], [2]), {}),
    "unobserved actions": (random_traces([2, 3], [30, 5, 1], missing=0.2), {}),
    "two agents with two actions": (random_traces([2, 2], [20]), {}),
    "nothing ever changes": (Traces(UNCHANGING, action_labels=[[0, 1, 2]] * 2), {"exploration": 0.0}),
    "sure of itself": (Traces(SWITCHING), {"learning_rate": 1.0, "precision": 30.0, "exploration": 0.0}),
    "nothing but the last round": (random_traces([3, 2], [20] * 3), {"learning_rate": 1.0}),
    "little but exploration": (random_traces([3, 2], [20] * 3), {"exploration": 0.999}),
    "huge precision": (random_traces([3, 2], [20] * 3), {"precision": 1e9}),
    "tiny precision": (random_traces([3, 2], [20] * 3), {"precision": 1e-9}),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extremes_give_finite_estimates(case: str) -> None:
    traces, parameters = EXTREMES[case]
    estimate = evidence(**parameters).fit(traces)
    assert estimate.mechanism.table.isfinite().all()
    assert np.isfinite(estimate.log_likelihood(traces))
    rows = estimate.info["kinds"]
    assert np.isfinite([value for row in rows for value in list(row.values())[1:] if value is not None]).all()
    assert all(row[name] is not None for row in rows for name in row if name not in ("low", "high"))


@pytest.mark.parametrize("exploration", [0.0, 0.02])
def test_nearly_deterministic_play(exploration: float) -> None:
    """Payoffs of precision x 10: most choices are certain."""
    truth = TabularMechanism.from_payoffs(10 * np.random.default_rng(0).normal(size=(3, 3, 2)))
    dynamics = LogitDynamics(exploration=exploration)
    traces = played(truth, 10, 40, dynamics=dynamics)
    estimate = InteractionEvidence(dynamics).fit(traces)
    assert estimate.log_likelihood(traces) > -0.3  # at random: -1.1


@pytest.mark.parametrize(
    "traces",
    [random_traces([6] * 7, [3]), random_traces([40] * 3, [200] * 20)],
    ids=["payoff table", "contexts of an agent"],
)
def test_large_games_are_refused(traces: Traces) -> None:
    assert not fits(traces)
    with pytest.raises(ValueError, match="is too large for InteractionEvidence; use DIML with a network"):
        evidence().fit(traces)


def test_long_play_of_a_small_game_fits_and_very_long_play_of_a_larger_one_does_not() -> None:
    """The map from contexts to decisions has an entry for each pair: 125 contexts, against 1,000."""
    assert fits(Traces(np.zeros((1, 100_000, 4), int), action_labels=[range(5)] * 4))
    assert not fits(Traces(np.zeros((1, 100_000, 4), int), action_labels=[range(5), *[range(10)] * 3]))


def test_dynamics_that_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="needs LogitDynamics with a precision above zero"):
        evidence(precision=0.0)
    with pytest.raises(ValueError, match="needs LogitDynamics"):
        InteractionEvidence(ChosenOnly())
