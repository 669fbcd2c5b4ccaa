"""`identify`: which numbers recorded play pins down, which it cannot, and what would have to be known for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.identification.contexts import contexts_to_report, others_in_words, visited_contexts
from diml_inverse.identification.differences import Known, Through, known_freely, known_through
from diml_inverse.identification.free_payoffs import FreePayoffs
from diml_inverse.identification.invariances import invariances
from diml_inverse.identification.result import Identification
from diml_inverse.identification.space import Space, free_spaces, structure_space
from diml_inverse.likelihood import observe
from diml_inverse.uncertainty.expected import TooManyError, check_number
from diml_inverse.uncertainty.fitted import Fitted

MOST_ROWS = 20_000  # of the table


def identify(traces: Traces, dynamics: Dynamics, mechanism: Mechanism, most_rows: int = MOST_ROWS) -> Identification:
    """Say of every payoff difference whether play pins it down: freely, only through the mechanism's form, or not.

    Twice the information that the decisions carry (`expected_information`) is formed: about a payoff for each own
    action in each visited context, all free; and about the parameters of `mechanism`. A difference is identified if
    it lies in the range of the information (`NOT_IDENTIFIED` and `OVERLAP` of `diml_inverse.uncertainty.covariance`
    say what counts as zero). Both are local statements, at the payoffs that `mechanism` holds: pass a fitted one, or
    the truth. Learners' parameters that `dynamics` was fitted with count as unknown; a precision of which only the
    product with the payoffs shows is held where it is, so that differences have a unit.

    The effective number of observations of a difference d is Var_1(d) / Var(d): Var from the inverse information, all
    else unknown; Var_1 what a single fully informative decision would leave, one whose attractions are the payoffs of
    that context alone, at choice probabilities without payoff differences. For logit choice of A actions without
    exploration Var_1 = (A - 1) / precision^2. It is less than the visits, because a choice rests on several contexts
    at once; below about 10 do not trust an interval.

    Args:
        traces: the play.
        dynamics: the learners; `estimate.dynamics`.
        mechanism: its form and where to evaluate; `estimate.mechanism`.
        most_rows: of the table: all contexts there can be if they have no more, else so many of the most visited.

    Returns:
        What could be computed. In large games free payoffs or a network's parameters are too many for a matrix of
        them: notes say so, and the table has NaN observations.

    Raises:
        ValueError: mechanism and traces do not fit together, or no decision can be scored.
    """
    if mechanism.action_counts != traces.action_counts:
        raise ValueError(
            f"the mechanism has action counts {mechanism.action_counts}, the traces {traces.action_counts}"
        )
    notes: list[str] = []
    contexts = contexts_to_report(traces, max(most_rows // mechanism.num_actions, 1))
    free = _free_payoffs(traces, dynamics, mechanism, notes)
    structure = _structure(traces, dynamics, mechanism, notes)
    known = known_freely([space.with_precision_held() for space in free], contexts) if free else None
    through = None if structure is None else known_through(structure.with_precision_held(), contexts)
    if isinstance(mechanism, TabularMechanism) and known is not None:
        through = known.identified, known.observations  # a table's entries are free payoffs
    rest = "smoothness" if _has_network(mechanism) else "structure"
    gauge = invariances(free, structure, traces)
    return Identification(
        _table(contexts, traces, known, through, rest),
        gauge,
        _spaces(free, structure, traces),
        _facts(traces, dynamics, mechanism),
        (*notes, *_on_scale([space for space in (*free, structure) if space is not None], gauge)),
    )


def _on_scale(spaces: Sequence[Space], gauge: pd.DataFrame) -> Iterator[str]:
    if any(space.with_precision_held() is not space for space in spaces):
        yield "Play shows only the product of precision and payoffs: differences are in units of 1 / precision."
    if (gauge["what"] == "multiplying payoffs").any():
        yield "Multiplying all payoffs changes no choice: only ratios of differences can be identified."


def _free_payoffs(traces: Traces, dynamics: Dynamics, mechanism: Mechanism, notes: list[str]) -> list[Space]:
    """Empty, and a note, if there are too many free payoffs."""
    visited = visited_contexts(traces)
    number = int(np.array(mechanism.action_counts)[visited["agent"]].sum())
    try:
        check_number(number)
        free = FreePayoffs(mechanism, traces)
        fitted = Fitted(free, dynamics, _fitted_names(dynamics))
        return list(free_spaces(fitted, observe(free, dynamics, traces)))
    except TooManyError as error:
        notes.append(
            f"Payoffs free in each visited context were not examined: {error}. What is said to be identified through "
            "the mechanism's form may be so without it."
        )
        return []


def _structure(traces: Traces, dynamics: Dynamics, mechanism: Mechanism, notes: list[str]) -> Space | None:
    """None for a table, whose entries are free payoffs; and, with a note, if there are too many parameters."""
    if isinstance(mechanism, TabularMechanism) or not any(True for _ in mechanism.parameters()):
        return None
    fitted = Fitted(mechanism, dynamics, _fitted_names(dynamics))
    try:
        check_number(fitted.size)
        return structure_space(fitted, observe(fitted.mechanism, dynamics, traces))
    except TooManyError as error:
        notes.append(
            f"The mechanism's own parameters were not examined: {error}. How firmly they pin down what free payoffs "
            "leave open is not known; diml_inverse.inference.bootstrap shows it."
        )
        return None


def _fitted_names(dynamics: Dynamics) -> list[str]:
    return [name for name, _ in dynamics.named_parameters()]


def _has_network(mechanism: Mechanism) -> bool:
    return any(isinstance(module, nn.Linear) for module in mechanism.modules())


def _table(
    contexts: pd.DataFrame, traces: Traces, known: Known | None, through: Through | None, rest: str
) -> pd.DataFrame:
    """A row for each difference, of agents with a choice."""
    counts = np.array(traces.action_counts)[contexts["agent"]]
    which = np.nonzero((np.arange(max(traces.action_counts)) < counts[:, None]) & (counts > 1)[:, None])
    row, agent = which[0], contexts["agent"].to_numpy()[which[0]]
    columns = {
        "agent": np.array(traces.agents, object)[agent],
        "others": others_in_words(contexts, traces)[row],
        "action": [traces.action_labels[i][b] for i, b in zip(agent, which[1], strict=True)],
        "visits": contexts["visits"].to_numpy()[row],
        "identified": _how(known, through, rest, (len(contexts), max(traces.action_counts)))[which],
        "observations": np.nan if known is None else known.observations[which],
        "observations_with_form": np.nan if through is None else through[1][which],
        "comparable": -1 if known is None else known.comparable[which],
        "payoff_identified": pd.NA if known is None else known.payoff[which],
    }
    return pd.DataFrame(columns)


def _how(known: Known | None, through: Through | None, rest: str, shape: tuple[int, int]) -> NDArray[np.object_]:
    """One of `HOW` for each difference."""
    how = np.full(shape, "no", object)
    if known is not None:
        how[known.comparable > 0] = "partly"
    if through is not None:
        how[through[0]] = rest
    elif rest == "smoothness":
        how[:] = rest
    else:
        how[how == "no"] = "unknown"
    if known is not None:
        how[known.identified] = "exactly"
    return how


def _spaces(free: Sequence[Space], structure: Space | None, traces: Traces) -> pd.DataFrame:
    names = [space.whose(traces.agents) for space in free]
    rows = [
        (name, len(space.members), space.covariance.num_identified, space.condition_number)
        for name, space in zip([*names, "mechanism's parameters"], [*free, structure], strict=True)
        if space is not None
    ]
    return pd.DataFrame(rows, columns=["of", "parameters", "identified", "condition_number"])


def _facts(traces: Traces, dynamics: Dynamics, mechanism: Mechanism) -> dict[str, Any]:
    counts = traces.action_counts
    return {
        "mechanism": type(mechanism).__name__,
        "learners": repr(dynamics),
        "episodes": len(traces),
        "decisions": int(observe(mechanism, dynamics, traces).scored.sum()),
        "contexts_visited": len(visited_contexts(traces)),
        "contexts_possible": sum(math.prod(counts) // count for count in counts),
    }
