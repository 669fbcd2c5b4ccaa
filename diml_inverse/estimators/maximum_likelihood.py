"""Maximum likelihood to convergence, for mechanisms with a free table or the right formula."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.units import (
    INSIDE,
    into_unit,
    out_of_unit,
    payoff_unit,
    ridges_in_payoff_units,
    unit_of_fit,
)
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import ObservedPlay, nonfinite_place, observe, total_log_likelihood
from diml_inverse.recovered.course import current
from diml_inverse.recovered.recovered import given_in
from diml_inverse.uncertainty.maximum import MaximumUncertainty

MEMORY = 50  # steps that L-BFGS remembers: learners' parameters and payoffs curve very unevenly
STEPS = 60  # of each start
SPREAD = 0.5  # of starts around the usual one, in logits
FIRST = "first"  # attractions that learners start from: payoffs of a kind, with the ridge of payoffs


class StructuredMLE:
    """Maximum likelihood for any parametric mechanism, by L-BFGS in float64 from where the mechanism's
    `reset_parameters` puts it.

    Args:
        mechanism: the form to fit; its current parameter values are not used unless its class resets none.
        dynamics: the learners, parameters known.
        ridge: weight of a penalty ridge / 2 * |precision parameters|^2 against the total log-likelihood (nats): in
            logits, so that the unit of payoffs does not matter. Zero is maximum likelihood, which does not exist
            where an observed context never shows one of its actions.
        max_iterations: of L-BFGS.
        seed: for mechanisms whose start is drawn.
        device: where to compute.
        tolerance: relative improvement of the mean log-likelihood at which to stop.
        starts: tried for a few steps each, the first as above, the others drawn around it; the fit goes on from the
            best. Likelihoods of learners with states have several maxima.

    Raises:
        ValueError: a mechanism without parameters, or a setting outside its range.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        ridge: float = 0.0,
        max_iterations: int = 2000,
        seed: int = 0,
        device: str = "cpu",
        tolerance: float = 1e-13,
        starts: int = 1,
    ) -> None:
        if not any(True for _ in mechanism.parameters()):
            raise ValueError(f"{type(mechanism).__name__} has no parameters to fit")
        if not ridge >= 0:
            raise ValueError(f"ridge must be at least 0; got {ridge}")
        if max_iterations < 1 or seed < 0:
            raise ValueError(f"max_iterations must be at least 1, seed at least 0; got {max_iterations}, {seed}")
        self.mechanism, self.dynamics = mechanism, dynamics
        self.ridge, self.max_iterations, self.seed, self.device = ridge, max_iterations, seed, device
        if starts < 1:
            raise ValueError(f"starts must be at least 1; got {starts}")
        self.tolerance, self.starts = tolerance, starts

    def fit(self, traces: Traces) -> Estimate:
        """Fit to all of the traces.

        Raises:
            ValueError: mechanism and traces do not fit together.
            FloatingPointError: NaN or infinity, with the round and agent at which it arose.
        """
        mechanism = copy.deepcopy(self.mechanism).double().to(self.device).requires_grad_(True)
        original = copy.deepcopy(self.dynamics).to(self.device)
        original.for_game(mechanism)
        play = observe(mechanism, original, traces)
        unit = unit_of_fit(mechanism, original, play.contexts)
        dynamics = into_unit(mechanism, original, unit)
        mechanism.reset_parameters(seeded_generator(self.seed, "fit"))
        ridge = self.ridge * (unit / payoff_unit(original) * INSIDE) ** 2
        objective = _Objective(mechanism, dynamics, play, ridge)
        start, tried = self._best_start(objective)
        result = self._climb(objective, start, self.max_iterations)
        objective(result.x)
        weights = ridges_in_payoff_units(mechanism, ridge, unit)
        dynamics = out_of_unit(mechanism, dynamics, original, unit)
        of_learners = [name for name, parameter in dynamics.named_parameters() if parameter.requires_grad]
        return Estimate(
            mechanism.requires_grad_(False),
            dynamics.requires_grad_(False),
            pd.DataFrame(objective.history),
            traces.agents,
            traces.action_labels,
            self._info(result) | given_in(traces) | ({"starts": tried} if tried else {}),
            MaximumUncertainty(mechanism, dynamics, play, self.ridge, of_learners, weights),
        )

    def _climb(self, objective: _Objective, start: NDArray[np.float64], iterations: int) -> OptimizeResult:
        options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": self.tolerance, "gtol": 1e-8}
        return minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=objective.record,
            options={**options, "maxcor": MEMORY},
        )

    def _best_start(self, objective: _Objective) -> tuple[NDArray[np.float64], list[float]]:
        """Where to climb from: the best of several starts after a few steps, and the mean log-likelihood of each."""
        usual = objective.start()
        if self.starts == 1:
            return usual, []
        rng = np.random.default_rng(self.seed)
        points = [
            usual,
            *(usual + SPREAD * rng.normal(size=usual.shape) for _ in range(self.starts - 1)),
        ]
        climbs = []
        for point in points:
            before, objective.history = objective.history, []
            climb = self._climb(objective, point, STEPS)
            climbs.append(climb)
            if before and climb.fun >= min(other.fun for other in climbs[:-1]):
                objective.history = before  # that of the best so far
        best = min(climbs, key=lambda climb: climb.fun if np.isfinite(climb.fun) else np.inf)
        return best.x, [-float(climb.fun) for climb in climbs]

    def _info(self, result: OptimizeResult) -> dict[str, Any]:
        return {
            "estimator": type(self).__name__,
            "ridge": self.ridge,
            "seed": self.seed,
            "converged": bool(result.success),
            "stopped": current().why if current().over and not result.success else str(result.message),
            "iterations": int(result.nit),
        }


class TabularMLE(StructuredMLE):
    """Maximum likelihood with a free payoff for every profile and agent (the paper's tabular baseline).

    Args:
        dynamics: the learners, parameters known.
        ridge: as in `StructuredMLE`; the default is just enough for the maximum to exist: it moves a payoff that
            the data pin down by well under its standard error.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        ridge: float = 0.01,
        max_iterations: int = 2000,
        device: str = "cpu",
    ) -> None:
        super().__init__(TabularMechanism([1]), dynamics, ridge, max_iterations, device=device)

    def fit(self, traces: Traces) -> Estimate:
        """Fit a table of the traces' action counts. Raises ValueError if it would be larger than a table may be."""
        sized = copy.copy(self)
        sized.mechanism = TabularMechanism(traces.action_counts)
        return StructuredMLE.fit(sized, traces)


class _Objective:
    """Mean negative log-likelihood plus ridge, and its gradient, as scipy wants them."""

    def __init__(self, mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, ridge: float) -> None:
        self.mechanism, self.dynamics, self.play = mechanism, dynamics, play
        named = [(name, p) for name, p in dynamics.named_parameters() if p.requires_grad]
        of_learners = [parameter for _, parameter in named]
        self.parameters = [*mechanism.parameters(), *of_learners]
        on_payoffs = [torch.full_like(parameter, ridge) for parameter in mechanism.parameters()]
        on_learners = [torch.full_like(p, ridge if name == FIRST else 0.0) for name, p in named]
        self.ridge = parameters_to_vector([*on_payoffs, *on_learners])
        self.decisions = int(play.scored.sum())
        self.history: list[dict[str, float]] = []
        self.begun = time.perf_counter()
        self.value = np.nan

    def start(self) -> NDArray[np.float64]:
        start: NDArray[np.float64] = parameters_to_vector(self.parameters).detach().cpu().numpy()
        return start

    def __call__(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = torch.tensor(vector, device=self.mechanism.device)
        vector_to_parameters(point, self.parameters)
        total = total_log_likelihood(self.mechanism, self.dynamics, self.play)
        loss = -total / self.decisions
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in gradients]) + self.ridge * point / self.decisions
        if not (loss.isfinite() and gradient.isfinite().all()):
            place = nonfinite_place(self.mechanism, self.dynamics, self.play)
            raise FloatingPointError(f"iteration {len(self.history)}: NaN or infinity in {place}")
        self.value = float(loss.detach())
        penalty = float(point @ (self.ridge * point)) / (2 * self.decisions)
        return self.value + penalty, gradient.cpu().numpy()

    def record(self, _: NDArray[np.float64]) -> None:
        """Raises StopIteration, which ends the search where it is, when the fit's time is over."""
        seconds = time.perf_counter() - self.begun
        self.history.append({"iteration": len(self.history), "train_log_likelihood": -self.value, "seconds": seconds})
        if current().over:
            raise StopIteration
