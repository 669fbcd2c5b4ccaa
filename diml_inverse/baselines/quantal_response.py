"""`QuantalResponseInversion`: payoffs under which play is a logit quantal response equilibrium."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.baselines.equilibrium import LARGEST_GAME
from diml_inverse.baselines.last_profile import FloatArray, choice_shares, independent, mixtures, number_of_profiles
from diml_inverse.baselines.logit_regression import Regression, chosen_ridge
from diml_inverse.baselines.policy_estimate import PolicyEstimate
from diml_inverse.dynamics.attraction import AttractionDynamics


class QuantalResponseInversion:
    """Logit-QRE inverse game, for any number of players, temperature unknown.

    Nobody learns: in each episode every agent mixes, independently of the others and of the past, and its mixture is
    the logit response to theirs (McKelvey & Palfrey 1995),

        x_i(b) = softmax_b(precision sum_s y_i(s) u_i(b, s)),    y_i(s) = prod over j != i of x_j(s_j).

    Mixtures are the episode's choice shares, drawn towards those of all play by `pseudo_count`. Given y_i this is a
    multinomial logit model of agent i's choices, linear in its payoffs u_i, fitted by maximum likelihood. An episode
    shows A_i - 1 numbers of them, and there are (A_i - 1) prod A_j differences: what no episode shows is left at least
    norm, and how payoffs change from the mean mixture to the episodes' own is penalised. For two players of a zero-sum
    game whose payoffs are linear in few known features Liao et al. (arXiv 2601.12707) show when the data are enough,
    and Virk et al. (arXiv 2511.05640) find payoffs of norm one together with the temperature. Here payoffs are free and
    the game is any. They show only as a product with the precision, and come out in units of 1 / precision; divided by
    an agent's `info["norm"]` they are the normalised ones, and that norm is its precision.

    What it can recover: all payoff differences where mixtures differ enough between episodes, as when play settles in
    several equilibria; and of one equilibrium the mean payoff of each action, which is much of the differences where
    an agent's own action matters most. What it cannot: how payoffs differ between choices of the others that occur in
    the same mixture (in a symmetric equilibrium of a congestion game: nothing); anything that shows in answers to the
    rounds before, which it takes for noise; levels.

    Args:
        precision: inverse temperature, 1 / payoff, where the unit of payoffs is to be the true one. Default 1.
        ridge: weight of the penalty on changes from the mean mixture, ridge / 2 * |precision u_i|^2 against the
            log-likelihood (nats); None: by held-out episodes, from 0.03 to all episodes taken for one mixture.
        pseudo_count: choices, distributed as in all play, added to each episode's.

    Raises:
        ValueError: one of them not above 0 and finite.
    """

    def __init__(self, precision: float = 1.0, ridge: float | None = None, pseudo_count: float = 5.0) -> None:
        for name, value in (("precision", precision), ("ridge", ridge), ("pseudo_count", pseudo_count)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite; got {value}")
        self.precision, self.ridge, self.pseudo_count = precision, ridge, pseudo_count

    def fit(self, traces: Traces) -> PolicyEstimate:
        """Fit each agent's payoffs to its choices in all episodes; predictions are the logit response to all play.

        Raises:
            ValueError: more than 10,000 joint actions, or an agent of whom no choice was observed.
            FloatingPointError: NaN or infinity, with the agent.
        """
        counts = traces.action_counts
        if number_of_profiles(counts) > LARGEST_GAME:
            raise ValueError(f"needs a game of at most {LARGEST_GAME} joint actions; got agents with {counts} actions")
        begun = time.perf_counter()
        chosen, shares = _choices_by_episode(traces), choice_shares(traces, 1.0)
        if unseen := [agent for agent, found in zip(traces.agents, chosen, strict=True) if not found.any()]:
            raise ValueError(
                f"agent {unseen[0]!r}: no choice of it was observed, so that others have nothing to answer"
            )
        mixed = [mixtures(found, share, self.pseudo_count) for found, share in zip(chosen, shares, strict=True)]
        regressions = [Regression.of(_others(mixed, i), chosen[i]) for i in range(len(counts))]
        ridge = chosen_ridge(regressions) if self.ridge is None else self.ridge
        mechanism = TabularMechanism(counts).double()
        policy = np.zeros((1, len(counts), max(counts)))
        norms, rows = [], []
        for i, (agent, regression) in enumerate(zip(traces.agents, regressions, strict=True)):
            logits, iterations = regression.payoffs(ridge)
            if not np.isfinite(logits).all():
                raise FloatingPointError(f"agent {agent!r}: payoffs are not finite; try a larger ridge than {ridge}")
            policy[0, i, : counts[i]] = softmax(_others(shares, i) @ logits)
            table = logits.reshape(*counts[:i], *counts[i + 1 :], counts[i]) / self.precision
            mechanism.table.data[..., i] = mechanism.table.new_tensor(np.moveaxis(table, -1, i))
            norms.append(float(np.linalg.norm(logits)))
            rows.append({"agent": agent, "iterations": iterations, "seconds": time.perf_counter() - begun})
        settings = {"precision": self.precision, "ridge": ridge, "pseudo_count": self.pseudo_count}
        return PolicyEstimate(
            mechanism.requires_grad_(False),
            AttractionDynamics(0.0, initial_experience=1.0, precision=self.precision),
            pd.DataFrame(rows),
            traces.agents,
            traces.action_labels,
            {"estimator": type(self).__name__, **settings, "norm": norms},
            policy=policy,
        )


def _others(choices: Sequence[FloatArray], agent: int) -> FloatArray:
    """Probability of each joint choice of all agents but one."""
    return independent([*choices[:agent], *choices[agent + 1 :]], choices[agent].shape[:-1])


def _choices_by_episode(traces: Traces) -> list[FloatArray]:
    """How often each agent chose each action in each episode, [E, A_i] for each i."""
    return [
        (traces.actions[..., i, None] == np.arange(count)).sum(1).astype(np.float64)
        for i, count in enumerate(traces.action_counts)
    ]
