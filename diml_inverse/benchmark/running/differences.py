"""A sample of true and recovered payoff differences of each cell, for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms import Mechanism
from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.tasks.task import Play
from diml_inverse.estimate.estimate import Estimate

MOST_PROFILES, MOST_POINTS = 100, 500


def save_differences(path: Path, result: object, play: Play, seed: int) -> None:
    """Write the sample, or nothing for a result that knows no payoffs."""
    if not isinstance(result, Estimate):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        sampled_differences(result, play, seed).to_csv(temporary, index=False, float_format="%.6g")


def sampled_differences(estimate: Estimate, play: Play, seed: int) -> pd.DataFrame:
    """Columns true and recovered: each the payoff of an own action less the mean over the agent's actions.

    At profiles of the test play, drawn as often as they occur there; at most `MOST_POINTS` rows.
    """
    generator = np.random.default_rng(seed)
    profiles = play.test.actions[play.test.observed.all(-1)]
    drawn = generator.permutation(len(profiles))[:MOST_PROFILES]
    actions = torch.as_tensor(profiles[drawn])
    pairs = np.stack([_centred(mechanism, actions) for mechanism in (play.truth, estimate.mechanism)], 1)
    rows = np.sort(generator.permutation(len(pairs))[:MOST_POINTS])
    return pd.DataFrame(pairs[rows], columns=["true", "recovered"])


def _centred(mechanism: Mechanism, actions: torch.Tensor) -> NDArray[np.float64]:
    with torch.no_grad():
        payoffs = mechanism.counterfactual_payoffs(actions).double()
    exists = mechanism.action_mask.expand_as(payoffs)
    means = torch.where(exists, payoffs, 0.0).sum(-1, keepdim=True) / exists.sum(-1, keepdim=True)
    return (payoffs - means)[exists].numpy()
