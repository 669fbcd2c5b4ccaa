"""Expected information: what the decisions of some play are worth for the parameters, whatever was chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import ObservedPlay, log_choice_probs
from diml_inverse.uncertainty.fitted import Fitted, flat, jacobian_rows
from diml_inverse.uncertainty.information import MOST_PARAMETERS, in_parts

EVERYONE = -1  # a parameter that bears on the choices of more than one agent
MOST_SLOPES = 2**23  # slopes of choice probabilities held at once: 64 MB
TOO_MANY_SLOPES = 2**27  # of a single episode


class TooManyError(ValueError):
    """More parameters than a matrix of them, or their slopes along an episode, can be held for."""


def expected_information(fitted: Fitted, play: ObservedPlay, agent_of: Tensor | None = None) -> Tensor:
    """Sum over scored decisions of the information each carries, given the play before it. float64 [P, P].

        sum over decisions and actions a of  pi(a) g(a) g(a)^T,   g = d(log pi) / d(parameters)

    Unlike the curvature of the likelihood it is positive semidefinite everywhere, so that its null space is what no
    choice could tell, at the parameters that `fitted` holds.

    Args:
        fitted: mechanism and learners.
        play: of which the decisions are weighed.
        agent_of: int64 [P], the one agent on whose choices a parameter bears, else `EVERYONE`. Parameters of different
            agents are then differentiated in together. Default: `EVERYONE` throughout.

    Raises:
        TooManyError: too many parameters, or episodes too long for so many.
    """
    check_number(fitted.size)
    whose = torch.full((fitted.size,), EVERYONE) if agent_of is None else agent_of
    column = _columns(whose)
    _check_length(int(column.max()) + 1, play, fitted.mechanism.num_actions)
    information = torch.zeros(fitted.size, fitted.size, dtype=torch.float64)
    for part in in_parts(play, (int(column.max()) + 1) * fitted.mechanism.num_actions, MOST_SLOPES):
        slopes = _weighted_slopes(fitted, part, column)
        for agent in range(slopes.shape[3]):
            bearing = ((whose == agent) | (whose == EVERYONE)).nonzero()[:, 0]
            rows = slopes[column[bearing], :, :, agent].flatten(1)
            information[bearing[:, None], bearing] += rows @ rows.T
    return information


def _columns(whose: Tensor) -> Tensor:
    """A number for each parameter; those of different agents share numbers. int64 [P]."""
    shared = whose == EVERYONE
    column = shared.cumsum(0) - 1
    for agent in whose[~shared].unique().tolist():
        of_agent = whose == agent
        column[of_agent] = shared.sum() + torch.arange(int(of_agent.sum()))
    return column


def check_number(parameters: int) -> None:
    """Raise TooManyError unless a matrix of so many parameters can be held and inverted."""
    if parameters > MOST_PARAMETERS:
        raise TooManyError(f"{parameters} are too many for a matrix of them, at most {MOST_PARAMETERS}")


def _check_length(columns: int, play: ObservedPlay, actions: int) -> None:
    rounds, agents = play.actions.shape[1:]
    if columns * rounds * agents * actions > TOO_MANY_SLOPES:
        raise TooManyError(f"{columns} of an agent are too many for episodes of {rounds} rounds")


def _weighted_slopes(fitted: Fitted, play: ObservedPlay, column: Tensor) -> Tensor:
    """sqrt(pi) d(log pi) / d(parameters), columns of parameters together; 0 where not scored. [M, E, T, N, A]"""
    log_probs = log_choice_probs(fitted.mechanism, fitted.dynamics, play).double()
    exists = log_probs.isfinite()
    log_probs = torch.where(exists, log_probs, 0.0)
    # J v by two passes backward: J^T u is linear in u, and J v is the gradient of (J^T u) v in u.
    along = torch.zeros_like(log_probs, requires_grad=True)
    back = torch.autograd.grad(log_probs, fitted.parameters, along, create_graph=True, materialize_grads=True)
    flat_back = flat(back)[0].double()
    by_column = flat_back.new_zeros(int(column.max()) + 1).index_add(0, column.to(flat_back.device), flat_back)
    weights = torch.where(exists & play.scored[..., None], (log_probs.detach() / 2).exp(), 0.0)
    if not by_column.requires_grad:
        return weights.new_zeros(len(by_column), *weights.shape)
    slopes = torch.cat([*jacobian_rows(by_column, [along])])
    return (slopes.reshape(-1, *weights.shape) * weights).cpu()


def one_decision_variances(dynamics: Dynamics, exists: Tensor) -> Tensor:
    """Variance that one fully informative decision leaves of each payoff less their mean. bool [N, A] -> [N, A].

    A decision whose attractions are the payoffs themselves, at no differences between them. 0 for no action.
    """
    attractions = torch.zeros(exists.shape, dtype=torch.float64, requires_grad=True)
    log_probs = torch.where(exists, dynamics.log_choice_probs(attractions, exists), 0.0)
    slopes = torch.stack(
        [torch.autograd.grad(one.sum(), attractions, retain_graph=True)[0] for one in log_probs.unbind(-1)], 1
    )  # [N, A, A]
    probs = torch.where(exists, log_probs.detach().exp(), 0.0)
    information = torch.einsum("nba,nb,nbc->nac", slopes, probs, slopes)
    centred = centring(exists)
    return torch.einsum("nab,nbc,nac->na", centred, torch.linalg.pinv(information, hermitian=True), centred)


def centring(exists: Tensor) -> Tensor:
    """Matrices that take payoffs to payoffs less their mean over own actions. bool [N, A] -> float64 [N, A, A]."""
    mask = exists.double()
    both = mask[:, :, None] * mask[:, None, :]
    return torch.diag_embed(mask) - both / mask.sum(1)[:, None, None]
