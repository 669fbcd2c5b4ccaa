"""Which form is fitted, by which estimator, under which learner parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from diml_envs.mechanisms import (
    AnonymousMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
)
from diml_envs.traces import Traces
from diml_inverse import plugins
from diml_inverse.cli.options import MECHANISMS
from diml_inverse.cli.output import note
from diml_inverse.dynamics import Dynamics, LogitDynamics
from diml_inverse.estimators.diml import DIML
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison
from diml_inverse.estimators.maximum_likelihood import StructuredMLE, TabularMLE
from diml_inverse.recovered.protocol import FitsMechanism

DECISIONS_PER_FREE_PAYOFF = 20
ASSUMED = {"learning_rate": 0.25, "precision": 1.0, "exploration": 0.02}


def default_mechanism(traces: Traces) -> tuple[str, str]:
    """Name and reason: a free table where the play can fill it, else structure learnt from the play."""
    followed = traces.followed
    free_payoffs = math.prod(traces.action_counts) * int(followed.any(0).sum())
    decisions = int((traces.observed & followed[:, None]).sum())
    filled = f"{free_payoffs:.6g} free payoffs in a table, {decisions} observed decisions"
    if free_payoffs * DECISIONS_PER_FREE_PAYOFF <= decisions:
        return "tabular", filled
    return "structure", filled


def estimator_for(name: str, learners: LearnerParameters | None, traces: Traces, seed: int) -> FitsMechanism:
    """`make_estimator` under learners of these parameters; None to find out how the agents learn."""
    if learners is not None:
        return make_estimator(name, LogitDynamics(**learners.values), traces, seed)
    if name == "structure":
        return DIML("auto", "auto", seed=seed, progress=True)
    return DynamicsComparison(lambda dynamics: make_estimator(name, dynamics, traces, seed), seed=seed)


def make_estimator(name: str, dynamics: Dynamics, traces: Traces, seed: int) -> DIML | StructuredMLE:
    """The estimator that fits the named form, built-in or of a plug-in, to play of this size.

    Raises:
        click.ClickException: the form is for agents with the same actions, and these have not.
        ValueError: a plug-in that is not there, or cannot be made for this play.
    """
    agents, counts = traces.num_agents, traces.action_counts
    if name == "tabular":
        return TabularMLE(dynamics)
    if name == "structure":
        return DIML("auto", dynamics, seed=seed, progress=True)
    if name == "neural":
        return DIML(NeuralMechanism(agents, counts), dynamics, seed=seed, progress=True)
    if name not in MECHANISMS:
        return StructuredMLE(_plugged_in(name, counts), dynamics, seed=seed)
    _check_alike(name, traces)
    if name == "anonymous":
        # One output for each own action: at the paper's 40 agents as good as its own network, at a sixth of the time.
        return DIML(AnonymousMechanism(agents, counts[0], own_action="output"), dynamics, seed=seed, progress=True)
    form = {"congestion": CongestionMechanism, "public-goods": PublicGoodsMechanism}[name]
    return StructuredMLE(form(agents, counts[0]), dynamics, seed=seed)


def _check_alike(form: str, traces: Traces) -> None:
    """Raise a click error unless all agents have the same actions."""
    distinct = list(dict.fromkeys(label for own in traces.action_labels for label in own))
    for agent, own in zip(traces.agents, traces.action_labels, strict=True):
        if len(own) < len(distinct):
            had, has = (",".join(map(str, labels)) for labels in (own, distinct))
            raise click.ClickException(
                f"--mechanism {form} needs agents with the same actions; {agent!r} took {had} alone, others more. "
                f"If it could have taken them, declare them: --actions {agent}={has}, and so for each such agent"
            )


def _plugged_in(name: str, counts: tuple[int, ...]) -> Mechanism:
    """A mechanism by somebody else, made for agents with these numbers of actions."""
    num_actions = counts[0] if len(set(counts)) == 1 else counts
    factory = plugins.find(name, plugins.MECHANISMS)
    sizes = {"num_agents": len(counts), "num_actions": num_actions, "action_counts": counts}
    mechanism = plugins.build(factory, {}, name, plugins.MECHANISMS, **sizes)
    if not isinstance(mechanism, Mechanism):
        raise ValueError(f"mechanism {name!r} is a {type(mechanism).__name__}, not a diml_envs.Mechanism")
    try:
        mechanism.config()  # before a long fit, rather than after it
    except NotImplementedError as error:
        raise ValueError(f"mechanism {name!r}: {error}") from error
    return mechanism


class LearnerParameters(NamedTuple):
    """values and sources (`given`, `file` or `assumed`) of learning_rate, precision and exploration."""

    values: dict[str, Any]
    sources: dict[str, str]

    @property
    def scale_known(self) -> bool:
        """Whether payoffs have a unit: only their product with the precision shows in behaviour."""
        return self.sources["precision"] != "assumed"

    def __str__(self) -> str:
        return ", ".join(f"{name}={value:g} ({self.sources[name]})" for name, value in self.values.items())


def learner_parameters(given: Mapping[str, float | None], traces: Traces) -> LearnerParameters:
    """Options given win, then what the file says of simulated LogitQ learners, then `ASSUMED`.

    Raises:
        ValueError: a parameter outside its range.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, known in (
        ("assumed", ASSUMED),
        ("file", logit_learners(traces) or {}),
        ("given", {name: value for name, value in given.items() if value is not None}),
    ):
        values.update(known)
        sources.update(dict.fromkeys(known, source))
    LogitDynamics(**values)
    return LearnerParameters(values, sources)


def learners_asked_for(learners: str, given: Mapping[str, float | None], traces: Traces) -> LearnerParameters | None:
    """Known parameters, told to the person at the terminal; None to find out how the agents learn.

    Raises:
        ValueError: a parameter outside its range.
    """
    if learners == "auto":
        return None
    known = learner_parameters(given, traces)
    note(f"learners: {known}")
    if not known.scale_known:
        note("payoffs are in units of 1 / precision, which is assumed: only their signs and ratios mean something")
    return known


def logit_learners(traces: Traces) -> dict[str, Any] | None:
    """Parameters recorded with the play, if logit-Q learners of full feedback, all alike, simulated all of it."""
    players: list[dict[str, Any]] = list(traces.metadata.get("learners", {}).values())
    if not players or any(player != players[0] for player in players):
        return None
    if players[0].get("name") != "LogitQ" or players[0].get("feedback", "full") != "full":
        return None
    return {name: float(players[0][name]) for name in ASSUMED}
