"""Options that change what is read from a file of plays. Without them nothing is changed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import Any

import click

_OPTIONS = {
    "action_labels": "--actions",
    "merge_labels": "--merge-labels",
    "missing": "--missing",
    "bins": "--bins",
    "cut": "--cut",
}


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--actions`, `--missing`, `--merge-labels`, `--bins` and `--cut`."""
    options = (
        click.option(
            "--actions",
            multiple=True,
            metavar="AGENT=A,B,...",
            help="All actions an agent has, in order; default: those it took. Repeatable.",
        ),
        click.option(
            "--missing", multiple=True, metavar="TEXT", help="An action that means: not observed. Repeatable."
        ),
        click.option("--merge-labels", is_flag=True, help="Actions that differ in capitals or blanks only are one."),
        click.option("--bins", metavar="K|width=W", help="Actions are amounts: K bins of equal counts, or of a width."),
        click.option(
            "--cut", metavar="restart|ROUNDS", help="Cut episodes: where rounds start anew, or every so many."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def changes_asked_for(options: dict[str, Any]) -> dict[str, Any]:
    """Takes those options out of `options`; those that were given as arguments of `Traces.from_frame`.

    Raises:
        click.UsageError: an option that says nothing.
    """
    given = {name: options.pop(name) for name in ("actions", "missing", "merge_labels", "bins", "cut")}
    changes = {"action_labels": _declared(given.pop("actions")), **given}
    return {name: value for name, value in changes.items() if value}


def _declared(actions: Iterable[str]) -> dict[str, list[str]]:
    """{agent: labels} of AGENT=A,B,..., where a label with a comma stands in double quotes."""
    found = {}
    for text in actions:
        agent, sign, labels = text.rpartition("=") if text.count("=") == 1 else text.partition("=")
        if not sign or not agent or not labels:
            raise click.UsageError(f"--actions takes AGENT=A,B,...; got {text!r}")
        found[agent] = next(csv.reader([labels], skipinitialspace=True))
    return found


def option_of(change: str) -> str:
    """The option that makes the change."""
    return _OPTIONS[change]
