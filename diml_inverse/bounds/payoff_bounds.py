"""`payoff_bounds`: the payoffs under which nobody would regret its play by much; no model of learning is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, eye_array

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.bounds.contexts import contexts_met, differences
from diml_inverse.bounds.epsilon import REPLICATES, ROUNDING, RegretLimit, limits, sampling_margin
from diml_inverse.bounds.form import affine_form
from diml_inverse.bounds.knowledge import Knowledge, Profile, known
from diml_inverse.bounds.payoff_set import LARGEST, RANGE, PayoffSet, payoff_set
from diml_inverse.bounds.regret import Condition, gains
from diml_inverse.bounds.result import PayoffBounds

FloatArray = NDArray[np.float64]
Normalisation = str | tuple[str, Mapping[Profile, float]]

MOST_CONTEXTS = 1_000  # bounded in the table
SCALES = {"largest": LARGEST, "range": RANGE}


def payoff_bounds(
    traces: Traces,
    regret: RegretLimit = "smallest",
    normalise: Normalisation | None = None,
    mechanism: Mechanism | None = None,
    know: Sequence[Knowledge] = (),
    against: Condition = "external",
    slack: float = 0.0,
    exploration: ArrayLike = 0.0,
    confidence: float | None = None,
    replicates: int = REPLICATES,
    most_contexts: int = MOST_CONTEXTS,
    seed: int = 0,
) -> PayoffBounds:
    """Bound payoffs by this alone: no agent lost more than `regret` a round against the best rule in hindsight.

    After Nekipelov, Syrgkanis & Tardos (2015), Econometrics for learning agents: the set of payoffs is a polyhedron
    (or, where only its scale is fixed, a union of them), and each bound a linear programme, solved exactly.

    Args:
        traces: the play.
        regret: epsilon, in units of payoff a round: a number for all agents, one for each by name; "smallest", the
            least under which any payoffs are left, but at least 0; "theory", `no_regret_rate`.
        normalise: the unit. An agent and payoffs of its that are known, `("row", {("top", "left"): 1, ("bottom",
            "left"): 0})`, keys naming an action of each agent in turn; "largest", the largest difference between two
            own payoffs in one context is 1; "range", differences are 1 at most. What has a unit already (known
            payoffs, money in the mechanism) keeps it. None: "largest" in small games, else "range".
        mechanism: the form of the payoffs: those of its parameters that require a gradient are unknown, and payoffs
            must be affine in them. Default: a free payoff for every joint action and agent.
        know: what else is known, see `diml_inverse.bounds.knowledge`.
        against: what play is compared with, see `diml_inverse.bounds.regret`: "external", the best fixed action;
            "internal", "swap", "last_profile", "episode", or numbers [E, T, N] that the rule may look at.
        slack: added to epsilon.
        exploration: probability of choosing uniformly at random whatever was learnt; its regret is taken out.
        confidence: with which the set is to cover that of infinitely many episodes: adds `sampling_margin`.
        replicates: of the bootstrap for `confidence`.
        most_contexts: the table holds the most visited; 0 for no table, where only `project` is wanted.
        seed: of the bootstrap for `confidence`.

    Raises:
        ValueError: nothing fits, not even at the least regret, or not at the one given; labels that are not there;
            payoffs that are not affine.
    """
    form = affine_form(TabularMechanism(traces.action_counts) if mechanism is None else mechanism, traces)
    scale = _scale(normalise)
    know = [*know, *([] if normalise is None or isinstance(normalise, str) else [known(*normalise)])]
    counted = gains(form, traces, against, exploration)
    whole = payoff_set(form, counted, [one(form, traces) for one in know], scale)
    least, point = whole.least_regret()
    epsilon = limits(regret, whole, least, traces) + slack
    if confidence is not None:
        # At less than the least regret of this play its set is empty, that of more play need not be.
        start = whole.with_epsilon(np.fmax(epsilon, least) + ROUNDING)
        epsilon = epsilon + sampling_margin(start, traces, against, exploration, confidence, seed, replicates)
    found = whole.with_epsilon(epsilon + ROUNDING)
    _check_not_empty(found, least, epsilon, traces)
    contexts = contexts_met(found.form, traces, most_contexts).iloc[: None if most_contexts else 0]
    return PayoffBounds(
        table=_table(found, traces, contexts),
        parameters=_parameters(found) if mechanism is not None else pd.DataFrame(columns=["parameter", "low", "high"]),
        epsilon=dict(zip(traces.agents, epsilon.tolist(), strict=True)),
        least_regret=dict(zip(traces.agents, least.tolist(), strict=True)),
        notes=_notes(found, traces),
        agents=traces.agents,
        action_labels=traces.action_labels,
        contexts=contexts,
        payoffs=found,
        least_regret_parameters=point,
    )


def _scale(normalise: Any) -> str | None:
    if isinstance(normalise, str):
        if normalise not in SCALES:
            raise ValueError(
                f'normalise must be "largest", "range" or (agent, {{joint action: payoff}}); got {normalise!r}'
            )
        return SCALES[normalise]
    if normalise is not None and (not isinstance(normalise, tuple) or len(normalise) != 2 or not normalise[1]):
        raise ValueError(
            f"normalise by an agent and payoffs of its: (agent, {{joint action: payoff}}); got {normalise!r}"
        )
    return None


def _check_not_empty(found: PayoffSet, least: FloatArray, epsilon: FloatArray, traces: Traces) -> None:
    for block in found.blocks:
        if block.minimise(np.zeros(len(block.columns)))[1] is None:
            names = ", ".join(f"{traces.agents[i]} {epsilon[i]:.4g} (least {least[i]:.4g})" for i in block.agents)
            raise ValueError(
                f"no payoffs make this play as good as that: regret allowed {names}. Allow more, or ask for "
                'regret="smallest"; the least are those at the smallest sum over agents with payoffs in common'
            )


def _table(found: PayoffSet, traces: Traces, contexts: pd.DataFrame) -> pd.DataFrame:
    """agent, others, action, low, high, sharp, visits."""
    table, matrix, offset = differences(found.form, traces, contexts)
    _, first, place = np.unique(table.pop("line"), return_index=True, return_inverse=True)
    low, high, sharp = _bounds(found, csr_array(matrix[first]), offset[first])[place].T
    visits = table.pop("visits")
    return table.assign(low=low, high=high, sharp=sharp.astype(bool), visits=visits)


def _parameters(found: PayoffSet) -> pd.DataFrame:
    names = found.form.names
    low, high, sharp = _bounds(found, csr_array(eye_array(len(names))), np.zeros(len(names))).T
    return pd.DataFrame({"parameter": names, "low": low, "high": high, "sharp": sharp.astype(bool)})


def _bounds(found: PayoffSet, directions: csr_array, offset: FloatArray) -> FloatArray:
    """low, high and whether both are attained, [M, 3]."""
    ends = [found.interval(directions[[row]].toarray()[0]) for row in range(len(offset))]
    return np.array(ends, float).reshape(-1, 3) + np.stack([offset, offset, np.zeros(len(offset))], 1)


def _notes(found: PayoffSet, traces: Traces) -> tuple[str, ...]:
    notes = []
    for block in found.blocks:
        if block.agents:
            names = ", ".join(traces.agents[i] for i in block.agents)
            notes.append(f"unit of {names}: {block.scale}")
    silent = [name for name, count in zip(traces.agents, found.regret.decisions, strict=True) if not count]
    if silent:
        notes.append(f"no choice of {', '.join(silent)} can be judged")
    return tuple(notes)
