"""How well a fit predicts some play, and how near it comes to the truth behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from diml_envs.traces import Traces
from diml_inverse.cli.truth import Truth
from diml_inverse.dynamics import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import log_likelihood
from diml_inverse.metrics import payoff_difference_mse

OPPOSITE = -0.5  # a correlation below which signs are called opposite: a quarter of what there is to know, reversed
MOST_AGENTS = 8  # of whom there is a line each


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


def agreement(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """How each agent's recovered payoff differences agree with the true ones, where the table has any.

    By agent, contexts weighted by visits: contexts (compared), correlation, rescaling (the multiple of the recovered
    differences that is nearest the true ones), error (squared, as they are) and error_after (once rescaled), both over
    that of knowing nothing. None where that has no meaning: nothing recovered, or true payoffs that never differ.

    table: `payoff_difference_table`.
    """
    if "true_payoff_difference" not in table:
        return {}
    known = table.dropna(subset=["payoff_difference", "true_payoff_difference"])
    return {str(agent): _agreement(own) for agent, own in known.groupby("agent", sort=False)}


def _agreement(own: pd.DataFrame) -> dict[str, Any]:
    found, true = (own[name].to_numpy(float) for name in ("payoff_difference", "true_payoff_difference"))
    weight = own["visits"].to_numpy(float)
    sizes, nothing, product = ((weight * a * b).sum() for a, b in ((found, found), (true, true), (found, true)))
    values: dict[str, Any] = {"contexts": int(own["others"].nunique())}
    values |= dict.fromkeys(("correlation", "rescaling", "error", "error_after"))
    if nothing > 0:
        values["error"] = float((weight * (found - true) ** 2).sum() / nothing)
    if nothing > 0 and sizes > 0:
        correlation = float(product / np.sqrt(sizes * nothing))
        values |= {"correlation": correlation, "rescaling": float(product / sizes), "error_after": 1 - correlation**2}
    return values


def agreement_in_words(found: Mapping[str, Mapping[str, Any]], unpaid: Sequence[str] = ()) -> Iterator[str]:
    """A line for each of the first agents of `agreement`, one if signs are opposite, one for those not compared."""
    for agent, values in list(found.items())[:MOST_AGENTS]:
        if values["correlation"] is None:
            yield f"{agent}: the payoffs to compare with, or those recovered, do not differ"
            continue
        yield (
            f"{agent}: correlation {values['correlation']:.2f} with the payoffs to compare with; recovered ones times "
            f"{values['rescaling']:.3g} are nearest, and miss {values['error_after']:.0%} of what there is to know"
        )
    opposite = [agent for agent, values in found.items() if (values["correlation"] or 0) < OPPOSITE]
    if opposite:
        yield f"signs are opposite for {', '.join(opposite)}: are these costs? Then change their sign in the file"
    if unpaid:
        yield f"not compared, as no payoff of theirs is known: {', '.join(unpaid)}"
