"""How sure an estimate is: covariances, intervals, tests, and a bootstrap for estimators without a covariance."""

from diml_inverse.inference.bootstrap import Bootstrap, bootstrap
from diml_inverse.inference.hypotheses import HypothesisTest, likelihood_ratio_test, same_mechanism_test, wald_test
from diml_inverse.inference.intervals import Interval, function_interval, learner_parameters
from diml_inverse.inference.jackknife import Jackknife, jackknife
from diml_inverse.inference.summary import Summary
from diml_inverse.uncertainty.base import Uncertainty

__all__ = [
    "Bootstrap",
    "HypothesisTest",
    "Interval",
    "Jackknife",
    "Summary",
    "Uncertainty",
    "bootstrap",
    "function_interval",
    "jackknife",
    "learner_parameters",
    "likelihood_ratio_test",
    "same_mechanism_test",
    "wald_test",
]
