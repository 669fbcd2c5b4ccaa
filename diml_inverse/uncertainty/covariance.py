"""`Covariance`: of fitted parameters, on the directions that play identifies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["clustered", "information", "posterior"]

# Information, each parameter in units of its own, below which there is none: what is truly not identified (a level, two
# parameters of which only the difference shows) lies at rounding error, 1e-15.
NOT_IDENTIFIED = 1e-9
CURVED = 10.0  # distance of a set of equivalent parameters from zero, in its radii, at most
SMALL = 1e-3  # more than this is never put down to a fit that stopped short of its maximum
OVERLAP = 1e-10  # squared share of a function's derivative that may lie in such directions: rounding error
RIDGE_SHARE = 0.5  # a function of which the ridge knows more than the play is not identified by the play
TINY = 1e-12


@dataclass(frozen=True)
class Covariance:
    """Inverse curvature of the penalised likelihood and, around it, what the scores vary by.

    Attributes:
        kind: "information", "clustered", or "posterior" (the penalty is a prior, and what it knows is known).
        matrix: [P, P], the covariance; directions that are not identified are held fixed.
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

    def between(self, slopes: Tensor) -> Tensor:
        """Of functions with these derivatives, [M, P] -> [M, M]; meaningless where they are not identified."""
        return slopes @ self.matrix @ slopes.T

    def variances(self, slopes: Tensor) -> Tensor:
        """Of functions with these derivatives, [M, P] -> [M]; infinite where play does not identify the function."""
        variances = (slopes @ self.matrix * slopes).sum(1).clamp(min=0)
        return torch.where(self.identifies(slopes), variances, torch.inf)

    def identifies(self, slopes: Tensor) -> Tensor:
        """Whether play pins down functions with these derivatives, [M, P] -> bool [M].

        Not if the derivative reaches into a direction without information, nor, with a ridge, if the ridge makes up
        more than half of the precision with which the function is known.
        """
        inside = self.reaches(slopes)
        if self.kind == "posterior":
            return inside
        along = slopes @ self.bread
        by_ridge = (along.square() * self.ridge).sum(1)
        return inside & (by_ridge <= RIDGE_SHARE * (along * slopes).sum(1) + TINY * by_ridge)

    def reaches(self, slopes: Tensor) -> Tensor:
        """Whether functions with these derivatives keep out of directions without information, [M, P] -> bool [M]."""
        scaled = slopes / self.scale
        return (scaled @ self.lost).square().sum(1) <= OVERLAP * scaled.square().sum(1)

    def steps(self, noise: Tensor) -> Tensor:
        """Standard normal numbers [M, P] made into draws of this covariance."""
        values, vectors = torch.linalg.eigh(self.scale[:, None] * self.matrix * self.scale)
        return noise * values.clamp(min=0).sqrt() @ vectors.T / self.scale

    def tensors(self) -> dict[str, Tensor]:
        """What is to be saved, `matrix` apart."""
        return {name: getattr(self, name) for name in ("bread", "scale", "lost", "ridge")}


def information_covariance(hessian: Tensor, ridge: Tensor, scores: Tensor, theta: Tensor) -> Covariance:
    """Inverse of Hessian plus ridge on the directions that are identified.

    hessian: of minus the log-likelihood, [P, P]; ridge: [P]; scores: of the episodes, [G, P]; theta: where, [P].

    Raises:
        ValueError: the curvature is not that of a maximum.
    """
    diagonal = hessian.diagonal().abs()
    scale = diagonal.clamp(min=TINY * max(float(diagonal.max()), TINY)).sqrt()
    scaled = hessian / scale[:, None] / scale
    lost = _lost(scaled, scores / scale, theta * scale)
    kept = torch.linalg.qr(lost, mode="complete")[0][:, lost.shape[1] :]  # the directions across these
    precision = kept.T @ (scaled + torch.diag(ridge / scale.square())) @ kept
    factor, failed = torch.linalg.cholesky_ex(precision)
    if failed:
        raise ValueError(
            "the log-likelihood curves upwards at the estimate, which is then no maximum and has no standard errors: "
            "fit with a smaller tolerance, more iterations, or a ridge"
        )
    bread = kept @ torch.cholesky_inverse(factor) @ kept.T / scale[:, None] / scale
    return Covariance("information", bread, bread, scale, lost, ridge)


def clustered_covariance(information: Covariance, scores: Tensor) -> Covariance:
    """Sandwich of episodes' scores [G, P] in the inverse curvature, times G / (G - 1)."""
    episodes = len(scores)
    half = scores @ information.bread
    return replace(information, kind="clustered", matrix=half.T @ half * (episodes / (episodes - 1)))


def _lost(scaled: Tensor, scores: Tensor, theta: Tensor) -> Tensor:
    """Directions without information, [P, m]: along them no episode's likelihood changes, and none of it is curved.

    A curved set of equivalent parameters, such as payoffs times precision, does show some curvature where the fit
    stopped short of the maximum: up to the slope left there, over the set's radius.
    """
    _, sizes, across = torch.linalg.svd(scores, full_matrices=True)
    flat = across[(sizes > NOT_IDENTIFIED * sizes.max()).sum() :].T
    values, vectors = torch.linalg.eigh(flat.T @ scaled @ flat)
    slack = CURVED * scores.sum(0).norm() / theta.norm().clamp(min=1.0)
    return flat @ vectors[:, values.abs() <= NOT_IDENTIFIED + slack.clamp(max=SMALL)]
