"""`check_estimator`: does an estimator keep the contract? Predictions that could not be trusted are caught here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse import metrics
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.prediction.simulation import simulate
from diml_inverse.recovered.protocol import Estimator, Predictor

SAME = 1e-5  # between predictions that should be one; single precision gives less than that away


def check_estimator(estimator: Estimator, traces: Traces | None = None) -> None:
    """Check any estimator, built-in or one's own, by fits to small play.

    It returns a `Predictor`, of a recovered mechanism an `Estimate`; choice probabilities of the right shape, summing
    to one over the actions that an agent has; none that looks ahead: choices from a round on, and other episodes,
    change nothing in the prediction of that round; log-likelihood is the mean log probability of the choices; the
    same fit twice gives the same; traces are left as they are. With unobserved actions, episodes of different length
    and agents with different numbers of actions it either works as well or raises a ValueError that says what it needs.

    Args:
        estimator: to be checked; it is fitted about six times.
        traces: play that it can be fitted to, where it is made for one game: at least 4 complete episodes of 4 rounds.
            Default: 12 episodes of 20 rounds by two agents with three actions.

    Raises:
        AssertionError: says what differs.
        ValueError: traces too small for the checks.
    """
    assert callable(getattr(estimator, "fit", None)), f"{type(estimator).__name__} has no fit(traces)"
    play = _play((3, 3)) if traces is None else traces
    if len(play) < 4 or play.num_rounds < 4 or not play.observed.all():
        raise ValueError(f"the checks need at least 4 complete episodes of 4 rounds; got {play}")
    train, test = play.split(0.75)
    before = train[:]
    found = estimator.fit(train)
    assert train == before, "fit changes the traces that it is given"
    _check_returned(found, train)
    _check_predictions(found, test, "")
    likelihood = metrics.log_likelihood_by_episode(found.choice_probs(test), test).value
    stated = found.log_likelihood(test)
    assert stated == likelihood or abs(stated - likelihood) < 1e-4, (
        f"log_likelihood is {stated}, where the predictions give the choices of rounds 1..T-1 {likelihood} in the mean"
    )
    again = estimator.fit(train).choice_probs(test)
    _check_same(found.choice_probs(test), again, "two fits to the same traces differ (it must draw from a seed)")
    for what, other in _incomplete(play).items():
        _check_copes(estimator, other, what)


def _play(action_counts: Sequence[int], num_episodes: int = 12, num_rounds: int = 20) -> Traces:
    """Play of a random game by logit-Q learners."""
    payoffs = np.random.default_rng(0).normal(size=(*action_counts, len(action_counts)))
    return simulate(TabularMechanism.from_payoffs(payoffs), LogitDynamics(), num_episodes, num_rounds)


def _incomplete(play: Traces) -> dict[str, Traces]:
    """The play with gaps, and with episodes cut; and play by agents with different numbers of actions."""
    rng = np.random.default_rng(1)
    labels = play.agents, play.action_labels, play.episodes
    gaps = np.where(rng.random(play.actions.shape) < 0.1, MISSING, play.actions)
    lengths = play.num_rounds - np.arange(len(play)) % (play.num_rounds // 2)
    return {
        "unobserved actions": Traces(gaps, None, *labels),
        "episodes of different length": Traces(play.actions, lengths, *labels),
        "agents with different numbers of actions": _play((2, 4), len(play), play.num_rounds),
    }


def _check_copes(estimator: Estimator, traces: Traces, what: str) -> None:
    try:
        found = estimator.fit(traces)
        _check_predictions(found, traces, f" (with {what})")
    except AssertionError:
        raise
    except ValueError as error:
        if not str(error):
            raise AssertionError(f"with {what} it raises a ValueError without a word: say what is needed") from error
    except Exception as error:
        raise AssertionError(
            f"with {what} it fails ({type(error).__name__}: {error}): cope with them, or raise a ValueError that says "
            "what is needed"
        ) from error


def _check_returned(found: Any, traces: Traces) -> None:
    assert isinstance(found, Predictor), (
        f"fit returns a {type(found).__name__}: it must have choice_probs(traces) and log_likelihood(traces), as "
        "`diml_inverse.Estimate` has"
    )
    if isinstance(found, Estimate):
        counts = found.mechanism.action_counts
        assert counts == traces.action_counts, f"the mechanism has action counts {counts}, not {traces.action_counts}"
        assert found.agents == traces.agents, f"the estimate names agents {found.agents}, the traces {traces.agents}"
        payoffs = found.payoff_differences(traces.actions[0])
        exists = found.mechanism.action_mask.to(payoffs.device).expand_as(payoffs)
        assert payoffs[exists].isfinite().all(), "payoff_differences are not finite at profiles that were played"


def _check_predictions(found: Predictor, traces: Traces, where: str) -> None:
    """Shapes, probabilities, no look-ahead. where: added to messages."""
    before = traces[:]
    probs = np.asarray(found.choice_probs(traces))
    assert traces == before, f"choice_probs changes the traces that it is given{where}"
    counts = np.array(traces.action_counts)
    shape = (*traces.actions.shape, int(counts.max()))
    assert probs.shape == shape, f"choice_probs have shape {probs.shape}, not [E, T, N, A] = {shape}{where}"
    within = np.arange(traces.num_rounds) < traces.lengths[:, None]
    rows = probs[within]
    unknown = np.asarray(np.isnan(probs).any(-1))
    assert np.isfinite(rows).all(), f"choice_probs {_place(unknown, within, traces)}: NaN{where}"
    wrong = ~np.isclose(probs.sum(-1), 1, atol=1e-4) | (probs < 0).any(-1)
    assert not wrong[within].any(), (
        f"choice_probs {_place(wrong, within, traces)}: negative, or do not sum to one{where}"
    )
    none_such = (np.arange(shape[-1]) >= counts[:, None]) & (probs != 0)
    assert not none_such[within].any(), f"choice_probs are above 0 for actions that an agent does not have{where}"
    _check_no_look_ahead(found, traces, probs, where)


def _check_no_look_ahead(found: Predictor, traces: Traces, probs: NDArray[Any], where: str) -> None:
    within = np.arange(traces.num_rounds) < traces.lengths[:, None]
    again = np.asarray(found.choice_probs(traces))
    _check_same(probs[within], again[within], f"choice_probs of the same traces differ when asked twice{where}")
    for round_ in (0, traces.num_rounds // 2):
        changed = _other_future(traces, round_)
        differ = np.abs(np.asarray(found.choice_probs(changed)) - probs)[:, : round_ + 1] > SAME
        differ &= within[:, : round_ + 1, None, None]
        assert not differ.any(), (
            f"choices from round {round_} on change what is predicted for round {np.argwhere(differ)[0][1]}: a "
            f"prediction may use earlier rounds only{where}"
        )
    alone = traces[:1]
    _check_same(
        probs[:1, : alone.num_rounds],
        np.asarray(found.choice_probs(alone)),
        f"an episode is predicted differently beside other episodes than alone{where}",
    )


def _other_future(traces: Traces, round_: int) -> Traces:
    """The same play up to a round, from which on every choice is another one."""
    actions = traces.actions.copy()
    later = actions[:, round_:]
    later[:] = np.where(later == MISSING, MISSING, (later + 1) % np.array(traces.action_counts))
    return Traces(actions, traces.lengths, traces.agents, traces.action_labels, traces.episodes, traces.metadata)


def _check_same(found: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shapes {found.shape} and {expected.shape}"
    gap = np.abs(found - expected)
    assert not (gap > SAME).any(), f"{what}, by up to {gap.max():.2g}"


def _place(wrong: NDArray[np.bool_], within: NDArray[np.bool_], traces: Traces) -> str:
    """Where it is wrong first, in the user's labels. wrong [E, T, N]."""
    places = np.argwhere(wrong & within[..., None])
    if not len(places):
        return ""
    episode, round_, agent = places[0]
    return f"of episode {traces.episodes[episode]!r}, round {round_}, agent {traces.agents[agent]!r}"
