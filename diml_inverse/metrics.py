"""How far a recovered mechanism is from the true one, and how well it predicts."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse import likelihood
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.identification import on_support


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
        ValueError: no complete profile in the traces, or nothing to know (true differences all zero) if relative.
    """
    actions = _complete_profiles(traces, truth)
    with torch.no_grad():
        true_payoffs = truth.counterfactual_payoffs(actions).double()
        payoffs = mechanism.counterfactual_payoffs(actions).double()
    error = _mean_squared_difference(payoffs - true_payoffs)
    if not relative:
        return error
    nothing = _mean_squared_difference(true_payoffs)
    if nothing == 0:
        raise ValueError("the true payoff differences are all zero: an error relative to them has no meaning")
    return error / nothing


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


def _mean_squared_difference(values: Tensor) -> float:
    """Mean over contexts of the mean squared difference between entries of the last axis; NaN entries absent."""
    present = ~values.isnan()
    count = present.sum(-1)
    mean = values.nansum(-1) / count
    squares = torch.where(present, values - mean[..., None], 0.0).square().sum(-1)
    several = count > 1
    return float((2 * squares[several] / (count[several] - 1)).mean()) if several.any() else 0.0


def _profiles(mechanism: Mechanism, at_most: int, seed: int) -> Tensor:
    counts = mechanism.action_counts
    total = torch.tensor(counts, dtype=torch.float64).prod()
    if total <= at_most:
        return torch.cartesian_prod(*[torch.arange(count) for count in counts]).reshape(int(total), len(counts))
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(count, (at_most,), generator=generator) for count in counts], 1)
