"""Cells in processes of their own: what fails is a row, what is killed goes on, nothing is done twice."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from benchmark_tasks import BROKEN, CONGESTION, DYING, UNSTRUCTURED
from places import HELPERS, ROOT

from diml_inverse.benchmark.reports.results import read_records, write_results
from diml_inverse.benchmark.running.cells import Cell, Record, run_cell
from diml_inverse.benchmark.running.runner import run_suite

PLACES = [str(HELPERS), str(ROOT)]
TIMING = ["seconds", "peak_memory_mb"]
SEEDS = range(3)
DRIVER = """
import sys
from pathlib import Path
from benchmark_tasks import CONGESTION
from diml_inverse.benchmark.running.cells import Cell
from diml_inverse.benchmark.running.runner import run_suite

if __name__ == "__main__":
    run_suite([Cell(CONGESTION, "structured", seed) for seed in range(3)], Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """A run of one cell that cannot be done, one that raises, one whose process is killed, and one that works."""
    folder = tmp_path_factory.mktemp("failures")
    cells = [
        Cell(UNSTRUCTURED, "structured", 0),
        Cell(BROKEN, "equilibrium", 0),
        Cell(DYING, "equilibrium", 0),
        Cell(CONGESTION, "equilibrium", 0),
    ]
    run_suite(cells, folder)
    return folder, cells


def test_what_cannot_be_applied_or_fails_is_a_row_and_the_rest_goes_on(failures):
    folder, _ = failures
    table = write_results(folder).drop_duplicates(["task", "estimator"]).set_index("task")
    assert table["metric"].to_dict() == {
        "E1": "skipped",
        "E2": "payoff_difference_mse",
        "E3": "error",
        "E7-n40": "error",
    }
    assert table.loc[["E1", "E3", "E7-n40"], "value"].isna().all()


def test_failures_say_how(failures):
    folder, _ = failures
    notes = {record.task: record.note for record in read_records(folder)}
    assert notes["E1"] == "the task has no parametric form"
    assert notes["E3"] == "RuntimeError: no mechanism today"
    assert notes["E7-n40"] == "its process ended with signal 9"
    log = (folder / "logs" / "E3" / "equilibrium" / "0.log").read_text()
    assert "Traceback" in log
    assert "broken_draw" in log


def test_failures_are_tried_again_and_nothing_else_is(failures):
    folder, cells = failures
    done = cells[3].path(folder, "cells")
    before = done.stat().st_mtime_ns
    mended = Cell(replace(CONGESTION, name="E3"), "equilibrium", 0)
    run_suite([mended, cells[3]], folder)
    assert not Record.load(mended.path(folder, "cells")).failed
    assert not mended.path(folder, "logs").exists()
    assert done.stat().st_mtime_ns == before


def test_results_of_other_settings_are_not_mixed_in(failures):
    folder, cells = failures
    other = Cell(replace(CONGESTION, num_episodes=6), "equilibrium", 0)
    with pytest.raises(ValueError, match="holds results of E2 equilibrium 0 with other settings"):
        run_suite([other, *cells], folder)


def started(folder, tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PLACES)}
    return subprocess.Popen([sys.executable, str(script), str(folder)], env=environment)


def finished(folder):
    return sorted((folder / "cells").glob("*/*/*.json"))


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    cells = [Cell(CONGESTION, "structured", seed) for seed in SEEDS]
    for cell in cells:
        run_cell(cell, undisturbed)
    process = started(killed, tmp_path)
    deadline = time.monotonic() + 100
    while not finished(killed):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in finished(killed)}
    assert 0 < len(before) < len(cells)
    run_suite(cells, killed)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    tables = [write_results(folder) for folder in (undisturbed, killed)]
    timeless = [table[table["metric"] != "fit_seconds"].drop(columns=TIMING) for table in tables]
    pd.testing.assert_frame_equal(*timeless, check_exact=True)
    assert (killed / "results.csv").read_text().startswith("task,estimator,seed,metric,value,low,high,seconds,peak")
