"""What residuals are set against: time, the prediction itself, their own past, and the past of all players."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_inverse.diagnosis.moments import Tested, least_found, moment_test
from diml_inverse.diagnosis.predicted import PredictedPlay

FloatArray = NDArray[np.float64]
Past = Callable[[FloatArray], FloatArray]  # values [E, T, ...] -> what is remembered of them before each round

LEVEL = 0.05  # of right models at most this share is said to depart from the play
NOT_TESTED = Tested(0.0, 0)
EVERYONE = "all agents"
TIME_BINS = 4
PROBABILITY_BINS = 5
LAGS = 5
MEMORY = 0.75  # weight of a round in what is recent, over that of the round after it
FEWEST_CHOICES = 40  # expected of an action, for it to be looked at by itself
DECISIONS_PER_MOMENT = 5  # at least, for sums to be anything like normal
DECISIONS_PER_PRODUCT = 20  # of own and others' actions, some of which hardly occur
FEWEST_EPISODES = 8  # for what is remembered of all rounds
MOST_WEIGHTS = 2**25  # numbers held at once; bounds the memory that long play takes


@dataclass(frozen=True)
class AgentPlay:
    """One agent's part of the predicted play.

    Attributes:
        probs, residuals: [E, T, A].
        scored: bool [E, T].
        chosen: [E, T, A], 1 for the action of every observed choice.
        others: [E, T, A], share of the others who chose each action; zeros for a single agent.
        groups: [A, G], each frequent action by itself, rare ones together.
    """

    probs: FloatArray
    residuals: FloatArray
    scored: NDArray[np.bool_]
    chosen: FloatArray
    others: FloatArray
    groups: FloatArray

    @classmethod
    def of(cls, play: PredictedPlay, counts: FloatArray, agent: int) -> AgentPlay:
        """Of one agent. counts: how many of all agents chose each action, [E, T, A]."""
        probs, actions = play.probs[:, :, agent], play.traces.actions[:, :, agent]
        chosen = np.eye(probs.shape[-1])[actions] * (actions >= 0)[..., None]
        others = (counts - chosen) / max(play.traces.num_agents - 1, 1)
        groups = _groups(probs.sum((0, 1)))
        return cls(probs, play.residuals[:, :, agent], play.scored[:, :, agent], chosen, others, groups)

    def affords(self, products: int) -> bool:
        """Decisions enough to tell so many products of own and others' actions apart, and room for their weights."""
        size = products * self.probs.size
        return products * DECISIONS_PER_PRODUCT <= int(self.scored.sum()) and size <= MOST_WEIGHTS

    def test(self, weights: FloatArray) -> Tested:
        """Test weights [E, T, K, A]; nothing where decisions are too few."""
        if weights.shape[2] * DECISIONS_PER_MOMENT > int(self.scored.sum()):
            return NOT_TESTED
        return moment_test(weights[self.scored], self.residuals[self.scored], self.probs[self.scored])

    def crossed(self, features: FloatArray) -> FloatArray:
        """Each feature [E, T, B] on each group of actions: weights [E, T, B G, A]."""
        weights = features[..., None, None] * self.groups.T
        return weights.reshape(*features.shape[:2], -1, self.probs.shape[-1])


def learning_curve(agent: AgentPlay) -> Tested:
    """Shares of actions in parts of the episodes, with about as many decisions each."""
    rounds = np.broadcast_to(np.arange(agent.scored.shape[1]), agent.scored.shape)
    edges = np.quantile(rounds[agent.scored], np.arange(1, TIME_BINS) / TIME_BINS)
    return agent.test(agent.crossed(np.eye(TIME_BINS)[np.searchsorted(edges, rounds, side="left")]))


def calibration(agent: AgentPlay) -> Tested:
    """Shares taken among actions predicted about equally often, and the slope in log probability."""
    edges = np.quantile(agent.probs[agent.scored], np.arange(1, PROBABILITY_BINS) / PROBABILITY_BINS)
    bins = np.eye(PROBABILITY_BINS)[np.searchsorted(edges, agent.probs, side="left")]  # [E, T, A, bins]
    log_probs = np.log(agent.probs.clip(min=1e-12))[..., None]
    return agent.test(np.concatenate([bins, log_probs], -1).swapaxes(-1, -2))


def autocorrelation(agent: AgentPlay) -> Tested:
    """Residuals of the rounds before, action by action."""
    return agent.test(np.stack([before(agent.residuals, lag) for lag in range(1, LAGS + 1)], 2))


def own_choices(agent: AgentPlay, past: Past) -> Tested:
    """What the agent did and what the others did then: whether it repeats what paid, more than predicted."""
    num_actions = agent.probs.shape[-1]
    if agent.affords(num_actions**2):
        together = past(agent.chosen[..., None] * agent.others[..., None, :])  # [E, T, own, others']
        together = np.concatenate([together, past(agent.chosen)[..., None]], -1)
        weights = together[..., None, :] * np.eye(num_actions)[:, :, None]  # [E, T, own, A, others']
        return agent.test(weights.swapaxes(-1, -2).reshape(*agent.scored.shape, -1, num_actions))
    return agent.test(np.stack([past(agent.chosen), past(agent.chosen * agent.others)], 2))


def others_choices(agent: AgentPlay, past: Past) -> Tested:
    """What the others did."""
    features = past(agent.others)
    if agent.affords(agent.groups.size):
        return agent.test(agent.crossed(features))
    return agent.test(features[:, :, None])


def check_table(play: PredictedPlay, inflation: float = 1.0) -> pd.DataFrame:
    """A row for each check and agent, and for each check and all agents together.

    Columns: check, agent, statistic (chi-squared under the right model), freedom, p_value, missed (nats per decision
    of all agents that correcting the predictions in these directions would gain, noise taken off), detectable (as much
    as that the check would have found 4 times in 5).

    Args:
        play: predicted.
        inflation: factor by which errors of estimation may widen the variance of the sums, at most.
    """
    by_action = [(play.traces.actions == action).sum(2) for action in range(play.probs.shape[-1])]
    counts = np.stack(by_action, -1).astype(np.float64)
    tested: dict[str, dict[str, Tested]] = {check: {} for check in CHECKS}
    for i, name in enumerate(play.traces.agents):
        if play.scored[:, :, i].any():
            agent = AgentPlay.of(play, counts, i)
            for check, test in CHECKS.items():
                tested[check][name] = test(agent)
    rows = []
    for check, by_agent in tested.items():
        if len(by_agent) > 1:
            by_agent[EVERYONE] = Tested(*map(sum, zip(*by_agent.values(), strict=True)))
        rows += [_row(check, name, found, inflation, int(play.scored.sum())) for name, found in by_agent.items()]
    table = pd.DataFrame(rows, columns=["check", "agent", "statistic", "freedom", "p_value", "missed"])
    level = LEVEL / max(int((table["freedom"] > 0).sum()), 1)  # as Holm's first step has it
    least = np.array([least_found(freedom, level) for freedom in table["freedom"]])
    return table.assign(detectable=least * inflation / (2 * int(play.scored.sum())))


def _row(check: str, agent: str, found: Tested, inflation: float, decisions: int) -> dict[str, object]:
    return {
        "check": check,
        "agent": agent,
        "statistic": found.statistic,
        "freedom": found.freedom,
        "p_value": found.p_value(inflation),
        "missed": max(found.statistic / inflation - found.freedom, 0.0) / (2 * decisions),
    }


def before(values: FloatArray, lag: int) -> FloatArray:
    """Values [E, T, ...] of `lag` rounds before; zero before the start."""
    moved = np.zeros_like(values)
    moved[:, lag:] = values[:, : max(values.shape[1] - lag, 0)]
    return moved


def recent(values: FloatArray) -> FloatArray:
    """Sum of earlier values [E, T, ...], each weighted `MEMORY` times the one of the round after it."""
    total = np.zeros_like(values)
    for round_ in range(1, values.shape[1]):
        total[:, round_] = MEMORY * total[:, round_ - 1] + values[:, round_ - 1]
    return total


def so_far(values: FloatArray) -> FloatArray:
    """Sum of earlier values [E, T, ...]."""
    return before(values.cumsum(1), 1)


def on_average(values: FloatArray) -> FloatArray:
    """Mean of earlier values [E, T, ...]; zero before the start."""
    rounds = np.arange(values.shape[1]).clip(min=1)
    return so_far(values) / rounds.reshape(-1, *[1] * (values.ndim - 2))


def _of_episodes(check: Callable[[AgentPlay, Past], Tested], agent: AgentPlay, past: Past) -> Tested:
    """Nothing for few episodes: sums over all rounds wander, so that sums with them are normal over episodes only."""
    return check(agent, past) if agent.scored.any(1).sum() >= FEWEST_EPISODES else NOT_TESTED


# Learners forget, add up or average. A learner's own choices over all rounds say nearly the same added up and averaged.
CHECKS: dict[str, Callable[[AgentPlay], Tested]] = {
    "learning curve": learning_curve,
    "calibration": calibration,
    "autocorrelation": autocorrelation,
    "own recent choices": lambda agent: own_choices(agent, recent),
    "own choices so far": lambda agent: _of_episodes(own_choices, agent, so_far),
    "others' recent choices": lambda agent: others_choices(agent, recent),
    "others' choices so far": lambda agent: _of_episodes(others_choices, agent, so_far),
    "others' choices on average": lambda agent: _of_episodes(others_choices, agent, on_average),
}


def _groups(expected: FloatArray) -> FloatArray:
    """[A, G]: actions expected often enough stand alone, rarer ones together; each group is expected often enough."""
    groups: list[list[int]] = []
    total = np.inf
    for action in np.argsort(-expected):
        if total >= FEWEST_CHOICES:
            groups.append([])
            total = 0.0
        groups[-1].append(int(action))
        total += expected[action]
    if total < FEWEST_CHOICES and len(groups) > 1:
        rest = groups.pop()
        groups[-1] += rest
    places = np.zeros((len(expected), len(groups)))
    for group, actions in enumerate(groups):
        places[actions, group] = 1
    return places
