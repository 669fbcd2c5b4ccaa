"""Models of learning that cannot be told apart are named, and intervals cover the choice; nothing found is said so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from diml_envs import Traces
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import AttractionDynamics, Estimate, InteractionEvidence, LogitDynamics, StructuredMLE, simulate
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison
from diml_inverse.report import composition_chart
from diml_inverse.report.alternatives import alternatives_table
from diml_inverse.report.words import level_in_words
from diml_inverse.structure.composition import composition
from diml_inverse.structure.evidence import Posterior
from diml_inverse.structure.kinds import Game, default_kinds, num_weights
from diml_inverse.uncertainty.choice import ChoiceUncertainty

PROFILES = torch.tensor([[0, 0], [1, 1]])
TRUTH = TabularMechanism.from_payoffs(np.array([[[0.5, 0.2], [-0.5, 0.6]], [[0.1, -0.4], [0.4, -0.3]]]))


def under(dynamics: LogitDynamics) -> StructuredMLE:
    return StructuredMLE(TabularMechanism([2, 2]), dynamics, ridge=0.01)


def test_models_that_predict_alike_are_named_and_covered(tmp_path: Path) -> None:
    members = {"slow": LogitDynamics(0.2, 1.0, 0.05), "quick": LogitDynamics(0.25, 1.0, 0.05)}
    traces = simulate(TRUTH, LogitDynamics(0.22, 3.0, 0.05), 6, 15, seed=0)
    estimate = DynamicsComparison(under, members).fit(traces)
    rows = {row["member"]: row for row in estimate.info["learners"]}
    chosen = next(name for name in members if rows[name]["chosen"])
    other = next(name for name in members if name != chosen)
    assert rows[chosen]["standard_error"] is None  # zero, which it once was, is no error
    assert estimate.info["not_told_apart"] == [other]
    assert not rows[other]["told_apart"]
    assert isinstance(estimate.uncertainty, ChoiceUncertainty)
    low, high = estimate.intervals(PROFILES)
    factor = estimate.uncertainty.factors[other]
    for one, scale in ((under(members[chosen]).fit(traces), 1.0), (under(members[other]).fit(traces), factor)):
        own_low, own_high = one.intervals(PROFILES)
        assert bool((low <= scale * own_low + 1e-9).all())
        assert bool((high >= scale * own_high - 1e-9).all())
    assert other in estimate.uncertainty.made()
    assert len(estimate.uncertainty.draws(5)) == 5
    estimate.save(tmp_path / "estimate.safetensors")
    again = Estimate.load(tmp_path / "estimate.safetensors")
    torch.testing.assert_close(again.intervals(PROFILES), (low, high))
    assert isinstance(again.uncertainty, ChoiceUncertainty)
    assert again.uncertainty.factors == estimate.uncertainty.factors
    pd.testing.assert_frame_equal(alternatives_table(again, traces), alternatives_table(estimate, traces))
    held = estimate.summary().ratios.iloc[:, 1:]
    assert len(held)
    for one in (under(members[chosen]).fit(traces), under(members[other]).fit(traces)):
        table = one.summary().ratios.iloc[:, 1:]
        rows = table.index.intersection(held.index)  # of the same denominator
        assert bool((held.loc[rows].iloc[:, 0] <= table.loc[rows].iloc[:, 0] + 1e-9).all())
        assert bool((held.loc[rows].iloc[:, 1] >= table.loc[rows].iloc[:, 1] - 1e-9).all())
    table = alternatives_table(estimate, traces)
    assert list(table.columns)[-2:] == ["payoff_difference", other]
    np.testing.assert_allclose(np.sqrt((table[other] ** 2).mean()), factor * _size(under(members[other]).fit(traces)))


def _size(estimate: Estimate) -> float:
    return float(estimate.payoff_differences(PROFILES).square().mean().sqrt())


def test_models_that_differ_are_told_apart() -> None:
    members = {"right": LogitDynamics(0.3, 1.0, 0.02), "never moves": LogitDynamics(0.3, 1e-6, 0.02)}
    strong = TabularMechanism.from_payoffs(4 * TRUTH.table.detach())
    estimate = DynamicsComparison(
        lambda dynamics: (
            StructuredMLE(TabularMechanism([2, 2]), dynamics, ridge=1.0, max_iterations=40)
            if float(dynamics.precision) > 0.5
            else StructuredMLE(TabularMechanism([2, 2]), dynamics, ridge=1e9, max_iterations=2)
        ),
        members,
    ).fit(simulate(strong, LogitDynamics(0.3, 1.0, 0.02), 20, 20, seed=0))
    assert estimate.info["not_told_apart"] == []
    assert not isinstance(estimate.uncertainty, ChoiceUncertainty)


def test_the_level_is_shown_where_own_payoffs_are_learnt_from() -> None:
    own = AttractionDynamics(0.25, forgone_weight=0.0, forgets="updated", exploration=0.05)
    traces = simulate(TRUTH, LogitDynamics(0.22, 3.0, 0.05), 4, 10, seed=0)
    estimate = StructuredMLE(TabularMechanism([2, 2]), own, ridge=1.0, max_iterations=20).fit(traces)
    (line,) = level_in_words(estimate)
    level = float(estimate.mechanism.table.mean())
    assert line.startswith(f"level of payoffs: {level:.3g} in the mean")
    assert not list(level_in_words(under(LogitDynamics()).fit(traces)))


def test_play_at_random_is_made_of_nothing() -> None:
    """Evidence once shrank everything to .0006 +- .008, and 100 % of the variance was made of something."""
    learners = LogitDynamics(0.25, 3.0, 0.05)
    traces = Traces(np.random.default_rng(0).integers(2, size=(30, 2, 2)), action_labels=[range(2)] * 2)
    estimate = InteractionEvidence(learners).fit(traces)
    assert estimate.info["nothing_found"]
    assert all(row["share_of_variance"] == 0 for row in estimate.info["kinds"])
    assert float(estimate.payoff_differences(PROFILES).abs().max()) == 0
    errors = estimate.standard_errors(PROFILES) * 3.0  # in logits
    assert 0.2 < float(errors.min()) < float(errors.max()) <= 1.01
    assert "nothing found" in composition_chart(estimate).axes[0].get_title()
    strong = InteractionEvidence(learners).fit(simulate(TRUTH, learners, 40, 20, seed=0))
    assert not strong.info["nothing_found"]
    (one,) = [row for row in strong.info["kinds"] if row["root_mean_square"] == max(_contributions(strong))]
    assert 0 < one["low"] < one["root_mean_square"] < one["high"]
    text = " ".join(part.get_text() for part in composition_chart(strong).axes[0].texts)
    assert f"{one['low']:.2g} to {one['high']:.2g}" in text
    assert all(row["low"] == 0 and row["high"] > 0.1 for row in estimate.info["kinds"])  # the prior's


def _contributions(estimate: Estimate) -> list[float]:
    return [row["root_mean_square"] for row in estimate.info["kinds"]]


def test_of_one_weight_the_contribution_is_its_normal_distribution() -> None:
    """Two agents, two actions, payoffs c for 1 and -c for 0 whatever happens: root mean square |c|."""
    game = Game(((0, 1), (0, 1)))
    kinds = [kind for kind in default_kinds(game) if kind.name == "own action, shared"]
    size = num_weights(kinds[0], game)
    assert size == 1
    found = Posterior([0], {0: np.array([3.0])}, {0: 1.0}, {0: 1.0}, {0: 9.0})
    (row,) = composition(found, kinds, game, ([0], np.array([[0.04]])))
    unit = row["root_mean_square"] / 3.0
    error = 3 * 0.2 * np.sqrt(0.025 * 0.975 / 200) / 0.058  # of a quantile of 200 draws, density .058 there
    assert abs(row["low"] / unit - (3 - 1.96 * 0.2)) < error
    assert abs(row["high"] / unit - (3 + 1.96 * 0.2)) < error
