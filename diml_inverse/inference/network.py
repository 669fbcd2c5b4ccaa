"""`NetworkUncertainty`: of a mechanism with many parameters, such as networks, by linearising it (Laplace).

A network is taken to be linear in its parameters around the estimate, with a normal prior of one variance s^2 on all of
them (Khan et al. 2019; Immer et al. 2021). The payoffs f of the contexts met are then a Gaussian process with kernel
s^2 J J^T, J = df / dtheta, and

    covariance of f = (H + (s^2 J J^T)^-1)^-1,    H = minus the second derivative of the log-likelihood in f,

which needs no matrix larger than the contexts met. s^2 maximises the evidence of the play. Packages such as
laplace-torch need a likelihood that is a sum over independent examples; here a decision rests on all rounds before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.inference.fitted import Fitted, jacobian_rows
from diml_inverse.inference.information import observed_information
from diml_inverse.inference.uncertainty import Uncertainty
from diml_inverse.likelihood import ObservedPlay

LEARNERS_VARIANCE = 100.0  # prior of learners' raw parameters, logits and logarithms: as good as none
MOST_SLOPES = 2**24  # entries of one Jacobian held at once, 128 MB
LOG_VARIANCES = (-20.0, 15.0)  # where the logarithm of s^2 is looked for
LARGEST_DRAW = 5000  # payoffs of a whole game drawn at once


class _Payoffs(Mechanism):
    """The payoffs of the contexts met, free."""

    def __init__(self, action_counts: Sequence[int], payoffs: Tensor) -> None:
        super().__init__(action_counts)
        self.payoffs = nn.Parameter(payoffs.nan_to_num())

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        return self.payoffs


@dataclass(frozen=True)
class _Linearised:
    """What play says about the n numbers f: payoffs of the contexts met, then the learners' raw parameters.

    root: symmetric root of the information, [n, n]; whitened: of the covariance of root f, a factor of the middle
    (I + root K root)^-1, [n, n]; variance: s^2.
    """

    root: Tensor
    middle: Tensor
    variance: float


class NetworkUncertainty(Uncertainty):
    """Credible intervals of a network's payoffs; they count its smoothness as knowledge, also where nobody played.

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
        self._found: _Linearised | None = None
        self._facts: dict[str, Any] = {}

    def facts(self) -> Mapping[str, Any]:
        self._linearised()
        return self._facts

    @property
    def made(self) -> str:
        return "network linearised about the estimate (Laplace), prior variance of its weights chosen by evidence"

    def variances(self, values: Tensor, kind: str | None = None) -> Tensor:
        self._check(kind)
        return self._of_many(values, kind, diagonal=True)

    def between(self, values: Tensor, kind: str | None = None) -> Tensor:
        self._check(kind)
        return self._of_many(values, kind, diagonal=False)
