"""`Covariance`: of fitted parameters, on the directions that play identifies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["clustered", "information"]

# Directions in which the information, each parameter in units of its own, is less than this share of the largest are
# not identified. What is truly not identified (a level, two parameters of which only the difference shows) lies at
# rounding error, near 1e-15.
NOT_IDENTIFIED = 1e-9
OVERLAP = 1e-10  # squared share of a function's derivative that may lie in such directions: rounding error
RIDGE_SHARE = 0.5  # a function of which the ridge knows more than the play is not identified by the play
TINY = 1e-12


@dataclass(frozen=True)
class Covariance:
    """Inverse curvature of the penalised likelihood and, around it, what the scores vary by.

    Attributes:
        kind: "information" or "clustered".
        matrix: [P, P], the covariance.
        bread: [P, P], inverse of Hessian plus ridge; the same as `matrix` where that rests on information.
        scale: [P], units of the parameters: square roots of the Hessian's diagonal.
        lost: [P, m], orthonormal in these units: directions that are not identified.
        ridge: [P].
    """

    kind: Kind
    matrix: Tensor
    bread: Tensor
    scale: Tensor
    lost: Tensor
    ridge: Tensor

    @property
    def num_identified(self) -> int:
        """Directions of the parameters that play says something about."""
        return len(self.scale) - self.lost.shape[1]

    def variances(self, slopes: Tensor) -> Tensor:
        """Of functions with these derivatives, [M, P] -> [M]; infinite where play does not identify the function."""
        variances = (slopes @ self.matrix * slopes).sum(1).clamp(min=0)
        return torch.where(self.identifies(slopes), variances, torch.inf)

    def identifies(self, slopes: Tensor) -> Tensor:
        """Whether play pins down functions with these derivatives, [M, P] -> bool [M].

        Not if the derivative reaches into a direction without information, nor, with a ridge, if the ridge makes up
        more than half of the precision with which the function is known.
        """
        scaled = slopes / self.scale
        inside = (scaled @ self.lost).square().sum(1) <= OVERLAP * scaled.square().sum(1)
        along = slopes @ self.bread
        by_ridge = (along.square() * self.ridge).sum(1)
        return inside & (by_ridge <= RIDGE_SHARE * (along * slopes).sum(1) + TINY * by_ridge)

    def steps(self, noise: Tensor) -> Tensor:
        """Standard normal numbers [M, P] made into draws of this covariance, none in directions not identified."""
        values, vectors = torch.linalg.eigh(self.scale[:, None] * self.matrix * self.scale)
        steps = noise * values.clamp(min=0).sqrt() @ vectors.T
        return (steps - steps @ self.lost @ self.lost.T) / self.scale

    def tensors(self) -> dict[str, Tensor]:
        """What is to be saved, `matrix` apart."""
        return {name: getattr(self, name) for name in ("bread", "scale", "lost", "ridge")}


def information_covariance(hessian: Tensor, ridge: Tensor) -> Covariance:
    """Inverse of Hessian plus ridge. hessian: of minus the log-likelihood, [P, P]; ridge: [P].

    Raises:
        ValueError: the curvature is not that of a maximum.
    """
    diagonal = hessian.diagonal().abs()
    scale = diagonal.clamp(min=TINY * max(float(diagonal.max()), TINY)).sqrt()
    scaled = hessian / scale[:, None] / scale
    lost = _directions(scaled)
    values, vectors = torch.linalg.eigh(scaled + torch.diag(ridge / scale**2))
    smallest, largest = float(values[0]), float(values[-1])
    if smallest < -1e-6 * largest:
        raise ValueError(
            "the log-likelihood curves upwards at the estimate, which is then no maximum and has no standard errors: "
            "fit with a smaller tolerance, more iterations, or a ridge"
        )
    known = values > NOT_IDENTIFIED * min(largest, len(values))
    inverse = vectors[:, known] / values[known] @ vectors[:, known].T
    bread = inverse / scale[:, None] / scale
    return Covariance("information", bread, bread, scale, lost, ridge)


def clustered_covariance(information: Covariance, scores: Tensor) -> Covariance:
    """Sandwich of episodes' scores [G, P] in the inverse curvature, times G / (G - 1)."""
    episodes = len(scores)
    half = scores @ information.bread
    matrix = half.T @ half * (episodes / (episodes - 1))
    return Covariance("clustered", matrix, information.bread, information.scale, information.lost, information.ridge)


def _directions(scaled: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(scaled)
    return vectors[:, values <= NOT_IDENTIFIED * values[-1]]
