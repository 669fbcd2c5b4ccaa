"""How large a regret to allow: as given, the least possible, what theory promises, and what sampling adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.traces import Traces
from diml_inverse.bounds.knowledge import agent_number
from diml_inverse.bounds.payoff_set import OWN, PayoffSet
from diml_inverse.bounds.regret import Condition, gains

FloatArray = NDArray[np.float64]
RegretLimit = float | Mapping[str, float] | str

SMALLEST, THEORY = "smallest", "theory"
ROUNDING = 1e-9  # added to every limit: linear programmes are solved in floating point
REPLICATES = 200


def limits(given: RegretLimit, whole: PayoffSet, least: FloatArray, traces: Traces) -> FloatArray:
    """Epsilon of each agent, [N].

    Args:
        given: a number, one for each agent by name, "smallest" or "theory".
        whole: the set without limits.
        least: regrets that cannot be improved on, `whole.least_regret()`.
        traces: the play.

    Raises:
        ValueError: an unknown word, agents left out, or "theory" for payoffs in units of their own.
    """
    if isinstance(given, Mapping):
        missing = [name for name in traces.agents if name not in given]
        if missing:
            raise ValueError(f"regret must name every agent; missing: {', '.join(missing)}")
        return np.array([given[traces.agents[agent_number(traces, name)]] for name in traces.agents], float)
    if given == SMALLEST:
        # Nothing learnt from regret theory promises to do better than the best fixed action.
        return np.where(np.isfinite(least), np.maximum(least, 0.0), np.inf)
    if given == THEORY:
        if any(block.scale == OWN for block in whole.blocks if block.agents):
            raise ValueError(
                'regret="theory" is in units of the payoff range, and these payoffs have units of their own'
            )
        return no_regret_rate(traces.action_counts, traces.lengths)
    if isinstance(given, str) or not np.isfinite(given):
        raise ValueError(f'regret must be a number, numbers by agent, "smallest" or "theory"; got {given!r}')
    return np.full(traces.num_agents, float(given))


def no_regret_rate(action_counts: Sequence[int], lengths: ArrayLike) -> FloatArray:
    """Regret that Hedge, tuned to the horizon, is sure to stay below on average, for payoffs within a range of 1, [N].

    sqrt(log A / (2 T)) over an episode of T rounds, averaged over rounds: learners start afresh in each episode.
    Cesa-Bianchi & Lugosi (2006), Prediction, Learning, and Games, theorem 2.2. Learners from their own payoff alone
    need about sqrt(A) times as much.
    """
    rounds = np.asarray(lengths, float)
    rate = float((np.sqrt(rounds / 2)).sum() / rounds.sum())
    return rate * np.sqrt(np.log(np.asarray(action_counts, float)))


def sampling_margin(
    whole: PayoffSet,
    traces: Traces,
    against: Condition,
    exploration: ArrayLike,
    confidence: float,
    seed: int,
    replicates: int,
) -> FloatArray:
    """What to add to epsilon so that the set covers, with stated confidence, that of infinitely many episodes, [N].

    Episodes (those that share people together) are resampled. In each replicate every agent's margin is the most by
    which any gain is larger than in the play itself, over the whole set (a linear programme for each gain): so the set
    covers all payoffs of the true set at once, not each alone (Chernozhukov, Hong & Tamer 2007, Econometrica 75; the
    criterion is the largest gain). The agents' margins are taken together, each in units of its own median.

    Args:
        whole: the set at the epsilon meant for infinitely many episodes.
        traces, against, exploration: of the play, as in `gains`.
        confidence: such as .95.
        seed: of the resampling.
        replicates: how often.

    Raises:
        ValueError: fewer than two episodes, a confidence outside (0, 1), regret that is a sum of terms, or payoffs
            without a limit.
    """
    cluster = traces.clusters
    count = int(cluster.max()) + 1
    if not 0 < confidence < 1 or count < 2:
        raise ValueError(f"a margin needs 0 < confidence < 1 and two episodes at least; got {confidence}, {count}")
    if not whole.regret.worst_term and len(np.unique(whole.regret.term)) > len(np.unique(whole.regret.agent)):
        raise ValueError('a margin by bootstrap is known for regret "external" and "internal"; give a number instead')
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), replicates)[:, cluster]
    margins = np.array([_margin(whole, traces, against, exploration, weights) for weights in draws])
    unit = np.median(margins, 0)
    unit = np.where(unit > 0, unit, 1.0)
    return np.maximum(np.quantile((margins / unit).max(1), confidence) * unit, 0.0)


def _margin(
    whole: PayoffSet, traces: Traces, against: Condition, exploration: ArrayLike, weights: FloatArray
) -> FloatArray:
    drawn, here = gains(whole.form, traces, against, exploration, weights), whole.regret
    change = (drawn.matrix - here.matrix).toarray()
    shift = drawn.offset - here.offset
    margin = np.full(len(here.decisions), -np.inf)
    for row, agent in enumerate(here.agent):
        largest = -whole.extreme(-change[row])[0] + shift[row]
        margin[agent] = max(margin[agent], largest)
    if np.isposinf(margin).any():
        raise ValueError("payoffs have no limit, so neither has the margin: give a range (between, parameters)")
    return np.where(here.decisions > 0, margin, 0.0)
