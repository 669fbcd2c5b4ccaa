"""One fit, as the command line makes and keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diml_envs.traces import Traces
from diml_inverse.cli.candidates import LearnerParameters, default_mechanism, estimator_for
from diml_inverse.cli.output import note
from diml_inverse.cli.scores import agreement, agreement_in_words, errors, likelihoods
from diml_inverse.cli.truth import Truth
from diml_inverse.diagnosis import diagnose
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.identification import visited_contexts
from diml_inverse.recovered.course import current
from diml_inverse.report import comparison_table, found_in_words, payoff_difference_table, save_fit
from diml_inverse.versions import versions

PRINTED_ROWS = 40


class Fit(NamedTuple):
    """A fit and what there is to say of it. `table` is its `payoff_difference_table`."""

    estimate: Estimate
    traces: Traces
    table: pd.DataFrame
    facts: dict[str, Any]
    scale_known: bool

    def save(self, folder: Path, errors: str = "", pictures: bool = True) -> Fit:
        """Write its folder, see `save_fit`; the same with its table as it stands there, with errors and intervals."""
        kept = self.estimate, self.traces, self.table, self.facts, self.scale_known
        return self._replace(table=save_fit(folder, *kept, errors, pictures))

    def judged(self) -> Fit:
        """With the verdict of the checks, told to the person at the terminal."""
        found = diagnose(self.estimate, self.traces, cloning=False)
        note(f"on these plays, to which it was fitted: {found.verdict}")
        for sentence in found.regrets:
            note(sentence)
        return self._replace(
            facts={**self.facts, "decisions": found.decisions, "verdict": found.verdict, "regrets": found.regrets}
        )

    def rows_to_print(self) -> pd.DataFrame:
        """The comparison table, or of a long one the rows of each agent's most visited contexts."""
        comparison = comparison_table(self.table, self.traces)
        if len(comparison) <= PRINTED_ROWS:
            return comparison
        return comparison.groupby("agent", sort=False).head(max(PRINTED_ROWS // self.traces.num_agents, 1))


def fit_plays(
    traces: Traces,
    mechanism: str,
    learners: LearnerParameters | None,
    seed: int,
    truth: Truth | None,
    settings: Mapping[str, Any],
) -> Fit:
    """`fit_form`, its table, and how it compares with the truth where that is known; not judged yet."""
    name, estimate = fit_form(traces, mechanism, learners, seed)
    stopped = current().why if current().over else None
    if stopped:
        note(f"stopped ({stopped}): this is the best found so far, not the end of the fit")
    scale_known = learners is not None and learners.scale_known
    table = payoff_difference_table(estimate.mechanism, traces, None if truth is None else truth.mechanism)
    _note_contexts_left_out(table, traces)
    scores = likelihoods(estimate, traces, truth)
    if scale_known:
        scores |= errors(estimate, traces, truth)
    note("on these plays: " + ", ".join(f"{score} {value:.4g}" for score, value in scores.items()))
    compared = agreement(table)
    for line in agreement_in_words(compared, () if truth is None else truth.unpaid):
        note(line)
    facts = {
        **settings,
        "seed": seed,
        "agreement": compared,
        "stopped": stopped,
        "mechanism": name,
        "learner_parameters": estimate.dynamics.config() if learners is None else learners.values,
        "learner_parameters_from": "fitted" if learners is None else learners.sources,
        **scores,
        "estimator": dict(estimate.info),
        "versions": versions(),
    }
    return Fit(estimate, traces, table, facts, scale_known)


def fit_form(traces: Traces, mechanism: str, learners: LearnerParameters | None, seed: int) -> tuple[str, Estimate]:
    """Fit the named form, or that of `default_mechanism`; its name, and the fit.

    learners: None to find out how the agents learn.
    """
    name, reason = default_mechanism(traces) if mechanism == "auto" else (mechanism, "as asked")
    note(f"mechanism: {name} ({reason})")
    estimate = estimator_for(name, learners, traces, seed).fit(traces)
    for line in found_in_words(estimate):
        note(line)
    return name, estimate


def _note_contexts_left_out(table: pd.DataFrame, traces: Traces) -> None:
    written, visited = len(table[["agent", "others"]].drop_duplicates()), len(visited_contexts(traces))
    if written < visited:
        note(f"payoff_differences.csv holds the {written} most visited of {visited} contexts")
