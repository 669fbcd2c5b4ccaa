"""`RestartedMLE`: maximum likelihood from several starts, for learners whose likelihood has more than one maximum."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.parameters import RANGES
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import ObservedPlay, nonfinite_place, observe, total_log_likelihood
from diml_inverse.uncertainty.maximum import MaximumUncertainty

Vector = NDArray[np.float64]

DISCOUNTS = (0.5, 0.9, 0.75, 0.3)  # from which starts look ahead, in turn, where the discount is fitted
SPREAD = 1.0  # of payoffs drawn for a start, in logits
MEMORY = 50  # steps that L-BFGS remembers


class RestartedMLE:
    """Maximum likelihood by L-BFGS from the given values and no payoffs, then from payoffs and discounts drawn.

    Learners who look ahead have a likelihood with several maxima: the best of the starts is kept, and
    `info["starts"]` has the log-likelihood (nats, penalty included) that each of them led to.

    Args:
        mechanism, dynamics: the form to fit, and the learners.
        ridge: weight of a penalty ridge / 2 * (sum of squared payoffs and first attractions, in logits).
        starts: how many; the first is from the given values.
        iterations: of L-BFGS, for each start at most.
        tolerance: relative improvement at which to stop.
        seed: of the starts.

    Raises:
        ValueError: a setting outside its range.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        ridge: float = 0.1,
        starts: int = 3,
        iterations: int = 1000,
        tolerance: float = 1e-10,
        seed: int = 0,
    ) -> None:
        if not ridge >= 0 or starts < 1 or iterations < 1:
            raise ValueError(f"ridge at least 0, starts and iterations at least 1; got {ridge}, {starts}, {iterations}")
        self.mechanism, self.dynamics, self.ridge = mechanism, dynamics, ridge
        self.starts, self.iterations, self.tolerance, self.seed = starts, iterations, tolerance, seed

    def fit(self, traces: Traces) -> Estimate:
        """Fit to all of the traces.

        Raises:
            ValueError: mechanism and traces do not fit together.
            FloatingPointError: NaN or infinity, with the round and agent at which it arose.
        """
        return self.fit_from(traces, None)

    def fit_from(self, traces: Traces, start: Estimate | None) -> Estimate:
        """Fit from what a like fit found, once, or if there is none from the starts."""
        climb = _Climb(self, traces)
        firsts = climb.starts(self.starts) if start is None else [_vector(start.mechanism, start.dynamics)]
        found = [climb.climbed(first) for first in firsts]
        return climb.estimate(max(found, key=lambda pair: pair[0])[1], traces, [value for value, _ in found])


class _Climb:
    """One play, one form, one kind of learner: the penalised likelihood and ways up."""

    def __init__(self, settings: RestartedMLE, traces: Traces) -> None:
        self.settings = settings
        self.mechanism = copy.deepcopy(settings.mechanism).double().requires_grad_(True)
        self.mechanism.reset_parameters(seeded_generator(settings.seed, "fit"))
        self.dynamics = copy.deepcopy(settings.dynamics)
        self.dynamics.for_game(self.mechanism)
        self.play: ObservedPlay = observe(self.mechanism, self.dynamics, traces)
        self.of_learners = [name for name, part in self.dynamics.named_parameters() if part.requires_grad]
        self.parameters = [*self.mechanism.parameters(), *(self.dynamics.get_parameter(n) for n in self.of_learners)]
        ones = [torch.ones_like(part) for part in self.mechanism.parameters()]
        named = zip(self.of_learners, self.parameters[len(ones) :], strict=True)
        rest = [torch.full_like(part, float(name == "first")) for name, part in named]
        self.penalised = (settings.ridge * parameters_to_vector([*ones, *rest])).numpy()
        self.decisions = int(self.play.scored.sum())
        self.history: list[dict[str, float]] = []

    def starts(self, number: int) -> list[Vector]:
        """The values as given; then payoffs drawn, other discounts in turn."""
        given = parameters_to_vector(self.parameters).detach().numpy().copy()
        payoffs = sum(part.numel() for part in self.mechanism.parameters())
        rng = np.random.default_rng(self.settings.seed)
        found = [given]
        for place in range(1, number):
            drawn = given.copy()
            drawn[:payoffs] = rng.normal(0, SPREAD, payoffs)
            if (at := self._place("discount")) is not None:
                discount = torch.tensor(DISCOUNTS[place % len(DISCOUNTS)])
                drawn[at] = float(RANGES["discount"].unconstrained(discount))
            found.append(drawn)
        return found

    def _place(self, name: str) -> int | None:
        place = sum(part.numel() for part in self.mechanism.parameters())
        for own, part in zip(self.of_learners, self.parameters[-len(self.of_learners) or None :], strict=False):
            if own.endswith(f"raw_{name}"):
                return place
            place += part.numel()
        return None

    def climbed(self, start: Vector) -> tuple[float, Vector]:
        """Log-likelihood less penalty, in nats, and where."""
        options = {
            "maxiter": self.settings.iterations,
            "maxfun": 2 * self.settings.iterations,
            "ftol": self.settings.tolerance,
            "gtol": 1e-7,
            "maxcor": MEMORY,
        }
        result = minimize(self, start, jac=True, method="L-BFGS-B", options=options)
        self.history.append({"iteration": int(result.nit), "train_log_likelihood": -float(result.fun)})
        return -float(result.fun) * self.decisions, result.x

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        vector_to_parameters(torch.tensor(vector), self.parameters)
        total = total_log_likelihood(self.mechanism, self.dynamics, self.play)
        gradients = torch.autograd.grad(-total, self.parameters, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in gradients]).numpy() + self.penalised * vector
        value = float(self.penalised @ vector**2) / 2 - float(total.detach())
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            place = nonfinite_place(self.mechanism, self.dynamics, self.play)
            raise FloatingPointError(f"NaN or infinity in {place}")
        return value / self.decisions, gradient / self.decisions

    def _uncertainty(self) -> MaximumUncertainty:
        weights = torch.tensor(self.penalised[: sum(part.numel() for part in self.mechanism.parameters())])
        ridge, names = self.settings.ridge, self.of_learners
        return MaximumUncertainty(self.mechanism, self.dynamics, self.play, ridge, names, weights, profiles=False)

    def estimate(self, vector: Vector, traces: Traces, values: list[float]) -> Estimate:
        """What was found there."""
        vector_to_parameters(torch.tensor(vector), self.parameters)
        settings = self.settings
        info: dict[str, Any] = {"estimator": "RestartedMLE", "ridge": settings.ridge, "seed": settings.seed}
        return Estimate(
            self.mechanism.requires_grad_(False),
            self.dynamics.requires_grad_(False),
            pd.DataFrame(self.history),
            traces.agents,
            traces.action_labels,
            {**info, "starts": values},
            self._uncertainty(),
        )


def _vector(mechanism: Mechanism, dynamics: Dynamics) -> Vector:
    """Where an estimate of the same form and learners is."""
    of_learners: list[Tensor] = list(dynamics.parameters())
    found: Vector = parameters_to_vector([*mechanism.parameters(), *of_learners]).detach().double().numpy()
    return found
