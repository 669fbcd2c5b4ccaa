"""How well a fit predicts some play, and how near it comes to the truth behind it."""

from __future__ import annotations

import math

import torch

from diml_envs.traces import Traces
from diml_inverse.cli.truth import Truth
from diml_inverse.dynamics import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import log_likelihood
from diml_inverse.metrics import payoff_difference_mse


def likelihoods(estimate: Estimate, traces: Traces, truth: Truth | None) -> dict[str, float]:
    """Nats per scored decision: of the fit, of uniform choice, and of the truth where it is known."""
    uniform = LogitDynamics(precision=0.0)
    compared = {"log_likelihood": (estimate.mechanism, estimate.dynamics)}
    compared["uniform_log_likelihood"] = (estimate.mechanism, uniform)
    if truth is not None and truth.dynamics is not None:
        compared["truth_log_likelihood"] = (truth.mechanism, truth.dynamics)
    with torch.no_grad():
        return {name: float(log_likelihood(*model, traces)) for name, model in compared.items()}


def errors(estimate: Estimate, traces: Traces, truth: Truth | None) -> dict[str, float]:
    """Payoff-difference errors over the contexts of the play; nothing where the truth, or a part of it, is unknown."""
    if truth is None:
        return {}
    try:
        values = {
            f"payoff_difference_mse{suffix}": payoff_difference_mse(
                estimate.mechanism, truth.mechanism, traces, relative=bool(suffix)
            )
            for suffix in ("", "_relative")
        }
    except ValueError:  # no round seen whole, or a truth without differences
        return {}
    return {name: value for name, value in values.items() if math.isfinite(value)}
