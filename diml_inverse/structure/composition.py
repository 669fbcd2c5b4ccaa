"""What a recovered game is made of: how much each kind of interaction adds to payoff differences, and how surely."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diml_inverse.structure.evidence import Features, Posterior
from diml_inverse.structure.kinds import Game, Kind, num_weights, weights_of_agents

FloatArray = NDArray[np.float64]

AT_ONCE = 1024  # contexts whose payoffs are worked out together
DRAWS = 200  # of a kind's weights, for the interval of its contribution
LEVEL = 0.95
MOST_DRAWN = 1_500  # weights of a kind: their covariance is factorised


def features_of(kind: Kind, game: Game, agent: int, others: NDArray[np.int64]) -> Features:
    values = kind.features(game, agent, others)
    first = 0 if kind.shared else int(np.sum(weights_of_agents(kind, game)[:agent]))
    return Features(values, first + np.arange(values.shape[-1]))


def mode_of(posterior: Posterior, kinds: list[Kind], game: Game) -> FloatArray:
    """Payoffs at the posterior mode at every profile, [A_1, ..., A_N, N]."""
    weights = {kind: posterior.weights[kind][:, None] for kind in posterior.kinds}
    payoffs = np.zeros((*game.action_counts, game.num_agents))
    for agent in range(game.num_agents):
        payoffs[..., agent] = _of_agent(weights, kinds, game, agent)[..., 0]
    return payoffs


def _of_agent(weights: dict[int, FloatArray], kinds: list[Kind], game: Game, agent: int) -> FloatArray:
    """An agent's payoffs under each of D sets of weights [W, D] of some kinds, [A_1, ..., A_N, D]."""
    counts = game.action_counts
    rest = counts[:agent] + counts[agent + 1 :]
    others = np.stack(np.unravel_index(np.arange(math.prod(rest)), rest), 1) if rest else np.zeros((1, 0), np.int64)
    drawn = next(iter(weights.values())).shape[1] if weights else 1
    of_agent = np.zeros((len(others), counts[agent], drawn))
    for some in np.array_split(np.arange(len(others)), max(len(others) // AT_ONCE, 1)):
        for kind, of_kind in weights.items():
            values, columns = features_of(kinds[kind], game, agent, others[some])
            of_agent[some] += values @ of_kind[columns]
    return np.moveaxis(of_agent.reshape(*rest, counts[agent], drawn), -2, agent)


def composition(
    posterior: Posterior, kinds: list[Kind], game: Game, of_weights: tuple[list[int], FloatArray]
) -> list[dict[str, Any]]:
    """A row for each kind, those found first: what the game is made of. JSON values.

    low and high are the ends of the 95 % credible interval of the contribution; None of kinds with very many weights,
    and of those of which play leaves next to nothing.

    Args:
        posterior: of the weights.
        kinds, game: what they mean.
        of_weights: numbers of kinds and the covariance of all their weights, in that order.
    """
    whole = _sizes({kind: posterior.weights[kind][:, None] for kind in posterior.kinds}, kinds, game)[0]
    rows = []
    for number, kind in enumerate(kinds):
        weights = posterior.weights.get(number) if number in posterior.kinds else None
        size = 0.0 if weights is None else float(_sizes({number: weights[:, None]}, kinds, game)[0])
        low, high = _interval(number, weights, kinds, game, of_weights)
        rows.append(
            {
                "kind": kind.name,
                "weights": num_weights(kind, game),
                "effective_weights": float(posterior.effective.get(number, 0.0)),
                "prior_variance": posterior.variances.get(number, 0.0),
                "root_mean_square": size,
                "low": low if low is None else min(low, size),
                "high": high if high is None else max(high, size),
                "share_of_variance": float((size / whole) ** 2) if whole else 0.0,
                "log_evidence": posterior.evidence_lost.get(number, 0.0),
            }
        )
    return sorted(rows, key=lambda row: -float(row["share_of_variance"]))


def _interval(
    number: int, weights: FloatArray | None, kinds: list[Kind], game: Game, of_weights: tuple[list[int], FloatArray]
) -> tuple[float | None, float | None]:
    """Quantiles of the root mean square over draws of the kind's weights."""
    numbers, covariance = of_weights
    size = num_weights(kinds[number], game)
    if number not in numbers or not 0 < size <= MOST_DRAWN:
        return None, None
    before = sum(num_weights(kinds[other], game) for other in numbers[: numbers.index(number)])
    own = covariance[before : before + size, before : before + size]
    root = np.linalg.cholesky(own + 1e-10 * np.trace(own) * np.eye(size) / size)
    middle = np.zeros(size) if weights is None else weights
    draws = middle[:, None] + root @ np.random.default_rng(0).standard_normal((size, DRAWS))
    low, high = np.quantile(_sizes({number: draws}, kinds, game), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _sizes(weights: dict[int, FloatArray], kinds: list[Kind], game: Game) -> FloatArray:
    """Root mean square of payoff differences from the mean over own actions, for D sets of weights. [D]"""
    agents = range(game.num_agents)
    squares = []
    for agent in agents:
        payoffs = _of_agent(weights, kinds, game, agent)
        squares.append(payoffs.var(axis=agent).reshape(-1, payoffs.shape[-1]).mean(0))
    sizes: FloatArray = np.sqrt(np.mean(squares, 0))
    return sizes
