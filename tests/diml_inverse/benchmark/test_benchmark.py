"""The suite's tasks, estimators and scores."""

import math

import numpy as np
import pandas as pd
import pytest
from benchmark_tasks import CONGESTION, CROWD, UNSTRUCTURED

from diml_inverse.benchmark.reports import figures, tables
from diml_inverse.benchmark.reports.report import TABLES, write_report
from diml_inverse.benchmark.reports.results import COLUMNS, read_records, results_table
from diml_inverse.benchmark.reports.tables import PUBLISHED
from diml_inverse.benchmark.running.cells import Cell, Record, run_cell
from diml_inverse.benchmark.running.estimators import ABLATION, ABOUT, ESTIMATORS, MAIN, SURROGATES, why_not
from diml_inverse.benchmark.running.published import PublishedDIML
from diml_inverse.benchmark.scoring.scores import SUITE_METRICS
from diml_inverse.benchmark.tasks.learners import LEARNERS
from diml_inverse.benchmark.tasks.task import PAPER
from diml_inverse.metrics import METRICS

BEHAVIOUR = {
    "log_likelihood",
    "truth_log_likelihood",
    "negative_log_likelihood_seen",
    "negative_log_likelihood_unseen",
    "choice_kl",
    "expected_calibration_error",
    "accuracy",
    "histogram_kl",
    "histogram_kl_noise_floor",
    "fit_seconds",
}
PAYOFFS = {
    "payoff_difference_mse",
    "payoff_difference_mse_relative",
    "payoff_difference_mse_rescaled",
    "payoff_difference_correlation",
    "payoff_mse_on_support",
    "payoff_mse_off_support",
}


def measured(task, estimator, folder, seed=0):
    cell = Cell(task, estimator, seed)
    run_cell(cell, folder)
    return Record.load(cell.path(folder, "cells"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A few cells, done in this process."""
    folder = tmp_path_factory.mktemp("results")
    for task in (CONGESTION, CROWD):
        for name in ("cloning", "equilibrium", "published_early"):
            measured(task, name, folder)
    measured(CONGESTION, "structured", folder)
    measured(CONGESTION, "auto", folder)
    measured(CONGESTION, "families", folder)
    return folder


def test_the_papers_sizes():
    sizes = {name: (*task.settings().values(),)[:7] for name, task in PAPER.items()}
    assert sizes["E1"] == (3, 6, 0.25, 3.0, 0.06, 60, 60)
    assert sizes["E2"] == (4, 5, 0.25, 3.0, 0.06, 60, 60)
    assert sizes["E3"] == (3, 7, 0.25, 3.0, 0.06, 60, 60)
    assert [sizes[f"E7-n{n}"][:2] + sizes[f"E7-n{n}"][5:] for n in (40, 80, 120, 200, 300)] == [
        (40, 10, 24, 30),
        (80, 20, 24, 30),
        (120, 25, 24, 30),
        (200, 30, 20, 30),
        (300, 40, 16, 25),
    ]
    assert all(sizes[name][2:5] == (0.2, 6.0, 0.02) for name in sizes if name.startswith("E7"))


def test_the_first_80_percent_train_and_the_truth_belongs_to_the_rest():
    play = CONGESTION.play(3)
    assert (play.train.episodes, play.test.episodes) == ((0, 1, 2, 3), (4,))
    whole = CONGESTION.play(3)
    np.testing.assert_array_equal(play.true_choice_probs, whole.true_choice_probs)
    assert play.true_choice_probs.shape == (1, 10, 2, 3)
    assert play.truth.action_counts == (3, 3)
    assert not np.array_equal(play.train.actions, CONGESTION.play(4).train.actions)


def test_every_name_is_explained():
    assert set(MAIN) | set(ABLATION) | set(SURROGATES) <= set(ESTIMATORS) == set(ABOUT)
    known = {metric.name for metric in (*METRICS, *SUITE_METRICS)}
    assert BEHAVIOUR | PAYOFFS | set(TABLES.values()) | {"cramer_rao", "skipped", "error"} <= known
    assert {figure.task for figure in PUBLISHED} <= set(PAPER)
    assert {figure.estimator for figure in PUBLISHED} <= set(ESTIMATORS)


def test_estimators_that_do_not_apply_say_why():
    assert "no parametric form" in why_not("structured", UNSTRUCTURED)
    assert why_not("tabular", PAPER["E7-n300"]) == "a table of about 10^483 free payoffs"
    assert why_not("families", PAPER["E7-n40"]) == "what `auto` does in a large game"
    assert all(why_not(name, PAPER["E2"]) is None for name in set(ESTIMATORS) - set(SURROGATES))
    assert why_not("paper_surrogate", PAPER["E2"]) == "nothing is known of the structure beforehand"
    hedge, ppo = LEARNERS["E2-hedge"], LEARNERS["E2-ppo"]
    assert why_not("neural", hedge) is None  # it takes the paper's learners for granted
    assert why_not("as_hedge", hedge) is None
    assert why_not("as_policy_gradient_blocks_of_64", hedge) == "for episodes of another length"
    assert why_not("as_policy_gradient_blocks_of_64", ppo) is None


def test_all_metrics_are_there(run):
    found = {(r.task, r.estimator): {score.metric for score in r.scores} for r in read_records(run)}
    assert found["E2", "cloning"] == found["E7-n40", "cloning"] == BEHAVIOUR
    assert found["E2", "auto"] == found["E7-n40", "equilibrium"] == found["E7-n40", "published_early"]
    assert found["E2", "auto"] == found["E2", "families"] == BEHAVIOUR | PAYOFFS
    assert found["E2", "structured"] == BEHAVIOUR | PAYOFFS | {"cramer_rao"}


def test_scores_are_numbers_and_the_best_estimator_is_best(run):
    table = results_table(read_records(run))
    # Of so small a game everything may be seen.
    may_be_missing = table["metric"].str.startswith(("negative_log_likelihood", "payoff_mse_off"))
    (auto,) = (record for record in read_records(run) if record.estimator == "auto")
    assert auto.info["nothing_found"]  # in so little play; and no differences correlate with nothing
    of_nothing = (table["estimator"] == "auto") & (table["metric"] == "payoff_difference_correlation")
    assert table.loc[of_nothing, "value"].isna().all()
    assert table.loc[~(may_be_missing | of_nothing), "value"].notna().all()
    kl = table[(table["task"] == "E2") & (table["metric"] == "choice_kl")].set_index("estimator")["value"]
    assert kl.idxmin() != "equilibrium"
    assert (table["seconds"] > 0).all()
    assert (table["peak_memory_mb"] > 50).all()


def test_columns_and_order(run):
    table = results_table(read_records(run))
    assert tuple(table) == COLUMNS
    assert tuple(table) == (
        "task",
        "estimator",
        "seed",
        "metric",
        "value",
        "low",
        "high",
        "seconds",
        "peak_memory_mb",
    )
    cells = table[["task", "estimator"]].drop_duplicates().to_numpy().tolist()
    assert cells[:2] == [["E2", "auto"], ["E2", "families"]]
    assert cells[-1] == ["E7-n40", "published_early"]


def test_training_curves_are_kept(run):
    history = pd.read_csv(run / "curves" / "E2" / "published_early" / "0.csv")
    assert history["epoch"].tolist() == list(range(1, 101))
    assert {"train_log_likelihood", "validation_log_likelihood", "seconds"} <= set(history)
    assert len(pd.read_csv(run / "curves" / "E7-n40" / "published_early" / "0.csv")) == 200


def test_the_same_cell_gives_the_same_scores(run, tmp_path):
    again = measured(CROWD, "cloning", tmp_path)
    before = Record.load(Cell(CROWD, "cloning", 0).path(run, "cells"))
    scores = [[s for s in record.scores if s.metric != "fit_seconds"] for record in (before, again)]
    np.testing.assert_equal(scores[0], scores[1])


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "0.json"
    path.write_text('{"task": "E1"')
    with pytest.raises(ValueError, match=r"0\.json is not the record of a cell"):
        Record.load(path)


def test_report(run):
    records = read_records(run)
    write_report(run, records, results_table(records), "diml bench paper", {"diml": "1"})
    text = (run / "report.md").read_text()
    for wanted in ("`diml bench paper`", "Choice KL", "| published |", "cramer_rao", "E7-n40", "equilibrium", "0.0034"):
        assert wanted in text
    found = Record.load(Cell(CONGESTION, "families", 0).path(run, "cells")).info["families"]
    for row in found:
        assert f"| {row['family']} | {row['parameters']} |" in text
    for name in ("training_curves", "choice_kl_against_time"):
        assert f"(figures/{name}.png)" in text
        assert (run / "figures" / f"{name}.png").stat().st_size > 5000
    assert "error_against_agents" not in text  # one size of crowd only


def test_figure_against_agents():
    rows = [
        (f"E7-n{n}", name, seed, metric, 0.1 / n)
        for n in (40, 80)
        for name in ("auto", "cloning")
        for seed in (0, 1)
        for metric in ("payoff_difference_mse_relative", "histogram_kl", "histogram_kl_noise_floor")
    ]
    figure = figures.against_agents(pd.DataFrame(rows, columns=["task", "estimator", "seed", "metric", "value"]))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["40", "80"]


@pytest.mark.parametrize("seconds", [1e-4, 0.13, 1.0, 4.67, 210.0])
def test_a_single_mark_stands_within_its_axes(seconds):
    rows = [("E2", "auto", 0, "choice_kl", 0.02), ("E2", "auto", 0, "fit_seconds", seconds)]
    (axes,) = figures.against_time(pd.DataFrame(rows, columns=list(COLUMNS[:5])), "choice_kl").axes
    for (low, high), value in ((axes.get_xlim(), seconds), (axes.get_ylim(), 0.02)):
        assert low < value / 2 < value * 2 < high


def test_means_and_spreads_in_tables():
    rows = [
        ("E1", "auto", 0, "accuracy", 1.0),
        ("E1", "auto", 1, "accuracy", 2.0),
        ("E2", "neural", 0, "accuracy", 3.0),
    ]
    table = tables.by_task(pd.DataFrame(rows, columns=list(COLUMNS[:5])), "accuracy", MAIN)
    assert table.splitlines()[2:] == ["| auto | 1.5 ± 0.7 | - |", "| neural | - | 3 |"]


def test_steps_are_differences_on_the_same_play():
    errors = {"published": (0.5, 0.7), "published_exact": (0.4, 0.7), "neural": (0.1, 0.2)}
    rows = [("E1", name, seed, "error", value) for name, values in errors.items() for seed, value in enumerate(values)]
    table = tables.steps(pd.DataFrame(rows, columns=list(COLUMNS[:5])), "error", ABLATION)
    assert table.splitlines()[2:] == [
        "| published -> published_exact | -0.05 ± 0.07 |",
        "| published_exact -> neural | -0.4 ± 0.1 |",
    ]


def test_families_of_each_seed_side_by_side():
    def row(family, value, chosen):
        return {
            "family": family,
            "parameters": 7,
            "held_out_log_likelihood": value,
            "standard_error": 0.01,
            "chosen": chosen,
        }

    text = tables.families({0: [row("table", -1.5, True), row("pairwise", -1.6, False)], 2: [row("table", -1.4, True)]})
    assert text.splitlines()[0] == "| family | parameters | seed 0 | seed 2 |"
    assert text.splitlines()[2:] == [
        "| table | 7 | **-1.5000 ± 0.01** | **-1.4000 ± 0.01** |",
        "| pairwise | 7 | -1.6000 ± 0.01 | - |",
    ]


def test_published_training_is_reproducible_and_windows_matter():
    play = CONGESTION.play(0)
    form = CONGESTION.published_form()
    fits = [
        PublishedDIML(form, play.dynamics, max_epochs=3, batch_size=2, window=window, seed=seed).fit(play.train)
        for window, seed in ((4, 0), (4, 0), (None, 0), (4, 1))
    ]
    likelihoods = [fit.log_likelihood(play.test) for fit in fits]
    assert likelihoods[0] == likelihoods[1]
    assert len(set(likelihoods)) == 3
    assert form.state_dict().keys() == fits[0].mechanism.state_dict().keys()


def test_published_training_keeps_the_best_epoch_only_with_early_stopping():
    play = CONGESTION.play(0)
    early = PublishedDIML(CONGESTION.published_form(), play.dynamics, early_stopping=True).fit(play.train)
    held_out = play.train.split(0.8, seed=0)[1]
    assert math.isclose(early.log_likelihood(held_out), early.history["validation_log_likelihood"].max(), rel_tol=1e-6)
    late = PublishedDIML(CONGESTION.published_form(), play.dynamics).fit(play.train)
    assert "validation_log_likelihood" not in late.history
