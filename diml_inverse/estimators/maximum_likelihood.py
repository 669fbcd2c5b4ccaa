"""Maximum likelihood to convergence, for mechanisms with a free table or the right formula."""

from __future__ import annotations

import copy
import time
from typing import Any, NamedTuple

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
from diml_inverse.estimators.held_out import Folds, HeldOut, Start, Starts, score_play
from diml_inverse.likelihood import ObservedPlay, nonfinite_place, observe, total_log_likelihood
from diml_inverse.recovered.course import current
from diml_inverse.recovered.recovered import given_in
from diml_inverse.uncertainty.maximum import MaximumUncertainty

FEW = 40  # parameters, whose curvature can be held as a matrix
NEARLY_FLAT = 1e-5  # slope of the mean, nats a decision: what is missing to the maximum is of its square's order
FLATTEST = 1e-4  # curvature, of the largest, below which a direction is not trusted to be so flat
SILENT = 1e-9  # slope, beside that of the ridge, which is rounding error
APART = 1e-4  # points between which slopes are compared
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
        return self.fit_from(traces, None)

    def fit_from(self, traces: Traces, start: Start | None) -> Estimate:
        """`fit`, from where a like fit ended."""
        problem = self._prepared(traces)
        objective = problem.objective()
        point, tried = self._best_start(objective) if start is None else (start.parameters, [])
        result = self._climb(objective, point, self.max_iterations)
        objective(result.x)
        mechanism, unit = problem.mechanism, problem.unit
        weights = ridges_in_payoff_units(mechanism, problem.ridge, unit)
        dynamics = out_of_unit(mechanism, problem.dynamics, problem.original, unit)
        of_learners = [name for name, parameter in dynamics.named_parameters() if parameter.requires_grad]
        return Estimate(
            mechanism.requires_grad_(False),
            dynamics.requires_grad_(False),
            pd.DataFrame(objective.history),
            traces.agents,
            traces.action_labels,
            self._info(result) | given_in(traces) | ({"starts": tried} if tried else {}),
            MaximumUncertainty(mechanism, dynamics, problem.play, self.ridge, of_learners, weights),
        )

    def across(self, folds: Folds, starts: Starts) -> list[HeldOut]:
        """As `FitsFolds.across`: one play made ready for all folds; a fit starts from that of the fold before.

        The decisions scored are those of the learners as given, the same for all that are compared. A subclass that
        fits in another way overrides this too.
        """
        problem = self._prepared(folds.traces)
        found: list[HeldOut] = []
        fresh = problem.objective().start()
        for number in range(len(folds)):
            held_out = folds.held_out(number)
            objective = problem.objective(~held_out)
            start = starts.get(number, starts.get(number - 1))
            if start is not None:  # what only the held-out episodes speak about must not come from them
                silent = objective.silent(start.parameters)
                start = start._replace(parameters=np.where(silent, fresh, start.parameters))
            starts[number] = self._nearly_maximised(objective, start)
            scored = problem.play.of_episodes(held_out)
            found.append(score_play(problem.mechanism, problem.dynamics, scored, held_out))
        return found

    def _form(self, traces: Traces) -> Mechanism:
        return self.mechanism

    def _prepared(self, traces: Traces) -> _Problem:
        mechanism = copy.deepcopy(self._form(traces)).double().to(self.device).requires_grad_(True)
        original = copy.deepcopy(self.dynamics).to(self.device)
        original.for_game(mechanism)
        play = observe(mechanism, original, traces)
        unit = unit_of_fit(mechanism, original, play.contexts)
        dynamics = into_unit(mechanism, original, unit)
        mechanism.reset_parameters(seeded_generator(self.seed, "fit"))
        ridge = self.ridge * (unit / payoff_unit(original) * INSIDE) ** 2
        return _Problem(mechanism, dynamics, original, play, unit, ridge)

    def _nearly_maximised(self, objective: _Objective, start: Start | None) -> Start:
        """Near enough to the maximum to predict as well as there; few parameters bring their curvature with them."""
        ridge = float(objective.ridge.max())
        if start is None or len(start.parameters) > FEW:
            point = self._best_start(objective)[0] if start is None else start.parameters
            objective(self._climb(objective, point, self.max_iterations).x)
            return Start(objective.start(), ridge, None)
        curvature = start.curvature
        if curvature is None:
            curvature = objective.curvature(start.parameters)
        elif ridge != start.ridge:
            more = np.where(objective.ridge.numpy() > 0, ridge - start.ridge, 0.0)
            curvature = curvature + np.diag(more / objective.decisions)
        options = {"maxiter": self.max_iterations, "gtol": NEARLY_FLAT, "hess_inv0": _inverse(curvature)}
        first = start.parameters
        result = minimize(objective, first, jac=True, method="BFGS", callback=objective.record, options=options)
        objective(result.x)
        return Start(result.x, ridge, np.linalg.inv(result.hess_inv))

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

    def _form(self, traces: Traces) -> Mechanism:
        """A table of the traces' action counts. Raises ValueError if it would be larger than a table may be."""
        return TabularMechanism(traces.action_counts)


class _Problem(NamedTuple):
    """Form and learners in the unit in which they are fitted, the learners as they were given, play and ridge."""

    mechanism: Mechanism
    dynamics: Dynamics
    original: Dynamics
    play: ObservedPlay
    unit: float
    ridge: float

    def objective(self, episodes: NDArray[np.bool_] | None = None) -> _Objective:
        """Of all episodes, or of some. bool [E]"""
        play = self.play if episodes is None else self.play.of_episodes(episodes)
        return _Objective(self.mechanism, self.dynamics, play, self.ridge)


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
        """Where the parameters are."""
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

    def silent(self, vector: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Parameters of which the play says nothing at all, [P]: contexts that nobody met."""
        slope = self(vector)[1] - self.ridge.numpy() * vector / self.decisions
        return np.abs(slope) <= SILENT * np.abs(self.ridge.numpy() * vector / self.decisions)

    def curvature(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Second derivatives there, from differences of slopes. [P, P]"""
        here = self(vector)[1]
        rows = [(self(vector + APART * unit)[1] - here) / APART for unit in np.eye(len(vector))]
        return (np.array(rows) + np.array(rows).T) / 2

    def record(self, _: NDArray[np.float64]) -> None:
        """Raises StopIteration, which ends the search where it is, when the fit's time is over."""
        seconds = time.perf_counter() - self.begun
        self.history.append({"iteration": len(self.history), "train_log_likelihood": -self.value, "seconds": seconds})
        if current().over:
            raise StopIteration


def _inverse(curvature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive definite, whatever the curvature."""
    values, vectors = np.linalg.eigh(curvature)
    inverse: NDArray[np.float64] = vectors / np.maximum(values, FLATTEST * max(values[-1], FLATTEST)) @ vectors.T
    return (inverse + inverse.T) / 2
