"""Learners with memory beside those without, on the same people left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from diml_envs.traces import Traces
from diml_inverse.dynamics.members import default_members
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.memory import Memory, states_too_many, with_inertia
from diml_inverse.estimators.memory_search import MemorySearch, MemoryTrial


def beside_memory(found: Estimate, traces: Traces, seed: int) -> Estimate:
    """An estimate under the best learners without memory or, where others surely predict better, under those.

    `info["learners"]` has rows of both kinds. A game with no small table, or play of people who all share something,
    is left as it is, with `info["too_short"]` where play is too little for states.

    Args:
        found: by `DynamicsComparison`.
        traces: what it was fitted to.
        seed: of what is left out.
    """
    short = states_too_many(traces)
    info = {**found.info, **({"too_short": short} if short else {})}
    member = next(row["member"] for row in found.info["learners"] if row["chosen"])
    known = default_members(int(traces.lengths.max())).get(member)
    search = MemorySearch(seed=seed, rivals=[] if known is None else with_inertia(member, known))
    try:
        ranked = search.trials(traces)
    except ValueError:  # fewer than two units of people
        ranked = []
    if not ranked:
        return replace(found, info=info)
    plain = next((trial for trial in ranked if trial.memory.name == member), None)
    if plain is not None and plain.as_well_as(ranked[0]):
        return replace(found, info={**info, "learners": _rows(found, ranked, member)})
    chosen = search.chosen(ranked, traces)
    learners = _rows(found, ranked, chosen.info["memory"])
    kept = {name: found.info[name] for name in ("estimator",) if name in found.info}
    return replace(chosen, info={**info, **chosen.info, **kept, "learners": learners, "route": "tables, by memory"})


def _rows(found: Estimate, ranked: list[MemoryTrial], chosen: str) -> list[dict[str, Any]]:
    """Of the comparison without memory, then of the trials with, which were scored on one set of decisions."""
    without = [{**row, "chosen": row["member"] == chosen} for row in found.info["learners"]]
    number = 1 + max(row["trial"] for row in without)
    form, added = ranked[0].form, []
    for trial in (trial for trial in ranked if trial.form == form):
        less, error = trial.behind(ranked[0])
        row = {"member": trial.memory.name, "trial": number, "held_out_log_likelihood": trial.mean}
        row["fitted"] = sum(parameter.numel() for parameter in trial.estimate.dynamics.parameters())
        row |= {"standard_error": error if less > 0 else None, "failed": None}
        row |= {"chosen": trial.memory.name == chosen, "told_apart": not trial.as_well_as(ranked[0])}
        if isinstance(trial.memory, Memory) or trial.memory.name not in {row["member"] for row in without}:
            added.append(row)
        else:
            without = [row if old["member"] == row["member"] else old for old in without]
    return [*without, *added]
