"""`LeastRegret`: one answer without a model of learning, for where one is wanted."""

from __future__ import annotations

import itertools

import pandas as pd
import torch

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.bounds import best_earning
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import log_likelihood

LEARNING_RATES = (0.05, 0.25, 1.0)
PRECISIONS = (0.0, 1.0, 3.0, 10.0, 30.0)


class LeastRegret:
    """The payoffs, of all of one size, that the play earned most by: its regret against chance is least.

    `bounds.best_earning`. No model of learning shapes the payoffs. The learners of the estimate serve its predictions
    of choices alone: logit learners, the likeliest of a few learning rates and precisions under these payoffs.

    Args:
        mechanism: the form, as in `payoff_bounds`; default a free payoff for every joint action.
    """

    def __init__(self, mechanism: Mechanism | None = None) -> None:
        self.mechanism = mechanism

    def fit(self, traces: Traces) -> Estimate:
        """Find the payoffs.

        Raises:
            ValueError: as `best_earning`.
        """
        mechanism = best_earning(traces, self.mechanism)
        learners = [LogitDynamics(*pair, 0.05) for pair in itertools.product(LEARNING_RATES, PRECISIONS)]
        with torch.no_grad():
            values = [float(log_likelihood(mechanism, one, traces)) for one in learners]
        rows = [{**one.config(), "log_likelihood": value} for one, value in zip(learners, values, strict=True)]
        info = {"estimator": type(self).__name__}
        best = learners[max(range(len(values)), key=values.__getitem__)]
        return Estimate(mechanism, best, pd.DataFrame(rows), traces.agents, traces.action_labels, info)
