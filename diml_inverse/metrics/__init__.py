"""How far a recovered mechanism is from the true one, and how well it predicts. `METRICS` says what each means."""

from diml_inverse.metrics.bootstrap import (
    EpisodeSums,
    Interval,
    bootstrap_interval,
    episode_means,
    ratio_of_sums,
)
from diml_inverse.metrics.calibration import (
    calibration_by_episode,
    expected_calibration_error,
    reliability,
    reliability_plot,
)
from diml_inverse.metrics.choices import (
    accuracy,
    accuracy_by_episode,
    choice_kl,
    choice_kl_by_episode,
    log_likelihood_by_episode,
    negative_log_likelihood_by_context,
)
from diml_inverse.metrics.decisions import scored_decisions
from diml_inverse.metrics.histograms import (
    CounterfactualKL,
    counterfactual_kl,
    histogram_kl,
    histogram_kl_by_episode,
)
from diml_inverse.metrics.payoffs import (
    negative_log_likelihood,
    payoff_difference_agreement,
    payoff_difference_by_episode,
    payoff_difference_mse,
    payoff_mse,
    payoff_mse_by_support,
)
from diml_inverse.metrics.table import METRICS, MetricMeaning

__all__ = [
    "METRICS",
    "CounterfactualKL",
    "EpisodeSums",
    "Interval",
    "MetricMeaning",
    "accuracy",
    "accuracy_by_episode",
    "bootstrap_interval",
    "calibration_by_episode",
    "choice_kl",
    "choice_kl_by_episode",
    "counterfactual_kl",
    "episode_means",
    "expected_calibration_error",
    "histogram_kl",
    "histogram_kl_by_episode",
    "log_likelihood_by_episode",
    "negative_log_likelihood",
    "negative_log_likelihood_by_context",
    "payoff_difference_agreement",
    "payoff_difference_by_episode",
    "payoff_difference_mse",
    "payoff_mse",
    "payoff_mse_by_support",
    "ratio_of_sums",
    "reliability",
    "reliability_plot",
    "scored_decisions",
]
