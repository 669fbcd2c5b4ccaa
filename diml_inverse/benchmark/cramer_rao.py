"""How small the error of payoff differences can be: the Cramér-Rao bound of a parametric form."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from diml_envs.mechanisms import Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics import Dynamics
from diml_inverse.likelihood import ObservedPlay, observe

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
    zero with variance 1 / ridge, on average over that prior (van Trees 1968).

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
    information = fisher_information(truth, dynamics, train)
    known = ridge * torch.eye(len(information), dtype=information.dtype)
    covariance = torch.linalg.pinv(information + known, rtol=NOT_IDENTIFIED, hermitian=True)
    actions = torch.tensor(test.actions[test.observed.all(-1)])
    contexts = truth.contexts(actions)
    slopes = _slopes(truth, contexts)  # [K, A, P]
    slopes = slopes - slopes.mean(1, keepdim=True)
    variances = torch.einsum("kap,pq,kaq->k", slopes, covariance, slopes)
    visits = torch.bincount(contexts.index.flatten(), minlength=len(variances))
    return float(2 / (truth.num_actions - 1) * (visits * variances).sum() / visits.sum())


def fisher_information(truth: Mechanism, dynamics: Dynamics, traces: Traces) -> Tensor:
    """Sum over scored decisions of the information each carries, given the play before it. [P, P], float64.

    sum over decisions and actions a of  pi(a) g(a) g(a)^T,   g = d(log pi) / d(parameters)
    """
    play = observe(truth, dynamics, traces)
    slopes = _slopes(truth, play.contexts)
    payoffs = _double(truth).context_payoffs(play.contexts).detach().requires_grad_(True)
    log_probs = _log_choice_probs(payoffs, dynamics, play)
    # J v by two passes backward: J^T u is linear in u, and J v is the gradient of (J^T u) v in u.
    along = torch.zeros_like(log_probs, requires_grad=True)
    (back,) = torch.autograd.grad(log_probs, payoffs, along, create_graph=True)
    weights = (log_probs.detach() / 2).exp()
    columns = []
    for direction in slopes.unbind(-1):
        (slope,) = torch.autograd.grad(back, along, direction, retain_graph=True)
        columns.append((slope * weights)[play.scored].flatten())
    weighted = torch.stack(columns, 1)  # [decisions * A, P]
    return weighted.T @ weighted


def _log_choice_probs(context_payoffs: Tensor, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    payoffs = torch.where(play.determined[..., None], context_payoffs[play.contexts.index], 0.0)
    return dynamics.log_choice_probs(dynamics.attractions(payoffs, play.actions), play.action_mask)


def _slopes(truth: Mechanism, contexts: Contexts) -> Tensor:
    """Jacobian of the payoffs of each own action in each context with respect to all parameters, [K, A, P]."""
    module = _ContextPayoffs(_double(truth))
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    jacobian = jacrev(lambda values: functional_call(module, values, (contexts,)))(parameters)
    parts: list[Tensor] = [
        jacobian[name].reshape(-1, truth.num_actions, value.numel()) for name, value in parameters.items()
    ]
    return torch.cat(parts, -1)


def _double(mechanism: Mechanism) -> Mechanism:
    return copy.deepcopy(mechanism).double()


class _ContextPayoffs(nn.Module):
    """`context_payoffs` as a module's forward, which is what `functional_call` calls."""

    def __init__(self, mechanism: Mechanism) -> None:
        super().__init__()
        self.mechanism = mechanism

    def forward(self, contexts: Contexts) -> Tensor:
        return self.mechanism.context_payoffs(contexts)
