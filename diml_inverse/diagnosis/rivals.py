"""How well play is predicted by what knows nothing of payoffs: cloning, constant shares, uniform choice."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from diml_envs.traces import Traces
from diml_inverse.baselines.cloning import BehaviouralCloning
from diml_inverse.baselines.frequencies import ChoiceFrequencies
from diml_inverse.diagnosis.predicted import PredictedPlay
from diml_inverse.estimators.held_out import HeldOut, by_unit

FloatArray = NDArray[np.float64]
Part = tuple[Traces, NDArray[np.bool_]]  # play to fit to, and whose choices to predict [E, N]

NUM_FOLDS = 3
MODEL, CLONING, SHARES, UNIFORM = "model", "cloning", "constant shares", "uniform"


def likelihood_table(play: PredictedPlay, train: Traces | None, cloning: bool, seed: int) -> pd.DataFrame:
    """A row for the model and each rival, all on the decisions that `play` scores.

    Columns: predictor; log_likelihood (nats per decision); missed (by the model: the rival's less the model's);
    standard_error (of `missed`, over units that share nobody; NaN for one); p_value (of the model being right; NaN for
    the model itself and for uniform choice, which is one of the constant shares).

    Under the right model the ratio of a rival's likelihood to the model's is 1 in the mean over play that the rival was
    not fitted to, so that it exceeds c at most 1 time in c (Ville 1939; Wasserman, Ramdas & Balakrishnan 2020): the
    p-value is one over the ratio. Rivals are fitted to `train`, else to two thirds of the episodes for the other third,
    and the ratios averaged.
    """
    model = _scores(play, play.probs)
    parts = _parts(play.traces, train, seed)
    rivals: dict[str, Callable[[Traces, Traces], FloatArray]] = {SHARES: constant_shares}
    if cloning:
        rivals[CLONING] = lambda fitted, predicted: _cloned(fitted, predicted, seed)
    rows = [_row(MODEL, model, model, math.nan)]
    for name, rival in rivals.items():
        try:
            probs = _predictions(play.traces, parts, rival)
        except ValueError:  # too little play to fit it
            continue
        ratios = _logs(play, probs) - _logs(play, play.probs)
        p_value = _p_value([float(ratios[predicted].sum()) for _, predicted in parts])
        rows.append(_row(name, _scores(play, probs), model, p_value))
    rows.append(_row(UNIFORM, _scores(play, _uniform(play.traces)), model, math.nan))
    return pd.DataFrame(rows)


def ahead_of_uniform(play: PredictedPlay) -> float:
    """Nats per decision by which the model predicts better than uniform choice."""
    return _scores(play, play.probs).mean - _scores(play, _uniform(play.traces)).mean


def ahead_by_agent(play: PredictedPlay) -> dict[str, float]:
    """`ahead_of_uniform` of each agent with a scored decision, by its own choices."""
    with np.errstate(divide="ignore"):
        logs = np.log((play.probs * play.taken).sum(-1), where=play.scored, out=np.zeros(play.scored.shape))
    numbers = play.scored.sum((0, 1))
    gains = logs.sum((0, 1)) / numbers.clip(min=1) + np.log(play.traces.action_counts)
    names = zip(play.traces.agents, gains, numbers, strict=True)
    return {agent: float(gain) for agent, gain, number in names if number}


def decisions_by_agent(play: PredictedPlay) -> dict[str, int]:
    """How many were scored of each agent that has any."""
    pairs = zip(play.traces.agents, play.scored.sum((0, 1)), strict=True)
    return {agent: int(number) for agent, number in pairs if number}


def constant_shares(train: Traces, traces: Traces) -> FloatArray:
    """Each agent's shares of choices in `train`, from round 1 on, for every round of `traces`: [E, T, N, A]."""
    return ChoiceFrequencies().fit(train).choice_probs(traces)


def _cloned(train: Traces, traces: Traces, seed: int) -> FloatArray:
    return BehaviouralCloning(seed=seed).fit(train).choice_probs(traces)


def _uniform(traces: Traces) -> FloatArray:
    counts = np.array(traces.action_counts)[:, None]
    probs = (np.arange(counts.max()) < counts) / counts
    return np.broadcast_to(probs, (*traces.actions.shape, probs.shape[1]))


def _parts(traces: Traces, train: Traces | None, seed: int) -> list[Part]:
    """What is fitted to, and which episodes it predicts; nothing for a single episode that has none beside it."""
    if train is not None:
        return [(train, np.ones(traces.units.shape, bool))]
    count = traces.num_units
    if count < 2:
        return []
    folds = np.array_split(np.random.default_rng(seed).permutation(count), min(NUM_FOLDS, count))
    inside = [np.isin(np.arange(count), fold) for fold in folds]
    return [(traces.of_units(~fold), np.append(fold, False)[traces.units]) for fold in inside]


def _predictions(traces: Traces, parts: list[Part], rival: Callable[[Traces, Traces], FloatArray]) -> FloatArray:
    if not parts:
        raise ValueError("a rival needs a second episode")
    probs = np.zeros((*traces.actions.shape, max(traces.action_counts)))
    for train, whose in parts:
        places = np.flatnonzero(whose.any(1))
        predicted = rival(train, traces[places])
        rounds = predicted.shape[1]
        kept = whose[places][:, None, :, None]
        probs[places, :rounds] = np.where(kept, predicted, probs[places, :rounds])
    return probs


def _logs(play: PredictedPlay, probs: FloatArray) -> FloatArray:
    """Log-likelihood of each agent's scored choices in each episode, [E, N]."""
    with np.errstate(divide="ignore"):
        logs = np.log((probs * play.taken).sum(-1), where=play.scored, out=np.zeros(play.scored.shape))
    total: FloatArray = logs.sum(1)
    return total


def _scores(play: PredictedPlay, probs: FloatArray) -> HeldOut:
    return by_unit(play.traces, _logs(play, probs), play.scored.sum(1))


def _row(name: str, scores: HeldOut, model: HeldOut, p_value: float) -> dict[str, object]:
    finite = bool(np.isfinite(model.totals).all())
    return {
        "predictor": name,
        "log_likelihood": scores.mean,
        "missed": scores.mean - model.mean if name != MODEL else 0.0,
        "standard_error": scores.standard_error_to(model) if name != MODEL and finite else math.nan,
        "p_value": p_value,
    }


def _p_value(ratios: list[float]) -> float:
    """One over the mean of the parts' likelihood ratios, at most 1. ratios: of their logarithms, nats."""
    return float(np.exp(min(0.0, np.log(len(ratios)) - logsumexp(ratios))))
