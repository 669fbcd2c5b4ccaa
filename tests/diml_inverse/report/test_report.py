"""Tables and pictures of a fit, and the folder that holds them."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from diml_envs import Traces
from diml_envs.mechanisms import AnonymousMechanism, TabularMechanism
from diml_envs.mechanisms.base import MISSING
from diml_inverse import Estimate, LogitDynamics, TabularMLE
from diml_inverse.identification import visited_contexts
from diml_inverse.report import (
    choices_over_rounds,
    comparison_table,
    payoff_difference_table,
    recovered_against_true,
    relative_error,
    save_fit,
)
from diml_inverse.report.tables import context_differences, with_intervals


@pytest.fixture
def traces():
    """Three agents with 2, 3 and 2 actions, labelled; an action goes unobserved."""
    rng = np.random.default_rng(0)
    actions = np.stack([rng.integers(count, size=(8, 12)) for count in (2, 3, 2)], -1)
    actions[0, 3, 1] = -1
    labels = (("low", "high"), ("left", "middle", "right"), (10, 20))
    return Traces(actions, agents=("ann", "bob", "cy"), action_labels=labels)


@pytest.fixture
def truth():
    return TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 3, 2, 3))).requires_grad_(False)


def test_table_holds_every_visited_context_in_the_users_labels(traces, truth):
    table = payoff_difference_table(truth, traces)
    columns = ["agent", "others", "action", "payoff_difference", "difference", "against", "visits"]
    assert list(table.columns) == columns
    contexts = visited_contexts(traces)
    assert len(table.drop_duplicates(["agent", "others"])) == len(contexts)
    assert table.drop_duplicates(["agent", "others"])["visits"].sum() == contexts["visits"].sum()
    assert list(table["agent"].unique()) == ["ann", "bob", "cy"]
    assert all(part["visits"].is_monotonic_decreasing for _, part in table.groupby("agent"))
    row = table.query("agent == 'bob' and others == 'ann=high;cy=20' and action == 'right'").squeeze()
    payoffs = truth.table[1, :, 1, 1]
    assert row["payoff_difference"] == pytest.approx(float(payoffs[2] - payoffs.mean()))


def test_table_of_a_crowd_keeps_the_most_visited_contexts(traces, truth):
    whole = payoff_difference_table(truth, traces)
    part = payoff_difference_table(truth, traces, most_names=10 * 3 * 3)
    kept = part.drop_duplicates(["agent", "others"])["visits"]
    assert len(kept) == 10
    assert kept.sum() == whole.drop_duplicates(["agent", "others"])["visits"].nlargest(10).sum()


def test_differences_of_a_crowd_equal_those_of_whole_profiles():
    mechanism = AnonymousMechanism.random(9, 4, seed=0)
    play = Traces(np.random.default_rng(0).integers(4, size=(2, 5, 9)))
    contexts = visited_contexts(play)
    profiles = contexts[list(range(9))].to_numpy().clip(min=0)
    estimate = Estimate(mechanism, LogitDynamics(), pd.DataFrame(), play.agents, play.action_labels)
    expected = estimate.payoff_differences(profiles).numpy()[np.arange(len(contexts)), contexts["agent"]]
    np.testing.assert_allclose(context_differences(mechanism, contexts), expected, atol=1e-6)


def test_a_payoff_difference_is_against_the_mean_and_a_difference_against_the_first_action(traces, truth):
    comparison = comparison_table(payoff_difference_table(truth, traces, truth), traces)
    ann = comparison[comparison["agent"] == "ann"]
    assert set(ann["action"]) == {"high"}
    assert set(ann["against"]) == {"low"}
    first = ann[ann["others"] == "bob=middle;cy=10"].squeeze()
    assert first["difference"] == pytest.approx(float(truth.table[1, 1, 0, 0] - truth.table[0, 1, 0, 0]))
    assert first["payoff_difference"] == pytest.approx(first["difference"] / 2)
    bob = comparison[(comparison["agent"] == "bob") & (comparison["others"] == "ann=low;cy=10")].set_index("action")
    assert set(bob["against"]) == {"left"}
    of_bob = truth.table[0, :, 0, 1].detach().numpy()
    np.testing.assert_allclose(bob.loc[["left", "middle", "right"], "payoff_difference"], of_bob - of_bob.mean())
    np.testing.assert_allclose(bob.loc[["left", "middle", "right"], "difference"], of_bob - of_bob[0])
    assert comparison.groupby("agent")["scaled"].apply(lambda part: part.abs().max()).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(comparison["scaled"], comparison["true_scaled"])


def test_relative_error_is_nothing_for_the_truth_and_one_for_no_differences(traces, truth):
    known = comparison_table(payoff_difference_table(truth, traces, truth), traces)
    nothing = comparison_table(payoff_difference_table(TabularMechanism([2, 3, 2]), traces, truth), traces)
    twice = TabularMechanism.from_payoffs(2 * truth.table.numpy())
    rescaled = comparison_table(payoff_difference_table(twice, traces, truth), traces)
    assert relative_error(known) == 0
    assert relative_error(nothing) == pytest.approx(1)
    assert relative_error(rescaled) == pytest.approx(1)
    assert relative_error(rescaled, scaled=True) == pytest.approx(0)


def test_a_truth_known_in_part_leaves_the_rest_out(traces, truth):
    table = truth.table.numpy().copy()
    table[0, 0, 0] = np.nan
    partly = TabularMechanism([2, 3, 2])
    partly.table.data = partly.table.data.new_tensor(table)
    comparison = comparison_table(payoff_difference_table(truth, traces, partly), traces)
    unknown = comparison["true_payoff_difference"].isna()
    assert set(comparison[unknown]["others"]) == {"bob=left;cy=10", "ann=low;cy=10", "ann=low;bob=left"}
    assert relative_error(comparison) == pytest.approx(0)
    assert recovered_against_true(comparison).axes


def test_pictures_label_axes_with_units_and_limit_panels(traces, truth):
    comparison = comparison_table(payoff_difference_table(truth, traces, truth), traces)
    for scaled, unit in ((False, "payoff units"), (True, "each agent's largest = 1")):
        axes = recovered_against_true(comparison, scaled).axes[0]
        assert axes.get_xlabel() == f"true payoff difference ({unit})"
        assert "relative error 0 " in axes.get_title()
        assert axes.get_legend().get_title().get_text() == "point size: visits"
    nobody_knows, one_sided = np.arange(len(comparison)) == 0, np.arange(len(comparison)) == 1
    low = np.where(nobody_knows | one_sided, -np.inf, -1.0)
    doubtful = comparison.assign(std_error=0.1, low=low, high=np.where(nobody_knows, np.inf, 1.0))
    axes = recovered_against_true(doubtful).axes[0]
    assert "bars: 95 % intervals" in axes.get_legend().get_title().get_text()
    assert len(axes.collections[0].get_segments()) == len(doubtful) - 1
    arrows = [line for line in axes.lines if line.get_marker() == "v" and len(line.get_xdata())]
    assert len(arrows[0].get_xdata()) == 1
    crowd = Traces(np.random.default_rng(0).integers(9, size=(2, 5, 9)))
    estimate = Estimate(AnonymousMechanism(9, 9), LogitDynamics(), pd.DataFrame(), crowd.agents, crowd.action_labels)
    figure = choices_over_rounds(estimate, crowd)
    assert len(figure.axes) == 6
    assert "first 6 of 9 agents" in figure.get_suptitle()
    assert "4 rarer actions not shown" in figure.axes[0].get_title()


def test_choices_are_means_over_the_episodes_that_last_so_long():
    play = Traces([[[0], [0], [1]], [[1], [0], [-1]]], lengths=[3, 2], action_labels=[("a", "b")])
    estimate = Estimate(TabularMechanism([2]), LogitDynamics(), pd.DataFrame(), play.agents, play.action_labels)
    axes = choices_over_rounds(estimate, play).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0, 0.5], [1, 1], [2, 0]])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 0.5)


def test_folder_holds_what_is_promised(tmp_path, traces, truth):
    estimate = TabularMLE(LogitDynamics()).fit(traces)
    table = payoff_difference_table(estimate.mechanism, traces, truth)
    save_fit(tmp_path / "fit", estimate, traces, table, {"seed": 0})
    written = sorted(path.name for path in (tmp_path / "fit").iterdir())
    tables = ["history.csv", "payoff_differences.csv", "picture.png", "ratios.csv", "summary.txt"]
    assert written == ["bounds.csv", "estimate.safetensors", "fit.json", *tables]
    read = pd.read_csv(tmp_path / "fit" / "payoff_differences.csv")
    intervals = ["std_error", "low", "high"]
    pairs = ["against", "difference", "difference_std_error", "difference_low", "difference_high"]
    assert list(read.columns) == ["agent", "others", "action", "payoff_difference", "visits", *intervals, *pairs]
    assert read.loc[read["action"] == read["against"].astype(str), "difference_low"].isna().all()
    with_them, _ = with_intervals(table, estimate, traces)
    np.testing.assert_allclose(read[intervals], with_them[intervals])
    assert (tmp_path / "fit" / "summary.txt").read_text() == f"{estimate.summary()}\n"
    assert json.loads((tmp_path / "fit" / "fit.json").read_text()) == {
        "seed": 0,
        "intervals": "95% intervals: inverse curvature of the log-likelihood (observed information)",
        "bounds": "payoffs of the least regret plus 0.05 of the largest difference; no model of learning",
    }
    assert Estimate.load(tmp_path / "fit" / "estimate.safetensors").agents == traces.agents
    assert imread(tmp_path / "fit" / "picture.png").std() > 0.05
    with pytest.raises(FileExistsError):
        save_fit(tmp_path / "fit", estimate, traces, table, {})


def test_a_fit_whose_play_cannot_be_judged_says_so(tmp_path):
    actions = np.random.default_rng(0).integers(2, size=(2, 12, 2))
    judged = Traces(actions)
    actions[:, ::2, 0] = actions[:, 1::2, 1] = MISSING  # never both seen in one round
    apart = Traces(actions)
    estimate = Estimate(
        TabularMechanism.random(2, 2), LogitDynamics(), pd.DataFrame(), apart.agents, apart.action_labels
    )
    save_fit(tmp_path / "fit", estimate, apart, payoff_difference_table(estimate.mechanism, judged), {})
    assert json.loads((tmp_path / "fit" / "fit.json").read_text())["bounds"].startswith("none: no choice can be judged")
    assert not (tmp_path / "fit" / "bounds.csv").exists()
