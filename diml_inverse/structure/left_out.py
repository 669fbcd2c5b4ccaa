"""What kinds of interaction that were left out may still contribute: the posterior with them, for standard errors.

A kind is left out when play speaks too little for it, not because it is known to be absent. Taking it for absent makes
intervals too short, so for these each kind left out gets a prior variance again: its mean given the play, with the
odds against a kind that were used to leave it out, and else a flat prior on the root up to that of the largest found.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from diml_inverse.structure.evidence import LEAST_EVIDENCE, Posterior, Problem

FloatArray = NDArray[np.float64]

ROOTS = np.linspace(0, 1, 101)[1:]  # of variances, as shares of the largest
NEGLIGIBLE = 1e-4  # share of the largest variance below which a kind stays out


def with_kinds_left_out(problem: Problem, found: Posterior) -> tuple[list[int], FloatArray]:
    """Numbers of kinds, those found first, and the mean product of their weights' errors, [W, W].

    Errors of the posterior mode found: posterior covariance, and the step from that mode to the posterior's mean.
    """
    every = _with_every_kind(problem, found)
    if not every.kinds:
        return [], np.zeros((0, 0))
    gradient, information = problem.derivatives(every)
    largest = max(found.variances.values())
    variances = _variances_left_out(problem, found, every.kinds, gradient, information, largest) | found.variances
    kinds = [kind for kind in every.kinds if kind in found.kinds or variances[kind] > NEGLIGIBLE * largest]
    places = problem.places(every.kinds)
    chosen = np.concatenate([np.arange(places[kind].start, places[kind].stop) for kind in kinds])
    shrinkage = np.concatenate([np.full(problem.sizes[kind], 1 / variances[kind]) for kind in kinds])
    covariance = np.linalg.inv(information[np.ix_(chosen, chosen)] + np.diag(shrinkage))
    step = covariance @ (gradient[chosen] - shrinkage * problem.flat(every)[chosen])
    return kinds, covariance + np.outer(step, step)


def _with_every_kind(problem: Problem, found: Posterior) -> Posterior:
    """The kinds found, then all others with weights of zero."""
    left_out = [kind for kind, size in enumerate(problem.sizes) if size and kind not in found.kinds]
    weights = found.weights | {kind: np.zeros(problem.sizes[kind]) for kind in left_out}
    return replace(found, kinds=found.kinds + left_out, weights=weights)


def _variances_left_out(
    problem: Problem,
    found: Posterior,
    kinds: list[int],
    gradient: FloatArray,
    information: FloatArray,
    largest: float,
) -> dict[int, float]:
    """Mean prior variance of each kind left out, given the play and the kinds found."""
    places = problem.places(kinds)
    shrinkage = np.concatenate([np.full(problem.sizes[kind], 1 / found.variances[kind]) for kind in found.kinds])
    known = slice(0, len(shrinkage))
    factor = cho_factor(information[known, known] + np.diag(shrinkage), lower=True)
    means = {}
    for kind in kinds[len(found.kinds) :]:
        own = places[kind]
        about = information[own, own] - information[own, known] @ cho_solve(factor, information[known, own])
        means[kind] = _mean_variance(gradient[own], about, largest)
    return means


def _mean_variance(gradient: FloatArray, information: FloatArray, largest: float) -> float:
    """Of weights with this gradient and information at zero; prior flat in the variance's root."""
    values, vectors = np.linalg.eigh(information)
    values, slopes = values.clip(min=0), vectors.T @ gradient
    variances = (largest * ROOTS**2)[:, None]
    evidence = (variances * slopes**2 / (1 + variances * values) - np.log1p(variances * values)).sum(1) / 2
    absent = LEAST_EVIDENCE + np.log(len(ROOTS))  # that the kind is: evidence zero, and the odds for it
    chance = np.exp(np.append(evidence, absent))
    return float(chance[:-1] @ variances[:, 0] / chance.sum())
