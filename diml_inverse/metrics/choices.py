"""How well predicted choice probabilities fit the truth behind some play, or the choices made in it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diml_envs.mechanisms.base import MISSING, distinct_rows
from diml_envs.traces import Traces
from diml_inverse.metrics.bootstrap import EpisodeSums, episode_means
from diml_inverse.metrics.decisions import BoolArray, checked_probs, checked_scored, chosen_probs


def choice_kl(predicted: ArrayLike, true: ArrayLike, traces: Traces, scored: ArrayLike | None = None) -> float:
    """Mean over decisions of the KL divergence of predicted from true choice probabilities, in nats; best 0.

        sum_a true(a) log(true(a) / predicted(a)),   both given the same play before the decision

    Exact at each step (no draw enters but the play itself), zero only when right everywhere along the play, infinite
    where the prediction rules out what can happen. It is what the log-likelihood per decision loses against the
    truth, without the luck of the draws.

    Args:
        predicted: [E, T, N, A], as `choice_probs(traces)` of what an estimator returned gives them.
        true: [E, T, N, A], as `Rollout.choice_probs`, or of a true mechanism and its dynamics. NaN at actions that
            an agent does not have is as good as 0.
        traces: the play along which to compare, best that of the true mechanism.
        scored: bool [E, T, N]; default: `scored_decisions`.

    Raises:
        ValueError: shapes that do not fit, or rows that are no probabilities.
    """
    return choice_kl_by_episode(predicted, true, traces, scored).value


def choice_kl_by_episode(
    predicted: ArrayLike, true: ArrayLike, traces: Traces, scored: ArrayLike | None = None
) -> EpisodeSums:
    """`choice_kl` with what each episode adds, for `bootstrap_interval`."""
    counted = checked_scored(scored, traces)
    p, q = (checked_probs(probs, traces, counted) for probs in (true, predicted))
    with np.errstate(divide="ignore"):
        log_ratio = np.log(p, where=p > 0, out=np.zeros_like(p)) - np.log(q, where=p > 0, out=np.zeros_like(q))
    return episode_means((p * log_ratio).sum(-1), counted).of(traces)


def log_likelihood_by_episode(predicted: ArrayLike, traces: Traces, scored: ArrayLike | None = None) -> EpisodeSums:
    """Mean log probability of the choices made, in nats per decision, best that of the truth; for intervals.

    The estimate's own `log_likelihood` gives the same number. Where actions are missing, it scores fewer decisions:
    give `scored` as `diml_inverse.likelihood.observe(mechanism, dynamics, traces).scored` has it.

    Args:
        predicted: [E, T, N, A].
        traces: the play to be predicted.
        scored: bool [E, T, N]; default: `scored_decisions`.

    Raises:
        ValueError: as `choice_kl`.
    """
    counted = checked_scored(scored, traces)
    with np.errstate(divide="ignore"):
        log_probs = np.log(chosen_probs(checked_probs(predicted, traces, counted), traces))
    return episode_means(log_probs, counted).of(traces)


def negative_log_likelihood_by_context(predicted: ArrayLike, traces: Traces, training: Traces) -> dict[str, float]:
    """Negative log-likelihood, nats per decision, by whether training shows the context (An & Du 2026); best is lowest.

    A decision's context is what the others did in the round before it; the agent has seen it in training if it met
    the same there, in any round. Keys: `all`, `seen`, `unseen`; NaN where there is no such decision. Rounds after one
    in which another's action was not observed count only for `all`.

    Args:
        predicted: [E, T, N, A], along `traces`.
        traces: test episodes.
        training: the episodes that the prediction was fitted to.

    Raises:
        ValueError: as `choice_kl`.
    """
    log_likelihoods = log_likelihood_by_episode(predicted, traces)  # checks what is given
    scored = checked_scored(None, traces)
    met, known = _met_before(traces, training)
    probs = chosen_probs(checked_probs(predicted, traces, scored), traces)
    parts = {"all": -log_likelihoods.value}
    for name, part in (("seen", known), ("unseen", met & ~known)):
        parts[name] = float(-np.log(probs[scored & part]).mean()) if (scored & part).any() else float("nan")
    return parts


def accuracy(predicted: ArrayLike, traces: Traces, scored: ArrayLike | None = None) -> float:
    """Share of decisions in which the action predicted as most probable was taken; best 1, or that of the truth.

    The paper's measure of cloning (An & Du 2026). Of actions equally probable the first is taken as predicted.

    Raises:
        ValueError: as `choice_kl`.
    """
    return accuracy_by_episode(predicted, traces, scored).value


def accuracy_by_episode(predicted: ArrayLike, traces: Traces, scored: ArrayLike | None = None) -> EpisodeSums:
    """`accuracy` with what each episode adds, for `bootstrap_interval`."""
    counted = checked_scored(scored, traces)
    hits = checked_probs(predicted, traces, counted).argmax(-1) == traces.actions
    return episode_means(hits.astype(np.float64), counted).of(traces)


def _met_before(traces: Traces, training: Traces) -> tuple[BoolArray, BoolArray]:
    """bool [E, T, N] twice: what the others did a round before is known; and training shows the agent meeting it."""
    met, known = np.zeros(traces.actions.shape, bool), np.zeros(traces.actions.shape, bool)
    for agent in range(traces.num_agents):
        asked, asked_whole = _others(traces.actions[:, :-1], agent)
        shown, shown_whole = _others(training.actions, agent)
        met[:, 1:, agent] = asked_whole
        known[:, 1:, agent] = asked_whole & _among(asked, shown[shown_whole])
    return met, known


def _others(actions: NDArray[np.int64], agent: int) -> tuple[NDArray[np.int64], BoolArray]:
    others = np.delete(actions, agent, axis=-1)
    observed: BoolArray = np.all(others != MISSING, axis=-1)
    return others, observed


def _among(asked: NDArray[np.int64], shown: NDArray[np.int64]) -> BoolArray:
    """bool [E, T]: the row of asked [E, T, K] is one of shown [M, K]."""
    rows = np.concatenate([shown, asked.reshape(-1, asked.shape[-1])])
    place = distinct_rows(torch.from_numpy(rows))[1].numpy()
    return np.isin(place[len(shown) :], place[: len(shown)]).reshape(asked.shape[:2])
