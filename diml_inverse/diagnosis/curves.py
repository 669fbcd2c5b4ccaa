"""Tables to draw: choices over rounds, observed and predicted; residuals' correlation with their past."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_inverse.diagnosis.checks import before
from diml_inverse.diagnosis.predicted import PredictedPlay
from diml_inverse.estimators.cross_validation import clustered_error

FloatArray = NDArray[np.float64]

MOST_BINS = 12
DECISIONS_PER_BIN = 120
LONGEST_LAG = 15


def learning_curves(play: PredictedPlay) -> pd.DataFrame:
    """Shares of each action over the rounds.

    Columns: agent, action (label), first_round, last_round, decisions, observed, predicted (mean probability),
    standard_error (of observed less predicted, which is 0 in the mean under the right model; over episodes, NaN for a
    single one).
    """
    return pd.concat([_curve(play, agent) for agent in range(play.traces.num_agents)], ignore_index=True)


def _curve(play: PredictedPlay, agent: int) -> pd.DataFrame:
    scored = play.scored[:, :, agent]
    number = int(np.clip(scored.sum() // DECISIONS_PER_BIN, 1, MOST_BINS))
    used = np.flatnonzero(scored.any(0))
    tables = []
    for rounds in np.array_split(used, min(number, len(used))) if len(used) else []:
        place = slice(rounds[0], rounds[-1] + 1)
        decisions = scored[:, place].sum(1)
        sums = {"observed": play.taken, "predicted": play.probs, "error": play.residuals}
        of_bin = {name: values[:, place, agent].sum(1) for name, values in sums.items()}  # [E, A]
        labels = play.traces.action_labels[agent]
        table = pd.DataFrame(
            {
                "agent": play.traces.agents[agent],
                "action": labels,
                "first_round": rounds[0],
                "last_round": rounds[-1],
                "decisions": decisions.sum(),
                "observed": (of_bin["observed"].sum(0) / decisions.sum())[: len(labels)],
                "predicted": (of_bin["predicted"].sum(0) / decisions.sum())[: len(labels)],
                "standard_error": _error(play, agent, of_bin["error"], decisions)[: len(labels)],
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _error(play: PredictedPlay, agent: int, errors: FloatArray, decisions: FloatArray) -> FloatArray:
    """Clustered by units that share nobody; errors [E, A], decisions [E] -> [A]."""
    units, count = play.traces.units[:, agent], play.traces.num_units
    spoke = decisions > 0
    sums, numbers = np.zeros((count, errors.shape[1])), np.zeros(count)
    np.add.at(sums, units[spoke], errors[spoke])
    np.add.at(numbers, units[spoke], decisions[spoke])
    return clustered_error(sums[numbers > 0], numbers[numbers > 0])


def autocorrelations(play: PredictedPlay) -> pd.DataFrame:
    """Correlation of each agent's residuals with those some rounds before.

    Columns: agent, lag (rounds), correlation, standard_error (of 0 under the right model: the products are martingale
    differences, whose variance the probabilities give).
    """
    rows = []
    for agent, name in enumerate(play.traces.agents):
        residuals, probs = play.residuals[:, :, agent], play.probs[:, :, agent]
        scale = float((residuals**2).sum())
        for lag in range(1, min(LONGEST_LAG, play.traces.num_rounds - 2) + 1):
            past = before(residuals, lag)
            variance = float((probs * past**2).sum() - ((probs * past).sum(-1) ** 2).sum())
            rows.append(
                {
                    "agent": name,
                    "lag": lag,
                    "correlation": float((residuals * past).sum()) / scale if scale else np.nan,
                    "standard_error": np.sqrt(max(variance, 0.0)) / scale if scale else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=["agent", "lag", "correlation", "standard_error"])
