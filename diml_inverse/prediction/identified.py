"""Whether a prediction rests on what play identifies: it must not move with what play leaves open."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism, distinct_rows
from diml_inverse.prediction.change import Change
from diml_inverse.recovered.recovered import Recovered

STEP = 0.1  # of the parameters' size (at least 1), in directions that play leaves open
MOVES = 1e-4  # payoffs that then move by more than this, relative to the largest, are not identified
MOST_PROFILES = 2000  # of the simulated play that are looked at, the most frequent ones


def unidentified(estimate: Recovered, change: Change, actions: Tensor) -> tuple[list[str], bool | None]:
    """Notes on payoff differences that a predicted play rests on without being identified; whether totals are.

    The parameters are moved along a random combination of all directions in which the likelihood is flat. What moves
    with them was not learnt from play. None: there are no such directions, as the estimate is not one of maximum
    likelihood: a prior says something about all of them.
    """
    moved = _moved(estimate)
    if moved is None:
        return [], None
    profiles, place = distinct_rows(actions.reshape(-1, actions.shape[-1]))
    visits = torch.bincount(place, minlength=len(profiles))
    visits, most = visits.topk(min(MOST_PROFILES, len(visits)))
    with torch.no_grad():
        payoffs, others = (change.of_mechanism(one).counterfactual_payoffs(profiles[most]) for one in moved)
    apart = others - payoffs
    tolerance = MOVES * float(payoffs.nan_to_num().abs().amax())
    centred = apart - apart.nanmean(-1, keepdim=True)
    unknown = (centred.nan_to_num().abs().amax(-1) > tolerance).double().mean(-1)
    share = float((unknown * visits).sum() / visits.sum())
    totals = apart.gather(-1, profiles[most][..., None]).sum((1, 2))
    return _notes(share), bool((totals.abs() <= tolerance).all())


def _notes(share: float) -> list[str]:
    if share == 0:
        return []
    return [
        f"{share:.0%} of the predicted choices follow payoff differences that the play fitted to does not identify: "
        "there the prediction, and its bands, are as good as what was assumed about payoffs never seen"
    ]


def _moved(estimate: Recovered) -> tuple[Mechanism, Mechanism] | None:
    """The recovered mechanism, and one that explains the play fitted to as well."""
    uncertainty = estimate.uncertainty
    if uncertainty is None:
        return None
    try:
        covariance, fitted = uncertainty.covariance("information"), uncertainty.fitted
    except (ValueError, NotImplementedError):
        return None
    noise = torch.randn(covariance.lost.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = covariance.lost @ noise / covariance.scale
    size = max(1.0, float(fitted.vector().abs().max()))
    step = direction * STEP * size / direction.abs().max().clamp(min=1e-300)
    return fitted.mechanism, fitted.moved(step)[0]
