"""What a look at recorded play finds, and that it finds nothing in play that is as it should be."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from places import REAL_DATA, ROOT

from diml_envs import Traces
from diml_inverse import Finding, Inspection, inspect
from diml_inverse.inspection import order, restarts, scripts

spec = importlib.util.spec_from_file_location("inspection_benchmark", ROOT / "benchmarks" / "inspection.py")
assert spec is not None
assert spec.loader is not None
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def frame_of(actions: dict[str, list[Any]], episode: Any = 0) -> pd.DataFrame:
    rows = [(episode, t, agent, x) for agent, own in actions.items() for t, x in enumerate(own)]
    return pd.DataFrame(rows, columns=["episode", "round", "agent", "action"])


def finding(inspection: Inspection, kind: str) -> Finding:
    assert kind in inspection.kinds, str(inspection)
    return next(found for found in inspection.findings if found.kind == kind)


@pytest.mark.parametrize("name", made.FAULTS)
def test_faults_are_found_in_random_files(name: str) -> None:
    """Of 8 files, no more than two missed: of a kind that is found 95 times in 100 this fails one time in 200."""
    make, kind = made.FAULTS[name]
    if name == "scripted seat, random moves":  # short play cannot tell them: there the fault asks for long play

        def make(generator: np.random.Generator) -> pd.DataFrame:
            return made.play(generator, "random", shape=(30, 60))

    assert made.found(make, kind, files=8, seed=70) >= 6 / 8


def test_the_period_of_restarts_is_found() -> None:
    """The plays joined are as long as the option says, and as many as the message says."""
    joined = made.play(rng(14), shape=(60, 25))
    joined = joined.assign(round=25 * joined["episode"] + joined["round"], episode=0)
    found = finding(inspect(joined), "restarts")
    assert found.option == "--cut 25"
    assert "60 plays of 25 rounds may have been joined into 1" in found.message
    assert "restarts" not in inspect(joined, cut=25).kinds


def test_averages_emptied_at_restarts_are_those_of_the_parts() -> None:
    """The definition: each part averaged by itself."""
    moves = rng(12).normal(size=(2, 23, 3))
    emptied, early = restarts._emptied(restarts._averages(moves), 6)
    for start in range(0, 23, 6):
        part = slice(start, start + 6)
        for found, alone in zip(emptied, restarts._averages(moves[:, part]), strict=True):
            np.testing.assert_allclose(found[:, part], alone, atol=1e-12)
        since = np.arange(len(early[part]))[:, None]
        np.testing.assert_allclose(early[part], (start > 0) * np.exp(-since / restarts.EARLY))


def test_short_play_is_said_to_be_too_short_for_a_script() -> None:
    """Null: draws, 120 of two actions: with 300 it would be named."""
    draws = Traces(rng(13).integers(0, 2, (6, 20, 2)))
    found = finding(inspect(draws), "too_short_to_tell")
    assert found.severity == "note"
    assert "120 decisions are too few" in found.message
    assert found.remedy == "300 decisions would"
    longer = inspect(Traces(rng(13).integers(0, 2, (15, 20, 2))))
    assert "scripted_seat" in longer.kinds
    assert "too_short_to_tell" not in longer.kinds


def test_clean_files_raise_no_alarm() -> None:
    """At a rate of .03, more than three in 30 would come one time in 100."""
    assert made.alarms(30, seed=71)["any"] <= 3


def test_tests_of_order_have_the_size_they_state() -> None:
    """Null: rounds of a fixed distribution, in any order: all below the mark (1 in 1,000 would be above, or fewer)."""
    told = [order._order_tells((rng(i).random((20, 30, 3)) < 0.4).astype(float)) for i in range(40)]
    assert max(told) < order.GOES_ON
    periods = [
        restarts.period_of_restarts(Traces(rng(i).choice(3, p=[0.6, 0.3, 0.1], size=(1, 400, 2)))) for i in range(60)
    ]
    assert sum(map(bool, periods)) == 0


def test_test_of_answering_to_nothing_has_the_size_it_states() -> None:
    """Null: independent draws; named unless p < .02. Four standard errors."""
    drawn = [Traces(rng(i).choice(3, p=[0.5, 0.3, 0.2], size=(20, 30, 2))) for i in range(100)]
    share = np.mean([scripts._answers_to_nothing(traces, 0) for traces in drawn])
    assert share == pytest.approx(1 - scripts.LEVEL, abs=4 * np.sqrt(0.02 * 0.98 / 100))


def test_a_script_is_named_and_the_learner_beside_it_is_not() -> None:
    """Fault: 40 episodes in which one seat plays the same 60 moves, and it "earns" .56 with z = 16."""
    inspection = inspect(made.play(rng(3), "same", shape=(40, 60)))
    script = sorted(inspection.read["agents"])[-1]
    assert inspection.given == (script,)
    assert finding(inspection, "scripted_seat").option == f"--given {script}"
    assert inspection.kinds.count("scripted_seat") == 1


def test_agents_without_chance_are_copies_not_scripts() -> None:
    episode = frame_of({"a": list("xyyxyxxyxyyxxyxy") * 3, "b": list("uvvuvuuvuuvvuvuu") * 3})
    inspection = inspect(pd.concat([episode.assign(episode=e) for e in range(4)]))
    assert inspection.given == ()
    assert finding(inspection, "copied_episodes").message.startswith("3 of 4 episodes are copies")


def test_play_that_has_settled_is_no_copy_and_no_script() -> None:
    settled = frame_of({"a": ["c"] + ["d"] * 14, "b": ["c"] * 2 + ["d"] * 13})
    other = frame_of({"a": ["d"] * 15, "b": ["c"] + ["d"] * 14})
    frame = pd.concat([(settled if e % 3 else other).assign(episode=e) for e in range(40)])
    assert inspect(frame).kinds == ()


def test_a_cycle_is_named() -> None:
    generator = rng(5)
    frame = frame_of({"a": generator.choice(list("xy"), 40).tolist(), "b": list("uuv") * 13 + ["u"]})
    assert "'b' repeats the same 3 moves" in finding(inspect(frame), "scripted_seat").message


def test_actions_that_only_others_take() -> None:
    """Fault: actions coded 0, 1 and 0, 1, 2 gave the first agent a third; traces made by hand still do."""
    frame = frame_of({"row": [0, 1] * 20, "column": [0, 1, 2, 0] * 10})
    found = finding(inspect(frame), "others_actions")
    assert found.severity == "note"
    assert found.option == "--actions row=0,1,2"
    by_hand = inspect(Traces(np.stack([frame["action"][:40], frame["action"][40:]], axis=-1)[None]))
    assert finding(by_hand, "phantom_actions").option == "--actions agent_0=0,1"
    assert by_hand.exit_code == 1


def test_an_action_that_nobody_ever_takes_is_named() -> None:
    inspection = inspect(frame_of({"a": ["x", "y", "x"]}), action_labels={"a": ["x", "y", "z"]})
    assert "never took 'z'" in finding(inspection, "never_played").message


@pytest.mark.parametrize(
    ("cells", "kind", "option"),
    [
        (["C", "c", "D", "D"], "near_duplicate_labels", "--merge-labels"),
        (["C", " C", "D", "D"], "near_duplicate_labels", "--merge-labels"),
        (["C", "C", "D ", "D "], "blanks", "--merge-labels"),
        ([0.6, 0.6000000000000001, 0.2, 0.2], "float_dust", "--merge-labels"),
        (["C", "NA", "D", "D"], "missing_code", "--missing NA"),
        ([0, 1, -99, 1, 0, 1], "missing_code", "--missing -99"),
    ],
)
def test_labels_that_are_not_what_they_seem(cells: list[Any], kind: str, option: str) -> None:
    """Fault: each of these was silently an action more."""
    frame = frame_of({"a": cells * 5, "b": list(reversed(cells)) * 5})
    found = finding(inspect(frame), kind)
    assert found.option == option
    remedy: dict[str, Any] = {"merge_labels": True} if option == "--merge-labels" else {"missing": [option.split()[1]]}
    assert kind not in inspect(frame, **remedy).kinds


@pytest.mark.parametrize(
    "cells", [["none", "some"], [0, 1], [-1, 0, 1], [98, 99, 100], ["a-b", "a+b"], [True, False], [1.5, 2]]
)
def test_labels_that_are_what_they_seem(cells: list[Any]) -> None:
    kinds = set(inspect(frame_of({"a": cells * 6, "b": list(reversed(cells)) * 6})).kinds)
    assert not kinds & {"near_duplicate_labels", "blanks", "float_dust"}
    assert ("missing_code" in kinds) == ("none" in cells)  # a question, where "none" may be an amount


def test_prices_are_amounts_and_binned_they_are_not() -> None:
    """Fault: two sellers with two-decimal prices, 41 actions in 120 decisions: no result in 300 s, no word."""
    generator = rng(6)
    frame = pd.concat(
        [frame_of({s: generator.uniform(1, 1.4, 20).round(2).tolist() for s in "ab"}, e) for e in range(3)]
    )
    inspection = inspect(frame)
    found = finding(inspection, "amounts")
    assert found.message.endswith("in 120 decisions, amounts rather than actions")
    assert (found.option, inspection.exit_code) == ("--bins 5", 2)
    assert inspect(frame, bins=5).exit_code == 0


def test_more_free_payoffs_than_decisions() -> None:
    """Fault: 5,120 free payoffs for 250 decisions, praised."""
    found = finding(inspect(Traces(rng(7).integers(0, 4, (5, 10, 5)))), "free_payoffs")
    assert "5120 free payoffs, for 250 decisions" in found.message
    assert "--mechanism structure" in found.option


def test_single_rounds_and_no_choice_are_unusable() -> None:
    assert finding(inspect(Traces([[[0, 1]], [[1, 0]]])), "single_rounds").severity == "unusable"
    assert finding(inspect(Traces([[[0, 0], [0, 0]]])), "no_choice").severity == "unusable"
    assert finding(inspect(Traces([[[0, 0], [0, 1]]])), "no_choice").severity == "note"


def test_the_rounds_column_called_episode() -> None:
    """Fault: "did you mean 'run_id'?" led into the trap, then "no decision can be scored"."""
    frame = frame_of({"a": list("xyxy"), "b": list("xxyy")})
    runs = pd.concat([frame.assign(run_id=f"run{r}") for r in range(3)]).rename(
        columns={"round": "episode", "episode": "x"}
    )
    found = finding(inspect(runs.drop(columns="x")), "exchanged_columns")
    assert found.option == "--episode-column run_id --round-column episode"


def test_rounds_that_start_anew_are_told_with_the_cut() -> None:
    frame = pd.concat([frame_of({"a": list("xyxy"), "b": list("xxyy")})] * 2, ignore_index=True)
    assert finding(inspect(frame), "restarts").option == "--cut restart"
    assert inspect(frame, cut="restart").read["episodes"] == 2


def test_another_column_that_counts_anew_is_told() -> None:
    """Fault: 120 episodes joined into one, as happens where a file counts rounds through all of them."""
    frame = made.play(rng(8), shape=(6, 20)).rename(columns={"round": "period"})
    frame = frame.assign(round=frame["episode"] * 20 + frame["period"], episode="all")
    option = "--round-column period --cut restart"
    assert option in [found.option for found in inspect(frame).findings if found.kind == "restarts"]
    assert inspect(frame, round="period", cut="restart").read["episodes"] == 6


def test_persons_who_come_again_are_told() -> None:
    frame = made.play(rng(9), shape=(12, 15))
    seat = frame["agent"].str[-1].astype(int)
    frame = frame.assign(subject=(frame["episode"] * 5 + seat * 3) % 7, seat_id=seat, session_id=frame["episode"] % 3)
    found = [one for one in inspect(frame).findings if one.kind == "persons"]
    assert [one.option for one in found] == ["--person-column subject"]


def test_costs_are_asked_about_and_payoffs_are_not() -> None:
    """Fault: players who minimise, with --payoff-column given: every sign opposite, no word."""
    frame = made.play(rng(10), shape=(20, 30))
    assert "costs" not in inspect(frame, payoffs="payoff").kinds
    minus = frame.assign(payoff=-frame["payoff"])
    assert "costs" in inspect(minus, payoffs="payoff").kinds
    assert "costs" not in inspect(minus).kinds
    traces = Traces.from_frame(frame)
    wide = frame.pivot(index=["episode", "round"], columns="agent", values="payoff").to_numpy()
    assert "costs" in inspect(traces, payoffs=-wide.reshape(traces.actions.shape)).kinds
    with pytest.raises(ValueError, match=r"payoffs have the shape \[3\], where the play has \[20, 30"):
        inspect(traces, payoffs=[1.0, 2.0, 3.0])


def test_json_says_what_the_attributes_say() -> None:
    inspection = inspect(frame_of({"a": ["C", "c", "D", None], "b": ["C", "D", "D", "C"]}))
    facts = json.loads(inspection.to_json())
    assert facts["read"]["agents"]["a"] == {
        "actions": {"C": 1, "D": 1, "c": 1},
        "decisions": 3,
        "missing": 1,
        "given": False,
    }
    assert [Finding(**found) for found in facts["findings"]] == list(inspection.findings)
    assert facts["exit_code"] == inspection.exit_code == 1


def test_findings_come_in_order_of_weight() -> None:
    prices = frame_of({"a": rng(11).uniform(0, 1, 30).tolist(), "b": ["C", " C", "D"] * 10})
    frame = pd.concat([prices.assign(action=prices["action"].astype(str))])
    severities = [found.severity for found in inspect(frame).findings]
    assert severities == sorted(severities, key=["unusable", "decision", "note"].index)


def test_what_cannot_be_read_is_a_finding(tmp_path: Any) -> None:
    (tmp_path / "short.csv").write_text("episode,round,agent,action\n0,0,a\n")
    inspection = inspect(tmp_path / "short.csv")
    assert (inspection.kinds, inspection.exit_code) == (("unreadable",), 2)
    assert "row 2" in inspection.findings[0].message
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "none.csv")


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the recorded human play is not here")
def test_human_play_raises_no_alarm() -> None:
    assert inspect(REAL_DATA / "inspection_game" / "plays.csv", payoffs="payoff").findings == ()
    assert inspect(REAL_DATA / "repeated_pd" / "plays.csv").findings == ()
