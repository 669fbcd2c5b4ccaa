"""Whether a model of learning would lead back to its own payoffs: play is drawn from it and fitted again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.restarts import RestartedMLE
from diml_inverse.prediction.play_again import play_again

DRAWS = 2


def own_recovery(found: Estimate, estimator: RestartedMLE, traces: Traces, seed: int = 0, draws: int = DRAWS) -> float:
    """Mean agreement of payoffs fitted to play drawn from an estimate with the payoffs it was drawn with, -1 to 1.

    Args:
        found: the estimate.
        estimator: what it was found by.
        traces: the people, matches and lengths for which play is drawn.
        seed, draws: of play.

    Raises:
        ValueError: learners that `play_again` does not know.
    """
    assert isinstance(found.dynamics, AttractionDynamics)
    values = []
    for draw in range(draws):
        drawn = play_again(found.mechanism, found.dynamics, traces, seed * draws + draw).traces
        values.append(agreement(estimator.fit(drawn).mechanism, found.mechanism, traces))
    return float(np.mean(values))


def agreement(one: Mechanism, other: Mechanism, traces: Traces) -> float:
    """Cosine of the angle between two mechanisms' payoff differences, weighted by how often a context occurred.

    1: the same but for the unit of payoffs; -1: opposite; NaN where one has no differences.
    """
    profiles, weights = visited(traces)
    first, second = (_differences(mechanism, profiles) * weights for mechanism in (one, other))
    norm = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else math.nan


def visited(traces: Traces) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """Profiles that occurred, [K, N], and the root of how often each did while the agent was followed, [K, N, 1]."""
    whole = traces.observed.all(-1)
    profiles, row = np.unique(traces.actions[whole], axis=0, return_inverse=True)
    counts = np.zeros(profiles.shape)
    followed = np.broadcast_to(traces.followed[:, None], traces.actions.shape)[whole]
    np.add.at(counts, row.ravel(), followed)
    return torch.tensor(profiles), np.sqrt(counts)[..., None]


def _differences(mechanism: Mechanism, profiles: torch.Tensor) -> NDArray[np.float64]:
    with torch.no_grad():
        payoffs = mechanism.counterfactual_payoffs(profiles).double()
    centred: Any = torch.nan_to_num(payoffs - payoffs.nanmean(-1, keepdim=True))
    found: NDArray[np.float64] = centred.numpy()
    return found
