"""`Prediction`: simulated play of a changed world, expected choice shares and totals of payoffs, with bands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.inference.intervals import Interval
from diml_inverse.uncertainty.base import quantile


@dataclass(frozen=True)
class Play:
    """Play simulated from one mechanism and one kind of learners.

    Attributes:
        recovered: the mechanism before the change.
        mechanism, dynamics: after it.
        actions: int64 [E, T, N].
        choice_probs: float64 [E, T, N, A], each choice's probabilities given the episode so far; of draws [1, T, N, A],
            their mean over episodes.
    """

    recovered: Mechanism
    mechanism: Mechanism
    dynamics: Dynamics
    actions: Tensor
    choice_probs: Tensor


@dataclass(frozen=True)
class Prediction:
    """What `Estimate.predict_under` gives.

    Attributes:
        traces: the simulated play, [E, T, N].
        play: the same with its choice probabilities, mechanism and learners.
        draws: play of mechanisms and learners drawn from the estimate's uncertainty; empty where it has none.
        seed: common to predictions that are to be compared.
        notes: what the reader must know.
        welfare: mean over episodes and rounds of the sum of all payoffs, by parameter and sampling uncertainty; None
            where payoffs have no scale or no level, which a note says.
    """

    traces: Traces
    play: Play = field(repr=False)
    draws: tuple[Play, ...] = field(repr=False)
    seed: int
    notes: tuple[str, ...]
    welfare: Interval | None = None

    @property
    def shares(self) -> Tensor:
        """Expected share of each action, [T, N, A]; 0 for no action."""
        return self.play.choice_probs.mean(0)

    @property
    def parameter_errors(self) -> Tensor:
        """Standard deviation of the expected shares over the draws, [T, N, A]; 0 without draws."""
        return _spread([draw.choice_probs[0] for draw in self.draws], self.shares)

    def intervals(self, level: float = 0.95, num_episodes: float | None = None) -> Interval:
        """Where the share of each action in each round would lie if so many episodes were observed, [T, N, A] each.

        Variances add up: of the parameters; of the simulation, var_e(p_e) / E; and of the choices that would be seen,
        s (1 - s) / num_episodes.

        Args:
            level: of the normal bands, cut off at 0 and 1.
            num_episodes: as many as were simulated by default; `math.inf`: of the expected share.

        Raises:
            ValueError: a level outside (0, 1), or no episode.
        """
        probs = self.play.choice_probs
        draws = [draw.choice_probs[0] for draw in self.draws]
        return self._bands(probs, probs * (1 - probs), draws, level, num_episodes)

    def mean_over_agents(self, level: float = 0.95, num_episodes: float | None = None) -> Interval:
        """The same of the share that each action has among all agents' choices, [T, A] each."""
        probs, agents = self.play.choice_probs, self.play.mechanism.num_agents
        chance = (probs * (1 - probs)).sum(2) / agents**2  # given the past, agents choose independently
        draws = [draw.choice_probs[0].mean(1) for draw in self.draws]
        return self._bands(probs.mean(2), chance, draws, level, num_episodes)

    def _bands(
        self, of_episodes: Tensor, chance: Tensor, draws: Sequence[Tensor], level: float, num_episodes: float | None
    ) -> Interval:
        """of_episodes: [E, *S]; chance: variance of what is seen, given the past [E, *S]; draws: each [*S]."""
        size = len(self.traces) if num_episodes is None else num_episodes
        if not size > 0:
            raise ValueError(f"num_episodes must be above 0; got {num_episodes}")
        between = of_episodes.var(0, correction=0)
        seen = (chance.mean(0) + between) / size
        value = of_episodes.mean(0)
        variance = _spread(draws, value) ** 2 + _of_simulation(of_episodes) + seen
        bands = _interval(value, variance, level)
        return bands._replace(low=bands.low.clamp(min=0), high=bands.high.clamp(max=1))

    def difference(self, other: Prediction, level: float = 0.95) -> Interval:
        """Expected shares here less those of another prediction of the same game, [T, N, A] each.

        Episodes and draws of the same seed are compared one with one: what chance does to both alike cancels out.

        Raises:
            ValueError: predictions of other seeds, sizes or numbers of draws.
        """
        self._check_pair(other)
        apart = self.play.choice_probs - other.play.choice_probs
        pairs = zip(self.draws, other.draws, strict=True)
        draws = [one.choice_probs[0] - two.choice_probs[0] for one, two in pairs]
        return _interval(apart.mean(0), _spread(draws, apart[0]) ** 2 + _of_simulation(apart), level)

    def total_payoffs(
        self,
        counted: Callable[[Mechanism], Mechanism] | None = None,
        less: Prediction | None = None,
        level: float = 0.95,
    ) -> Interval:
        """Mean over episodes and rounds of the sum of all agents' payoffs in the simulated play; numbers.

        In the recovered mechanism's units and at its level, whether play identifies them or not. A constant in the
        level cancels out in what is left over another prediction.

        Args:
            counted: function of the recovered mechanism whose payoffs are to be counted instead of the changed one's:
                `lambda recovered: recovered` leaves a toll out, which is only transferred.
            less: another prediction whose total is taken off, episode by episode and draw by draw, which makes the
                difference sharp.
            level: of the interval, which holds what parameters and simulation leave open.

        Raises:
            ValueError: predictions of other seeds, sizes or numbers of draws.
        """
        of_episodes = _totals(self.play, counted)
        draws = [_totals(draw, counted).mean() for draw in self.draws]
        if less is not None:
            self._check_pair(less)
            of_episodes = of_episodes - _totals(less.play, counted)
            draws = [own - _totals(draw, counted).mean() for own, draw in zip(draws, less.draws, strict=True)]
        variance = _spread(draws, of_episodes[0]) ** 2 + _of_simulation(of_episodes)
        return _interval(of_episodes.mean(), variance, level)

    def _check_pair(self, other: Prediction) -> None:
        sizes = [(one.seed, one.traces.actions.shape, len(one.draws)) for one in (self, other)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                "predictions are compared episode by episode: they need the same seed, episodes, rounds, agents and "
                f"number of draws; got {sizes[0]} and {sizes[1]}"
            )

    def frame(self, level: float = 0.95, num_episodes: float | None = None) -> pd.DataFrame:
        """`intervals` as a table: round, agent, action, share, standard_error, low, high."""
        bands = self.intervals(level, num_episodes)
        rows = self.play.mechanism.action_mask.expand(bands.value.shape).nonzero()
        rounds, agents, actions = rows.T.tolist()
        labels = self.traces.action_labels
        return pd.DataFrame(
            {
                "round": rounds,
                "agent": [self.traces.agents[agent] for agent in agents],
                "action": [labels[agent][action] for agent, action in zip(agents, actions, strict=True)],
                "share": bands.value[tuple(rows.T)].numpy(),
                "standard_error": bands.standard_error[tuple(rows.T)].numpy(),
                "low": bands.low[tuple(rows.T)].numpy(),
                "high": bands.high[tuple(rows.T)].numpy(),
            }
        )


def _interval(value: Tensor, variance: Tensor, level: float) -> Interval:
    error = variance.sqrt()
    half = quantile(level) * error
    return Interval(value, error, value - half, value + half)


def _of_simulation(of_episodes: Tensor) -> Tensor:
    """Variance of a mean over independent episodes, [E, *S] -> [*S]; NaN for a single one."""
    return of_episodes.var(0) / len(of_episodes) if len(of_episodes) > 1 else torch.full_like(of_episodes[0], math.nan)


def _spread(draws: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.stack(list(draws)).std(0) if len(draws) > 1 else torch.zeros_like(like)


@torch.no_grad()
def _totals(play: Play, counted: Callable[[Mechanism], Mechanism] | None) -> Tensor:
    """Sum of payoffs, mean over rounds, of each episode, float64 [E]."""
    mechanism = play.mechanism if counted is None else counted(play.recovered)
    return mechanism(play.actions).double().sum(-1).mean(1)
