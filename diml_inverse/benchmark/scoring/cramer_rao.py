"""How small the error of payoff differences can be: the Cramér-Rao bound of a parametric form."""

from __future__ import annotations

import torch

from diml_envs.mechanisms import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics import Dynamics
from diml_inverse.dynamics.units import INSIDE, payoff_unit, ridges_in_payoff_units
from diml_inverse.likelihood import observe
from diml_inverse.uncertainty.expected import expected_information
from diml_inverse.uncertainty.fitted import Fitted

# Directions in which the information is less than this share of the largest count as not identified. What is truly
# not identified (a level, two parameters of which only the difference shows) lies at rounding error, near 1e-16.
NOT_IDENTIFIED = 1e-11


def cramer_rao_bound(truth: Mechanism, dynamics: Dynamics, train: Traces, test: Traces, ridge: float = 0.0) -> float:
    """Expected `payoff_difference_mse` on `test` of an efficient estimator of the truth's parameters from `train`.

        mean over contexts of  2 / (A - 1) tr(D I^+ D^T),   D = d(centred payoffs) / d(parameters)

    with the Fisher information I of the decisions of `train`, each given the play before it. To first order in the
    error, so for play that pins the parameters down; an unbiased estimator with known learners cannot do better. The
    pseudo-inverse leaves out what play does not identify, and so do payoff differences along the play.

    A form with a network in it has directions of ever less information, and no estimator in use follows them all.
    With a ridge, (I + ridge)^-1 stands in for I^+: the bound with prior knowledge of the parameters, normal around
    zero with variance 1 / ridge in logits, on average over that prior (van Trees 1968).

    Args:
        truth: its form and parameters.
        dynamics: the learners, known.
        train: the play fitted to.
        test: the play whose contexts to judge by.
        ridge: precision of the prior; as in `StructuredMLE`.

    Returns:
        Payoff units squared.

    Raises:
        ValueError: agents with different numbers of actions, or a single action.
    """
    if len(set(truth.action_counts)) > 1 or truth.num_actions == 1:
        raise ValueError(f"the bound is for agents with the same number of actions, two or more; got {truth}")
    fitted = Fitted(truth, dynamics)
    information = expected_information(fitted, observe(fitted.mechanism, dynamics, train))
    unit = payoff_unit(dynamics)
    known = torch.diag(ridges_in_payoff_units(truth, ridge * INSIDE**2, unit)).to(information)
    covariance = torch.linalg.pinv(information + known, rtol=NOT_IDENTIFIED, hermitian=True)
    contexts = truth.contexts(torch.tensor(test.actions[test.observed.all(-1)]))
    everywhere = torch.ones_like(fitted.mechanism.context_payoffs(contexts), dtype=torch.bool)
    centred = fitted.centred_payoffs(contexts, everywhere)
    slopes = fitted.jacobian(centred.reshape(-1)).reshape(*centred.shape, -1)
    variances = torch.einsum("kap,pq,kaq->k", slopes, covariance, slopes)
    visits = torch.bincount(contexts.index.flatten(), minlength=len(variances))
    return float(2 / (truth.num_actions - 1) * (visits * variances).sum() / visits.sum())
