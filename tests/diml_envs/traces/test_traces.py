"""`Traces`: what it accepts and refuses, and how episodes are chosen, split and joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from diml_envs.traces import MISSING, Traces

ACTIONS = np.array([[[0, 1], [1, 2], [0, 0]], [[1, 0], [MISSING, 2], [0, 1]], [[1, 1], [0, 0], [1, 2]]])
LABELS = [["no", "yes"], ["low", "mid", "high"]]


def example(**changes: Any) -> Traces:
    arguments: dict[str, Any] = {"actions": ACTIONS, "lengths": [3, 2, 1], "action_labels": LABELS, **changes}
    return Traces(**arguments)


def test_what_it_holds() -> None:
    traces = example(agents=["a", "b"], episodes=["x", "y", "z"], metadata={"seed": 3})
    assert (traces.num_episodes, traces.num_rounds, traces.num_agents) == (3, 3, 2)
    assert traces.action_counts == (2, 3)
    assert traces.actions[1].tolist() == [[1, 0], [MISSING, 2], [MISSING, MISSING]]
    assert traces.observed.sum() == 11
    assert repr(traces) == "Traces(episodes=3, rounds=1..3, agents=2, action_counts=(2, 3), missing=1)"


def test_defaults() -> None:
    traces = Traces([[[0, 4]]])
    assert traces.agents == ("agent_0", "agent_1")
    assert traces.episodes == (0,)
    assert traces.action_labels == ((0, 1, 2, 3, 4),) * 2
    assert Traces([[[MISSING]]]).action_counts == (1,)


def test_padding_may_hold_anything_and_is_cut() -> None:
    padded = np.pad(ACTIONS, ((0, 0), (0, 2), (0, 0)), constant_values=-99)
    padded[2, 1:] = 10**9
    assert Traces(padded, [3, 2, 1]).actions.tolist() == Traces(ACTIONS, [3, 2, 1]).actions.tolist()


def test_nothing_changes_after_construction() -> None:
    given_actions, lengths, metadata = ACTIONS.copy(), np.array([3, 2, 1]), {"list": [1]}
    traces = Traces(given_actions, lengths, metadata=metadata)
    given_actions[:], lengths[:] = 1, 1
    metadata["list"].append(2)
    assert traces == example(action_labels=None, metadata={"list": [1]})
    with pytest.raises(ValueError, match="read-only"):
        traces.actions[0, 0, 0] = 1


def test_metadata_becomes_plain() -> None:
    traces = Traces([[[0]]], metadata={"seed": np.int64(3), "shape": (1, 2), "mean": np.array([0.5]), 1: None})
    assert traces.metadata == {"seed": 3, "shape": [1, 2], "mean": [0.5], "1": None}


@pytest.mark.parametrize("labels", [[True, False], [np.int64(3), np.float32(0.5)], [0.5, 2], ["a", "ß"], range(2)])
def test_labels_of_every_kind(labels: Any) -> None:
    traces = Traces([[[0], [1]]], action_labels=[labels], episodes=[labels[1]])
    assert traces.action_labels == (tuple(labels),)
    assert not any(isinstance(label, np.generic) for label in traces.action_labels[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.zeros((2, 3))}, r"actions must have shape \[episodes, rounds, agents\]; got shape \[2, 3\]"),
        ({"actions": np.zeros((0, 3, 2), int)}, r"no play: .* shape \[0, 3, 2\]"),
        ({"actions": [[[0, 1]], [[0, 1], [1, 1]]]}, "rows of different sizes: pad short episodes with -1"),
        ({"actions": ACTIONS + 0.5}, r"integers; got float64 values such as 0.5 \(an unobserved action is -1\)"),
        ({"actions": np.where(ACTIONS < 0, np.nan, ACTIONS)}, "integers; got float64 values such as nan"),
        ({"actions": np.full((3, 3, 2), np.inf)}, "integers; got float64 values such as inf"),
        ({"actions": ACTIONS.astype(bool)}, "integers; got bool values"),
        ({"actions": ACTIONS.astype(str)}, "integers; got <U21 values"),
        ({"actions": ACTIONS + 1}, "episode 0, round 1, agent 'agent_0': action 2 is outside 0..1 .-1 means not obs"),
        ({"actions": ACTIONS - 1}, "episode 1, round 1, agent 'agent_0': action -2 is outside 0..1"),
        ({"actions": ACTIONS + 10**9, "action_labels": None}, "action 1000000002 is too large a number; count"),
        ({"lengths": [3, 2]}, r"lengths has 2 entries where actions \[3, 3, 2\] need 3"),
        ({"lengths": [3, 0, 1], "episodes": ["x", "y", "z"]}, "episode 'y': length 0 is outside 1..3"),
        ({"lengths": [3, -2, 1]}, "episode 1: length -2 is outside 1..3"),
        ({"lengths": [3, 4, 1]}, "episode 1: length 4 is outside 1..3"),
        ({"lengths": [3, 1.5, 1]}, "lengths must be integers; got float64 values such as 1.5$"),
        ({"agents": ["a"]}, "agents has 1 entries"),
        ({"agents": ["a", "a"]}, "agents must be distinct; 'a' occurs more than once"),
        ({"agents": "ab"}, "agents must be a list of labels; got 'ab'"),
        ({"agents": [0, 1]}, "agents must be named by text; got 0"),
        ({"agents": ["a", ""]}, "agents: the label '' is empty"),
        ({"episodes": [0, 1]}, "episodes has 2 entries"),
        ({"episodes": [0, 1, 1]}, "episodes must be distinct; 1 occurs more than once"),
        ({"episodes": [0, 1, "2"]}, "episodes must be of one kind; got 0 .number., '2' .text.: convert"),
        ({"episodes": [0, 1, True]}, "episodes must be of one kind"),
        ({"episodes": ["x", "y", "z\n"]}, r"the label 'z\\n' holds a control character"),
        ({"episodes": ["x", "y", "\ud800"]}, "broken Unicode"),
        ({"episodes": [0, 1, float("nan")]}, "the number nan cannot be a label"),
        ({"episodes": [0, 1, 2**60]}, r"cannot be a label; use a finite one up to 2\*\*53"),
        ({"episodes": [0, 1, (2,)]}, r"episodes must be text, .*; got \(2,\) .tuple."),
        ({"action_labels": ["no", "low"]}, "actions of agent 'agent_0' must be a list of labels; got 'no'"),
        ({"action_labels": {"agent_0": ["no"]}}, "must be a list with the labels of each agent in turn"),
        ({"action_labels": [["no", "yes"]]}, "action_labels has 1 entries"),
        ({"action_labels": [["no", "yes"], []]}, "agent 'agent_1' has no actions"),
        ({"action_labels": [["no", 1], LABELS[1]]}, "actions of agent 'agent_0' must be of one kind"),
        ({"action_labels": [["no", None], LABELS[1]]}, "got None .NoneType.: convert"),
        ({"metadata": {"who": {1, 2}}}, "metadata must be a mapping of JSON values: {1, 2} is a set"),
        ({"metadata": {"x": float("nan")}}, "metadata must be a mapping of JSON values"),
        ({"metadata": ["x"]}, "metadata must be a mapping of JSON values"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        example(**changes)


def test_choosing_episodes() -> None:
    traces = example(episodes=["x", "y", "z"], metadata={"seed": 1})
    assert traces[0].episodes == traces[-3].episodes == ("x",)
    assert traces[1:].num_rounds == 2  # cut to the longest chosen
    assert traces[[2, 0]].episodes == ("z", "x")
    assert traces[traces.lengths < 3] == traces[1:]
    assert traces[0].action_labels == traces.action_labels
    assert [part.episodes[0] for part in traces] == ["x", "y", "z"]
    assert traces[:] == traces


def test_a_bootstrap_numbers_its_episodes_afresh() -> None:
    traces = example(episodes=["x", "y", "z"])[[0, 0, 2]]
    assert traces.episodes == (0, 1, 2)
    assert traces.lengths.tolist() == [3, 3, 1]


def test_choosing_nothing_or_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no episode chosen out of 3"):
        example()[[]]
    with pytest.raises(IndexError):
        example()[3]
    with pytest.raises(IndexError):
        example()[np.array([True, False])]


def test_joining() -> None:
    whole = example(episodes=["x", "y", "z"], metadata={"seed": 1, "game": "g"})
    assert whole[:2] + whole[2] == whole
    other = example(metadata={"seed": 2, "game": "g"})
    assert (whole + other).episodes == (0, 1, 2, 3, 4, 5)  # text and numbers do not go together
    assert (whole + whole).episodes == (0, 1, 2, 3, 4, 5)
    assert (whole + other).metadata == {"game": "g"}
    with pytest.raises(ValueError, match=r"cannot add traces: agents are .* and"):
        whole + example(agents=["a", "b"])
    with pytest.raises(ValueError, match="cannot add traces: action_labels"):
        whole + example(action_labels=None)
    with pytest.raises(TypeError):
        whole + 1  # type: ignore[operator]


def test_equality() -> None:
    assert example() == example()
    assert example() != example(lengths=[3, 3, 1])
    assert example() != example(metadata={"seed": 1})
    assert example() != 1


@settings(deadline=None)
@given(traces=strategies.traces(), fraction=st.floats(0.01, 0.99), seed=st.none() | st.integers(0, 9))
def test_split_parts_the_episodes(traces: Traces, fraction: float, seed: int | None) -> None:
    if len(traces) == 1:
        with pytest.raises(ValueError, match="at least two episodes"):
            traces.split(fraction, seed=seed)
        return
    first, rest = traces.split(fraction, seed=seed)
    assert len(first) == min(max(round(fraction * len(traces)), 1), len(traces) - 1)
    where = [traces.episodes.index(label) for label in (*first.episodes, *rest.episodes)]
    assert sorted(where) == list(range(len(traces)))
    assert (first + rest)[np.argsort(where)] == traces


def test_split_is_reproducible_and_refuses_odd_fractions() -> None:
    traces = Traces(np.zeros((20, 1, 1), int))
    assert traces.split(0.5, seed=1)[0] == traces.split(0.5, seed=1)[0] != traces.split(0.5, seed=2)[0]
    assert traces.split(0.25)[0].episodes == (0, 1, 2, 3, 4)
    for fraction in (0, 1, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="0 < fraction < 1"):
            traces.split(fraction)
