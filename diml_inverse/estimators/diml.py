"""`DIML`: differentiable inverse mechanism learning; the front door that chooses among the other estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison, EstimatorUnder, quick_tables, rising
from diml_inverse.estimators.family_comparison import FamilyComparison
from diml_inverse.estimators.gradient_fit import GradientFit, GradientSettings, check_fittable
from diml_inverse.estimators.memory_choice import beside_memory
from diml_inverse.structure import InteractionEvidence, default_families
from diml_inverse.structure.interactions import fits

# Between full and own-payoff feedback, to find a form of the mechanism under which models of learning are compared.
UNKNOWN_FEEDBACK = AttractionDynamics(
    0.25, 0.5, exploration=0.05, forgets="updated", fit=("learning_rate", "forgone_weight", "exploration")
)


@dataclass(eq=False, repr=False)
class DIML(GradientSettings):
    """Fit any differentiable mechanism by Adam, stopping where held-out likelihood stops rising.

    Goes beyond the published training (An & Du 2026): whole episodes instead of windows restarted from zero
    attractions, early stopping with the best state kept, and the mean of several fits, each with episodes of its own
    held out, so that none is lost and their errors partly cancel.

    Args:
        mechanism: the candidate's form; each fit starts afresh from its `reset_parameters`, so the values it
            happens to hold are not used. Or `"auto"`: the structure too is learnt, in a small game by
            `InteractionEvidence`, in a large one by comparing families on held-out episodes (`info["route"]`
            says which, `info["kinds"]` or `info["families"]` what was found).
        dynamics: the surrogate learners; what of their parameters is fitted, is fitted with the mechanism. Or `"auto"`:
            the best predicting one of `default_members` (`info["learners"]`; see `DynamicsComparison`) or, if both are
            "auto" and the game is small, of learners with memory (`info["memories"]`; see `MemorySearch`).
        max_epochs: passes over the training episodes at most.
        batch_size: episodes for each gradient step; default: all of them.
        step_size: step size of Adam.
        weight_decay: of AdamW; pulls payoffs towards no differences.
        members: fits whose mean is the estimate; 1 for a single one.
        validation_fraction: share of episodes held out to decide when to stop (of a single episode, its last
            rounds); 0 trains on everything for `max_epochs`.
        patience: epochs without a better held-out likelihood before stopping; unused if none are held out.
        seed: of the start, the held-out episodes and the order of batches.
        device: where to compute.
        progress: show a progress bar on stderr.
        checkpoint: a folder to keep the state in, every `checkpoint_every` epochs, and to resume from if it has
            one. A resumed fit reaches the numbers of an uninterrupted one.

    Raises:
        ValueError: a setting outside its range, or a mechanism without parameters.
    """

    mechanism: Mechanism | Literal["auto"]
    dynamics: Dynamics | Literal["auto"]

    def __post_init__(self) -> None:
        for name, kind in (("mechanism", Mechanism), ("dynamics", Dynamics)):
            value = getattr(self, name)
            if isinstance(value, str) and value != "auto":
                raise ValueError(f'{name} must be a {kind.__name__} or "auto"; got {value!r}')
        super().__post_init__()
        if isinstance(self.mechanism, Mechanism):
            check_fittable(self.mechanism)

    def fit(self, traces: Traces) -> Estimate:
        """Fit to the traces, part of them held out for early stopping.

        Raises:
            ValueError: mechanism and traces do not fit together, or the checkpoint is of another fit.
            FloatingPointError: NaN or infinity, with the epoch, round and agent at which it arose.
        """
        if isinstance(self.dynamics, str):
            return self._fit_learners(traces)
        estimate = self._fit_under(self.dynamics, traces)
        return replace(estimate, info={**estimate.info, "estimator": type(self).__name__})

    def _fit_under(self, dynamics: Dynamics, traces: Traces) -> Estimate:
        if isinstance(self.mechanism, str):
            return self._fit_auto(dynamics, traces)
        return GradientFit(self.mechanism, dynamics, **self.all_settings()).fit(traces)

    def _fit_learners(self, traces: Traces) -> Estimate:
        """How the agents learn is found under a likely form of the mechanism, then the form asked for is fitted."""
        trials = self._likely_form(traces) if isinstance(self.mechanism, str) else self._trials_under(self.mechanism)
        comparison = DynamicsComparison(lambda found: replace(self, dynamics=found), trials=trials, seed=self.seed)
        found = comparison.fit(traces)
        return beside_memory(found, traces, self.seed) if isinstance(self.mechanism, str) else found

    def _likely_form(self, traces: Traces) -> list[EstimatorUnder]:
        """The table that predicts best under learners of unknown feedback, if any table applies; else a network."""
        families = default_families()
        tables = [family for family in families if not family.network and family.build(traces) is not None]
        comparison = FamilyComparison(UNKNOWN_FEEDBACK, tables or families, self.seed, self.all_settings(), 1)
        chosen = next(row for row in comparison.fit(traces).info["families"] if row["chosen"])
        form = next(family.build(traces) for family in families if family.name == chosen["family"])
        assert form is not None
        ridge = chosen["ridge"]
        return self._trials_under(form) if ridge is None else quick_tables(form, ridge)

    def _trials_under(self, form: Mechanism) -> list[EstimatorUnder]:
        quick = self.trial_settings()
        return [partial(GradientFit, form, **{**quick, "max_epochs": epochs}) for epochs in rising(quick["max_epochs"])]

    def _fit_auto(self, dynamics: Dynamics, traces: Traces) -> Estimate:
        evidence = isinstance(dynamics, LogitDynamics) and fits(traces)
        fitted = any(parameter.requires_grad for parameter in dynamics.parameters())
        estimate, route = None, ""
        if fitted or not evidence:
            estimate = FamilyComparison(dynamics, None, self.seed, self.all_settings()).fit(traces)
            dynamics, route = estimate.dynamics, "families by held-out likelihood"
        if evidence:  # with the learners' parameters as just fitted, if they were not known
            assert isinstance(dynamics, LogitDynamics)
            estimate = InteractionEvidence(dynamics).fit(traces)
            route = "interactions by evidence: a small game of logit-Q learners"
        assert estimate is not None
        return replace(estimate, info={**estimate.info, "estimator": type(self).__name__, "route": route})
