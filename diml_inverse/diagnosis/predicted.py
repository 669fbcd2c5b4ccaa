"""`PredictedPlay`: choices beside the probabilities that a model gave them, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import observe
from diml_inverse.metrics.decisions import checked_probs, checked_scored
from diml_inverse.recovered.protocol import Predictor

RECENT = 5  # rounds that must have been observed whole before a decision, for rivals to be compared on it

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class PredictedPlay:
    """Traces and predictions of them.

    Attributes:
        traces: the play.
        probs: [E, T, N, A], given all earlier rounds; 0 where nothing is scored or no such action exists.
        scored: bool [E, T, N].
        taken: [E, T, N, A], 1 for the action chosen in a scored decision, else 0.
    """

    traces: Traces
    probs: FloatArray
    scored: BoolArray
    taken: FloatArray

    @classmethod
    def of(cls, model: Predictor, traces: Traces) -> PredictedPlay:
        """Let the model predict; its scored decisions are those of `log_likelihood`.

        Raises:
            ValueError: model and traces do not fit together, or no decision can be scored.
        """
        counted = None
        if isinstance(model, Estimate):
            counted = observe(model.mechanism, model.dynamics, traces).scored.cpu().numpy()
        scored = checked_scored(counted, traces)
        return cls.from_probs(model.choice_probs(traces), traces, scored)

    @classmethod
    def on_fixed_decisions(cls, model: Predictor, traces: Traces) -> PredictedPlay:
        """The same, on decisions that the traces alone say, so that rivals score alike beside whatever model.

        Observed choices after the first round, all choices of the `RECENT` rounds before observed; where none is left,
        all observed ones after the first round.
        """
        whole = np.asarray(traces.observed.all(-1))
        clear = np.ones_like(whole)
        for lag in range(1, RECENT + 1):
            clear[:, lag:] &= whole[:, :-lag]
        scored = checked_scored(None, traces)
        strict = scored & clear[..., None]
        return cls.from_probs(model.choice_probs(traces), traces, strict if strict.any() else scored)

    @classmethod
    def from_probs(cls, choice_probs: FloatArray, traces: Traces, scored: BoolArray) -> PredictedPlay:
        """Probabilities [E, T, N, A] checked against the play."""
        probs = checked_probs(choice_probs, traces, scored)
        taken = (traces.actions[..., None] == np.arange(probs.shape[-1])) & scored[..., None]
        return cls(traces, probs, scored, taken.astype(np.float64))

    @cached_property
    def residuals(self) -> FloatArray:
        """Choice less probability (a generalised residual: Cox & Snell 1968), [E, T, N, A]; 0 where not scored.

        Under the right model a martingale difference sequence: whatever is known before a round, the mean is zero.
        """
        return self.taken - self.probs
