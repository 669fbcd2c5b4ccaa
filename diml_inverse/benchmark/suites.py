"""Suites: which tasks go with which estimators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diml_inverse.benchmark.estimators import MAIN, SURROGATES
from diml_inverse.benchmark.learner_tasks import LEARNERS
from diml_inverse.benchmark.tasks import PAPER, Task


@dataclass(frozen=True)
class Suite:
    """Tasks and estimators by name.

    Attributes:
        about: a sentence.
        tasks: by name.
        estimators: run unless others are asked for.
        quick: tasks of a cut-down run.
    """

    about: str
    tasks: Mapping[str, Task]
    estimators: tuple[str, ...]
    quick: tuple[str, ...]


SUITES = {
    "paper": Suite("The paper's experiments, learners known.", PAPER, MAIN, ("E1", "E2")),
    "learners": Suite(
        "Learners of every kind, nothing known of how they learn.",
        LEARNERS,
        ("auto", *SURROGATES),
        ("E2-logit-q-own", "E2-hedge"),
    ),
}
TASKS: Mapping[str, Task] = {name: task for suite in SUITES.values() for name, task in suite.tasks.items()}
