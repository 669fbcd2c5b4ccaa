"""`Change`: what becomes of a recovered mechanism and its learners in the world to be predicted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diml_envs.mechanisms.base import Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.prediction.simulation import scaled_learners

MechanismChange = Mechanism | Callable[[Mechanism], Mechanism]
LearnerChange = Dynamics | Mapping[str, float] | Callable[[Dynamics], Dynamics]


@dataclass(frozen=True)
class Change:
    """The same change for the estimate and for draws around it.

    Attributes:
        recovered: the estimate's mechanism, which `mechanism` may be built from.
        mechanism, learners, num_agents: as in `Estimate.predict_under`.
    """

    recovered: Mechanism
    mechanism: MechanismChange | None = None
    learners: LearnerChange | None = None
    num_agents: int | None = None

    @property
    def rests_on_payoffs(self) -> bool:
        """Whether the changed mechanism moves with the recovered one."""
        return not isinstance(self.mechanism, Mechanism) or self.recovered in self.mechanism.modules()

    def of_mechanism(self, recovered: Mechanism) -> Mechanism:
        """The changed mechanism, had this one been recovered.

        Raises:
            ValueError: another number of agents than the mechanism can have.
            TypeError: a function that returns no mechanism.
        """
        changed = self._changed(recovered)
        if not isinstance(changed, Mechanism):
            raise TypeError(f"the change of the mechanism must give a Mechanism; it gave a {type(changed).__name__}")
        return changed if self.num_agents is None else changed.with_num_agents(self.num_agents)

    def _changed(self, recovered: Mechanism) -> Mechanism:
        if self.mechanism is None:
            return recovered
        if not isinstance(self.mechanism, Mechanism):
            return self.mechanism(recovered)
        if recovered is self.recovered:
            return self.mechanism
        # `estimate.mechanism + policy` holds the recovered mechanism itself: copied with the other in its place.
        return copy.deepcopy(self.mechanism, {id(self.recovered): recovered})

    def of_learners(self, dynamics: Dynamics, num_agents: int) -> Dynamics:
        """The changed learners, for a game of so many agents.

        Raises:
            ValueError: a parameter that there is not, or parameters of another number of agents.
        """
        if isinstance(self.learners, Dynamics):
            changed = self.learners
        elif self.learners is None:
            changed = dynamics
        elif isinstance(self.learners, Mapping):
            changed = scaled_learners(dynamics, **self.learners)
        else:
            changed = self.learners(dynamics)
        given = changed.learner.num_agents if isinstance(changed, LearnerDynamics) else None
        if given not in (None, num_agents):
            raise ValueError(
                f"the learners' parameters are those of {given} agents one by one, the game has {num_agents}: give "
                "learners for these, or parameters shared by all"
            )
        return changed
