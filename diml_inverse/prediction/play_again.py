"""`play_again`: new play by the same people in the same matches, if they were the learners that a model says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.symmetric import SymmetricMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class PlayedAgain(NamedTuple):
    """traces: the play; probs: what each action was drawn with, [E, T, N, A], 0 where nobody is followed."""

    traces: Traces
    probs: Floats


def play_again(mechanism: Mechanism, dynamics: AttractionDynamics, traces: Traces, seed: int = 0) -> PlayedAgain:
    """Draw every followed choice anew; matches, lengths, people and given moves stay.

    A person's matches follow one another as in the traces; those that share nobody are played side by side. What is
    missing in the traces is played here.

    Args:
        mechanism: payoffs.
        dynamics: learners with the average of own payoffs, or of all their actions', in each state (`by="payoff"`,
            cumulation 0, experience at its steady state, no bonus and no habit, exploration that stays).
        traces: who met whom, when.
        seed: of the draws.

    Raises:
        ValueError: learners of another kind.
    """
    _check(dynamics)
    people = _People(mechanism, dynamics, traces)
    rng = np.random.default_rng(seed)
    starts = schedule(traces, people.who)
    for time in range(int((starts + traces.lengths).max())):
        here = np.flatnonzero((starts <= time) & (time < starts + traces.lengths))
        people.round(here, time - starts[here], rng)
    return PlayedAgain(traces.replace(actions=people.actions), people.probs)


def schedule(traces: Traces, who: Integers) -> Integers:
    """When each match may start so that nobody is in two at once. who: [E, N], -1: nobody. Returns [E]."""
    free, starts = np.zeros(int(who.max()) + 1, np.int64), np.zeros(len(traces), np.int64)
    for match in np.lexsort((np.arange(len(traces)), traces.begins)):
        sitting = who[match][who[match] >= 0]
        starts[match] = free[sitting].max(initial=0)
        free[sitting] = starts[match] + traces.lengths[match]
    return starts


class _People:
    """Everybody's attractions, and the play so far."""

    def __init__(self, mechanism: Mechanism, dynamics: AttractionDynamics, traces: Traces) -> None:
        self.dynamics, self.traces = dynamics, traces
        num_agents, num_actions = traces.num_agents, mechanism.num_actions
        self.states = dynamics.states_of(num_agents, num_actions)
        apart = np.arange(len(traces) * num_agents).reshape(len(traces), num_agents)
        who = apart if traces.persons is None else traces.persons
        self.who = np.where(traces.followed, who, -1)
        self.place = (
            np.zeros(num_agents, np.int64) if isinstance(mechanism, SymmetricMechanism) else np.arange(num_agents)
        )
        with torch.no_grad():
            self.first = dynamics.first_attractions(self.states).numpy()[: self.place.max() + 1]
            profiles = torch.cartesian_prod(*[torch.arange(n) for n in mechanism.action_counts]).reshape(-1, num_agents)
            self.payoffs = mechanism.counterfactual_payoffs(profiles).double().numpy()
            like = torch.zeros(num_agents, num_actions, dtype=torch.float64)
            named = ("learning_rate", "forgone_weight", "precision", "exploration", "inertia", "discount")
            self.value = {
                name: dynamics.value(name, like).expand(num_agents, 1).numpy()[:, 0]
                if name in dynamics.learner.names
                else np.zeros(num_agents)
                for name in named
            }
        self.attractions = np.tile(self.first, (int(self.who.max()) + 1, 1, 1, 1))  # [P, seats, S, A]
        self.last = np.full(int(self.who.max()) + 1, -1)
        self.counts = np.array(mechanism.action_counts)
        self.actions = traces.actions.copy()
        self.probs = np.zeros((*traces.actions.shape, num_actions))
        self.state = np.zeros((len(traces), num_agents), np.int64)
        self.waiting = np.zeros_like(self.state)  # the state before it

    def round(self, matches: Integers, rounds: Integers, rng: np.random.Generator) -> None:
        """One round of each of some matches, its number within each."""
        begin = matches[rounds == 0]
        self.state[begin] = 0
        starting = self.who[begin][self.who[begin] >= 0]
        if not self.dynamics.persists:
            self.attractions[starting] = self.first
        if self.dynamics.stateful or not self.dynamics.persists:  # inertia is then of a match
            self.last[starting] = -1
        probs = self._chances(matches)
        drawn = (probs.cumsum(-1) < rng.random((*probs.shape[:-1], 1))).sum(-1)
        drawn = np.minimum(drawn, self.counts - 1)
        follows = self.who[matches] >= 0
        acted = np.where(follows, drawn, self.traces.actions[matches, rounds])
        self.actions[matches, rounds] = acted
        self.probs[matches, rounds] = np.where(follows[..., None], probs, 0.0)
        self.last[self.who[matches][follows]] = acted[follows]
        self._learn(matches, rounds, acted)

    def _rows(self, matches: Integers, states: Integers) -> Floats:
        return self.attractions[self.who[matches], self.place, states]

    def _plain(self, rows: Floats) -> Floats:
        """Choice probabilities but for inertia. [B, N, A]"""
        logits = np.where(
            np.arange(rows.shape[-1]) < self.counts[:, None], self.value["precision"][:, None] * rows, -np.inf
        )
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        explored = self.value["exploration"][:, None]
        even = (np.arange(rows.shape[-1]) < self.counts[:, None]) / self.counts[:, None]
        return (1 - explored) * weights / weights.sum(-1, keepdims=True) + explored * even

    def _chances(self, matches: Integers) -> Floats:
        probs = self._plain(self._rows(matches, self.state[matches]))
        last = self.last[self.who[matches]]
        same = np.arange(probs.shape[-1]) == last[..., None]
        inertia = np.where(last >= 0, self.value["inertia"], 0.0)[..., None]
        return (1 - inertia) * probs + inertia * same

    def _learn(self, matches: Integers, rounds: Integers, acted: Integers) -> None:
        before, played = self.state[matches], torch.tensor(acted)
        after = self.states.after(torch.tensor(before), self.states.digits(played)).numpy()
        ends = rounds == self.traces.lengths[matches] - 1
        sarsa = self.dynamics.next_value == "chosen" and bool(self.value["discount"].any())
        if sarsa:
            self._teach_waiting(matches, rounds, before, acted)
        if not sarsa or self.dynamics.end == "seen":
            taught = np.flatnonzero(ends) if sarsa else np.arange(len(matches))
            worth = self._worth(matches, before, after, played, ends)
            self._teach(matches[taught], before[taught], acted[taught], worth[taught])
        self.waiting[matches] = before
        self.state[matches] = after

    def _worth(
        self, matches: Integers, before: Integers, after: Integers, played: torch.Tensor, ends: NDArray[np.bool_]
    ) -> Floats:
        """Of the state that follows each own action, [B, N, A]."""
        if not self.value["discount"].any():
            return np.zeros((*before.shape, self.attractions.shape[-1]))
        if self.value["forgone_weight"].any():
            states = self.states.after(torch.tensor(before)[..., None], self.states.deviated_digits(played)).numpy()
        else:
            states = np.repeat(after[..., None], self.attractions.shape[-1], -1)
        found = np.stack([self._state_worth(matches, states[..., j]) for j in range(states.shape[-1])], -1)
        over = ends & (self.dynamics.end == "seen")
        return np.where(over[:, None, None], 0.0, found)

    def _state_worth(self, matches: Integers, states: Integers) -> Floats:
        rows = self._rows(matches, states)
        if self.dynamics.next_value == "mean":
            return (self._plain(rows) * rows).sum(-1)
        return np.where(np.arange(rows.shape[-1]) < self.counts[:, None], rows, -np.inf).max(-1)

    def _teach_waiting(self, matches: Integers, rounds: Integers, before: Integers, acted: Integers) -> None:
        """The round before, by the choice just made (SARSA)."""
        waited = np.flatnonzero(rounds > 0)
        at, then = matches[waited], rounds[waited] - 1
        chosen = np.take_along_axis(self._rows(at, before[waited]), acted[waited][..., None], -1)
        self._teach(at, self.waiting[at], self.actions[at, then], np.repeat(chosen, self.attractions.shape[-1], -1))

    def _teach(self, matches: Integers, states: Integers, acted: Integers, worth: Floats) -> None:
        rows = self._rows(matches, states)
        codes = np.ravel_multi_index(tuple(acted.T), tuple(self.counts)) if len(acted) else np.zeros(0, np.int64)
        target = self.payoffs[codes] + self.value["discount"][:, None] * worth
        chosen = np.arange(rows.shape[-1]) == acted[..., None]
        forgone = self.value["forgone_weight"][:, None]
        gain = np.where(chosen, 1.0, forgone)
        rate = self.value["learning_rate"][:, None]
        kept = 1 - rate if self.dynamics.forgets == "all" else 1 - gain * rate
        moved = kept * rows + rate * gain * np.nan_to_num(target)
        follows = self.who[matches] >= 0
        who, seat = self.who[matches][follows], np.broadcast_to(self.place, follows.shape)[follows]
        self.attractions[who, seat, states[follows]] = moved[follows]


def _check(dynamics: AttractionDynamics) -> None:
    used = [name for name in ("bonus", "habit", "cumulation") if name in dynamics.learner.names]
    moved = [name for name in used if bool((dynamics.learner.value(name) != 0).any())]
    plain = dynamics.by == "payoff" and dynamics.choice == "logit" and dynamics.block == 1
    steady = "initial_experience" not in dynamics.learner.names and dynamics.exploration_falls is None
    if moved or not (plain and steady):
        raise ValueError(f"learners of this kind cannot be played again: {dynamics.config()}")
