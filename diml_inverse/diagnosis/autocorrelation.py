"""Whether what a model leaves unexplained of one choice tells of the agent's next ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from diml_inverse.diagnosis.pieces import ratio
from diml_inverse.diagnosis.predictions import FloatArray, Predictions

MOST_LAGS = 10


def autocorrelation(predictions: Predictions) -> pd.DataFrame:
    """Autocorrelation of residuals, a row for each agent and lag in rounds, and for all `agents` together.

    With e the action taken (one-hot) less the predicted probabilities, the mean of e(t) . e(t - lag) over that of
    e(t) . e(t), in [-1, 1]. Under the right model e(t) has mean zero whatever went before, so the correlation is
    zero at every lag; its standard error is over pieces of play. Above zero at lag 1 the agent repeats itself more
    than the model says (a habit, or too little exploitation), below zero it changes more. Choices are weighted
    alike, not by 1 / p as Pearson residuals are, which a few rare choices would rule.

    Columns: agent (None for all), lag, autocorrelation, standard_error, p_value (two-sided), pairs.
    """
    residuals = predictions.residuals
    squares = predictions.pieces.sums((residuals**2).sum(-1))
    decisions = predictions.pieces.sums(predictions.scored)
    lags = range(1, min(MOST_LAGS, predictions.traces.num_rounds - 2) + 1)
    parts = [_at_lag(predictions, residuals, squares, decisions, lag) for lag in lags]
    columns = ["agent", "lag", "autocorrelation", "standard_error", "p_value", "pairs"]
    return pd.DataFrame([row for part in parts for row in part], columns=columns)


def _at_lag(
    predictions: Predictions, residuals: FloatArray, squares: FloatArray, decisions: FloatArray, lag: int
) -> list[dict[str, object]]:
    products, pairs = np.zeros(predictions.scored.shape), np.zeros(predictions.scored.shape, bool)
    products[:, lag:] = np.einsum("etna,etna->etn", residuals[:, lag:], residuals[:, :-lag])
    pairs[:, lag:] = predictions.scored[:, lag:] & predictions.scored[:, :-lag]
    sums, counts = predictions.pieces.sums(products), predictions.pieces.sums(pairs)
    names = predictions.traces.agents
    rows = [_row(None, lag, *(part.sum(1) for part in (sums, counts, squares, decisions)))]
    for agent in predictions.choosers:
        rows.append(_row(names[agent], lag, *(part[:, agent] for part in (sums, counts, squares, decisions))))
    return rows


def _row(
    agent: str | None, lag: int, sums: FloatArray, counts: FloatArray, squares: FloatArray, decisions: FloatArray
) -> dict[str, object]:
    variance = squares.sum() / decisions.sum()
    value, error = (float(part) / variance if variance > 0 else np.nan for part in ratio(sums, counts))
    pieces = int((counts > 0).sum())
    p_value = 2 * float(stats.t.sf(abs(value) / error, max(pieces - 1, 1))) if error > 0 else np.nan
    return {
        "agent": agent,
        "lag": lag,
        "autocorrelation": value,
        "standard_error": error,
        "p_value": p_value,
        "pairs": int(counts.sum()),
    }
