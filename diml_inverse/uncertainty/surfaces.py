"""Log-likelihoods as `Profile` wants them: of one agent's payoff table, or of whatever was fitted."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.likelihood import ObservedPlay, total_log_likelihood
from diml_inverse.likelihood.curvature import AgentPlay, design_of, gradient_and_information, log_likelihood
from diml_inverse.uncertainty.expected import expected_information
from diml_inverse.uncertainty.fitted import Fitted, flat, gradients

FloatArray = NDArray[np.float64]

NEAR, NEAR_SHARE = 1.0, 0.3  # logits, and share of the largest parameter


class TableSurface:
    """One agent's payoffs in the contexts it met, [K A], in logits; exact and quick, as attractions are linear."""

    def __init__(self, play: AgentPlay, dynamics: LogitDynamics) -> None:
        self.play, self.dynamics, self.precision = play, dynamics, float(dynamics.precision)
        self.shape = len(play.others), play.num_actions
        self.start = np.zeros(len(play.others) * play.num_actions)
        self.features = np.eye(len(self.start))
        self.design = design_of(play, self.features)

    def value(self, theta: FloatArray) -> float:
        return log_likelihood(self.play, self.dynamics, theta.reshape(self.shape) / self.precision)

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        table = theta.reshape(self.shape) / self.precision
        gradient, information = gradient_and_information(self.play, self.dynamics, table, self.features, self.design)
        return gradient / self.precision, information / self.precision**2


class FittedSurface:
    """All fitted parameters, those in payoff units counted in logits, [P].

    units: payoff units for each of them, [P].
    """

    def __init__(self, fitted: Fitted, play: ObservedPlay, units: FloatArray) -> None:
        self.fitted, self.play, self.units = fitted, play, units
        self.start = fitted.vector().cpu().numpy() / units
        self.known: tuple[FloatArray, FloatArray] | None = None

    def _put(self, theta: FloatArray) -> None:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(torch.tensor(theta * self.units), self.fitted.parameters)

    def value(self, theta: FloatArray) -> float:
        self._put(theta)
        with torch.no_grad():
            total = total_log_likelihood(self.fitted.mechanism, self.fitted.dynamics, self.play)
        return float(total) if bool(total.isfinite()) else -np.inf

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        self._put(theta)
        total = total_log_likelihood(self.fitted.mechanism, self.fitted.dynamics, self.play)
        gradient = flat(gradients(total, self.fitted.parameters, torch.ones_like(total)))[0].double().cpu().numpy()
        return gradient * self.units, self._information(theta)

    def _information(self, theta: FloatArray) -> FloatArray:
        """At a point near enough: it costs far more than the gradient, and only shapes the steps."""
        if self.known is None or np.abs(theta - self.known[0]).max() > NEAR + NEAR_SHARE * np.abs(theta).max():
            information = expected_information(self.fitted, self.play).numpy()
            self.known = theta.copy(), information * self.units[:, None] * self.units
        return self.known[1]
