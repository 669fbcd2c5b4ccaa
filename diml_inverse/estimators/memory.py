"""`Memory`: what learners know of where they are, whether they look ahead, and the learners that do."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

from diml_envs.mechanisms import Mechanism, SymmetricTableMechanism, TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.dynamics.states import NAMES, States

MOST_STATES = 100  # with attractions of their own
MOST_PAYOFFS = 300  # in a table, for a search that ends in seconds
DECISIONS_PER_STATE = 10  # at least, for a state to be worth a try
WORDS = {
    "last_profile": "the last profile",
    "own_last": "the own last action",
    "others_last": "the others' last actions",
    "others_counts": "the counts of the others' last actions",
}


@dataclass(frozen=True)
class Memory:
    """One kind of learner who learns, state by state, from what he was paid.

    Attributes:
        state: as of `AttractionDynamics`; None: a single one.
        value: of the state that follows; None: learners do not look ahead.
        discount: of that value; None: fitted.
        forgone: learners update all own actions by what these would have paid, not the chosen one alone.
        first: first attractions are fitted, not zero.
        persists: what a person learnt lasts from match to match.
    """

    state: str | None
    value: Literal["max", "mean", "chosen"] | None = None
    discount: float | None = None
    forgone: bool = False
    first: bool = True
    persists: bool = True

    @property
    def name(self) -> str:
        """In words."""
        parts = ["all own actions" if self.forgone else "own payoff"]
        parts += [] if self.state is None else [f"by {WORDS[self.state]}"]
        if self.value:
            known = "" if self.discount is None else f" {self.discount:g}"
            parts.append(f"looking ahead{known} ({self.value})")
        parts += [] if self.first else ["from zero"]
        return ", ".join([*parts, *([] if self.persists else ["afresh each match"])])

    def learners(self) -> AttractionDynamics:
        """Rate, exploration, inertia, and what else is not known, to be fitted."""
        fit = ["learning_rate", "exploration", "inertia"]
        fit += ["first_attractions"] if self.first else []
        fit += ["discount"] if self.value and self.discount is None else []
        return AttractionDynamics(
            0.3,
            forgone_weight=float(self.forgone),
            forgets="all" if self.forgone else "updated",
            exploration=0.02,
            inertia=0.05,
            discount=0.0 if self.value is None else 0.5 if self.discount is None else self.discount,
            state=self.state,
            value=self.value or "max",
            persists=self.persists,
            fit=fit,
        )


@dataclass(frozen=True)
class Rival:
    """Learners of another kind, to be scored on the same play."""

    name: str
    dynamics: Dynamics

    def learners(self) -> Dynamics:
        """Theirs."""
        return copy.deepcopy(self.dynamics)


def with_inertia(name: str, dynamics: Dynamics) -> list[Rival]:
    """The learners as they are and, if they can, with inertia to be fitted."""
    found = [Rival(name, dynamics)]
    known = type(dynamics) in (AttractionDynamics, LogitDynamics)
    if known and isinstance(dynamics, AttractionDynamics) and "inertia" not in dynamics.learner.names:
        given = {**dynamics.config(), "inertia": 0.05, "fit": [*dynamics.learner.fitted, "inertia"]}
        found.append(Rival(f"{name}, inertia", AttractionDynamics(**given)))
    return found


def states_worth_a_try(traces: Traces) -> list[str | None]:
    """States of which play holds enough: the last profile, its parts, and none. Those that come to the same once."""
    found: list[str | None] = [None]
    agents, actions = traces.num_agents, max(traces.action_counts)
    decisions = int((traces.observed & traces.followed[:, None]).sum())
    for kind in NAMES:
        same = kind == "others_counts" and agents == 2
        counts = kind == "others_counts" and len(set(traces.action_labels)) > 1
        if same or counts or agents * math.log(actions) > math.log(2**16):
            continue
        states = States(kind, agents, actions).count
        if states <= MOST_STATES and states * DECISIONS_PER_STATE * _seats(traces) <= decisions:
            found.append(kind)
    return found


def states_too_many(traces: Traces) -> str | None:
    """What there is to say of states that play is too short for; None if there are none."""
    agents, actions = traces.num_agents, max(traces.action_counts)
    states, decisions = actions**agents + 1, int((traces.observed & traces.followed[:, None]).sum())
    if "last_profile" in states_worth_a_try(traces):
        return None
    return (
        f"learners who know the last profile have {states:,} states, {decisions / agents / states:.1f} decisions each "
        f"here: too little play to tell what they learnt in a state, or that they did"
    )


def _seats(traces: Traces) -> int:
    return 1 if interchangeable(traces) else sum(agent not in traces.given for agent in traces.agents)


def interchangeable(traces: Traces) -> bool:
    """Seats have the same actions, and persons change them, or only one is followed: payoffs are of one table."""
    if len(set(traces.action_labels)) > 1 or traces.num_agents < 2 or traces.persons is None:
        return False
    if traces.given:
        return True
    sat = [set(column[column >= 0].tolist()) for column in traces.persons.T]
    return any(first & second for i, first in enumerate(sat) for second in sat[i + 1 :])


def tables(traces: Traces) -> dict[str, Mechanism]:
    """Forms of payoffs by name: one table for all seats, or one for each, or both where the play is to decide."""
    found: dict[str, Mechanism] = {}
    if len(set(traces.action_labels)) == 1 and traces.num_agents > 1:
        agents, actions = traces.num_agents, traces.action_counts[0]
        if math.comb(agents + actions - 2, actions - 1) * actions <= MOST_PAYOFFS:
            found["one table for all seats"] = SymmetricTableMechanism(agents, actions)
    if not interchangeable(traces):
        entries = math.prod(traces.action_counts) * traces.num_agents
        if entries <= min(int(traces.observed.sum()), MOST_PAYOFFS):
            found["a table for each seat"] = TabularMechanism(traces.action_counts)
    return found
