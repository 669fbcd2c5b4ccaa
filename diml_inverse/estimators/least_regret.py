"""`LeastRegret`: one answer out of the set of payoffs of little regret, for where one is wanted."""

from __future__ import annotations

import itertools

import pandas as pd
import torch

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.bounds import payoff_bounds
from diml_inverse.bounds.regret import Condition
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import log_likelihood

LEARNING_RATES = (0.05, 0.25, 1.0)
PRECISIONS = (0.0, 1.0, 3.0, 10.0, 30.0)


class LeastRegret:
    """The centre of `payoff_bounds(traces, "smallest", slack=slack)`; payoffs in the unit of the set.

    No model of learning shapes the payoffs. The learners of the estimate serve its predictions of choices alone: logit
    learners, the likeliest of a few learning rates and precisions under these payoffs.

    Args:
        mechanism: the form, as in `payoff_bounds`; default a free payoff for every joint action.
        slack: regret a round above the least, in units of the payoffs (largest difference 1).
        against: what play is compared with.
    """

    def __init__(
        self, mechanism: Mechanism | None = None, slack: float = 0.05, against: Condition = "external"
    ) -> None:
        self.mechanism, self.slack, self.against = mechanism, slack, against

    def fit(self, traces: Traces) -> Estimate:
        """Find the set, and its centre.

        Raises:
            ValueError: as `payoff_bounds`.
        """
        found = payoff_bounds(
            traces, "smallest", mechanism=self.mechanism, slack=self.slack, against=self.against, most_contexts=0
        )
        mechanism = found.centre
        learners = [LogitDynamics(*pair, 0.05) for pair in itertools.product(LEARNING_RATES, PRECISIONS)]
        with torch.no_grad():
            values = [float(log_likelihood(mechanism, one, traces)) for one in learners]
        rows = [{**one.config(), "log_likelihood": value} for one, value in zip(learners, values, strict=True)]
        info = {"estimator": type(self).__name__, "slack": self.slack, "least_regret": found.least_regret}
        best = learners[max(range(len(values)), key=values.__getitem__)]
        return Estimate(mechanism, best, pd.DataFrame(rows), traces.agents, traces.action_labels, info)
