"""Long frames: what they mean, what they lack, and that they come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import strategies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import REAL_DATA

from diml_envs.traces import MISSING, Traces

needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the recorded human play is not here")
many = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["episode", "round", "agent", "action"])


def play(actions: dict[str, list[Any]], episode: Any = "e") -> pd.DataFrame:
    """One episode: the actions of each agent in turn."""
    return frame_of([(episode, t, agent, x) for agent, own in actions.items() for t, x in enumerate(own)])


@many
@given(traces=strategies.traces() | strategies.traces(people=True), seed=st.integers(0, 99))
def test_a_frame_gives_the_traces_back(traces: Traces, seed: int) -> None:
    frame = traces.to_frame().sample(frac=1, random_state=seed)
    labels = dict(zip(traces.agents, traces.action_labels, strict=True))
    again = Traces.from_frame(frame, action_labels=labels, given=traces.given)
    assert again == traces.replace(metadata=None)


def test_default_labels_come_back_in_order() -> None:
    traces = Traces(np.random.default_rng(0).integers(0, 3, (12, 20, 11)))
    frame = traces.to_frame()
    assert Traces.from_frame(frame) == traces
    assert frame.dtypes[["episode", "round", "action"]].eq("int64").all()
    text = frame.astype({"agent": str}).sample(frac=1, random_state=0)
    assert Traces.from_frame(text) == traces  # agent_10 comes after agent_2


def test_unobserved_actions_are_empty_cells() -> None:
    traces = Traces([[[0, MISSING], [1, 0]]], action_labels=[[5, 10], ["x"]])
    frame = traces.to_frame()
    assert frame["action"].tolist()[0] == 5
    assert frame["action"].isna().tolist() == [False, True, False, False]
    assert Traces.from_frame(frame) == traces


@pytest.mark.parametrize("empty", [None, np.nan, "", pd.NA])
def test_every_kind_of_empty_cell(empty: Any) -> None:
    traces = Traces.from_frame(play({"a": ["x", empty], "b": ["y", "x"]}))
    np.testing.assert_array_equal(traces.actions[0], [[0, 1], [MISSING, 0]])


def test_columns_of_any_name_and_rows_in_any_order() -> None:
    frame = play({"row": ["up", "down", "up"], "col": ["left", "right", "left"]})
    renamed = frame.set_axis(["pair", 7, "role", "choice"], axis=1).assign(payoff=1.0)
    traces = Traces.from_frame(renamed.iloc[::-1], episode="pair", round=7, agent="role", action="choice")  # type: ignore[arg-type]
    assert traces == Traces.from_frame(frame)
    assert traces.agents == ("col", "row")
    assert traces.action_labels == (("left", "right"), ("down", "up"))


def test_an_action_of_one_agent_is_not_anothers() -> None:
    """Fault: in a 2x3 game with actions coded 0, 1 and 0, 1, 2 the first agent silently got a third action."""
    traces = Traces.from_frame(play({"row": [0, 1, 1, 0], "column": [0, 1, 2, 0]}))
    labels = dict(zip(traces.agents, traces.action_labels, strict=True))
    assert labels == {"row": (0, 1), "column": (0, 1, 2)}


def test_numbers_sort_by_value_and_truth_values_false_first() -> None:
    traces = Traces.from_frame(play({"a": [10, 9, 2.5], "b": [10, 10, 10]}))
    assert traces.action_labels == ((2.5, 9, 10), (10,))
    assert Traces.from_frame(play({"a": [True, False]})).action_labels == ((False, True),)


def test_whole_numbers_beside_empty_cells_stay_whole() -> None:
    assert repr(Traces.from_frame(play({"a": [3, None, 1]})).action_labels) == "((1, 3),)"


def test_numeric_agents_and_rounds_as_floats() -> None:
    frame = play({"x": ["a", "b"], "y": ["a", "a"]}).replace({"agent": {"x": 1.0, "y": 2.0}})
    frame = frame.astype({"round": float, "agent": float})
    assert Traces.from_frame(frame).agents == ("1", "2")


def test_categories_give_order_but_no_actions_that_an_agent_never_took() -> None:
    frame = play({"a": ["mid", "low"], "b": ["low", "high"]})
    frame["action"] = pd.Categorical(frame["action"], ["low", "mid", "high", "highest"])
    frame["agent"] = pd.Categorical(frame["agent"], ["b", "a", "absent"])
    traces = Traces.from_frame(frame)
    assert traces.agents == ("b", "a")
    assert traces.action_labels == (("low", "high"), ("low", "mid"))


def test_given_action_labels_win() -> None:
    frame = play({"a": ["x", "x"], "b": ["x", "y"]})
    assert Traces.from_frame(frame, action_labels={"a": ["z", "x"]}).action_labels == (("z", "x"), ("x", "y"))
    with pytest.raises(ValueError, match=r"agent 'b' played 'y', which its action_labels \['x'\] lack"):
        Traces.from_frame(frame, action_labels={"b": ["x"]})
    with pytest.raises(ValueError, match=r"name the agent 'bb', which has no rows; did you mean 'b'\?"):
        Traces.from_frame(frame, action_labels={"bb": ["x"]})


def test_an_agent_never_observed_needs_labels() -> None:
    frame = play({"a": ["x", "y"], "b": [None, None]})
    with pytest.raises(ValueError, match=r"no action of agent 'b' is observed: pass action_labels=\{'b': \[\.\.\.\]\}"):
        Traces.from_frame(frame)
    assert Traces.from_frame(frame, action_labels={"b": [0, 1]}).action_counts == (2, 2)


def test_rounds_may_start_anywhere() -> None:
    late = play({"a": ["x", "y", "x"]}, episode="late").assign(round=lambda rows: rows["round"] + 7)
    early = play({"a": ["x", "y"]}, episode="early").assign(round=lambda rows: rows["round"] - 1)
    assert Traces.from_frame(pd.concat([late, early])).lengths.tolist() == [2, 3]


COMPLETE = play({"a": ["x", "y", "x", "x"], "b": ["x", "x", "y", "y"]}, "e1")
COMPLETE = pd.concat([COMPLETE, COMPLETE.assign(episode="e2", round=COMPLETE["round"] + 3)], ignore_index=True)


def without(*conditions: str) -> pd.DataFrame:
    return COMPLETE.query(f"not ({' and '.join(conditions)})")


def with_cell(row: int, column: str, value: Any) -> pd.DataFrame:
    return COMPLETE.assign(**{column: [*COMPLETE[column][:row], value, *COMPLETE[column][row + 1 :]]})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (COMPLETE[:0], "the frame has no rows"),
        (COMPLETE.rename(columns={"round": "rounds"}), r"no column 'round'; did you mean 'rounds'\? There are \['ep"),
        (COMPLETE.set_index("episode"), r"no column 'episode' \(it is in the index: call reset_index"),
        (without("episode == 'e2'", "round == 5"), "episode 'e2' has no round 5: after 4 comes 6.*empty action"),
        (without("episode == 'e2'", "round == 5", "agent == 'b'"), r"'e2', round 5, agent 'b': no row \(1 missing"),
        (without("episode == 'e1'", "round == 3", "agent == 'b'"), r"'e1', round 3, agent 'b': no row \(1 missing"),
        (without("episode == 'e2'", "round == 3", "agent == 'a'"), r"'e2', round 3, agent 'a': no row \(1 missing"),
        (without("episode == 'e2'", "round == 6", "agent == 'b'"), r"'e2', round 6, agent 'b': no row \(1 missing"),
        (without("episode == 'e2'", "agent == 'b'"), "episode 'e2' has no rows of agent 'b'.*role or seat"),
        (COMPLETE.iloc[[*range(16), 9, 9, 3]], r"'e2', round 4, agent 'a': 3 rows where .*\(2 such cases in all\)"),
        (with_cell(2, "episode", None), "column 'episode' is empty in row 2"),
        (with_cell(4, "agent", ""), "column 'agent' is empty in row 4"),
        (with_cell(3, "round", 2.5), "'round' must hold whole numbers; row 3 has 2.5"),
        (with_cell(3, "round", None), "'round' must hold whole numbers; row 3 has nan"),
        (with_cell(3, "round", np.inf), "'round' must hold whole numbers; row 3 has inf"),
        (with_cell(3, "round", "two"), "'round' must hold whole numbers: .*two"),
        (with_cell(3, "round", 10**12), "episode 'e1' has no round 4: after 3 comes 1000000000000"),
        (with_cell(3, "action", 7), "actions of agent 'a' must be of one kind; got 7 .number., 'x' .text."),
        (with_cell(3, "action", ["x"]), "column 'action' holds values that cannot be labels"),
        (with_cell(3, "action", pd.Timestamp("2020-01-01")), "actions of agent 'a' must be text.*Timestamp"),
        (with_cell(3, "action", "x\ny"), "control character"),
        (with_cell(3, "episode", 1), "values of column 'episode' must be of one kind"),
        (COMPLETE.assign(episode=pd.Timestamp("2020-01-01")), "values of column 'episode' must be text"),
        (COMPLETE.assign(agent=np.arange(16) + 100), "no rows of agent '108', '109', '110', '111', '112' and 3 more"),
        (pd.concat([COMPLETE, COMPLETE["agent"]], axis=1), "2 columns called 'agent'"),
    ],
)
def test_what_is_wrong_is_said(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Traces.from_frame(frame)


def test_a_complete_frame_loads() -> None:
    assert Traces.from_frame(COMPLETE).lengths.tolist() == [4, 4]


def test_one_column_cannot_be_two_things() -> None:
    with pytest.raises(ValueError, match="four different columns"):
        Traces.from_frame(COMPLETE, episode="agent")


def test_other_tables_are_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a pandas\.DataFrame; got list"):
        Traces.from_frame([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_column_types_make_no_difference(dtype: Any) -> None:
    traces = Traces.from_frame(COMPLETE.astype({"episode": dtype, "agent": dtype, "action": dtype}))
    assert traces == Traces.from_frame(COMPLETE)


@needs_real_data
def test_inspection_game() -> None:
    traces = Traces.load(REAL_DATA / "inspection_game" / "plays.csv")
    assert (traces.num_episodes, traces.num_rounds, traces.agents) == (50, 70, ("examiner", "student"))
    assert set(traces.lengths) == {70}
    assert traces.action_counts == (2, 2)
    assert set(traces.action_labels[0]).isdisjoint(traces.action_labels[1])
    assert traces.observed.all()
    assert Traces.from_frame(traces.to_frame()) == traces


@needs_real_data
def test_repeated_prisoners_dilemma_by_group() -> None:
    frame = pd.read_csv(REAL_DATA / "repeated_pd" / "plays.csv")
    groups = [Traces.from_frame(group) for _, group in frame.groupby("reward_cc")]
    assert sum(len(group) for group in groups) == 412
    for traces in groups:
        assert traces.action_labels == (("cooperate", "defect"),) * 2
        assert 8 <= traces.lengths.min() < traces.lengths.max() <= 23
    together = groups[0] + groups[1] + groups[2]
    assert 2 * together.lengths.sum() == len(frame)
    assert Traces.from_frame(frame) == together[np.argsort([int(str(e).split("_g")[1]) for e in together.episodes])]
