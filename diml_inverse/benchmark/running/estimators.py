"""The estimators that the suite compares, by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import pandas as pd

from diml_envs.mechanisms.tabular import LARGEST_TABLE
from diml_envs.traces import Traces
from diml_inverse.baselines import (
    BehaviouralCloning,
    EquilibriumInversion,
    MaximumEntropyIRL,
    Predictor,
    QuantalResponseInversion,
    WrongLearner,
)
from diml_inverse.benchmark.running.published import PublishedDIML
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.dynamics import Dynamics, LogitDynamics
from diml_inverse.dynamics.members import default_members
from diml_inverse.estimators.diml import DIML
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison, quick_tables
from diml_inverse.estimators.family_comparison import FamilyComparison
from diml_inverse.estimators.least_regret import LeastRegret
from diml_inverse.estimators.maximum_likelihood import StructuredMLE, TabularMLE
from diml_inverse.recovered.protocol import FitsMechanism
from diml_inverse.structure import Family

EVERY_MEMBER = default_members(10_000) | default_members(1)  # of long play, in blocks of rounds too; of short play
FEW_AGENTS = 8  # the paper trains longer and in smaller batches in its large games


class Fitted(Predictor, Protocol):
    """What a fit gives: predictions, and how the fit went. Most are an `Estimate`, with a mechanism besides."""

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch or iteration."""
        ...


class Fits(Protocol):
    """An estimator, of a mechanism or of choices alone."""

    def fit(self, traces: Traces) -> Fitted:
        """Fit to observed play."""
        ...


def _auto(task: Task, seed: int) -> Fits:
    if task.told is not None:
        return DIML("auto", task.told, seed=seed)
    if task.form is None:
        return DIML("auto", "auto", seed=seed)
    return DynamicsComparison(partial(_under, task), trials=_trials(task), seed=seed)


def _families(task: Task, seed: int) -> Fits:
    return FamilyComparison(task.assumed, seed=seed)


def _trials(task: Task) -> list[Callable[[Dynamics], FitsMechanism]]:
    assert task.form is not None
    if task.form_ridge is None:  # all effort from the first, as members can be ranked by their best ridge only
        return [partial(_under, task)] * 2
    return quick_tables(task.form(), task.form_ridge)


def _under(task: Task, dynamics: Dynamics) -> FitsMechanism:
    """What is known of the structure, fitted under a model of learning."""
    form = task.form
    assert form is not None
    if task.form_ridge is None:
        return FamilyComparison(dynamics, [Family("form", lambda traces: form())])
    return StructuredMLE(form(), dynamics, task.form_ridge, max_iterations=600, tolerance=1e-10)


def _as_member(member: str) -> Callable[[Task, int], Fits]:
    return lambda task, seed: _under(task, default_members(task.num_rounds)[member])


def _paper_surrogate(task: Task, seed: int) -> Fits:
    return _under(task, LogitDynamics(**task.learners))


def surrogate_name(member: str) -> str:
    """Of the estimator that assumes this model of learning."""
    return "as_" + re.sub(r"[^a-z0-9]+", "_", member.lower())


def _neural(task: Task, seed: int, members: int = 5, weight_decay: float = 1.0, patience: int = 50) -> DIML:
    network = task.network()
    return DIML(network, task.assumed, seed=seed, members=members, weight_decay=weight_decay, patience=patience)


def _single(task: Task, seed: int) -> Fits:
    return _neural(task, seed, members=1)


def _tabular(task: Task, seed: int, ridge: float = 0.001) -> Fits:
    return TabularMLE(task.assumed, ridge)


def _structured(task: Task, seed: int, ridge: float | None = None) -> Fits:
    assert task.formula is not None
    return StructuredMLE(task.formula(), task.assumed, task.formula_ridge if ridge is None else ridge, seed=seed)


def _wrong_learner(task: Task, seed: int, precision_factor: float = 0.6, members: int = 5) -> Fits:
    return WrongLearner(_neural(task, seed, members), precision_factor)


def _least_regret(task: Task, seed: int) -> Fits:
    return LeastRegret(None if task.form is None else task.form())


def _cloning(task: Task, seed: int, memory: int = 5) -> Fits:
    return BehaviouralCloning(memory, seed=seed)


def _equilibrium(task: Task, seed: int, pseudo_count: float = 1.0) -> Fits:
    return EquilibriumInversion(task.precision, pseudo_count)


def _qre(task: Task, seed: int) -> Fits:
    return QuantalResponseInversion(precision=task.precision)


def _maxent_irl(task: Task, seed: int) -> Fits:
    return MaximumEntropyIRL(precision=task.precision)


def _published(task: Task, seed: int, window: int | None = 50, early_stopping: bool = False) -> Fits:
    large = len(task.action_counts) > FEW_AGENTS
    return PublishedDIML(
        task.published_form(),
        task.assumed,
        max_epochs=200 if large else 100,
        batch_size=8 if large else 32,
        window=window,
        early_stopping=early_stopping,
        seed=seed,
    )


ESTIMATORS: dict[str, Callable[[Task, int], Fits]] = {
    "auto": _auto,
    "families": _families,
    "neural": _neural,
    "tabular": _tabular,
    "structured": _structured,
    "wrong_learner": _wrong_learner,
    "least_regret": _least_regret,
    "cloning": _cloning,
    "equilibrium": _equilibrium,
    "qre": _qre,
    "maxent_irl": _maxent_irl,
    "published": _published,
    "published_exact": lambda task, seed: _published(task, seed, window=None),
    "published_early": lambda task, seed: _published(task, seed, window=None, early_stopping=True),
    "single": _single,
    "paper_surrogate": _paper_surrogate,
    **{surrogate_name(member): _as_member(member) for member in EVERY_MEMBER},
}
MAIN = ("auto", "families", "neural", "tabular", "structured", "wrong_learner", "cloning", "equilibrium")
ABLATION = ("published", "published_exact", "published_early", "single", "neural", "auto")  # one step at a time

SURROGATES = ("paper_surrogate", *map(surrogate_name, EVERY_MEMBER))

ABOUT = {
    "auto": "`DIML` with the structure learned from the data: kinds of interaction by evidence in small games, as "
    "`families` in large ones",
    "families": "families of mechanisms compared by held-out likelihood, the best refitted to all training episodes",
    "neural": "`DIML` with a network and no structure: the mean of five fits, each stopped early, from no differences",
    "tabular": "a free payoff for every profile and agent, maximum likelihood",
    "structured": "the correct parametric form, maximum likelihood (E3: with a ridge, for the network in it)",
    "wrong_learner": "`neural`, told that learners have 0.6 times their true precision",
    "least_regret": "the payoffs of one size under which play earned most above chance: no model of learning",
    "cloning": "a network from the last five profiles to choices; knows no payoffs",
    "equilibrium": "static inversion of choice shares, as if nobody learned",
    "qre": "payoffs under which each episode is a logit quantal response equilibrium",
    "maxent_irl": "maximum causal entropy inverse reinforcement learning in each agent's seat, on the last profile",
    "published": "the paper's training: Adam, a fixed number of epochs, windows of 50 rounds from zero attractions",
    "published_exact": "the same on whole episodes, the exact likelihood",
    "published_early": "the same, a fifth of the episodes held out and the best epoch kept",
    "paper_surrogate": "what is known of the structure, under logit-Q learners of the paper's parameters",
    **{
        surrogate_name(member): f"what is known of the structure, under learners by {member}, their parameters fitted"
        for member in EVERY_MEMBER
    },
    "single": "`neural` with one fit: full batches, weight decay, started from no differences, stopped early",
}


def about_estimator(name: str, made_by: Mapping[str, Any]) -> str:
    """A sentence. made_by: as `Entry.description`."""
    use = made_by.get("use", name)
    text = ABOUT.get(use, f"`{use}`, from outside") if "plugin" not in made_by else f"`{made_by['plugin']}`"
    settings = ", ".join(f"{key} {value}" for key, value in made_by.get("settings", {}).items())
    return f"{text}; {settings}" if settings else text


def why_not(estimator: str, task: Task) -> str | None:
    """Why the estimator cannot be applied to the task; None if it can."""
    if estimator == "structured" and task.formula is None:
        return "the task has no parametric form"
    if estimator in SURROGATES and task.form is None:
        return "nothing is known of the structure beforehand"
    if estimator.startswith("as_") and estimator not in map(surrogate_name, default_members(task.num_rounds)):
        return "for episodes of another length"
    counts = task.action_counts
    if estimator == "families" and len(counts) > FEW_AGENTS:
        return "what `auto` does in a large game"
    if estimator == "tabular" and (entries := math.prod(counts) * len(counts)) > LARGEST_TABLE:
        # As text: more than a float holds.
        return f"a table of about 10^{len(str(entries)) - 1} free payoffs"
    if estimator in ("qre", "maxent_irl", "least_regret") and len(counts) > FEW_AGENTS:
        return "a payoff for every joint action of a crowd"
    return None
