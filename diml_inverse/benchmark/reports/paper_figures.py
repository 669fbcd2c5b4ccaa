"""What An & Du (2026) report for their training, on mechanisms of their own drawing."""

from __future__ import annotations

from typing import NamedTuple


class PublishedFigure(NamedTuple):
    """estimator: the suite's name for the paper's method."""

    task: str
    estimator: str
    metric: str
    value: float


PUBLISHED = (
    PublishedFigure("E1", "published", "payoff_difference_mse", 0.0098),
    PublishedFigure("E1", "published", "payoff_difference_mse_relative", 0.47),
    PublishedFigure("E1", "published", "log_likelihood", -1.7651),
    PublishedFigure("E1", "tabular", "payoff_difference_mse", 0.0129),
    PublishedFigure("E2", "published", "payoff_difference_mse", 0.0907),
    PublishedFigure("E2", "published", "payoff_difference_mse_relative", 0.26),
    PublishedFigure("E2", "published", "log_likelihood", -1.5380),
    PublishedFigure("E2", "tabular", "payoff_difference_mse", 0.1332),
    PublishedFigure("E2", "structured", "payoff_difference_mse", 0.0034),
    PublishedFigure("E2", "structured", "log_likelihood", -1.5219),
    PublishedFigure("E3", "published", "payoff_difference_mse", 0.0190),
    PublishedFigure("E3", "published", "payoff_difference_mse_relative", 0.15),
    PublishedFigure("E3", "published", "log_likelihood", -1.9108),
    PublishedFigure("E3", "structured", "payoff_difference_mse", 0.0004),
    PublishedFigure("E3", "structured", "log_likelihood", -1.9030),
    PublishedFigure("E7-n40", "published", "payoff_difference_mse", 0.00024),
    PublishedFigure("E7-n40", "published", "payoff_difference_mse_relative", 0.09),
    PublishedFigure("E7-n40", "published", "log_likelihood", -2.2690),
)
