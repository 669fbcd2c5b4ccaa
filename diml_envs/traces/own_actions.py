"""Which actions each agent has, from those it was seen to play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.columns import factorized
from diml_envs.traces.frame_checks import Codes, check_agents_known
from diml_envs.traces.labels import Label, checked_labels, in_order


def own_actions(
    column: pd.Series[Any],
    agent_of: Codes,
    agents: list[str],
    alike: NDArray[Any],
    given: Mapping[str, Sequence[Label]],
) -> tuple[Codes, list[tuple[Label, ...]]]:
    """Each row's action as a number among its agent's actions [R], and the labels of every agent.

    Args:
        column: actions [R], empty where not observed.
        agent_of: [R], into `agents`.
        agents: names, N.
        alike: a number for each agent [N]; those of one number have their actions in common.
        given: {agent: labels} that are declared.
    """
    codes, values, given_order = factorized(column, str(column.name))
    check_agents_known(given, agents)
    observed = codes != MISSING
    pairs, pair_of = np.unique(agent_of[observed] * len(values) + codes[observed], return_inverse=True)
    pair_agent, pair_code = np.divmod(pairs, max(len(values), 1))
    labels = []
    for i, name in enumerate(agents):
        played = [values[code] for code in np.unique(pair_code[alike[pair_agent] == alike[i]])]
        own = checked_labels(given.get(name, played), f"actions of agent {name!r}")
        if not own:
            raise ValueError(f"no action of agent {name!r} is observed: pass action_labels={{{name!r}: [...]}}")
        labels.append(own if given_order or name in given else tuple(in_order(own)))
    place = [{label: j for j, label in enumerate(own)} for own in labels]
    found = [place[i].get(values[code], MISSING) for i, code in zip(pair_agent, pair_code, strict=True)]
    if MISSING in found:
        agent, code = pair_agent[found.index(MISSING)], pair_code[found.index(MISSING)]
        known = list(labels[agent])
        raise ValueError(f"agent {agents[agent]!r} played {values[code]!r}, which its action_labels {known} lack")
    own_action = np.full(len(codes), MISSING)
    own_action[observed] = np.array(found, dtype=np.int64)[pair_of]
    return own_action, labels
