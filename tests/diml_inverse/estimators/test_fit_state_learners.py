"""Fits of learners with states: from their play back to payoffs, levels included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from places import REAL_DATA

from diml_envs import Traces
from diml_envs.mechanisms import SymmetricTableMechanism, TabularMechanism
from diml_inverse import AttractionDynamics, StructuredMLE, simulate

MEMORY: dict[str, Any] = {
    "forgone_weight": 0.0,
    "forgets": "updated",
    "state": "last_profile",
    "value": "mean",
    "discount": 0.6,
}
PAYOFFS = np.array([[[1.0, 1.0], [3.0, -1.0]], [[-1.0, 3.0], [2.0, 2.0]]])  # defect, cooperate
needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no data of people here")


def test_levels_and_learners_come_back() -> None:
    """40 pairs, 100 rounds. Null: each of 8 payoffs is normal about the truth with the error reported: the largest of
    eight |z| exceeds 4 once in 2,000."""
    truth = TabularMechanism.from_payoffs(PAYOFFS)
    traces = simulate(truth, AttractionDynamics(0.3, exploration=0.05, inertia=0.2, **MEMORY), 40, 100, seed=3)
    start = AttractionDynamics(
        0.2, exploration=0.1, inertia=0.1, fit=("learning_rate", "exploration", "inertia"), **MEMORY
    )
    estimate = StructuredMLE(TabularMechanism([2, 2]), start, starts=3).fit(traces)
    covariance = estimate.uncertainty.covariance("information")
    errors = covariance.matrix.diagonal()[:8].sqrt()
    found = estimate.mechanism.table.detach().reshape(-1)
    assert ((found - torch.tensor(PAYOFFS).reshape(-1)) / errors).abs().max() < 4
    assert errors.max() < 0.5  # so the level is known, as it is to no learner from all payoffs
    assert len(estimate.info["starts"]) == 3
    assert estimate.dynamics.value("inertia").item() == pytest.approx(0.2, abs=0.03)


def test_an_estimate_with_fitted_first_attractions_is_saved_and_read(tmp_path: Any) -> None:
    truth = TabularMechanism.from_payoffs(PAYOFFS)
    first = np.linspace(-1, 1, 10).reshape(5, 2)
    learners = AttractionDynamics(0.3, first_attractions=first, **MEMORY)
    traces = simulate(truth, learners, 10, 20, seed=1)
    start = AttractionDynamics(0.3, first_attractions="fit", **MEMORY)
    estimate = StructuredMLE(TabularMechanism([2, 2]), start, ridge=0.1, max_iterations=40).fit(traces)
    estimate.save(tmp_path / "estimate.safetensors")
    again = type(estimate).load(tmp_path / "estimate.safetensors")
    assert again.log_likelihood(traces) == pytest.approx(estimate.log_likelihood(traces), abs=1e-12)
    assert again.dynamics.first.shape == (2, 5, 2)


@needs_real_data
def test_people_in_prisoners_dilemmas() -> None:
    """The treatment where all four outcomes occur: payoffs found lie in the order of money, the reward apart."""
    frame = pd.read_csv(REAL_DATA / "df2011_persons" / "plays.csv").query("treatment == 'D75R32'")
    columns = {"episode": "treatment", "round": "period", "match": "match", "action": "choice", "other": "other_choice"}
    traces = Traces.from_frame(frame, **columns)
    learners = AttractionDynamics(
        0.3, exploration=0.05, inertia=0.05, first_attractions="fit", fit=("learning_rate", "exploration", "inertia"),
        **(MEMORY | {"discount": 0.75}),
    )  # fmt: skip
    estimate = StructuredMLE(SymmetricTableMechanism(2, 2), learners, ridge=0.02).fit(traces)
    cooperate = list(traces.action_labels[0]).index("cooperate")
    defect = 1 - cooperate
    table = estimate.mechanism.payoffs.detach()  # [other's action, own]
    found = [
        float(table[other, own])
        for own, other in ((defect, defect), (defect, cooperate), (cooperate, defect), (cooperate, cooperate))
    ]
    assert np.corrcoef(found, [25, 50, 12, 32])[0, 1] > 0.9
