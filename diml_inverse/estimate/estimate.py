"""`Estimate`: a recovered mechanism, how sure it is, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from diml_inverse.inference import intervals
from diml_inverse.inference.summary import Summary
from diml_inverse.prediction.change import Change, LearnerChange, MechanismChange
from diml_inverse.prediction.predict import Draws, predict_under
from diml_inverse.prediction.prediction import Prediction
from diml_inverse.recovered.recovered import Recovered


@dataclass(frozen=True)
class Estimate(Recovered):
    """What an estimator found, with standard errors, intervals and predictions."""

    def standard_errors(self, actions: ArrayLike | Tensor, covariance: str | None = None) -> Tensor:
        """Of `payoff_differences(actions)`; infinite where play does not identify the difference.

        int64 [*B, N] -> float64 [*B, N, A], payoff units; NaN where an agent has no such action.

        Args:
            actions: profiles.
            covariance: of a maximum-likelihood fit "clustered" (by episode) or "information", None takes the first
                where there are enough episodes; learnt structure and networks have one each, see `Uncertainty`.

        Raises:
            ValueError: an estimator that gives none, a file without it, another covariance, or too many parameters.
        """
        profile = torch.as_tensor(actions if isinstance(actions, Tensor) else np.array(actions))
        return intervals.standard_errors(self, profile.to(self.mechanism.device), covariance)

    def intervals(
        self, actions: ArrayLike | Tensor, level: float = 0.95, covariance: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """Low and high ends of intervals for `payoff_differences(actions)`, each [*B, N, A]; see there.

        Raises:
            ValueError: as `standard_errors`, or a level outside (0, 1).
        """
        profile = torch.as_tensor(actions if isinstance(actions, Tensor) else np.array(actions))
        found = intervals.payoff_difference_ends(self, profile.to(self.mechanism.device), level, covariance)
        return found.low, found.high

    def summary(self, level: float = 0.95, covariance: str | None = None, max_rows: int = 40) -> Summary:
        """What was estimated, with standard errors, as a table to print: `print(estimate.summary())`.

        A row for each parameter of the mechanism (for a table of payoffs: for each payoff difference), then for each
        fitted parameter of the learners.

        Raises:
            ValueError: as `standard_errors`.
        """
        return Summary.of(self, level, covariance, max_rows)

    def predict_under(
        self,
        mechanism: MechanismChange | None = None,
        learners: LearnerChange | None = None,
        num_agents: int | None = None,
        num_rounds: int = 60,
        num_episodes: int = 200,
        draws: Draws = 40,
        seed: int = 0,
    ) -> Prediction:
        """Predict play in a changed world: simulated traces, expected choice shares, welfare, with bands.

        The same seed gives the same luck: two predictions of one seed differ by what was changed, see
        `Prediction.difference`.

        Args:
            mechanism: the changed one, `estimate.mechanism + policy` say; or a function that makes it from the
                recovered one, `lambda recovered: recovered + policy`.
            learners: the changed `Dynamics`; or factors, `{"precision": 1.4}`; or a function of the fitted ones.
            num_agents: for mechanisms whose payoff function all agents share, see `Mechanism.with_num_agents`.
            num_rounds: T.
            num_episodes: simulated side by side.
            draws: of mechanism and learners from the normal approximation to what is uncertain about them (0: none);
                or estimates to take for them, such as `bootstrap(...).replicates`.
            seed: of all draws, 0 or more.

        Raises:
            ValueError: sizes below 1, a negative seed, a change that does not fit the game, or payoffs that the
                mechanism does not know.
            TypeError: a function that returns no mechanism.
        """
        change = Change(self.mechanism, mechanism, learners, num_agents)
        return predict_under(self, change, num_rounds, num_episodes, draws, seed)
