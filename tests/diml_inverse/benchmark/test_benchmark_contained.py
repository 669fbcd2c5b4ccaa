"""Estimators that raise, hang, crash, eat memory or return rubbish: a row that says so, and the rest goes on."""

import errno
import os
import signal
import threading
from pathlib import Path

import pandas as pd
import pytest
from benchmark_tasks import CONGESTION
from places import HELPERS

from diml_inverse.benchmark.reports.results import read_records, write_results
from diml_inverse.benchmark.running import contained as containing
from diml_inverse.benchmark.running.cells import Cell
from diml_inverse.benchmark.running.contained import keep
from diml_inverse.benchmark.running.entries import Entry
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.runner import run_suite

PLUGIN = str(HELPERS / "suite_estimators.py")
NOTES = {
    "raise_": "RuntimeError: no fit today",
    "hang": "stopped after 3 s, the limit of a cell",
    "eat": "needs more memory than a cell may use, 4000 MB",
    "crash": "its process ended with signal 11",
    "exit": "its process ended with exit code 3",
    "nan": "[nan nan nan] are no choice probabilities",
    "shape": "choice probabilities must be [E, T, N, A]",
}
TIMELESS = ["seconds", "peak_memory_mb"]


def entry(name, how=None):
    use = "Shares" if how is None else "Misbehaves"
    return Entry(name, use, {} if how is None else {"how": how}, f"{PLUGIN}:{use}")


def cell(name, how=None, seed=0):
    return Cell(CONGESTION, name, seed, entry=entry(name, how))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    cells = [*[cell(how, how) for how in NOTES], cell("mine")]
    run_suite(cells, folder, jobs=2, limits=Limits(seconds=3, memory_mb=4000))
    return folder


def test_every_failure_is_a_row_that_says_how(run):
    notes = {record.estimator: record.note for record in read_records(run) if record.failed}
    assert notes.keys() == NOTES.keys()
    for how, note in NOTES.items():
        assert note in notes[how]
    table = write_results(run)
    assert set(table.loc[table["metric"] == "error", "estimator"]) == set(NOTES)


def test_the_rest_goes_on(run):
    found = {record.estimator: record for record in read_records(run)}["mine"]
    assert {"log_likelihood", "choice_kl", "fit_seconds"} <= {score.metric for score in found.scores}
    assert found.made_by["use"] == "Shares"


@pytest.mark.parametrize(("how", "written"), [("raise_", "no fit today"), ("hang", "in hang"), ("crash", "in crash")])
def test_the_log_says_where(run, how, written):
    assert written in (run / "logs" / "E2" / how / "0.log").read_text()


def test_nothing_is_left_behind(run):
    assert {path.parts[-3] for path in run.glob("*/*/*/*")} == {"E2"}
    assert not list(run.rglob(".*"))


def timeless(folder):
    table = write_results(folder)
    return table[table["metric"] != "fit_seconds"].drop(columns=TIMELESS).reset_index(drop=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run_suite(CELLS, folder)
    return timeless(folder)


CELLS = [Cell(CONGESTION, "equilibrium", seed) for seed in range(3)]


def test_a_full_disk_ends_the_run_and_loses_nothing_else(tmp_path, monkeypatch, undisturbed):
    whole, calls = containing.atomic_write, []

    def full(path):
        calls.append(path)
        if len(calls) > 4:  # within the files of the second cell
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return whole(path)

    monkeypatch.setattr(containing, "atomic_write", full)
    with pytest.raises(OSError, match="No space left"):
        run_suite(CELLS, tmp_path)
    assert len(read_records(tmp_path)) == 1
    monkeypatch.undo()
    run_suite(CELLS, tmp_path)
    pd.testing.assert_frame_equal(timeless(tmp_path), undisturbed, check_exact=True)


def test_a_killed_worker_is_a_row_and_then_done_again(tmp_path, monkeypatch, undisturbed):
    pids, watch = [], containing._watch

    def killed(process, *rest):
        if len(pids) == 0:
            pids.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        return watch(process, *rest)

    monkeypatch.setattr(containing, "_watch", killed)
    run_suite(CELLS, tmp_path)
    assert len(pids) == 1
    assert [record.note for record in read_records(tmp_path) if record.failed] == ["its process ended with signal 9"]
    monkeypatch.undo()
    run_suite(CELLS, tmp_path)
    pd.testing.assert_frame_equal(timeless(tmp_path), undisturbed, check_exact=True)


def test_an_interrupted_run_ends_its_cells(tmp_path):
    ends = threading.Event()
    threading.Timer(0.2, ends.set).start()
    with pytest.raises(containing.Interrupted):
        containing.contained(cell("hang", "hang"), Limits(seconds=60), ends)


def test_a_changed_plug_in_is_done_again(tmp_path):
    source = tmp_path / "mine.py"
    source.write_text(Path(PLUGIN).read_text())
    made = Cell(CONGESTION, "mine", 0, entry=Entry("mine", "Shares", {}, f"{source}:Shares"))
    results = tmp_path / "results"
    run_suite([made], results)
    path = made.path(results, "cells")
    first = path.read_text()
    run_suite([made], results)
    assert path.read_text() == first
    source.write_text(source.read_text() + "\n")
    run_suite([made], results)
    assert path.read_text() != first


def test_what_a_former_try_left_goes(tmp_path):
    made = Cell(CONGESTION, "mine", 0)
    keep(made, {"logs": b"old", "cells": b"{}"}, tmp_path)
    keep(made, {"cells": b"{}"}, tmp_path)
    assert [path.parts[-4] for path in tmp_path.glob("*/*/*/*")] == ["cells"]
