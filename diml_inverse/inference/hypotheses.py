"""Tests of hypotheses about payoffs and learners: Wald, likelihood ratio, and whether two plays had one mechanism."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from scipy.stats import chi2, f

from diml_envs.traces import Traces
from diml_inverse.inference.intervals import uncertainty_of
from diml_inverse.likelihood import observe
from diml_inverse.recovered.protocol import FitsMechanism
from diml_inverse.recovered.recovered import Recovered
from diml_inverse.uncertainty.base import Ends
from diml_inverse.uncertainty.fitted import Function
from diml_inverse.uncertainty.maximum import MaximumUncertainty

SAME = 1e-10  # share of the largest variance below which one restriction repeats others


class HypothesisTest(NamedTuple):
    """statistic: chi-squared with so many degrees of freedom under the null hypothesis; p_value: of one as large.

    With a covariance clustered over G episodes, statistic / degrees is compared with F(degrees, G - 1).
    """

    statistic: float
    degrees: int
    p_value: float


def wald_test(
    estimate: Recovered, restriction: Function, value: ArrayLike = 0.0, covariance: str | None = None
) -> HypothesisTest:
    """Whether a function of mechanism and learners equals a value.

    (f - value)^T (J V J^T)^-1 (f - value); restrictions that repeat others are not counted.

    Args:
        estimate: one that has standard errors.
        restriction: f, of mechanism and dynamics, differentiable; q numbers. For example
            `lambda mechanism, dynamics: mechanism.quadratic_cost[2]`.
        value: what f is under the null hypothesis; broadcast.
        covariance: as in `Estimate.standard_errors`.

    Raises:
        ValueError: play does not identify a restricted function or bounds it on one side only, or as
            `Estimate.standard_errors`.
    """
    uncertainty = uncertainty_of(estimate)
    values = uncertainty.fitted.value(restriction)
    off = (values.detach().double().cpu() - torch.as_tensor(value, dtype=torch.float64)).reshape(-1)
    found = values.reshape(-1)
    ends = uncertainty.ends(restriction, kind=covariance)
    _check_two_sided(ends)
    if lost := (ends.low.isinf() & ends.high.isinf()).reshape(-1).nonzero()[:, 0].tolist():
        raise ValueError(
            f"play does not identify restricted function number {lost[0]} of {len(off)}: its standard error is "
            "infinite. `estimate.summary()` shows which parameters are identified; often a difference of two is"
        )
    values, vectors = torch.linalg.eigh(uncertainty.between(found, covariance))
    known = values > SAME * values[-1]
    statistic, number = float(((vectors.T @ off)[known].square() / values[known]).sum()), int(known.sum())
    of_scores = uncertainty.degrees(covariance)  # few episodes make a sandwich, and so the statistic, spread wider
    if math.isinf(of_scores):
        return _chi_squared(statistic, number)
    return HypothesisTest(statistic, number, float(f.sf(statistic / number, number, of_scores)))


def _check_two_sided(ends: Ends) -> None:
    """A Wald test takes the likelihood for a parabola, which it is not where it stays level on one side."""
    one_sided = (ends.low.isinf() ^ ends.high.isinf()).reshape(-1).nonzero()[:, 0].tolist()
    if one_sided:
        where = one_sided[0]
        low, high = float(ends.low.reshape(-1)[where]), float(ends.high.reshape(-1)[where])
        raise ValueError(
            f"a Wald test does not apply to restricted function number {where}: play bounds it on one side only, "
            f"[{low:.4g}, {high:.4g}], since an action was never or hardly chosen there. Use likelihood_ratio_test on "
            "fits with and without the restriction, or see whether the value lies in this interval"
        )


def likelihood_ratio_test(
    restricted: Recovered, full: Recovered, traces: Traces, degrees: int | None = None
) -> HypothesisTest:
    """Whether the restrictions by which one model is a special case of another hold: 2 (full - restricted), in nats.

    It assumes that the learners are right (unlike the Wald test with a clustered covariance), and maxima of the
    likelihood: both fitted to these traces, with no ridge or one that hardly moves what is identified.

    Args:
        restricted, full: fitted by maximum likelihood to `traces`.
        traces: what both were fitted to.
        degrees: of freedom; None counts the identified parameters of each.

    Raises:
        ValueError: the full model has no more identified parameters than the restricted, or fits clearly worse.
    """
    if degrees is None:
        degrees = _identified(full) - _identified(restricted)
    if degrees < 1:
        raise ValueError(f"the full model must have more identified parameters than the restricted; got {degrees} more")
    gain = _total(full, traces) - _total(restricted, traces)
    if gain < -0.01:
        raise ValueError(
            f"the full model's log-likelihood is {-gain:.3g} nats below the restricted one's: the models are not "
            "nested, or a fit stopped short of its maximum"
        )
    return _chi_squared(2 * max(gain, 0.0), degrees)


def same_mechanism_test(estimator: FitsMechanism, traces_1: Traces, traces_2: Traces) -> HypothesisTest:
    """Whether two sets of play had the same payoffs (and the same learners, as far as these are fitted).

    Likelihood ratio of fits to each against one fit to both, so it assumes that the learners are right.

    Args:
        estimator: `StructuredMLE` or `TabularMLE`.
        traces_1, traces_2: play of the same agents and actions.

    Raises:
        ValueError: different agents or actions, or an estimator whose estimates have no covariance.
    """
    parts = [(estimator.fit(traces), traces) for traces in (traces_1, traces_2)]
    pooled = estimator.fit(traces_1 + traces_2)
    degrees = sum(_identified(estimate) for estimate, _ in parts) - _identified(pooled)
    apart = sum(_total(estimate, traces) for estimate, traces in parts)
    together = sum(_total(pooled, traces) for _, traces in parts)
    if degrees < 1:
        raise ValueError("the two sets of play have no identified parameter in common, so there is nothing to test")
    return _chi_squared(2 * max(apart - together, 0.0), degrees)


def _chi_squared(statistic: float, degrees: int) -> HypothesisTest:
    return HypothesisTest(statistic, degrees, float(chi2.sf(statistic, degrees)))


def _identified(estimate: Recovered) -> int:
    uncertainty = uncertainty_of(estimate)
    if not isinstance(uncertainty, MaximumUncertainty):
        raise ValueError(
            "a likelihood ratio needs estimates at a maximum of the likelihood, by StructuredMLE or TabularMLE; got "
            f"one by {estimate.info.get('estimator', 'another estimator')}"
        )
    return int(uncertainty.facts()["identified"])


def _total(estimate: Recovered, traces: Traces) -> float:
    """Nats."""
    scored = observe(estimate.mechanism, estimate.dynamics, traces).scored.sum()
    return estimate.log_likelihood(traces) * int(scored)
