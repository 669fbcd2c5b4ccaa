"""Observed information and episode scores, by differentiating the likelihood of whole episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_inverse.likelihood import MOST_PAYOFFS, ObservedPlay, decision_log_likelihoods, is_compiled
from diml_inverse.uncertainty.fitted import Fitted, flat, gradients

# A Hessian of so many parameters takes 200 MB and its eigenvectors a minute or two; both grow fast from here.
MOST_PARAMETERS = 5000


class Information(NamedTuple):
    """Second and first derivatives of the log-likelihood, in nats.

    hessian: of minus the total, [P, P]; scores: of each episode's, [G, P]; totals: of each episode, [G].
    """

    hessian: Tensor
    scores: Tensor
    totals: Tensor


def observed_information(fitted: Fitted, play: ObservedPlay) -> Information:
    """Differentiate the log-likelihood of the play twice at the fitted parameters.

    Raises:
        ValueError: more parameters than a matrix of them can be held for.
        FloatingPointError: NaN or infinity.
    """
    if fitted.size > MOST_PARAMETERS:
        raise ValueError(
            f"standard errors take a matrix of all parameters: {fitted.size} are too many, at most {MOST_PARAMETERS}; "
            "use a mechanism with structure, or diml_inverse.inference.bootstrap"
        )
    whole = is_compiled(play, fitted.dynamics)  # then nothing is held along the play, and persons stay together
    hessian = torch.zeros(fitted.size, fitted.size, dtype=torch.float64)
    for part in [play] if whole else in_parts(play, fitted.mechanism.num_actions, MOST_PAYOFFS):
        hessian -= _hessian(fitted, part)
    scores, totals = [], []
    for total in _totals(fitted, play) if whole else _totals_apart(fitted, play):
        scores.append(flat(gradients(total, fitted.parameters, torch.ones_like(total))).cpu())
        totals.append(total.detach().cpu())
    found = Information((hessian + hessian.T) / 2, torch.cat(scores), torch.stack(totals))
    if not all(bool(part.isfinite().all()) for part in found):
        raise FloatingPointError("NaN or infinity in the derivatives of the log-likelihood at the estimate")
    return found


def _totals(fitted: Fitted, play: ObservedPlay) -> Iterator[Tensor]:
    """Log-likelihood of each episode, given what its people had learnt before."""
    yield from decision_log_likelihoods(fitted.mechanism, fitted.dynamics, play).sum((1, 2))


def _totals_apart(fitted: Fitted, play: ObservedPlay) -> Iterator[Tensor]:
    """The same, of one episode after another."""
    for episode in in_parts(play, 1, 1):
        yield decision_log_likelihoods(fitted.mechanism, fitted.dynamics, episode).sum()


def _hessian(fitted: Fitted, play: ObservedPlay) -> Tensor:
    """Of the log-likelihood of this play, [P, P]."""
    total = decision_log_likelihoods(fitted.mechanism, fitted.dynamics, play).sum()
    gradient = flat(torch.autograd.grad(total, fitted.parameters, create_graph=True, materialize_grads=True))[0]
    hessian = torch.zeros(fitted.size, fitted.size, dtype=torch.float64)
    apart = isinstance(fitted.mechanism, TabularMechanism) and not fitted.dynamics.learns_together
    if apart:
        _fill_table(hessian, fitted, gradient)
    for place in range(fitted.num_on_payoffs if apart else 0, fitted.size):
        hessian[place] = _row(fitted, gradient, [place])
    if apart:
        border = hessian[fitted.num_on_payoffs :, : fitted.num_on_payoffs]
        hessian[: fitted.num_on_payoffs, fitted.num_on_payoffs :] = border.T
    return hessian


def _fill_table(hessian: Tensor, fitted: Fitted, gradient: Tensor) -> None:
    """Second derivatives in a table's entries: an agent's choices rest on its own payoffs only, so one product with
    the entries of all agents at a profile gives a row for each of them."""
    agents = fitted.mechanism.num_agents
    entries = torch.arange(fitted.num_on_payoffs).reshape(-1, agents)
    for profile in entries:
        row = _row(fitted, gradient, profile.tolist())[: fitted.num_on_payoffs].reshape(-1, agents)
        for agent in range(agents):
            hessian[profile[agent], entries[:, agent]] = row[:, agent]


def _row(fitted: Fitted, gradient: Tensor, places: list[int]) -> Tensor:
    """The sum of some rows, [P]."""
    if not gradient.requires_grad:  # the likelihood is linear in what was fitted
        return torch.zeros(fitted.size, dtype=torch.float64)
    seed = torch.zeros_like(gradient)
    seed[places] = 1
    return flat(gradients(gradient, fitted.parameters, seed))[0].double().cpu()


def in_parts(play: ObservedPlay, width: int, most: int) -> Iterator[ObservedPlay]:
    """Some episodes at a time, one at least. width: numbers for each decision, of which `most` are held at once."""
    episodes, rounds, agents = play.actions.shape
    size = max(most // (rounds * agents * width), 1)
    for start in range(0, episodes, size):
        some = slice(start, start + size)
        yield replace(
            play,
            actions=play.actions[some],
            contexts=replace(play.contexts, index=play.contexts.index[some]),
            determined=play.determined[some],
            scored=play.scored[some],
            followed=None,
        )
