"""Equilibria of a small game, recovered or true: Nash, and logit quantal response at the learners' precision.

Where learning settles is not part of the fit; an equilibrium is what play would have to be like for nobody to have
anything left to learn.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import root

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import payoff_table
from diml_envs.traces import Label
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.recovered.recovered import Recovered

FloatArray = NDArray[np.float64]
Profile = tuple[FloatArray, ...]  # of mixed actions: for each agent the probability of each action

LARGEST_GAME = 200_000  # payoffs [A_1, ..., A_N, N]
TOLERANCE = 1e-9  # largest gain from deviating, or residual of the fixed point, relative to the payoffs' spread
SAME = 1e-5  # probabilities closer than this are of one equilibrium
STEPS = 60  # of precision, from 0 to the one asked for
HIGHEST_NASH_ACTIONS = 12  # of either player: support enumeration doubles with each action


@dataclass(frozen=True)
class Equilibria:
    """Mixed action profiles.

    Attributes:
        pure: Nash equilibria in pure actions, all of them, for any number of agents.
        nash: Nash equilibria of a game of two, by support enumeration: all of them unless the game is degenerate, which
            a note says; None for more agents or many actions.
        logit: quantal response equilibria found; the first lies on the branch that starts from uniform play. None
            without a precision. That there are no others is not claimed.
        precision: of the logit response; None if not known.
        notes: what the reader must know.
        action_labels: of each agent.
    """

    pure: tuple[Profile, ...]
    nash: tuple[Profile, ...] | None
    logit: tuple[Profile, ...] | None
    precision: float | None
    notes: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]

    def frame(self) -> pd.DataFrame:
        """A row for each probability above zero: kind, equilibrium, agent, action, probability."""
        rows = [
            {"kind": kind, "equilibrium": number, "agent": agent, "action": label, "probability": float(probability)}
            for kind in ("pure", "nash", "logit")
            for number, profile in enumerate(getattr(self, kind) or ())
            for agent, (probs, labels) in enumerate(zip(profile, self.action_labels, strict=True))
            for label, probability in zip(labels, probs, strict=True)
            if probability > 0
        ]
        return pd.DataFrame(rows, columns=["kind", "equilibrium", "agent", "action", "probability"])


def equilibria(
    game: Mechanism | Recovered, precision: float | None = None, starts: int = 20, seed: int = 0
) -> Equilibria:
    """Nash and logit quantal response equilibria (McKelvey & Palfrey 1995, Games and Economic Behavior 10).

    Logit: every agent chooses by softmax(precision x expected payoffs) against the others' choices. Followed from
    uniform play at precision 0 up to `precision`, then searched for from random starts. Learners' exploration and
    memory are no part of either.

    Args:
        game: a mechanism, or an estimate, whose learners' precision is then the default.
        precision: inverse temperature, 1 / payoff.
        starts: random ones, for other logit equilibria.
        seed: of the starts.

    Raises:
        ValueError: too large a game, payoffs that are not finite, or a negative precision.
        ImportError: a game of two without nashpy: `pip install 'diml[equilibria]'`.
    """
    mechanism = game.mechanism if isinstance(game, Recovered) else game
    precision = _precision(game) if precision is None else precision
    if precision is not None and not 0 <= precision < math.inf:
        raise ValueError(f"precision must be at least 0 and finite; got {precision}")
    payoffs = _payoffs(mechanism)
    nash, notes = _nash(payoffs)
    logit = None if precision is None else tuple(_logit_equilibria(payoffs, precision, starts, seed))
    labels = game.action_labels if isinstance(game, Recovered) else tuple(map(tuple, map(range, payoffs.shape[:-1])))
    return Equilibria(tuple(_pure(payoffs)), nash, logit, precision, tuple(notes), labels)


def _precision(game: Mechanism | Recovered) -> float | None:
    if not isinstance(game, Recovered) or not isinstance(game.dynamics, LearnerDynamics):
        return None
    value = game.dynamics.value("precision").detach()
    if value.dim():
        raise ValueError("the agents' precisions differ; give one precision for the equilibria")
    return float(value)


def _payoffs(mechanism: Mechanism) -> FloatArray:
    """[A_1, ..., A_N, N]"""
    counts = mechanism.action_counts
    if math.prod(counts) * len(counts) > LARGEST_GAME:
        raise ValueError(f"a game of action counts {counts} has more than {LARGEST_GAME} payoffs: too large for this")
    with torch.no_grad():
        payoffs: FloatArray = payoff_table(mechanism).double().cpu().numpy()
    if not np.isfinite(payoffs).all():
        raise ValueError("equilibria need finite payoffs for every joint action")
    return payoffs


def _pure(payoffs: FloatArray) -> Iterator[Profile]:
    counts = payoffs.shape[:-1]
    gains = [payoffs[..., i].max(i, keepdims=True) - payoffs[..., i] for i in range(len(counts))]
    for place in np.argwhere(np.max(gains, 0) <= TOLERANCE * (1e-300 + np.ptp(payoffs))):
        yield tuple(np.eye(count)[action] for count, action in zip(counts, place, strict=True))


def _nash(payoffs: FloatArray) -> tuple[tuple[Profile, ...] | None, list[str]]:
    if payoffs.shape[-1] != 2:
        return None, ["mixed Nash equilibria are found for two agents only; see `pure` and `logit`"]
    if max(payoffs.shape) > HIGHEST_NASH_ACTIONS:
        return None, [f"mixed Nash equilibria are found up to {HIGHEST_NASH_ACTIONS} actions; see `pure` and `logit`"]
    try:
        import nashpy
    except ImportError as error:
        raise ImportError("Nash equilibria need nashpy: pip install 'diml[equilibria]'") from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = list(nashpy.Game(payoffs[..., 0], payoffs[..., 1]).support_enumeration())
    degenerate = any("degenerate" in str(warning.message) for warning in caught)
    notes = ["the game is degenerate: it may have more Nash equilibria than are listed"] if degenerate else []
    return tuple(tuple(np.asarray(probs, float) for probs in profile) for profile in found), notes


def _logit_equilibria(payoffs: FloatArray, precision: float, starts: int, seed: int) -> list[Profile]:
    """The branch from uniform play first."""
    counts = payoffs.shape[:-1]
    found: list[Profile] = []
    logits = np.zeros(sum(counts))
    for step in range(1, STEPS + 1):
        logits = _solved(payoffs, precision * step / STEPS, logits)
    generator = np.random.default_rng(seed)
    drawn = [precision * _expected(payoffs, _drawn(generator, counts)) for _ in range(starts)]
    for start in (logits, *(_solved(payoffs, precision, one) for one in drawn)):
        residual = np.abs(precision * _expected(payoffs, _mixed(start, counts)) - start).max()
        profile = _mixed(start, counts)
        if residual <= TOLERANCE * (1 + precision * np.ptp(payoffs)) and not any(_same(profile, one) for one in found):
            found.append(profile)
    return found


def _solved(payoffs: FloatArray, precision: float, start: FloatArray) -> FloatArray:
    """A root of logits - precision x expected payoffs; the start itself where none is found, which is then refused."""
    counts = payoffs.shape[:-1]
    done = root(lambda logits: logits - precision * _expected(payoffs, _mixed(logits, counts)), start, tol=1e-13)
    solution: FloatArray = done.x
    return solution


def _expected(payoffs: FloatArray, profile: Profile) -> FloatArray:
    """Expected payoff of each action of each agent against the others' mixed actions, [A_1 + ... + A_N]."""
    parts = []
    for agent in range(len(profile)):
        left = payoffs[..., agent]
        for other in reversed(range(len(profile))):  # from the last axis, so that those before keep their places
            if other != agent:
                left = np.tensordot(left, profile[other], (other, 0))
        parts.append(left)
    return np.concatenate(parts)


def _mixed(logits: FloatArray, counts: Sequence[int]) -> Profile:
    parts = np.split(logits, np.cumsum(counts)[:-1])
    powers = [np.exp(part - part.max()) for part in parts]
    return tuple(power / power.sum() for power in powers)


def _drawn(generator: np.random.Generator, counts: Sequence[int]) -> Profile:
    """Near the corners too, where several equilibria lie."""
    return tuple(generator.dirichlet(np.full(count, 0.3)) for count in counts)


def _same(first: Profile, second: Profile) -> bool:
    return all(np.abs(one - two).max() < SAME for one, two in itertools.zip_longest(first, second))
