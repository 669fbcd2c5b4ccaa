"""Predicted against observed learning curves: the share of each action over the rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from diml_inverse.diagnosis.pieces import ratio
from diml_inverse.diagnosis.predictions import FloatArray, Predictions

MOST_BINS = 20
DECISIONS_PER_BIN = 50  # of an agent, on average
PIECES_PER_BIN = 10  # where pieces are blocks of rounds, which do not reach over all bins
FEWEST_EXPECTED = 5  # choices of an action in a bin, for its share to be near normal
NOTHING = 1e-8  # of the largest eigenvalue: a direction in which shares cannot vary


@dataclass(frozen=True)
class Curves:
    """Learning curves, K bins of rounds.

    Attributes:
        table: a row for each agent, action and bin; see `Diagnosis.curves`.
        agents: a row for each agent that chose: curve_gap (share, beyond noise), chi_square, degrees_of_freedom,
            design_effect, p_value.
    """

    table: pd.DataFrame
    agents: pd.DataFrame


def learning_curves(predictions: Predictions) -> Curves:
    """Compare shares of choices with the mean predicted probability, by agent, action and bin of rounds.

    Under the right model the residuals of a choice given all earlier play have mean zero, so that their sums over
    bins and agents are uncorrelated, with covariance sum of (diag(p) - p p'): an agent's

        sum over bins of R' V^-1 R,     R the summed residuals, actions expected less than five times left out

    is chi-squared (martingale central limit). Choices that vary together within an episode for other reasons inflate
    it: it is divided by the mean design effect, variance over pieces of play by V, where above one (Rao & Scott 1981).
    """
    bins = _bins(predictions)
    number = int(bins.max()) + 1
    sums = [_in_bin(predictions, bins == place) for place in range(number)]
    table = pd.concat([_rows(predictions, bins == place, *sums[place][:3]) for place in range(number)])
    agents = [_of_agent(predictions.traces.agents[agent], sums, agent) for agent in predictions.choosers]
    return Curves(table.sort_values(["agent_number", "action_number", "first_round"], ignore_index=True), _frame(agents))


def _bins(predictions: Predictions) -> NDArray[np.int64]:
    """Bin of each round, [T]: rounds in equal parts; round 0, never scored, in the first."""
    rounds = predictions.traces.num_rounds - 1
    decisions = predictions.scored.sum((0, 1))[predictions.choosers].mean()
    number = min(MOST_BINS, rounds, decisions / DECISIONS_PER_BIN)
    if not predictions.pieces.whole_episodes:
        number = min(number, len(predictions.pieces) / PIECES_PER_BIN)
    bins: NDArray[np.int64] = np.maximum(np.arange(rounds + 1) - 1, 0) * max(int(number), 1) // rounds
    return bins


def _in_bin(predictions: Predictions, chosen: NDArray[np.bool_]) -> tuple[FloatArray, ...]:
    """Residuals by piece [G, N, A], decisions by piece [G, N, 1], expected choices [N, A], covariance [N, A, A]."""
    inside = chosen[:, None] & predictions.scored
    residuals = predictions.pieces.sums(np.where(chosen[:, None, None], predictions.residuals, 0.0))
    decisions = predictions.pieces.sums(inside)[..., None]
    probs = np.where(inside[:, chosen, :, None], predictions.probs[:, chosen], 0.0)
    expected = probs.sum((0, 1))
    covariance = expected[..., None] * np.eye(probs.shape[-1]) - np.einsum("etna,etnb->nab", probs, probs, optimize=True)
    return residuals, decisions, expected, covariance


def _rows(
    predictions: Predictions, chosen: NDArray[np.bool_], residuals: FloatArray, decisions: FloatArray, expected: FloatArray
) -> pd.DataFrame:
    """The bin's part of the table."""
    traces = predictions.traces
    counts = np.broadcast_to(decisions, residuals.shape)
    exists = np.arange(residuals.shape[-1]) < np.array(traces.action_counts)[:, None]
    agent, action = np.nonzero(exists & (decisions.sum(0) > 0))
    number, first, last = counts.sum(0)[agent, action], *np.flatnonzero(chosen)[[0, -1]]
    gap, error = (values[agent, action] for values in ratio(residuals, counts))
    inside = np.where((chosen[:, None] & predictions.scored)[..., None], predictions.probs, 0.0)
    variance = (inside * (1 - inside)).sum((0, 1))[agent, action]
    return pd.DataFrame(
        {
            "agent_number": agent,
            "action_number": action,
            "agent": np.array(traces.agents, object)[agent],
            "action": [traces.action_labels[i][b] for i, b in zip(agent, action, strict=True)],
            "first_round": max(first, 1),
            "last_round": last,
            "decisions": number.astype(int),
            "predicted": expected[agent, action] / number,
            "observed": expected[agent, action] / number + gap,
            "standard_error": error,
            "standardized": gap * number / np.sqrt(np.maximum(variance, np.finfo(float).tiny)),
        }
    )


def _of_agent(name: str, sums: list[tuple[FloatArray, ...]], agent: int) -> dict[str, object]:
    """The agent's test and the size of its gap."""
    parts = [tuple(part[..., agent, :] for part in bin_[:3]) + (bin_[3][agent],) for bin_ in sums]
    tests = np.array([_test(*part) for part in parts])
    statistic, freedom, spread = tests[:, 0].sum(), tests[:, 1].sum(), np.nansum(tests[:, 2])
    effect = max(spread / freedom, 1.0) if freedom else 1.0
    return {
        "agent": name,
        "curve_gap": _gap(parts),
        "chi_square": statistic / effect,
        "degrees_of_freedom": int(freedom),
        "design_effect": effect,
        "p_value": float(stats.chi2.sf(statistic / effect, freedom)) if freedom else 1.0,
    }


def _test(
    residuals: FloatArray, decisions: FloatArray, expected: FloatArray, covariance: FloatArray
) -> tuple[float, int, float]:
    """R' V^-1 R, its degrees of freedom, and the trace of V^-1 times the covariance over pieces."""
    total = decisions.sum()
    kept = np.minimum(expected, total - expected) >= FEWEST_EXPECTED
    if not kept.any():
        return 0.0, 0, 0.0
    values, vectors = np.linalg.eigh(covariance[np.ix_(kept, kept)])
    real = values > NOTHING * values.max()
    whitened = (residuals[:, kept] @ vectors[:, real]) / np.sqrt(values[real])
    mean = whitened.sum(0)
    number = int((decisions > 0).sum())
    centred = whitened - decisions / total * mean
    spread = float((centred**2).sum()) * number / (number - 1) if number > 1 else np.nan
    return float(mean @ mean), int(real.sum()), spread


def _gap(parts: list[tuple[FloatArray, ...]]) -> float:
    """Root mean square gap of shares, less what noise adds; of two actions the gap of either's share."""
    total = squares = 0.0
    for residuals, decisions, *_ in parts:
        gap, error = ratio(residuals, np.broadcast_to(decisions, residuals.shape))
        if np.isfinite(error).all():
            total += decisions.sum()
            squares += decisions.sum() * float((gap**2 - error**2).sum()) / 2
    return float(np.sqrt(max(squares / total, 0.0))) if total else 0.0


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows)
