"""What a person may decide about a frame before it is read; and that nothing of it happens unasked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from diml_envs.traces import MISSING, Traces
from diml_envs.traces.bins import binned


def play(actions: dict[str, list[Any]], episode: Any = "e") -> pd.DataFrame:
    rows = [(episode, t, agent, x) for agent, own in actions.items() for t, x in enumerate(own)]
    return pd.DataFrame(rows, columns=["episode", "round", "agent", "action"])


def test_spellings_are_merged_into_the_commonest_when_asked() -> None:
    frame = play({"a": ["C", " C", "c", "D", "D ", "C"], "b": ["C", "D", "D", "D", "D", "C"]})
    assert Traces.from_frame(frame).action_counts == (5, 2)
    traces = Traces.from_frame(frame, merge_labels=True)
    assert traces.action_labels == (("C", "D"),) * 2
    assert traces.actions[0, :, 0].tolist() == [0, 0, 0, 1, 1, 0]


def test_floating_point_dust_is_merged_into_the_shortest_number() -> None:
    frame = play({"a": [0.6000000000000001, 0.6, 0.30000000000000004, 0.3, 0.6000000000000001]})
    assert Traces.from_frame(frame).action_counts == (4,)
    assert Traces.from_frame(frame, merge_labels=True).action_labels == ((0.3, 0.6),)


@pytest.mark.parametrize(("code", "cells"), [("NA", ["x", "NA", "y"]), (-9, [0, -9, 1]), ("-9", [0, -9, 1])])
def test_a_code_for_missing_is_an_unobserved_action_when_asked(code: Any, cells: list[Any]) -> None:
    assert Traces.from_frame(play({"a": cells})).action_counts == (3,)
    traces = Traces.from_frame(play({"a": cells}), missing=[code])
    assert traces.actions[0, :, 0].tolist() == [0, MISSING, 1]


def test_bins_of_equal_counts_have_their_edges_as_labels() -> None:
    prices = np.random.default_rng(0).uniform(1, 2, 400).round(2)
    traces = Traces.from_frame(play({"a": prices.tolist()}), bins=4)
    counts = np.bincount(traces.actions.ravel())
    edges = [float(edge) for label in traces.action_labels[0] for edge in str(label).split(" to ")]
    assert len(counts) == 4
    assert counts.min() > 90
    assert edges[1:-1:2] == edges[2::2]
    np.testing.assert_allclose(edges[::2], np.quantile(prices, [0, 0.25, 0.5, 0.75]), atol=0.005)


def test_bins_of_equal_width_contain_their_lower_edge() -> None:
    found = binned(pd.Series([0.1, 0.3, 0.2999, 0.75, 0.5]), pd.Series(["a"] * 5), "width=0.1")
    # .3 is 3 * .1 although 3 * .1 is not .3
    assert list(found) == ["0.1 to 0.2", "0.3 to 0.4", "0.2 to 0.3", "0.7 to 0.8", "0.5 to 0.6"]


def test_agents_whose_ranges_overlap_share_bins_and_others_do_not() -> None:
    actions = pd.Series([0.0, 1, 0.5, 1.5, 100, 200, np.nan])
    found = binned(actions, pd.Series(["a", "a", "b", "b", "c", "c", "c"]), 2)
    assert list(found) == ["0.00 to 0.75", "0.75 to 1.50"] * 2 + ["100 to 150", "150 to 200", np.nan]


@pytest.mark.parametrize("bins", [0, 1, "three", "width=0", "width=-1", True, 2.5])
def test_bins_that_mean_nothing_are_refused(bins: Any) -> None:
    with pytest.raises(ValueError, match="bins must be a number from 2 to 1000"):
        Traces.from_frame(play({"a": [0.1, 0.2]}), bins=bins)
    with pytest.raises(ValueError, match="bins are for actions that are numbers"):
        Traces.from_frame(play({"a": ["left", "right"]}), bins=2)


def test_an_episode_is_cut_where_rounds_start_anew() -> None:
    """Fault: two plays under one label were refused with the advice to drop the duplicates."""
    twice = pd.concat([play({"a": ["x", "y"], "b": ["x", "x"]}), play({"a": ["y", "y"], "b": ["x", "y"]})])
    whole = play({"a": ["x", "x"], "b": ["y", "y"]}, "f")
    frame = pd.concat([twice, whole], ignore_index=True)
    with pytest.raises(ValueError, match=r"2 rows where there must be one.*--cut restart"):
        Traces.from_frame(frame)
    traces = Traces.from_frame(frame, cut="restart")
    assert traces.episodes == ("e/1", "e/2", "f")
    assert traces.actions[:, :, 0].tolist() == [[0, 1], [1, 1], [0, 0]]


def test_an_episode_is_cut_after_so_many_rounds() -> None:
    frame = play({"a": list("xyxyx"), "b": list("xxyyx")}).sample(frac=1, random_state=0)
    traces = Traces.from_frame(frame.assign(round=frame["round"] + 7), cut=2)
    assert (traces.episodes, traces.lengths.tolist()) == (("e/1", "e/2", "e/3"), [2, 2, 1])
    with pytest.raises(ValueError, match="cut must be 'restart' or a number of rounds; got 0"):
        Traces.from_frame(frame, cut=0)


def test_what_is_no_remedy_is_refused() -> None:
    with pytest.raises(TypeError, match="unknown argument 'merge_label'; remedies are missing, merge_labels"):
        Traces.from_frame(play({"a": ["x", "y"]}), merge_label=True)  # type: ignore[call-arg]
