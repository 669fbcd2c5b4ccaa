"""Persons, sessions, matches and given moves in traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import strategies
from hypothesis import HealthCheck, given, settings
from places import REAL_DATA

from diml_envs.traces import Traces

needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the recorded human play is not here")
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SEATS = ["row", "col"]
PERSONS = [[0, 1], [2, 3], [1, 0], [3, -1]]  # two pairs, who change seats; the last partner is not followed


def example(**changes: Any) -> Traces:
    """Four matches of two rounds in two sessions."""
    people = {"persons": PERSONS, "person_labels": list("abcd"), "sessions": [0, 1, 0, 1], "begins": [0, 0, 2, 2]}
    return Traces(**{"actions": np.arange(16).reshape(4, 2, 2) % 2, "agents": SEATS, **people, **changes})


def test_what_they_hold() -> None:
    traces = example(session_labels=["morning", "noon"])
    assert traces.person_labels == ("a", "b", "c", "d")
    assert traces.session_labels == ("morning", "noon")
    assert traces.begins.tolist() == [0, 0, 2, 2]
    assert traces.followed.tolist() == [[True, True]] * 3 + [[True, False]]
    assert traces.given == ()
    assert "persons=4, sessions=2" in repr(traces)
    with pytest.raises(ValueError, match="read-only"):
        traces.persons[0, 0] = 3  # type: ignore[index]


def test_without_people_nothing_is_said() -> None:
    traces = Traces([[[0, 1]]] * 2)
    assert traces.persons is None
    assert traces.sessions is None
    assert traces.begins.tolist() == [0, 0]
    assert traces.followed.all()
    assert traces.clusters.tolist() == [0, 1]


def test_given_seats_have_no_person() -> None:
    assert example(given=["col"]).persons[:, 1].tolist() == [-1] * 4  # type: ignore[index]
    assert example(persons=[[0, -1]] * 4, person_labels=None, sessions=None).given == ("col",)
    script = Traces([[[0, 1]]], agents=SEATS, given=["col"])
    assert script.followed.tolist() == [[True, False]]
    assert "given=('col',)" in repr(script)


def test_labels_that_do_not_occur_are_dropped_and_the_others_sorted() -> None:
    traces = example(
        persons=[[4, 1], [4, 1], [1, 4], [0, -1]], person_labels=["p10", "p2", "x", "y", "p1"], sessions=None
    )
    assert traces.person_labels == ("p1", "p2", "p10")
    assert traces.persons.tolist() == [[0, 1], [0, 1], [1, 0], [2, -1]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"persons": [[0, 1]] * 3}, r"persons have shape \[3, 2\] where the actions need \[4, 2\]"),
        ({"persons": [0, 1, 2, 3]}, r"persons must have shape \[episodes, agents\]"),
        ({"persons": [[0, 9]] * 4}, "persons must be numbers in 0..3; got 9"),
        ({"persons": [[0, 1], [2, 2], [1, 0], [3, -1]]}, "episode 1: person 'c' sits in 'row' and 'col' at once"),
        ({"sessions": [0, 1, 1, 1]}, "person 'a' is in sessions 0 and 1: give different people different labels"),
        ({"sessions": [0, 1, -1, 1]}, "episode 2: sessions are counted from 0"),
        ({"person_labels": ["a", "a", "b", "c"]}, "persons must be distinct; 'a'"),
        ({"persons": None}, "labels of persons but no persons"),
        ({"begins": [0, 1]}, "begins has 2 entries where there are 4 episodes"),
        ({"begins": [0, 0.5, 1, 1]}, "begins must be integers"),
        ({"persons": None, "person_labels": None, "sessions": None}, "name the sessions, or the persons"),
        ({"given": ["cow"]}, "given names 'cow', which is no agent; agents are 'row', 'col'"),
        ({"given": "col"}, r"write \['col'\]"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        example(**changes)


def test_clusters_are_sessions_or_connected_people_or_episodes() -> None:
    assert example().clusters.tolist() == [0, 1, 0, 1]
    assert example(sessions=None).clusters.tolist() == [0, 1, 0, 1]
    assert example(sessions=None, persons=[[0, 1], [2, 3], [1, 2], [4, -1]], person_labels=None).clusters.tolist() == [
        0,
        0,
        0,
        1,
    ]
    assert example(sessions=[7, 0, 7, 0], session_labels=None).clusters.tolist() == [0, 1, 0, 1]


@many
@given(traces=strategies.traces(people=True))
def test_clusters_are_the_finest_parts_that_share_nobody(traces: Traces) -> None:
    """Against the definition: episodes linked by a person or a session, step by step."""
    groups = [{episode} for episode in range(len(traces))]

    def shares(one: int, two: int) -> bool:
        if traces.sessions is not None:
            return bool(traces.sessions[one] == traces.sessions[two])
        return traces.persons is not None and bool(set(traces.persons[one]) & set(traces.persons[two]) - {-1})

    for one in range(len(traces)):
        for two in range(one):
            if shares(one, two):
                joined = next(g for g in groups if one in g) | next(g for g in groups if two in g)
                groups = [g for g in groups if not g & joined] + [joined]
    assert {frozenset(np.flatnonzero(traces.clusters == c).tolist()) for c in set(traces.clusters)} == set(
        map(frozenset, groups)
    )


def test_choosing_matches_keeps_who_is_who() -> None:
    part = example()[[0, 2]]
    assert part.person_labels == ("a", "b")
    assert part.persons.tolist() == [[0, 1], [1, 0]]  # type: ignore[union-attr]
    assert example()[3].given == ("col",)


def test_whoever_is_drawn_twice_is_two_people() -> None:
    drawn = example()[[0, 2, 0, 2]]
    assert drawn.persons.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]  # type: ignore[union-attr]
    assert drawn.sessions.tolist() == [0, 0, 1, 1]  # type: ignore[union-attr]
    assert drawn.clusters.tolist() == [0, 0, 1, 1]
    assert example()[[3, 3]].persons.tolist() == [[0, -1], [1, -1]]  # type: ignore[union-attr]


@many
@given(traces=strategies.traces(people=True))
def test_parts_put_together_are_the_whole(traces: Traces) -> None:
    whole = traces[0]
    for part in range(1, len(traces)):
        whole = whole + traces[part]
    assert whole == traces
    assert traces.replace() == traces


def test_joining_strangers() -> None:
    both = example() + example()  # episodes of the same labels: other people
    assert len(both.person_labels) == 8
    assert len(both.session_labels) == 4
    assert both.persons[4:].tolist() == [[4, 5], [6, 7], [5, 4], [7, -1]]  # type: ignore[index]
    named = example(episodes=list("stuv"))
    assert len((example(episodes=list("wxyz")) + named).person_labels) == 4
    with pytest.raises(ValueError, match="only one of them names persons"):
        example() + example(persons=None, person_labels=None)
    script = Traces([[[0, 1]]], agents=SEATS, given=["col"])
    with pytest.raises(ValueError, match=r"given are \('col',\) and \(\)"):
        script + script.replace(given=[])


@many
@given(traces=strategies.traces(people=True))
def test_split_parts_the_people(traces: Traces) -> None:
    try:
        first, rest = traces.split(0.5, seed=0)
    except ValueError:
        assert len(set(traces.clusters)) == 1
        assert len(traces.person_labels) < 2
        return
    assert not set(first.person_labels) & set(rest.person_labels)
    if traces.persons is not None:
        assert first.followed.sum() + rest.followed.sum() == traces.followed.sum()
    if len(set(traces.clusters)) > 1:
        assert len(first) + len(rest) == len(traces)


def test_one_session_is_split_by_persons_whose_moves_the_other_part_takes_as_given() -> None:
    strangers = example(persons=[[0, 1], [2, 3], [0, 2], [1, 3]], sessions=[0] * 4)
    first, rest = strangers.split(0.5)
    assert first.person_labels == ("a", "b")
    assert rest.person_labels == ("c", "d")
    assert first.followed.tolist() == [[True, True], [True, False], [True, False]]
    assert rest.episodes == (1, 2, 3)


@many
@given(traces=strategies.traces(people=True))
def test_units_part_the_choices(traces: Traces) -> None:
    """Every choice to be explained is in one unit, and the units' parts hold each of them once."""
    assert (traces.units >= 0)[traces.followed].all()
    parts = [traces.of_units(np.arange(traces.num_units) == unit) for unit in range(traces.num_units)]
    assert sum(int((part.observed & part.followed[:, None]).sum()) for part in parts) == int(
        (traces.observed & traces.followed[:, None]).sum()
    )


@many
@given(traces=strategies.traces(people=True))
def test_units_drawn_twice_are_twice_the_people(traces: Traces) -> None:
    drawn = traces.drawn([0, 0])
    once = traces.of_units(np.arange(traces.num_units) == 0)
    assert drawn.lengths.tolist() == once.lengths.tolist() * 2
    assert len(drawn.person_labels) == 2 * len(once.person_labels)
    assert drawn.num_units == 2
    np.testing.assert_array_equal(drawn[np.arange(len(once))].actions, once.actions)


def test_whoever_has_played_before_has_something_learnt() -> None:
    assert example().beginnings.tolist() == [[True, True], [True, True], [False, False], [False, False]]
    later = example(begins=[9, 0, 2, 2], sessions=None)  # order is that of the rounds, not of the episodes
    assert later.beginnings.tolist() == [[False, False], [True, True], [True, True], [False, False]]
    assert Traces([[[0, 1]]] * 2).beginnings.all()


def test_following_some() -> None:
    assert example().follow([0]) == example().follow([True, False, False, False])
    assert example().follow([0]).persons.tolist() == [[0, -1], [-1, 0]]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="no persons are named"):
        Traces([[[0]]]).follow([0])


def strangers() -> pd.DataFrame:
    """Two sessions in which four people meet in pairs drawn anew, the same labels in both; seats may change."""
    pairs = [[(1, 2), (3, 4)], [(1, 2), (3, 4)], [(1, 3), (2, 4)], [(2, 1), (4, 3)]]
    rows = []
    for session in ("s1", "s2"):
        for period, groups in enumerate(pairs, start=1):
            for group, pair in enumerate(groups):
                number = 1 - group if period == 2 else group  # a group may change its number
                rows += [(session, period, number, seat, one, one % 2) for seat, one in zip("xy", pair, strict=True)]
    return pd.DataFrame(rows, columns=["session", "period", "group", "seat", "subject", "choice"])


COLUMNS: dict[str, Any] = {
    "episode": "session",
    "round": "period",
    "match": "group",
    "agent": "seat",
    "person": "subject",
    "action": "choice",
}


def test_a_match_is_the_same_people_in_the_same_seats_for_consecutive_rounds() -> None:
    traces = Traces.from_frame(strangers(), **COLUMNS)
    assert traces.session_labels == ("s1", "s2")
    assert traces.lengths.tolist() == [2, 2, 1, 1, 1, 1] * 2
    assert traces.begins.tolist() == [1, 1, 3, 3, 4, 4] * 2
    assert traces.person_labels[:5] == ("s1/1", "s1/2", "s1/3", "s1/4", "s2/1")  # two people of one number
    assert traces.persons[:6].tolist() == [[0, 1], [2, 3], [0, 2], [1, 3], [1, 0], [3, 2]]  # type: ignore[index]
    assert traces.episodes[:3] == ("s1/1/0", "s1/1/1", "s1/3/0")
    assert traces.actions[4, 0].tolist() == [0, 1]
    assert traces.clusters.tolist() == [0] * 6 + [1] * 6


@pytest.mark.parametrize("seed", range(3))
def test_matches_come_back_from_the_frame_in_any_order(seed: int) -> None:
    traces = Traces.from_frame(strangers().sample(frac=1, random_state=seed), **COLUMNS)
    assert traces == Traces.from_frame(strangers(), **COLUMNS)
    assert Traces.from_frame(traces.to_frame()) == traces


def test_random_matching_round_by_round() -> None:
    """Against the definition: who met whom, in which seat, in which round, read off the traces again."""
    generator = np.random.default_rng(5)
    rows = []
    for period in range(1, 15):
        order = generator.permutation(7)[: 6 if period % 3 else 4]  # somebody always sits out
        rows += [(1, period, place // 2, "ab"[place % 2], f"p{one}", one % 3) for place, one in enumerate(order)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).set_axis(
        ["session", "period", "group", "seat", "subject", "choice"], axis=1
    )
    traces = Traces.from_frame(frame, **COLUMNS)
    back = {
        (int(traces.begins[e]) + t, traces.agents[i], traces.person_labels[traces.persons[e, i]], traces.episodes[e])  # type: ignore[index]
        for e in range(len(traces))
        for t in range(traces.lengths[e])
        for i in range(2)
    }
    assert {key[:3] for key in back} == {(period, seat, one) for _, period, _, seat, one, _ in rows}
    together = {
        (period, group): frozenset(part["subject"]) for (period, group), part in frame.groupby(["period", "group"])
    }
    for (period, _), pair in together.items():
        assert len({label for round_, _, one, label in back if round_ == period and one in pair}) == 1
    assert all(a != b for a, b in zip(traces.persons[:-1].tolist(), traces.persons[1:].tolist(), strict=True))  # type: ignore[index]


def test_who_sits_out_has_no_group() -> None:
    idle = pd.DataFrame([("s1", 4, None, "x", 5, None)], columns=strangers().columns)
    frame = pd.concat([strangers().astype(object), idle])
    assert len(Traces.from_frame(frame, **COLUMNS)) == 12
    with pytest.raises(ValueError, match="column 'group' is empty in row 0"):
        Traces.from_frame(frame.fillna({"choice": 1}), **COLUMNS)


def test_seats_that_mean_nothing() -> None:
    traces = Traces.from_frame(strangers().drop(columns="seat"), **{**COLUMNS, "agent": None})
    assert traces.agents == ("agent_0", "agent_1")
    assert traces.lengths.tolist() == [2, 2, 1, 1, 1, 1] * 2
    assert (np.diff(traces.persons, axis=1) > 0).all()  # type: ignore[arg-type]
    assert traces.action_labels == ((0, 1), (0, 1))


def test_a_row_without_a_person_is_a_given_move() -> None:
    frame = strangers().astype({"subject": object})
    frame.loc[frame["subject"] == 4, "subject"] = None
    traces = Traces.from_frame(frame, **COLUMNS)
    assert (~traces.followed).sum() == 8  # what was one match of two rounds is two: the partner may have changed
    assert traces.lengths.tolist()[:4] == [2, 1, 1, 1]
    assert len(traces.person_labels) == 6


def test_a_seat_nobody_is_followed_in_is_given() -> None:
    frame = pd.DataFrame({"episode": 0, "round": [0, 1] * 2, "agent": list("aabb"), "action": [0, 1, 1, 0]})
    traces = Traces.from_frame(frame.assign(person=["x", "x", None, None]))
    assert traces.given == ("b",)
    assert traces.person_labels == ("x",)
    assert Traces.from_frame(frame.assign(person="x"), person=None) == Traces.from_frame(frame)
    assert Traces.from_frame(frame, given=["b"]).given == ("b",)


def one_sided() -> pd.DataFrame:
    """Two people, two matches each; rounds start anew in every match; the others' persons are not known."""
    rows = [(p, m, t, (p + t) % 2, (m + t) % 2) for p in (1, 2) for m in (7, 8) for t in range(m - 5)]
    return pd.DataFrame(rows, columns=["person", "match", "period", "own", "theirs"]).assign(
        own=lambda x: x["own"].map({0: "C", 1: "D"}), theirs=lambda x: x["theirs"].map({0: "C", 1: "D"}), place="lab"
    )


ONE_SIDED: dict[str, Any] = {
    "episode": "place",
    "round": "period",
    "match": "match",
    "action": "own",
    "other": "theirs",
}


def test_the_others_choice_in_a_column() -> None:
    traces = Traces.from_frame(one_sided(), **ONE_SIDED)
    assert traces.agents == ("self", "other")
    assert traces.given == ("other",)
    assert traces.episodes == ("lab/7/1", "lab/7/2", "lab/8/1", "lab/8/2")
    assert traces.lengths.tolist() == [2, 2, 3, 3]
    assert traces.begins.tolist() == [0, 0, 2, 2]  # match 8 follows match 7
    assert traces.persons.tolist() == [[0, -1], [1, -1]] * 2  # type: ignore[union-attr]
    assert traces.actions[0, :2].tolist() == [[1, 1], [0, 0]]
    alone = Traces.from_frame(one_sided().query("match == 7"), **{**ONE_SIDED, "match": None})
    assert alone.episodes == ("lab/1", "lab/2")
    assert alone.sessions is None


def test_the_other_sits_in_the_other_of_two_seats() -> None:
    frame = one_sided().assign(agent=lambda x: x["person"].map({1: "buyer", 2: "seller"}))
    traces = Traces.from_frame(frame, **ONE_SIDED)
    assert traces.agents == ("buyer", "seller")
    assert traces.persons.tolist() == [[0, -1], [-1, 1]] * 2  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"needs two agents in column 'agent'; it has \['buyer'\]"):
        Traces.from_frame(frame.assign(agent="buyer"), **ONE_SIDED)


def test_seats_that_one_person_sat_in_have_their_actions_in_common() -> None:
    frame = strangers().assign(choice=lambda x: x["seat"] + x["subject"].astype(str))
    assert len(set(Traces.from_frame(frame, **COLUMNS).action_labels)) == 1
    fixed = frame[frame["period"] < 3]
    assert Traces.from_frame(fixed, **COLUMNS).action_labels == (("x1", "x3"), ("y2", "y4"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"match": None}, "episode 's1', round 1, agent 'x': 2 rows where there must be one"),
        ({"person": None}, "a column 'match' needs the column of the persons as well"),
        ({"session": "session2"}, "with a match column the episode column is the session"),
        ({"match": "groop"}, "no column 'groop'; did you mean 'group'"),
        ({"agent": None, "match": None}, "without a column of agents"),
    ],
)
def test_what_is_wrong_with_columns_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Traces.from_frame(strangers().assign(session2=1), **{**COLUMNS, **changes})


def test_people_who_change_without_a_match_column() -> None:
    frame = strangers().query("session == 's1' and group == 0")
    with pytest.raises(
        ValueError, match=r"agent 'x': the person is .* in another\. Where people change seats or partners"
    ):
        Traces.from_frame(frame, **{**COLUMNS, "match": None})
    two = pd.DataFrame({"episode": [0, 0], "round": [0, 1], "agent": "a", "action": 1, "session": ["p", "q"]})
    with pytest.raises(ValueError, match="episode 0 is in sessions 'p' and 'q'"):
        Traces.from_frame(two)
    assert Traces.from_frame(two, session=None).sessions is None


def test_a_group_that_lacks_somebody() -> None:
    with pytest.raises(ValueError, match="has no rows of agent 'x'"):
        Traces.from_frame(strangers().drop(index=0), **COLUMNS)


@needs_real_data
def test_prisoners_dilemmas_with_persons() -> None:
    frame = pd.read_csv(REAL_DATA / "df2011_persons" / "plays.csv")
    traces = Traces.from_frame(
        frame, episode="treatment", round="period", match="match", action="choice", other="other_choice"
    )
    assert len(traces.person_labels) == frame["person"].nunique() == 266
    assert traces.lengths.sum() == len(frame) == 7358
    assert len(traces) == len(frame.groupby(["person", "match"]))
    assert traces.session_labels == tuple(sorted(frame["treatment"].unique()))
    assert traces.given == ("other",)
    assert Traces.from_frame(traces.to_frame()) == traces
