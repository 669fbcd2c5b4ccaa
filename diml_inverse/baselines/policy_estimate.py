"""`PolicyEstimate`: a recovered mechanism, and choices predicted by a policy of the last round."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse import metrics
from diml_inverse.baselines.last_profile import last_profiles
from diml_inverse.baselines.policy import check_action_counts
from diml_inverse.estimate.estimate import Estimate


@dataclass(frozen=True)
class PolicyEstimate(Estimate):
    """What a method found that takes agents for planners or for players of an equilibrium, not for learners.

    Choices are predicted by `policy`; `dynamics` only say under which learners the mechanism is best simulated.

    Attributes:
        policy: choice probabilities [S + 1, N, A] after each joint profile, last at the start of an episode and after
            a round that was not observed whole; or [1, N, A], whatever came before.
    """

    policy: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """Predicted choice probabilities along the play. [E, T, N, A]; 0 for no action.

        Raises:
            ValueError: traces of other action counts than those it was fitted to.
        """
        check_action_counts(self.mechanism.action_counts, traces)
        return self.policy[np.minimum(last_profiles(traces), len(self.policy) - 1)]

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per observed decision of rounds 1..T-1."""
        return metrics.log_likelihood_by_episode(self.choice_probs(traces), traces).value

    def save(self, path: str | Path) -> None:
        """Not offered: a file of an estimate has no place for a policy.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"cannot write {path}: the predictions of a {type(self).__name__} are not kept in files; keep the play "
            "and fit again"
        )
