"""`NetworkUncertainty`: of a mechanism with many parameters, such as networks, by linearising it (Laplace).

A network is taken to be linear in its parameters around the estimate, with a normal prior of one variance s^2 on all of
them, in the unit of the fit (Khan et al. 2019; Immer et al. 2021). The payoffs f of the contexts met are then a
Gaussian process with kernel s^2 J J^T, J = df / dtheta, and

    covariance of f = (H + (s^2 J J^T)^-1)^-1,    H = minus the second derivative of the log-likelihood in f,

which needs no matrix larger than the contexts met. s^2 maximises the evidence of the play. Packages such as
laplace-torch need a likelihood that is a sum over independent examples; here a decision rests on all rounds before it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism, payoff_table
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.units import in_payoff_units, unit_of_fit
from diml_inverse.likelihood import ObservedPlay
from diml_inverse.uncertainty.base import Uncertainty, facts_of_play
from diml_inverse.uncertainty.fitted import Fitted, jacobian
from diml_inverse.uncertainty.information import observed_information
from diml_inverse.uncertainty.laplace import Posterior, posterior

AT_ONCE = 512  # numbers of which variances are computed at once
LEARNERS_VARIANCE = 100.0  # prior of learners' raw parameters, logits and logarithms: as good as none
MOST_SLOPES = 2**25  # entries of one Jacobian held at once, 256 MB
LARGEST_DRAW = 5000  # payoffs of a whole game drawn at once


class _Payoffs(Mechanism):
    """The payoffs of the contexts met, free."""

    def __init__(self, action_counts: Sequence[int], payoffs: Tensor) -> None:
        super().__init__(action_counts)
        self.payoffs = nn.Parameter(payoffs.nan_to_num())

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        return self.payoffs


class NetworkUncertainty(Uncertainty):
    """Credible intervals of a network's payoffs; they count its smoothness as knowledge, also where nobody played.

    Training stops early and decays weights, so an estimate is no posterior mean: its distance from the mean of the
    linearised network's posterior counts as error too (a variance is then a mean square error).
    Levels, which no play shows under full feedback, keep the prior's variance.

    Args:
        mechanism, dynamics, of_learners: as in `Uncertainty`.
        play: what they were fitted to.
    """

    kinds: ClassVar[tuple[str, ...]] = ("linearised",)

    def __init__(
        self, mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, of_learners: Sequence[str] = ()
    ) -> None:
        super().__init__(mechanism, dynamics, of_learners)
        self._play: ObservedPlay | None = play
        self._contexts = play.contexts
        self._unit = unit_of_fit(mechanism, dynamics, play.contexts)
        self._posterior: Posterior | None = None
        self._facts: dict[str, Any] = {}

    def facts(self) -> Mapping[str, Any]:
        self._known()
        return self._facts

    def made(self, kind: str | None = None) -> str:
        return "network linearised about the estimate (Laplace), prior variance chosen by evidence"

    @property
    def computed(self) -> bool:
        return self._posterior is not None

    @property
    def work(self) -> float:
        """Payoffs along the play that are differentiated, over all rows of the Hessian; 7e6 took 1.2 s."""
        return 0.0 if self._play is None else float(self._numbers().numel()) * self._play.actions.numel()

    def variances(self, values: Tensor, kind: str | None = None) -> Tensor:
        self._check(kind)
        known, found = self._known(), []
        for part in values.split(AT_ONCE):
            own = self._kernel(part, part).diagonal()
            across = self._kernel(part, self._numbers())
            own = (own - (across @ known.middle * across).sum(1)).clamp(min=0)
            found.append(own + (across @ known.shift).square())
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)

    def between(self, values: Tensor, kind: str | None = None) -> Tensor:
        self._check(kind)
        known, across = self._known(), self._kernel(values, self._numbers())
        shift = across @ known.shift
        return self._kernel(values, values) - across @ known.middle @ across.T + torch.outer(shift, shift)

    def _numbers(self) -> Tensor:
        """t, [n], differentiable in the parameters."""
        payoffs = self.fitted.mechanism.context_payoffs(self._contexts).nan_to_num().reshape(-1)
        return torch.cat([payoffs, *(parameter.reshape(-1) for parameter in self.fitted.on_learners)])

    def _kernel(self, left: Tensor, right: Tensor, variance: float | None = None) -> Tensor:
        """Prior covariance of numbers computed from `fitted`, [M], [L] -> [M, L]."""
        variance = self._known().variance if variance is None else variance
        kernel = torch.zeros(len(left), len(right), dtype=torch.float64)
        for parameters, scale in self._groups(max(len(left), len(right))):
            slopes = jacobian(right, parameters)
            own = slopes if left is right else jacobian(left, parameters)
            kernel += (LEARNERS_VARIANCE if scale is None else variance * scale**2) * own @ slopes.T
        return kernel

    def _groups(self, rows: int) -> Iterator[tuple[list[Tensor], float | None]]:
        """Parameters, as many at a time as their slopes can be held for, at least one; their unit, None of learners."""
        scaled = in_payoff_units(self.fitted.mechanism, self._unit)
        units: list[float | None] = [self._unit if one else 1.0 for one in scaled]
        units += [None] * len(self.fitted.on_learners)
        group: list[Tensor] = []
        of_group: float | None = None
        for unit, parameter in zip(units, self.fitted.parameters, strict=True):
            held = sum(one.numel() for one in group) + parameter.numel()
            if group and (unit != of_group or held * rows > MOST_SLOPES):
                yield group, of_group
                group = []
            group.append(parameter)
            of_group = unit
        yield group, of_group

    def _known(self) -> Posterior:
        if self._posterior is None:
            self._posterior = self._compute()
        return self._posterior

    def _compute(self) -> Posterior:
        assert self._play is not None
        payoffs = self.fitted.mechanism.context_payoffs(self._contexts).detach()
        free = Fitted(_Payoffs(self.fitted.mechanism.action_counts, payoffs), self.fitted.dynamics, self.of_learners)
        hessian, scores, totals = observed_information(free, self._play)
        numbers = self._numbers()
        unit = self._kernel(numbers, numbers, variance=1.0)
        found, determined = posterior(unit, hessian, scores.sum(0), free.vector().cpu()[: free.num_on_payoffs])
        self._facts = {
            **facts_of_play(self._play, totals),
            "covariance": self.kinds[0],
            "parameters": self.fitted.size,
            "identified": determined,
            "penalty": "prior by evidence",
        }
        return found

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        """As in `Uncertainty`; the mechanisms are tables of the linearised network's payoff differences.

        Raises:
            ValueError: a game with too many payoffs for that.
        """
        mechanism = self.fitted.mechanism
        counts = mechanism.action_counts
        if math.prod(counts) * len(counts) > LARGEST_DRAW:
            raise ValueError(
                f"draws of a network are whole tables of payoffs, of at most {LARGEST_DRAW}; action counts {counts} "
                "have more: use the replicates of diml_inverse.inference.bootstrap"
            )
        payoffs = payoff_table(mechanism)
        means = [payoffs[..., i].mean(i, keepdim=True) for i in range(len(counts))]
        centred = torch.stack([payoffs[..., i] - mean for i, mean in enumerate(means)], -1)
        values = torch.cat([centred.reshape(-1), *(parameter.reshape(-1) for parameter in self.fitted.on_learners)])
        sizes, vectors = torch.linalg.eigh(self.between(values, kind))
        noise = torch.randn(num, len(values), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        drawn = values.detach().cpu() + noise * sizes.clamp(min=0).sqrt() @ vectors.T
        return [self._pair(one[: payoffs.numel()].reshape(payoffs.shape), one[payoffs.numel() :]) for one in drawn]

    def _pair(self, payoffs: Tensor, learners: Tensor) -> tuple[Mechanism, Dynamics]:
        dynamics = copy.deepcopy(self.fitted.dynamics)
        raw = dict(dynamics.named_parameters())
        if self.of_learners:
            nn.utils.vector_to_parameters(learners, [raw[name] for name in self.of_learners])
        return TabularMechanism.from_payoffs(payoffs).requires_grad_(False), dynamics.requires_grad_(False)

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        known = self._known()
        inputs = {f"input.{place}": tensor.cpu() for place, tensor in enumerate(self._contexts.inputs)}
        numbers = {"variance": known.variance, "of_learners": list(self.of_learners), "facts": self._facts}
        numbers["unit"] = self._unit
        return {"middle": known.middle, "shift": known.shift, **inputs}, numbers

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        made = cls.__new__(cls)
        Uncertainty.__init__(made, mechanism, dynamics, facts["of_learners"])
        inputs = tuple(tensors[f"input.{place}"] for place in range(len(tensors) - 2))
        made._play, made._contexts = None, Contexts(torch.zeros(0, dtype=torch.int64), inputs)
        made._posterior = Posterior(tensors["middle"], tensors["shift"], facts["variance"])
        made._facts, made._unit = dict(facts["facts"]), facts.get("unit", 1.0)
        return made
