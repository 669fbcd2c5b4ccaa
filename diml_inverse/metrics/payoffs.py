"""How far a recovered mechanism is from the true one, and how well it predicts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse import likelihood
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.identification import on_support
from diml_inverse.metrics.bootstrap import EpisodeSums, ratio_of_sums


def payoff_difference_mse(mechanism: Mechanism, truth: Mechanism, traces: Traces, relative: bool = False) -> float:
    """Mean squared error of payoff differences between pairs of own actions, in payoff units squared; best 0.

    The mean is over the contexts that occur in `traces` (each as often as it occurs) and over all pairs of distinct
    own actions, exactly: for the error e of an agent's A payoffs it is 2 var(e), var with A - 1. Agents with one
    action count for nothing.

    Args:
        mechanism: the estimate.
        truth: the true mechanism.
        traces: play whose contexts to judge by; rounds with unobserved actions are left out.
        relative: divide by the same for a mechanism of no differences, so that 1 is knowing nothing.

    Raises:
        ValueError: other action counts than the truth's, no complete profile in the traces, or nothing to know (true
            differences all zero) if relative.
    """
    if mechanism.action_counts != truth.action_counts:
        raise ValueError(
            f"action counts differ: the estimate has {mechanism.action_counts}, the truth {truth.action_counts}"
        )
    actions = _complete_profiles(traces, truth)
    with torch.no_grad():
        true_payoffs = truth.counterfactual_payoffs(actions).double()
        payoffs = mechanism.counterfactual_payoffs(actions).double()
    exists = truth.action_mask.to(actions.device)
    error = _mean_squared_difference(payoffs - true_payoffs, exists)
    if not relative:
        return error
    nothing = _mean_squared_difference(true_payoffs, exists)
    if nothing == 0:
        raise ValueError("the true payoff differences are all zero: an error relative to them has no meaning")
    return error / nothing


def payoff_difference_by_episode(
    mechanism: Mechanism, truth: Mechanism, traces: Traces, relative: bool = False
) -> EpisodeSums:
    """`payoff_difference_mse` with what each episode adds, for `bootstrap_interval`."""
    rounds = traces.observed.all(-1).sum(1)
    totals, weights = np.zeros(len(traces)), rounds.astype(np.float64)
    for place in np.flatnonzero(rounds):
        totals[place] = rounds[place] * payoff_difference_mse(mechanism, truth, traces[int(place)])
        if relative:
            actions = _complete_profiles(traces[int(place)], truth)
            with torch.no_grad():
                true_payoffs = truth.counterfactual_payoffs(actions).double()
            weights[place] *= _mean_squared_difference(true_payoffs, truth.action_mask.to(actions.device))
    return ratio_of_sums(totals, weights).of(traces)


def payoff_difference_agreement(mechanism: Mechanism, truth: Mechanism, traces: Traces) -> tuple[float, float]:
    """How far payoffs agree whatever their scale, for learners whose precision is not known.

    Of payoff differences from the mean over own actions, over the contexts that occur in `traces`: the squared error
    left by the best multiple of the estimate, over that of knowing nothing; and the correlation. (0, 1) is best;
    (1, NaN) an estimate without differences.

    Raises:
        ValueError: as `payoff_difference_mse`.
    """
    actions = _complete_profiles(traces, truth)
    with torch.no_grad():
        found, true = (_centred(m.counterfactual_payoffs(actions).double()) for m in (mechanism, truth))
    size, true_size, product = (float((a * b).sum()) for a, b in ((found, found), (true, true), (found, true)))
    if true_size == 0:
        raise ValueError("the true payoff differences are all zero: an error relative to them has no meaning")
    if size == 0:
        return 1.0, float("nan")
    return 1 - product**2 / (size * true_size), product / (size * true_size) ** 0.5


def _centred(payoffs: Tensor) -> Tensor:
    """Less the mean over an agent's own actions; 0 where there is no action. [*B, A]"""
    return (payoffs - payoffs.nanmean(-1, keepdim=True)).nan_to_num(0.0)


def payoff_mse(mechanism: Mechanism, truth: Mechanism, actions: Tensor) -> float:
    """Mean squared error of payoffs at the profiles [B, N], in payoff units squared; best 0.

    Levels count here although choices identify only differences, so read it beside `payoff_difference_mse`.
    """
    with torch.no_grad():
        return float((mechanism(actions) - truth(actions)).double().square().mean())


def payoff_mse_by_support(
    mechanism: Mechanism, truth: Mechanism, traces: Traces, num_profiles: int = 8192, seed: int = 0
) -> dict[str, float]:
    """`payoff_mse` on profiles that occur in the traces and on those that do not.

    All profiles are visited where there are at most `num_profiles`, else as many drawn at random. Keys `on_support`
    and `off_support`; NaN where there is no such profile.
    """
    actions = _profiles(truth, num_profiles, seed)
    occurred = on_support(traces, actions)
    return {
        name: payoff_mse(mechanism, truth, actions[mask]) if mask.any() else float("nan")
        for name, mask in (("on_support", occurred), ("off_support", ~occurred))
    }


def negative_log_likelihood(mechanism: Mechanism, dynamics: Dynamics, traces: Traces) -> float:
    """Mean nats per scored decision, lower is better; compare with that of the true mechanism and dynamics."""
    with torch.no_grad():
        return -float(likelihood.log_likelihood(mechanism, dynamics, traces))


def _complete_profiles(traces: Traces, mechanism: Mechanism) -> Tensor:
    complete = traces.observed.all(-1)
    if not complete.any():
        raise ValueError("no round in which every agent's action was observed")
    return torch.as_tensor(traces.actions[complete], device=mechanism.device)


def _mean_squared_difference(values: Tensor, exists: Tensor) -> float:
    """Mean over contexts of the mean squared difference between an agent's entries. [M, N, A], bool [N, A]."""
    count = exists.sum(-1)
    values = torch.where(exists, values, 0.0)
    mean = values.sum(-1) / count
    squares = torch.where(exists, values - mean[..., None], 0.0).square().sum(-1)
    several = count > 1
    return float((2 * squares[:, several] / (count[several] - 1)).mean()) if several.any() else 0.0


def _profiles(mechanism: Mechanism, at_most: int, seed: int) -> Tensor:
    counts = mechanism.action_counts
    total = torch.tensor(counts, dtype=torch.float64).prod()
    if total <= at_most:
        return torch.cartesian_prod(*[torch.arange(count) for count in counts]).reshape(int(total), len(counts))
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(count, (at_most,), generator=generator) for count in counts], 1)
