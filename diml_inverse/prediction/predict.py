"""`predict_under`: play of recovered agents in a changed world, with what is uncertain about both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Label, Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.prediction.change import Change
from diml_inverse.prediction.identified import unidentified
from diml_inverse.prediction.prediction import Play, Prediction
from diml_inverse.prediction.simulation import play_rounds
from diml_inverse.recovered.recovered import Recovered

Draws = int | Sequence[Recovered]
OTHER_DRAWS = "Give draws=bootstrap(estimator, traces).replicates (diml_inverse.inference)"


def predict_under(
    estimate: Recovered,
    change: Change,
    num_rounds: int,
    num_episodes: int,
    draws: Draws,
    seed: int,
) -> Prediction:
    """As `Estimate.predict_under`, which says what the arguments are."""
    sizes = num_episodes, num_rounds, seed
    play = _play(estimate.mechanism, estimate.dynamics, change, *sizes)
    drawn, notes = _drawn(estimate, change, draws, seed)
    plays = [_mean_play(_play(*pair, change, *sizes)) for pair in drawn]
    agents, labels = _names(estimate, play.mechanism)
    traces = Traces(play.actions.cpu().numpy(), agents=agents, action_labels=labels)
    prediction = Prediction(traces, play, tuple(plays), seed, ())
    found, level_known = unidentified(estimate, change, play.actions)
    why_not = _no_welfare(estimate, level_known)
    welfare = None if why_not else prediction.total_payoffs()
    return replace(prediction, notes=(*notes, *found, *why_not), welfare=welfare)


def _play(
    recovered: Mechanism, dynamics: Dynamics, change: Change, num_episodes: int, num_rounds: int, seed: int
) -> Play:
    mechanism = change.of_mechanism(recovered)
    learners = change.of_learners(dynamics, mechanism.num_agents)
    probs, actions = zip(*play_rounds(mechanism, learners, num_episodes, num_rounds, seed), strict=True)
    return Play(recovered, mechanism, learners, torch.stack(actions, 1), torch.stack(probs, 1).double().cpu())


def _mean_play(play: Play) -> Play:
    """Of draws only the mean over episodes is kept: many draws of many choices would fill the memory."""
    return replace(play, choice_probs=play.choice_probs.mean(0, keepdim=True))


def _drawn(
    estimate: Recovered, change: Change, draws: Draws, seed: int
) -> tuple[list[tuple[Mechanism, Dynamics]], list[str]]:
    """Mechanisms and learners from the estimate's uncertainty, and notes on what is missing from it."""
    if isinstance(draws, int) and draws < 0:
        raise ValueError(f"draws must be 0 or more; got {draws}")
    if not isinstance(draws, int):
        return [(one.mechanism, one.dynamics) for one in draws], []
    if not change.rests_on_payoffs and estimate.dynamics is not change.learners:
        return [], ["the mechanism given does not hold the recovered one: bands hold sampling only"]
    if draws == 0:
        return [], ["no draws were asked for: bands hold sampling only, not what is uncertain about the parameters"]
    if estimate.uncertainty is None:
        return [], [
            "this estimate holds no covariance: bands hold sampling only, not what is uncertain about the parameters. "
            f"{OTHER_DRAWS}, or fit by an estimator that gives one, such as StructuredMLE or DIML"
        ]
    try:
        return estimate.uncertainty.draws(draws, seed), []
    except ValueError as error:
        return [], [f"bands hold sampling only, as this estimate gives no draws ({error}). {OTHER_DRAWS}"]


def _names(estimate: Recovered, mechanism: Mechanism) -> tuple[Sequence[str] | None, Sequence[Sequence[Label]]]:
    """The estimate's names as far as they apply to the changed game."""
    counts, labels = mechanism.action_counts, estimate.action_labels
    if tuple(map(len, labels)) == counts:
        return estimate.agents, labels
    if len(set(labels)) == 1 and set(counts) == {len(labels[0])}:  # more or fewer agents of the same kind
        return None, [labels[0]] * mechanism.num_agents
    return None, [range(count) for count in counts]


def _no_welfare(estimate: Recovered, level_known: bool | None) -> list[str]:
    """Why sums of payoffs would mean nothing; empty if they mean something."""
    dynamics = estimate.dynamics
    fitted = isinstance(dynamics, LearnerDynamics) and "precision" in dynamics.learner.fitted
    if "learners" in estimate.info or fitted:
        return [
            "no welfare: the learners' precision was not known, and play shows only its product with the payoffs, so "
            "payoffs have no scale"
        ]
    if level_known is None:
        return [
            "no welfare: for an estimate that is not of maximum likelihood it is not known whether play identifies the "
            "level of payoffs; total_payoffs() takes the recovered level as it is"
        ]
    if not level_known:
        return [
            "no welfare: play does not identify the level of payoffs in this mechanism, only differences between own "
            "actions; total_payoffs() takes the recovered level as it is"
        ]
    return []
