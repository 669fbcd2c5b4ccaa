"""Standard errors and intervals of what an estimate says: payoff differences, functions, learners' parameters."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.parameters import RANGES
from diml_inverse.recovered.recovered import Recovered
from diml_inverse.uncertainty.base import Ends, Uncertainty
from diml_inverse.uncertainty.fitted import learner_values, plain

Interval = Ends  # by which name users know it


def uncertainty_of(estimate: Recovered) -> Uncertainty:
    """The estimate's.

    Raises:
        ValueError: there is none.
    """
    if estimate.uncertainty is None:
        raise ValueError(
            "this estimate holds no covariance: StructuredMLE, TabularMLE, InteractionEvidence and DIML give one, "
            "and a file has it only if standard errors were asked for before save. Refit by one of them, or use "
            "diml_inverse.inference.bootstrap(estimator, traces)"
        )
    return estimate.uncertainty


def standard_errors(estimate: Recovered, actions: Tensor, covariance: str | None = None) -> Tensor:
    """Of `estimate.payoff_differences(actions)`, float64 [*B, N, A]."""
    contexts, exists, index = _met(estimate, actions)
    return uncertainty_of(estimate).variances_of_contexts(contexts, exists, covariance).sqrt()[index]


def payoff_difference_ends(
    estimate: Recovered, actions: Tensor, level: float = 0.95, covariance: str | None = None
) -> Interval:
    """`estimate.payoff_differences(actions)` with errors and ends, each float64 [*B, N, A].

    Where an action was never or hardly chosen, the value is another: see `profile`.
    """
    contexts, exists, index = _met(estimate, actions)
    found = uncertainty_of(estimate).ends_of_contexts(contexts, exists, level, covariance)
    return Interval(*(part[index] for part in found))


def _met(estimate: Recovered, actions: Tensor) -> tuple[Contexts, Tensor, Tensor]:
    """Contexts of profiles, which actions exist in each [K, A], and where each belongs [*B, N]."""
    mechanism = estimate.mechanism
    mechanism.validate(actions)
    contexts = mechanism.contexts(actions)
    index = contexts.index.cpu()
    agents = torch.arange(mechanism.num_agents).expand(index.shape)
    agent_of = torch.zeros(int(index.max()) + 1 if index.numel() else 0, dtype=torch.int64)
    agent_of[index.reshape(-1)] = agents.reshape(-1)  # agents that share a context are alike
    return contexts, mechanism.action_mask[agent_of].to(mechanism.device), index


def function_interval(
    estimate: Recovered,
    function: Callable[[Mechanism, Dynamics], Tensor],
    level: float = 0.95,
    covariance: str | None = None,
) -> Interval:
    """Any smooth function of the mechanism and the learners, by the delta method.

    Args:
        estimate: one that has standard errors.
        function: of mechanism and dynamics, differentiable by torch; any shape. For example
            `lambda mechanism, dynamics: mechanism.toll_rate - mechanism.linear_cost`.
        level: of the interval.
        covariance: as in `Estimate.standard_errors`.

    Returns:
        Infinite standard errors where play does not identify the function; one infinite end where it bounds the
        function on one side only (see `profile`; of functions linear in what was fitted).

    Raises:
        ValueError: as `Estimate.standard_errors`, or a function that returns no tensor.
    """
    return uncertainty_of(estimate).ends(function, level, covariance)


def learner_parameters(estimate: Recovered, level: float = 0.95, covariance: str | None = None) -> pd.DataFrame:
    """The learners' parameters that were fitted, with intervals formed on the scale on which they were fitted.

    So an interval stays in the parameter's range. Columns: name, value, std_error, low, high (natural scale), at_edge
    (next to an end of the range, where interval and standard error mean nothing).

    Raises:
        ValueError: as `Estimate.standard_errors`.
    """
    uncertainty = uncertainty_of(estimate)
    dynamics, names = estimate.dynamics, uncertainty.of_learners
    raw = function_interval(estimate, lambda _, learners: _raw(learners, names), level, covariance)
    natural = function_interval(estimate, lambda _, learners: _natural(learners, names), level, covariance)
    low, high = (_on_natural_scale(dynamics, names, end) for end in (raw.low, raw.high))
    labels = uncertainty.fitted.names()[uncertainty.fitted.num_on_payoffs :]
    edges = dynamics.learner.at_edge() if isinstance(dynamics, LearnerDynamics) else []
    columns = {"value": natural.value, "std_error": natural.standard_error, "low": low, "high": high}
    frame = pd.DataFrame({"name": labels, **{name: values.numpy() for name, values in columns.items()}})
    return frame.assign(at_edge=[label.partition("[")[0] in edges for label in labels])


def _raw(dynamics: Dynamics, names: tuple[str, ...]) -> Tensor:
    raw = dict(dynamics.named_parameters())
    return torch.cat([torch.zeros(0, dtype=torch.float64), *(raw[name].reshape(-1) for name in names)])


def _natural(dynamics: Dynamics, names: tuple[str, ...]) -> Tensor:
    values = [value.reshape(-1) for _, value in learner_values(dynamics, names)]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *values])


def _on_natural_scale(dynamics: Dynamics, names: tuple[str, ...], ends: Tensor) -> Tensor:
    """Raw numbers, all parameters' in one vector, on their natural scales."""
    raw = dict(dynamics.named_parameters())
    parts = ends.split([raw[name].numel() for name in names]) if names else ()
    known = isinstance(dynamics, LearnerDynamics)
    natural = [
        RANGES[plain(name)].natural(part) if known and plain(name) in RANGES else part
        for name, part in zip(names, parts, strict=True)
    ]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *natural])
