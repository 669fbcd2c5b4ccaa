"""Hypothesis strategies: random valid traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from diml_envs.traces import MISSING, Label, Traces

# Text that reads as no number and no truth value, so that a CSV gives it back as text.
words = st.from_regex(r"[a-zA-Zäéж_ ,;'\"#%/]{1,6}[a-z][0-9]{0,3}", fullmatch=True).filter(
    lambda text: text.lower() not in ("true", "false")
)
awkward_words = st.sampled_from(["None", "NA", "nan", "null", "N/A", "inf", "a b", 'say "x"', "a,b", "-", "é", "=1+1"])
texts = words | awkward_words
integers = st.integers(-(10**15) + 1, 10**15 - 1) | st.integers(-3, 12)
floats = st.floats(allow_nan=False, allow_infinity=False)
metadata = st.dictionaries(
    st.text(max_size=4), st.integers() | st.text(max_size=3) | st.none() | st.booleans(), max_size=3
)


def label_lists(size: int, kinds: Sequence[Any] = (texts, integers, floats)) -> st.SearchStrategy[list[Label]]:
    """Lists of `size` distinct labels of one kind."""
    return st.one_of([st.lists(kind, min_size=size, max_size=size, unique=True) for kind in kinds])


@st.composite
def peoples(draw: st.DrawFn, agents: Sequence[str], num_episodes: int) -> dict[str, Any]:
    """Who sits where, as arguments of `Traces`: persons who change seats and sit out, given moves, sessions or none."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.sampled_from(["persons", "sessions", "both", "given"]))
    given = [name for name in agents if generator.random() < 0.2]
    if kinds == "given":
        return {"given": given}
    num_sessions, each = draw(st.integers(1, 2)), len(agents) + draw(st.integers(0, 2))
    sessions = generator.integers(0, num_sessions, num_episodes)
    people: dict[str, Any] = {
        "begins": draw(st.lists(st.integers(-2, 20), min_size=num_episodes, max_size=num_episodes))
    }
    if kinds in ("persons", "both"):
        seats = [each * session + generator.permutation(each)[: len(agents)] for session in sessions]
        persons = np.where(generator.random((num_episodes, len(agents))) < 0.2, -1, np.stack(seats))
        labels = draw(label_lists(each * num_sessions))
        people |= {"persons": persons, "person_labels": labels, "given": given}
    if kinds in ("sessions", "both"):
        people |= {"sessions": sessions, "session_labels": draw(label_lists(num_sessions))}
    return people


@st.composite
def traces(draw: st.DrawFn, one_kind: bool = False, max_agents: int = 4, people: bool = False) -> Traces:
    """Unequal lengths, unequal action counts, missing actions.

    Args:
        draw: hypothesis' own.
        one_kind: all actions text, or all numbers.
        max_agents: N at most.
        people: persons, sessions or given moves as well.
    """
    num_episodes, num_agents = draw(st.integers(1, 4)), draw(st.integers(1, max_agents))
    lengths = draw(st.lists(st.integers(1, 5), min_size=num_episodes, max_size=num_episodes))
    counts = draw(st.lists(st.integers(1, 4), min_size=num_agents, max_size=num_agents))
    kinds = draw(st.sampled_from([(texts,), (integers, floats)])) if one_kind else (texts, integers, floats)
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (num_episodes, max(lengths), num_agents)
    actions = generator.integers(0, counts, shape)
    actions[generator.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = MISSING
    agents = [str(name) for name in draw(label_lists(num_agents, (texts,)))]
    return Traces(
        actions,
        lengths,
        agents,
        [draw(label_lists(count, kinds)) for count in counts],
        draw(label_lists(num_episodes)),
        draw(metadata),
        **(draw(peoples(agents, num_episodes)) if people else {}),
    )
