"""The work of `diml score`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click
import pandas as pd

from diml_inverse.benchmark.reports.results import write_results
from diml_inverse.benchmark.running.cells import Cell, Record, origin
from diml_inverse.benchmark.running.contained import keep
from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.running.suites import NAME
from diml_inverse.benchmark.scoring.scores import Score, of_choices, of_differences
from diml_inverse.benchmark.tasks.answers import read_answer
from diml_inverse.benchmark.tasks.catalogue import task_named
from diml_inverse.benchmark.tasks.contexts import GivenDifferences
from diml_inverse.benchmark.tasks.people import with_human_play
from diml_inverse.benchmark.tasks.task import Play
from diml_inverse.cli.output import note


def score(
    task: str,
    answers: tuple[Path, ...],
    seed: int,
    fill_missing: bool,
    into: Path | None,
    name: str,
    suite: str,
    human_play: Path | None,
) -> None:
    """Print how near answers come to the truth of a task. The arguments are the command's."""
    chosen = with_human_play(task_named(task), human_play)
    if into is not None and (not NAME.fullmatch(name) or name in ESTIMATORS):
        raise click.UsageError(f"--name must be new, of letters, digits and _ . -, at most 64; got {name!r}")
    play = chosen.play(seed)
    scores = [score for path in answers for score in _scores(path, play, fill_missing)]
    if len({score.metric for score in scores}) < len(scores):
        raise click.UsageError("give one file of payoff differences and one of choice probabilities at most")
    scores.sort(key=lambda score: score.metric not in chosen.metrics)
    click.echo(pd.DataFrame(scores).to_csv(index=False), nl=False)
    if into is not None:
        _add(Cell(chosen, name, seed, suite), scores, answers, into)


def _scores(path: Path, play: Play, fill_missing: bool) -> list[Score]:
    answer = read_answer(path, play.test, fill_missing)
    return list(of_differences(answer, play) if isinstance(answer, GivenDifferences) else of_choices(answer, play))


def _add(cell: Cell, scores: list[Score], answers: tuple[Path, ...], results: Path) -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in answers}
    record = Record(
        cell.task.name,
        cell.estimator,
        cell.seed,
        cell.task.settings(),
        scores,
        **{**origin(cell), "made_by": {"use": "diml score", "settings": digests}},
    )
    results.mkdir(parents=True, exist_ok=True)
    keep(cell, {"cells": record.as_bytes()}, results)
    write_results(results)
    note(f"{results / 'results.csv'} has {cell}; `diml report {results}` shows it")
